//! What the writer knows of topics and streams without asking anybody: the state that conditions are checked against.
//!
//! **Invariant:** it runs ahead of the tail within a group, and never of the disk by more than that group: when a write
//! fails, the log stops and this is thrown away.

use std::collections::HashMap;
use std::mem;

use crate::model::limits::STREAM_HEADS_CACHED;
use crate::model::{StreamName, TopicName, Version};
use crate::storage::Tip;

/// Index of a topic in the order in which the writer met them; only the writer knows it.
pub type TopicIndex = usize;

pub struct Heads {
    indexes: HashMap<TopicName, TopicIndex>,
    tips: Vec<Tip>,
    /// Two generations: when the young one is full it becomes the old one, and the old one is forgotten.
    young: HashMap<(TopicIndex, StreamName), Version>,
    old: HashMap<(TopicIndex, StreamName), Version>,
}

impl Heads {
    pub fn new(tips: &HashMap<TopicName, Tip>) -> Self {
        let mut heads = Self { indexes: HashMap::new(), tips: vec![], young: HashMap::new(), old: HashMap::new() };
        for (topic, tip) in tips {
            let index = heads.topic(topic);
            heads.tips[index] = *tip;
        }
        heads
    }

    pub fn topic(&mut self, topic: &TopicName) -> TopicIndex {
        if let Some(index) = self.indexes.get(topic) {
            return *index;
        }
        self.tips.push(Tip::default());
        self.indexes.insert(topic.clone(), self.tips.len() - 1);
        self.tips.len() - 1
    }

    pub fn tip(&mut self, topic: TopicIndex) -> &mut Tip {
        &mut self.tips[topic]
    }

    pub fn version(&mut self, topic: TopicIndex, stream: &StreamName) -> Option<Version> {
        let key = (topic, stream.clone());
        if let Some(version) = self.young.get(&key) {
            return Some(*version);
        }
        let version = self.old.remove(&key)?;
        self.remember(key, version);
        Some(version)
    }

    pub fn set_version(&mut self, topic: TopicIndex, stream: &StreamName, version: Version) {
        self.remember((topic, stream.clone()), version);
    }

    /// **Invariant:** the young generation has the newer version if both have one.
    fn remember(&mut self, key: (TopicIndex, StreamName), version: Version) {
        if self.young.len() >= STREAM_HEADS_CACHED {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, version);
    }
}
