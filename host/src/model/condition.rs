//! What must hold at commit, and what did not.

use std::fmt;

use super::{StreamName, TopicName, Version};

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

/// A condition on one stream, checked and written in one step with the batch it comes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub topic: TopicName,
    pub stream: StreamName,
    pub expected: Expected,
}

/// A condition that did not hold: nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    pub condition: Condition,
    pub actual: Version,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Condition { topic, stream, expected } = &self.condition;
        write!(f, "stream '{stream}' of topic '{topic}' is at version {}, expected {expected}", self.actual)
    }
}
