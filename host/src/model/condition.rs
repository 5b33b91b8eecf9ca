//! What must hold at commit, and what did not.

use std::fmt;

use super::{Filter, Position, StreamName, TopicName, Version};

/// What a publisher expects of a stream, as it stands before the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The stream has no event.
    None,
    /// The stream has at least one event.
    Exists,
    /// The stream has exactly this many events (0 is the same as `None`).
    Exactly(Version),
}

impl Expected {
    pub fn holds(self, actual: Version) -> bool {
        match self {
            Expected::None => actual == 0,
            Expected::Exists => actual > 0,
            Expected::Exactly(version) => actual == version,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::None => f.write_str("none"),
            Expected::Exists => f.write_str("exists"),
            Expected::Exactly(version) => write!(f, "{version}"),
        }
    }
}

/// What must hold before a batch, checked and written in one step with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    Stream {
        topic: TopicName,
        stream: StreamName,
        expected: Expected,
    },
    /// No event after this position matches ("dynamic consistency boundary"). The filter's time is not looked at.
    Query {
        filter: Filter,
        after: Position,
    },
    /// The store's last position is this one.
    Head(Position),
}

impl Condition {
    /// Whether it holds; `actual` is what `Conflict::actual` says.
    pub fn holds(&self, actual: u64) -> bool {
        match self {
            Condition::Stream { expected, .. } => expected.holds(actual),
            Condition::Query { after, .. } => actual <= *after,
            Condition::Head(position) => actual == *position,
        }
    }
}

/// A condition that did not hold: nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    pub condition: Condition,
    /// The stream's version, the position of the last event that matches the query, or the store's last position.
    pub actual: u64,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actual = self.actual;
        match &self.condition {
            Condition::Stream { topic, stream, expected } => {
                write!(f, "stream '{stream}' of topic '{topic}' is at version {actual}, expected {expected}")
            }
            Condition::Query { after, .. } => {
                write!(f, "an event at position {actual} matches the query, expected none after {after}")
            }
            Condition::Head(position) => write!(f, "the head is {actual}, expected {position}"),
        }
    }
}

/// The client's name for a request, and the request itself, as digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    pub key: [u8; 16],
    pub request: [u8; 16],
}
