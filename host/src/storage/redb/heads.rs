//! What the writer knows of topics and streams without asking anybody: the state that conditions are checked against.
//!
//! **Invariant:** it runs ahead of the tail within a group, and never of the disk by more than that group: when a write
//! fails, the log stops and this is thrown away.

use std::collections::HashMap;
use std::mem;

use crate::model::limits::STREAM_HEADS_CACHED;
use crate::model::{Sequence, StreamName, TopicName, Version};

/// Index of a topic in the order in which the writer met them; only the writer knows it.
pub type TopicIndex = usize;

pub struct Heads {
    indexes: HashMap<TopicName, TopicIndex>,
    sequences: Vec<Sequence>,
    /// Two generations: when the young one is full it becomes the old one, and the old one is forgotten.
    young: HashMap<(TopicIndex, StreamName), Version>,
    old: HashMap<(TopicIndex, StreamName), Version>,
}

impl Heads {
    pub fn new(topic_heads: &HashMap<TopicName, Sequence>) -> Self {
        let mut heads = Self { indexes: HashMap::new(), sequences: vec![], young: HashMap::new(), old: HashMap::new() };
        for (topic, sequence) in topic_heads {
            let index = heads.topic(topic);
            heads.sequences[index] = *sequence;
        }
        heads
    }

    pub fn topic(&mut self, topic: &TopicName) -> TopicIndex {
        if let Some(index) = self.indexes.get(topic) {
            return *index;
        }
        self.sequences.push(0);
        self.indexes.insert(topic.clone(), self.sequences.len() - 1);
        self.sequences.len() - 1
    }

    pub fn next_sequence(&mut self, topic: TopicIndex) -> Sequence {
        self.sequences[topic] += 1;
        self.sequences[topic]
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
