//! The log and the small records beside it: two traits, one contract suite, one file per adapter.
//!
//! **Invariant:** what `append` answered is durable (the `memory` adapter promises nothing, and says so), positions,
//! sequences and versions are gapless, and a reader that has seen position n never later finds a new event at or
//! below n. **Absent on purpose:** validation, plugins and HTTP; a log sequences, checks conditions and keeps.

pub mod archive;
mod codec;
#[doc(hidden)]
pub mod contract;
pub(crate) mod fuzzing;
mod gap;
mod kept;
pub mod memory;
mod page;
pub mod redb;
pub mod views;

pub use kept::{Cuts, Kept};

use async_trait::async_trait;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

use crate::model::{
    Condition, Conflict, Event, IdempotencyKey, NewEvent, Page, Position, Read, Sequence, StreamName, TopicName,
    Version,
};

/// A SHA-256.
pub type Hash = [u8; 32];

/// Events that are appended together: all or none, adjacent, and only if every condition holds.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    pub events: Vec<NewEvent>,
    pub conditions: Vec<Condition>,
    /// Recorded with the events in one step, so that the same batch is not appended twice. A batch without events
    /// records nothing.
    pub key: Option<IdempotencyKey>,
}

/// A batch that was appended, now or before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Appended {
    /// One an event, in the batch's order.
    pub places: Vec<Place>,
    /// The key was known: these are the places that the batch was given the first time.
    pub replayed: bool,
}

/// Where a topic ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tip {
    pub sequence: Sequence,
    /// Of its last event; zeros when it has none.
    pub hash: Hash,
}

/// What an idempotency key was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recalled {
    pub request: [u8; 16],
    pub places: Vec<Place>,
}

/// Where and when an event of a batch was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub position: Position,
    pub sequence: Sequence,
    pub version: Option<Version>,
    /// Unix milliseconds.
    pub time_ms: u64,
}

impl Place {
    /// The event as it is recorded here.
    pub fn record(self, new: NewEvent) -> Event {
        let Self { position, sequence, version, time_ms } = self;
        let NewEvent { topic, stream, event_type, payload, tags, metadata } = new;
        let stream = stream.zip(version);
        Event { position, topic, sequence, stream, event_type, time_ms, payload, tags, metadata }
    }

    /// Moves an event here.
    pub fn give(self, event: &mut Event) {
        (event.position, event.sequence, event.time_ms) = (self.position, self.sequence, self.time_ms);
        if let (Some((_, version)), Some(here)) = (&mut event.stream, self.version) {
            *version = here;
        }
    }
}

/// Events as they are stored, one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub bytes: Vec<u8>,
    /// The position after the last of them.
    pub next: Position,
}

/// How far a long piece of work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub position: Position,
    /// Where it ends, as far as that is known.
    pub head: Position,
}

/// Is told how far a long piece of work is, now and then.
pub type ProgressSink = dyn Fn(Progress) + Send + Sync;

/// What was found when everything that is stored was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Events that are sound, from the first on.
    pub events: u64,
    pub topics: Vec<(TopicName, Tip)>,
    /// The first damage.
    pub damage: Option<Damaged>,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The first position that it concerns; `None` when it is about the index or the records.
    pub position: Option<Position>,
    pub place: String,
    pub detail: String,
}

/// Why a batch was not appended, or may not have been.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// All conditions that did not hold. Nothing was written.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Conflict(Vec<Conflict>),
    /// The idempotency key was used for another request. Nothing was written.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The writer's queue is full. Nothing was written.
    #[error("the store is busy: its queue of {queue_batches} batches is full; try again")]
    Busy { queue_batches: usize },
    /// There is no room on the disk. Nothing was written.
    #[error("the disk is full: {detail}")]
    Full { detail: String },
    /// The store was closed, or stopped after a failure, before this batch was looked at. Nothing was written.
    #[error("the store is stopped: {reason}")]
    Stopped { reason: String },
    /// Writing failed halfway: the batch may or may not be found after the next start.
    #[error("the write failed, and its outcome is unknown until the store is opened again: {detail}")]
    Unknown { detail: String },
    /// Reading what the conditions need failed. Nothing was written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a store could not be opened or read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// Stored bytes are not what was written. Nothing corrupt is ever served.
    #[error("corrupt data in {place}: {detail}")]
    Corrupt { place: String, detail: String },
    #[error("{what}: {detail}")]
    Io { what: String, detail: String },
    #[error("{path} is in use by another process")]
    Locked { path: String },
    #[error("{path} has format {found}, this program knows {known}")]
    Format { path: String, found: u32, known: u32 },
}

