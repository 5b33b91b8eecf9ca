//! What a client wants to read, and where in the log that begins. No event is handed up here.

use super::places::version_at;
use super::{Engine, EngineError};
use crate::model::{Direction, EventId, Filter, Form, Read, Scope, Sequence, StreamName, TopicName};
use crate::storage::Store;

/// What is read, and therefore what its places are.
#[derive(Debug, Clone)]
pub enum Target {
    /// A whole store, the default one if no adapter is named; by position.
    Store(Option<String>),
    /// A topic, or one stream of it; by sequence.
    Topic(TopicName, Option<StreamName>),
    /// A stream; by version.
    Stream(TopicName, StreamName),
}

/// Where a read begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Start {
    /// At the first event; a backward read at the last one.
    #[default]
    Edge,
    /// At this place, inclusive.
    At(u64),
    /// At the event next to this one, in the direction of the read.
    After(EventId),
}

/// What to read of a target.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    pub start: Start,
    pub direction: Direction,
    pub filter: Filter,
    pub limit: Option<usize>,
    pub form: Form,
}

/// A target as the log knows it.
pub(super) struct Located {
    pub store: Store,
    pub scope: Scope,
    /// The last place, as it is now.
    pub head: u64,
    /// The first place wanted; none for the edge.
    pub from: Option<u64>,
}

impl Engine {
    pub(super) async fn locate(
        &self,
        target: &Target,
        start: &Start,
        direction: Direction,
    ) -> Result<Located, EngineError> {
        match target {
            Target::Store(adapter) => {
                let store = self.store(adapter.as_deref())?.clone();
                let head = *store.log.head().borrow();
                let from = match start {
                    Start::After(id) => Some(self.position_after(&store, id, direction).await?),
                    start => start.place(direction),
                };
                Ok(Located { store, scope: Scope::Store, head, from })
            }
            Target::Topic(topic, None) => {
                let store = self.topic(topic)?.store.clone();
                let head = store.log.topic_head(topic);
                Ok(Located { store, scope: Scope::Topic(topic.clone()), head, from: start.place(direction) })
            }
            Target::Topic(topic, Some(stream)) => self.locate_stream(topic, stream, start, direction, true).await,
            Target::Stream(topic, stream) => {
                let by_sequence = matches!(start, Start::After(_));
                self.locate_stream(topic, stream, start, direction, by_sequence).await
            }
        }
    }

    async fn locate_stream(
        &self,
        topic: &TopicName,
        stream: &StreamName,
        start: &Start,
        direction: Direction,
        by_sequence: bool,
    ) -> Result<Located, EngineError> {
        let store = self.topic(topic)?.store.clone();
        let head = store.log.stream_head(topic, stream).await?;
        let scope = Scope::Stream(topic.clone(), stream.clone());
        let from = match start.place(direction) {
            Some(sequence) if by_sequence => Some(version_at(&*store.log, &scope, head, sequence, direction).await?),
            version => version,
        };
        Ok(Located { store, scope, head, from })
    }

    /// The position next to an event's own.
    async fn position_after(&self, store: &Store, id: &EventId, direction: Direction) -> Result<u64, EngineError> {
        let unknown = || EngineError::EventUnknown(id.clone());
        let topic = self.topic(&id.topic).map_err(|_| unknown())?;
        if topic.store.adapter != store.adapter {
            return Err(unknown());
        }
        let (scope, from, filter) = (Scope::Topic(topic.name.clone()), id.sequence, Filter::default());
        let read = Read { scope, direction: Direction::Forward, from, filter, events_max: 1, bytes_max: 1 };
        let page = store.log.read(&read).await?;
        let found = page.events.first().ok_or_else(unknown)?;
        match direction {
            Direction::Forward if found.sequence > id.sequence => Ok(found.position),
            direction => Ok(beside(found.position, direction)),
        }
    }
}

impl Start {
    /// The first place wanted, where an event's sequence is its place.
    pub(super) fn place(&self, direction: Direction) -> Option<Sequence> {
        match self {
            // Backward from 0 has always meant from the head.
            Self::Edge | Self::At(0) => None,
            Self::At(place) => Some(*place),
            Self::After(id) => Some(beside(id.sequence, direction)),
        }
    }
}

fn beside(place: u64, direction: Direction) -> u64 {
    match direction {
        Direction::Forward => place.saturating_add(1),
        Direction::Backward => place.saturating_sub(1),
    }
}
