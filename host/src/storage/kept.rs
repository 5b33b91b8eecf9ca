//! A log without the events that retention deleted: what every room above sees of one.
//!
//! **Invariant:** from the moment of a cut on, nobody is handed an event at or before it, however it is asked for.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use tokio::sync::watch;

use super::{AppendError, Appended, Batch, EventLog, ProgressSink, Recalled, StorageError, Stored, Tip, Verified};
use crate::model::{Direction, Page, Position, Read, Scope, Sequence, StreamName, TopicName, Version};

/// The last deleted sequence of each topic that has any.
#[derive(Default)]
pub struct Cuts(RwLock<HashMap<TopicName, Sequence>>);

impl Cuts {
    /// Deletes a topic's events up to a sequence. A cut never goes back.
    pub fn cut(&self, topic: &TopicName, through: Sequence) {
        let mut cuts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let known = cuts.entry(topic.clone()).or_default();
        *known = through.max(*known);
    }

    /// The last deleted sequence; 0 if there is none.
    pub fn through(&self, topic: &TopicName) -> Sequence {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(topic).copied().unwrap_or(0)
    }

    /// All of them.
    pub fn all(&self) -> HashMap<TopicName, Sequence> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn filter(&self, page: Page) -> Page {
        let cuts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if cuts.is_empty() {
            return page;
        }
        let Page { mut events, next } = page;
        events.retain(|event| cuts.get(&event.topic).is_none_or(|through| event.sequence > *through));
        Page { events, next }
    }
}

/// A log and what was cut off it.
pub struct Kept {
    pub log: Arc<dyn EventLog>,
    pub cuts: Arc<Cuts>,
}

#[async_trait]
impl EventLog for Kept {
    async fn append(&self, batch: Batch) -> Result<Appended, AppendError> {
        self.log.append(batch).await
    }

    async fn recall(&self, key: &[u8; 16]) -> Result<Option<Recalled>, StorageError> {
        self.log.recall(key).await
    }

    async fn read(&self, read: &Read) -> Result<Page, StorageError> {
        let first = match &read.scope {
            Scope::Topic(topic) => self.cuts.through(topic) + 1,
            Scope::Store | Scope::Stream(..) => 1,
        };
        // Nothing that was deleted is looked through to get to what was kept, or beyond it.
        let page = match read.direction {
            Direction::Forward if read.from < first => self.log.read(&Read { from: first, ..read.clone() }).await?,
            Direction::Backward if read.from < first => return Ok(Page { events: vec![], next: None }),
            _ => self.log.read(read).await?,
        };
        let Page { events, next } = self.cuts.filter(page);
        Ok(Page { events, next: next.filter(|next| *next >= first) })
    }

    async fn read_whole(&self, read: &Read) -> Result<Page, StorageError> {
        self.log.read_whole(read).await
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.log.head()
    }

    fn tip(&self, topic: &TopicName) -> Tip {
        self.log.tip(topic)
    }

    async fn stream_head(&self, topic: &TopicName, stream: &StreamName) -> Result<Version, StorageError> {
        self.log.stream_head(topic, stream).await
    }

    async fn beyond(&self, topic: &TopicName, bytes: u64) -> Result<Sequence, StorageError> {
        self.log.beyond(topic, bytes).await
    }

    async fn scavenge(&self, cuts: HashMap<TopicName, Sequence>) -> Result<u64, StorageError> {
        self.log.scavenge(cuts).await
    }

    async fn stored(&self, from: Position, end: Position, bytes_max: usize) -> Result<Stored, StorageError> {
        self.log.stored(from, end, bytes_max).await
    }

    async fn verify(&self, progress: Arc<ProgressSink>) -> Result<Verified, StorageError> {
        self.log.verify(progress).await
    }

    fn failure(&self) -> Option<String> {
        self.log.failure()
    }

    fn heals(&self) -> bool {
        self.log.heals()
    }

    async fn close(&self) {
        self.log.close().await;
    }
}