/// An append-only log of events with one total order.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// Appends a batch, and answers once it is as durable as it gets. Dropping the future does not take the batch back.
    /// A batch whose key is known is not appended again, whatever its conditions say now.
    async fn append(&self, batch: Batch) -> Result<Appended, AppendError>;

    /// What a key was used for, if it is known still: for `limits::IDEMPOTENCY_KEYS_KEPT_MS` at least.
    async fn recall(&self, key: &[u8; 16]) -> Result<Option<Recalled>, StorageError>;

    /// Reads one page. `read.events_max` and `read.bytes_max` bound it.
    async fn read(&self, read: &Read) -> Result<Page, StorageError>;

    /// Reads one page of what was ever appended, deleted or not: for whoever asks only where something is.
    async fn read_whole(&self, read: &Read) -> Result<Page, StorageError> {
        self.read(read).await
    }

    /// The last position, as a value that can be waited on. It changes after the events are readable.
    fn head(&self) -> watch::Receiver<Position>;

    /// Where a topic ends.
    fn tip(&self, topic: &TopicName) -> Tip;

    /// The last sequence of a topic; 0 when it has no event.
    fn topic_head(&self, topic: &TopicName) -> Sequence {
        self.tip(topic).sequence
    }

    /// How many events a stream has.
    async fn stream_head(&self, topic: &TopicName, stream: &StreamName) -> Result<Version, StorageError>;

    /// The last sequence of a topic behind which there are at least so many stored bytes of its events, or one somewhat
    /// before it; 0 if the topic has not so many.
    async fn beyond(&self, topic: &TopicName, bytes: u64) -> Result<Sequence, StorageError>;

    /// Lets go of the bytes of a topic's events up to a sequence, of each topic that is named, if it is worth the work, and does
    /// so much of it as may be done in one go; answers how many bytes it gave back. Positions, sequences, versions and the last
    /// deleted event's hash stay as they are.
    /// **Invariant:** nobody asks for these events any more, a topic's cut never goes back, and nobody copies the log (`stored`)
    /// while it goes on: in a copy the deleted events of a topic must be its first ones too.
    async fn scavenge(&self, cuts: HashMap<TopicName, Sequence>) -> Result<u64, StorageError>;

    /// Stored bytes of the events from `from` up to `end`, inclusive, at least one and about `bytes_max`: for a backup.
    async fn stored(&self, from: Position, end: Position, bytes_max: usize) -> Result<Stored, StorageError>;

    /// Looks at every event up to the head as it is now, its hash, and the index.
    async fn verify(&self, progress: Arc<ProgressSink>) -> Result<Verified, StorageError>;

    /// Why the log takes no more batches, if it stopped by itself.
    fn failure(&self) -> Option<String>;

    /// Whether the store stopped for want of room, and there is room by now: opened again it goes on. After any other
    /// failure somebody should look at the disk first.
    fn heals(&self) -> bool {
        false
    }

    /// Takes no more batches and finishes those that are queued. Reading still works after it, so an adapter that keeps
    /// files lets go of them, and of their lock, when the store's last handle is dropped.
    async fn close(&self);
}

/// A small value with the number of times its key was written, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub value: Bytes,
    pub revision: u64,
}

/// What a key must be like for a change to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    Any,
    Absent,
    Revision(u64),
}

/// One key's change: a new value, or `None` to delete.
#[derive(Debug, Clone)]
pub struct Change {
    pub key: String,
    pub value: Option<Bytes>,
    pub expect: Expect,
}

impl Change {
    pub fn put(key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        Self { key: key.into(), value: Some(value.into()), expect: Expect::Any }
    }

    pub fn delete(key: impl Into<String>) -> Self {
        Self { key: key.into(), value: None, expect: Expect::Any }
    }

    /// The same change, made only if the key is as expected.
    pub fn expecting(mut self, expect: Expect) -> Self {
        self.expect = expect;
        self
    }
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum RecordsError {
    /// Another writer was first; the whole commit was dropped.
    #[error("record '{key}' was changed by someone else (revision {actual})")]
    Changed { key: String, actual: u64 },
    /// There is no room on the disk. Nothing was written.
    #[error("the disk is full: {detail}")]
    Full { detail: String },
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Small keyed values with compare-and-set: topics, subscriptions, checkpoints, dead letters.
#[async_trait]
pub trait Records: Send + Sync + 'static {
    async fn get(&self, key: &str) -> Result<Option<Record>, StorageError>;

    /// Makes all changes, durably, or none. Concurrent commits share a write to disk.
    async fn commit(&self, changes: Vec<Change>) -> Result<(), RecordsError>;

    /// Keys that start with `prefix`, in byte order, after `after`, at most `limit`.
    async fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, StorageError>;

    async fn close(&self);
}

/// Commit time for events, in Unix milliseconds; an argument so that tests and replays are deterministic.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// One adapter instance: one log with one total order, and its records.
#[derive(Clone)]
pub struct Store {
    pub adapter: &'static str,
    pub log: Arc<dyn EventLog>,
    pub records: Arc<dyn Records>,
}
