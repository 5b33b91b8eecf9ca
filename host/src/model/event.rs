//! Events: asked for (`NewEvent`) and recorded (`Event`).

use bytes::Bytes;
use std::fmt;

use super::{EventType, StreamName, Tag, TopicName};

/// Place in the store's order: from 1, gapless, in commit order; 0 = before all.
pub type Position = u64;
/// Place in a topic: from 1, gapless; 0 = before all.
pub type Sequence = u64;
/// How many events a stream has; an event's own version is its place in its stream, from 1.
pub type Version = u64;
/// Free key-value pairs that travel with an event (correlation, causation, traceparent, actor, …).
pub type Metadata = Vec<(String, String)>;

/// Begins the metadata keys that only the server sets.
pub const SERVER_KEYS: &str = "weir.";
/// The metadata key that names the plugins which made or changed an event: `<name> <version> sha256:<digest>, …`.
pub const PROVENANCE_KEY: &str = "weir.plugin";
/// The command that the event was decided for.
pub const COMMAND_KEY: &str = "weir.command";

/// What an event says. The bytes are the client's own: stored and served as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// UTF-8 JSON text. **Invariant:** it parsed as JSON at the door.
    Json(Bytes),
    /// Any other format.
    Bytes(Bytes),
}

impl Payload {
    pub fn as_bytes(&self) -> &Bytes {
        match self {
            Payload::Json(bytes) | Payload::Bytes(bytes) => bytes,
        }
    }
}

/// An event that is asked for and not recorded yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    pub topic: TopicName,
    pub stream: Option<StreamName>,
    pub event_type: EventType,
    pub payload: Payload,
    pub tags: Vec<Tag>,
    pub metadata: Metadata,
}

/// A recorded event. It never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub position: Position,
    pub topic: TopicName,
    pub sequence: Sequence,
    /// The stream and this event's place in it, for events of a stream.
    pub stream: Option<(StreamName, Version)>,
    pub event_type: EventType,
    /// Commit time in Unix milliseconds; never earlier than that of the event before.
    pub time_ms: u64,
    pub payload: Payload,
    pub tags: Vec<Tag>,
    pub metadata: Metadata,
}

impl Event {
    pub fn id(&self) -> EventId {
        EventId { topic: self.topic.clone(), sequence: self.sequence }
    }
}

/// What was asked for when it was recorded.
impl From<Event> for NewEvent {
    fn from(event: Event) -> Self {
        Self {
            topic: event.topic,
            stream: event.stream.map(|(stream, _)| stream),
            event_type: event.event_type,
            payload: event.payload,
            tags: event.tags,
            metadata: event.metadata,
        }
    }
}

/// The public name of an event: `<topic>-<sequence>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventId {
    pub topic: TopicName,
    pub sequence: Sequence,
}

impl EventId {
    /// Parses `<topic>-<sequence>`. The topic may hold '-' itself: the last one splits.
    pub fn parse(text: &str) -> Option<Self> {
        let (topic, sequence) = text.rsplit_once('-')?;
        let digits = !sequence.is_empty() && sequence.bytes().all(|b| b.is_ascii_digit());
        let sequence = digits.then(|| sequence.parse().ok()).flatten()?;
        Some(Self { topic: TopicName::parse(topic).ok()?, sequence })
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_splits_at_its_last_dash() {
        let id = EventId::parse("my-topic-12").expect("an id");
        assert_eq!((id.topic.as_str(), id.sequence), ("my-topic", 12));
        assert_eq!(id.to_string(), "my-topic-12");
        for bad in ["", "t", "t-", "-1", "t-x", "t-+1", "t-99999999999999999999999", "a b-1"] {
            assert_eq!(EventId::parse(bad), None, "{bad}");
        }
    }
}
