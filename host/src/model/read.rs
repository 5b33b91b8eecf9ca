//! What to read from a log, and what a log answers: pages, never everything at once.

use super::{Event, EventType, StreamName, Tag, TopicName};

/// Which events, and therefore what `Read::from` counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All events of the store; `from` is a position.
    Store,
    /// The events of a topic; `from` is a sequence.
    Topic(TopicName),
    /// The events of a stream; `from` is a version.
    Stream(TopicName, StreamName),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    #[default]
    Forward,
    Backward,
}

/// In which form events are handed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// As the upcasters that serve now make them.
    #[default]
    Current,
    /// As they were recorded.
    Stored,
}

/// What events must have, as they were recorded, besides their scope. Empty lists mean: any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// One of these types.
    pub types: Vec<EventType>,
    /// All of these tags.
    pub tags: Vec<Tag>,
    /// Committed in this half-open range of Unix milliseconds.
    pub time_ms: Option<std::ops::Range<u64>>,
}

impl Filter {
    pub fn matches(&self, event: &Event) -> bool {
        (self.types.is_empty() || self.types.contains(&event.event_type))
            && self.tags.iter().all(|tag| event.tags.contains(tag))
            && self.time_ms.as_ref().is_none_or(|range| range.contains(&event.time_ms))
    }
}

/// One page of a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub scope: Scope,
    pub direction: Direction,
    /// First place to look at, inclusive, in the unit of `scope`. Backward reads go down from here.
    pub from: u64,
    pub filter: Filter,
    /// At most this many events in the page, and at least one if any matches.
    pub events_max: usize,
    /// The page ends after the event with which it holds this many payload bytes.
    pub bytes_max: usize,
}

/// What was found. A page may be empty and still say where to go on: a filter that matches nothing is read in steps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    pub events: Vec<Event>,
    /// Where the next page starts, in the unit of the scope; `None` when the end was reached.
    /// A forward read's end is the head as it was when the page was read.
    pub next: Option<u64>,
}
