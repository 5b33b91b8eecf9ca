//! Aggregates: streams seen through the decider of their topic. A command is decided on the state that a stream's events come
//! to, and what was decided is published like any events, if nothing came between.
//!
//! **Invariant:** a state is what its decider makes of recorded events, in their order, and nothing else; what is cached or kept
//! as a snapshot can be thrown away at any time. *Absent:* the meaning of a state or a command: both are the decider's.

mod binding;
mod cache;
mod counts;
mod decide;
mod execute;
mod load;
mod snapshots;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

pub use counts::{CommandCounts, OUTCOMES};
pub(super) use decide::STATE_TYPE;

use cache::{Cache, Entry};
use counts::Counts;
use snapshots::Snapshots;

use super::Topic;
use crate::model::{Event, Expected, IdempotencyKey, Payload, StreamName, Version, limits};
use crate::plugin::Decider;

/// What a command asks for besides itself.
#[derive(Debug, Clone, Default)]
pub struct Execution {
    /// What the sender knows of the stream.
    pub expected: Vec<Expected>,
    /// The same command comes again under the same key, and is not decided again if it made events.
    pub key: Option<IdempotencyKey>,
}

/// A command that was executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// What was recorded, in the form of today; nothing, if the decider had nothing to say.
    pub events: Vec<Event>,
    /// Of the stream, after the last of its own events.
    pub version: Version,
    /// Absent when the events come to none.
    pub state: Option<Payload>,
    /// The command's key was known: this is what was done the first time.
    pub replayed: bool,
}

/// What the events of a stream come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub payload: Payload,
    pub version: Version,
}

/// A stream and who decides for it.
struct Aggregate {
    topic: Arc<Topic>,
    stream: StreamName,
    decider: Arc<Decider>,
    made_by: MadeBy,
    /// Its place among those at hand, once it has one: see `Engine::entry`.
    entry: OnceLock<Arc<Entry>>,
}

/// A state at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    version: Version,
    /// `None` is the initial state.
    payload: Option<Payload>,
    /// The newest snapshot that is known; 0 for none.
    snapshot: Version,
}

impl Held {
    const INITIAL: Self = Self { version: 0, payload: None, snapshot: 0 };

    fn bytes(&self) -> usize {
        self.payload.as_ref().map_or(0, |payload| payload.as_bytes().len())
    }
}

/// Whose state it is: it is worthless for any other decider, and for the next state version of this one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MadeBy {
    plugin: String,
    state_version: u32,
}

impl MadeBy {
    fn decider(decider: &Decider) -> Self {
        Self { plugin: decider.id().name.clone(), state_version: decider.state_version() }
    }
}

/// What the engine keeps of aggregates.
pub(super) struct Aggregates {
    cache: Cache,
    snapshots: Snapshots,
    counts: Counts,
}

impl Default for Aggregates {
    fn default() -> Self {
        let cache = Cache::new(limits::AGGREGATES_CACHED, limits::AGGREGATES_CACHED_BYTES);
        Self { cache, snapshots: Snapshots::default(), counts: Counts::default() }
    }
}
