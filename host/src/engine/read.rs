//! Reads: what a client asks for becomes a cursor that hands up bounded pages, so that a million events stream out in
//! constant memory. A read ends at the head as it was when it began.

use std::sync::Arc;

use super::{Engine, EngineError, Topic};
use crate::model::{
    Direction, Event, EventId, Filter, Page, Read, Scope, Sequence, StreamName, TopicName, Version, limits,
};
use crate::storage::{EventLog, Store};

/// A read in progress.
pub struct Cursor {
    log: Arc<dyn EventLog>,
    read: Read,
    /// Events at or beyond this place, in the unit of the scope, were committed after the read began.
    end: u64,
    /// How many events may still be handed up.
    left: usize,
    done: bool,
}

impl Cursor {
    /// True when `next_page` has nothing more to give.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// The next events; `None` at the end. Pages may be smaller than asked for, never empty.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Event>>, EngineError> {
        while !self.done {
            self.read.events_max = self.left.min(limits::PAGE_EVENTS_MAX);
            let Page { mut events, next } = self.log.read(&self.read).await?;
            events.retain(|event| place(&self.read.scope, event) < self.end);
            self.left -= events.len();
            match next {
                Some(next) if self.left > 0 && next < self.end => self.read.from = next,
                _ => self.done = true,
            }
            if !events.is_empty() {
                return Ok(Some(events));
            }
        }
        Ok(None)
    }
}

/// An event's place in the unit of a scope.
fn place(scope: &Scope, event: &Event) -> u64 {
    match scope {
        Scope::Store => event.position,
        Scope::Topic(_) => event.sequence,
        Scope::Stream(..) => event.stream.as_ref().map_or(0, |(_, version)| *version),
    }
}

/// What to read of a topic, besides the topic.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    pub stream: Option<StreamName>,
    /// First sequence wanted, inclusive. Backward reads: the last one wanted, and 0 means from the head.
    pub from: Sequence,
    pub direction: Direction,
    pub filter: Filter,
    pub limit: Option<usize>,
}

impl Engine {
    /// Reads a topic, or one stream of it, by sequence.
    pub async fn read_topic(&self, topic: &TopicName, selection: Selection) -> Result<Cursor, EngineError> {
        let topic = self.topic(topic)?;
        let log = &topic.store.log;
        let (scope, head, from) = match selection.stream {
            None => (Scope::Topic(topic.name.clone()), log.topic_head(&topic.name), selection.from),
            Some(stream) => {
                let head = log.stream_head(&topic.name, &stream).await?;
                let scope = Scope::Stream(topic.name.clone(), stream);
                let from = version_at(&**log, &scope, head, selection.from, selection.direction).await?;
                // A stream whose first event comes after the last sequence wanted has nothing to give.
                let nothing = selection.from > 0 && from == 0;
                (scope, if nothing { 0 } else { head }, from)
            }
        };
        Ok(cursor(log, scope, head, from, selection.direction, selection.filter, selection.limit))
    }

    /// How many events a stream has.
    pub async fn stream_version(&self, topic: &TopicName, stream: &StreamName) -> Result<Version, EngineError> {
        let topic = self.topic(topic)?;
        Ok(topic.store.log.stream_head(&topic.name, stream).await?)
    }

    /// Reads one stream by version, with the version that it had when the read began.
    pub async fn read_stream(
        &self,
        topic: &Topic,
        stream: StreamName,
        selection: Selection,
    ) -> Result<(Cursor, Version), EngineError> {
        let log = &topic.store.log;
        let head = log.stream_head(&topic.name, &stream).await?;
        let Selection { from, direction, filter, limit, .. } = selection;
        let scope = Scope::Stream(topic.name.clone(), stream);
        Ok((cursor(log, scope, head, from, direction, filter, limit), head))
    }

    /// Reads a whole store by position.
    pub fn read_store(&self, adapter: Option<&str>, selection: Selection) -> Result<Cursor, EngineError> {
        let store: &Store = self.store(adapter)?;
        let head = *store.log.head().borrow();
        let Selection { from, direction, filter, limit, .. } = selection;
        Ok(cursor(&store.log, Scope::Store, head, from, direction, filter, limit))
    }

    /// One page of a topic for delivery: it also says how far it looked when a filter matched nothing.
    pub async fn page(
        &self,
        topic: &Topic,
        from: Sequence,
        filter: Filter,
        events_max: usize,
    ) -> Result<Page, EngineError> {
        let (scope, direction) = (Scope::Topic(topic.name.clone()), Direction::Forward);
        let read = Read { scope, direction, from, filter, events_max, bytes_max: limits::PAGE_BYTES_MAX };
        Ok(topic.store.log.read(&read).await?)
    }

    /// One event by its public id.
    pub async fn event(&self, id: &EventId) -> Result<Option<Event>, EngineError> {
        let topic = self.topic(&id.topic)?;
        let head = topic.sequence();
        if id.sequence == 0 || id.sequence > head {
            return Ok(None);
        }
        let selection = Selection { from: id.sequence, limit: Some(1), ..Selection::default() };
        let mut cursor = self.read_topic(&id.topic, selection).await?;
        Ok(cursor.next_page().await?.and_then(|mut events| events.pop()))
    }
}

fn cursor(
    log: &Arc<dyn EventLog>,
    scope: Scope,
    head: u64,
    from: u64,
    direction: Direction,
    filter: Filter,
    limit: Option<usize>,
) -> Cursor {
    let from = match direction {
        Direction::Forward => from.max(1),
        Direction::Backward if from == 0 => head,
        Direction::Backward => from.min(head),
    };
    let events_max = limits::PAGE_EVENTS_MAX;
    let read = Read { scope, direction, from, filter, events_max, bytes_max: limits::PAGE_BYTES_MAX };
    let done = head == 0 || from > head || limit == Some(0);
    Cursor { log: log.clone(), read, end: head + 1, left: limit.unwrap_or(usize::MAX), done }
}

/// Turns a sequence into the version of a stream's first event at or after it (backward: last at or before it).
/// Versions and sequences grow together, so halving finds it in a few reads of one event each.
async fn version_at(
    log: &dyn EventLog,
    scope: &Scope,
    head: u64,
    sequence: Sequence,
    direction: Direction,
) -> Result<u64, EngineError> {
    if sequence == 0 {
        return Ok(0);
    }
    // Backward: the last at or before a sequence stands just before the first that is after it.
    let bound = match direction {
        Direction::Forward => sequence,
        Direction::Backward => sequence.saturating_add(1),
    };
    // Invariant: every version below `low` has a sequence below `bound`, every one from `high` on does not.
    let (mut low, mut high) = (1, head + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let (direction, filter) = (Direction::Forward, Filter::default());
        let read = Read { scope: scope.clone(), direction, from: middle, filter, events_max: 1, bytes_max: 1 };
        let found = log.read(&read).await?.events.first().map(|event| event.sequence);
        if found.is_some_and(|found| found < bound) { low = middle + 1 } else { high = middle }
    }
    Ok(match direction {
        Direction::Forward => low,
        Direction::Backward => low - 1,
    })
}
