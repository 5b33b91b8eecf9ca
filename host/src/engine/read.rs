//! Reads: what a client asks for becomes a cursor that hands up bounded pages, so that a million events stream out in
//! constant memory. A read ends at the head as it was when it began.

use std::ops::Range;

use super::places::{place, window};
use super::selection::{Located, Selection, Start, Target};
use super::upcast::upcast;
use super::{Engine, EngineError, Topic};
use crate::model::{
    Direction, Event, EventId, Filter, Form, Page, Position, Read, Scope, Sequence, StreamName, TopicName, Version,
    limits,
};
use crate::plugin::Plugins;
use crate::storage::Store;

/// A read in progress.
pub struct Cursor {
    store: Store,
    /// Whose upcasters make what is handed up; without them it is what was recorded.
    plugins: Option<Plugins>,
    head: u64,
    read: Read,
    /// The places that may be handed up, in the unit of the scope. Those behind it were committed after the read began.
    window: Range<u64>,
    /// How many events may still be handed up.
    left: usize,
    done: bool,
}

impl Cursor {
    /// The last place of what is read, as it was when the read began: of a stream, its version.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Whether the store forgets everything at its end.
    pub fn adapter(&self) -> &'static str {
        self.store.adapter
    }

    /// True when `next_page` has nothing more to give.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// The next events; `None` at the end. Pages may be smaller than asked for, never empty.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Event>>, EngineError> {
        while !self.done {
            self.read.events_max = self.left.min(limits::PAGE_EVENTS_MAX).min(self.places_left());
            let Page { mut events, next } = self.store.log.read(&self.read).await?;
            events.retain(|event| self.window.contains(&place(&self.read.scope, event)));
            self.left -= events.len();
            match next {
                Some(next) if self.left > 0 && self.window.contains(&next) => self.read.from = next,
                _ => self.done = true,
            }
            if !events.is_empty() {
                return Ok(Some(self.form(events).await?));
            }
        }
        Ok(None)
    }

    async fn form(&self, events: Vec<Event>) -> Result<Vec<Event>, EngineError> {
        match &self.plugins {
            Some(plugins) => upcast(plugins, events).await,
            None => Ok(events),
        }
    }

    /// How many places of the window are not looked at yet.
    fn places_left(&self) -> usize {
        let places = match self.read.direction {
            Direction::Forward => self.window.end - self.read.from,
            Direction::Backward => self.read.from + 1 - self.window.start,
        };
        usize::try_from(places).unwrap_or(usize::MAX)
    }
}

impl Engine {
    /// Opens a read that ends at the head as it is now.
    pub async fn read(&self, target: &Target, selection: Selection) -> Result<Cursor, EngineError> {
        let Selection { start, direction, filter, limit, form } = selection;
        let located = self.locate(target, &start, direction).await?;
        let plugins = (form == Form::Current).then(|| self.plugins.clone());
        cursor(located, direction, filter, limit, plugins).await
    }

    /// How many events a stream has.
    pub async fn stream_version(&self, topic: &TopicName, stream: &StreamName) -> Result<Version, EngineError> {
        let topic = self.topic(topic)?;
        Ok(topic.store.log.stream_head(&topic.name, stream).await?)
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
        let Page { events, next } = topic.store.log.read(&read).await?;
        Ok(Page { events: upcast(&self.plugins, events).await?, next })
    }

    /// One page of the default store, of all its topics in the order of their commits, and how far the store was when it was read.
    pub async fn store_page(&self, from: Position, events_max: usize) -> Result<(Page, Position), EngineError> {
        let log = &self.default_store().log;
        let head = *log.head().borrow();
        let (scope, direction, filter) = (Scope::Store, Direction::Forward, Filter::default());
        let read = Read { scope, direction, from, filter, events_max, bytes_max: limits::PAGE_BYTES_MAX };
        let Page { events, next } = log.read(&read).await?;
        Ok((Page { events: upcast(&self.plugins, events).await?, next }, head))
    }

    /// One event by its public id.
    pub async fn event(&self, id: &EventId, form: Form) -> Result<Option<Event>, EngineError> {
        let topic = self.topic(&id.topic)?;
        let head = topic.sequence();
        if id.sequence == 0 || id.sequence > head {
            return Ok(None);
        }
        let selection = Selection { start: Start::At(id.sequence), limit: Some(1), form, ..Selection::default() };
        let mut cursor = self.read(&Target::Topic(id.topic.clone(), None), selection).await?;
        let found = cursor.next_page().await?.and_then(|mut events| events.pop());
        // If it was deleted, a later one comes first.
        Ok(found.filter(|event| event.sequence == id.sequence))
    }
}

/// A cursor over what was located. With plugins, their upcasters make what it hands up.
pub(super) async fn cursor(
    located: Located,
    direction: Direction,
    mut filter: Filter,
    limit: Option<usize>,
    plugins: Option<Plugins>,
) -> Result<Cursor, EngineError> {
    let Located { store, scope, head, from } = located;
    let window = window(&*store.log, &scope, head, &mut filter).await?;
    let from = match direction {
        Direction::Forward => from.unwrap_or(0).max(window.start),
        Direction::Backward => from.unwrap_or(u64::MAX).min(window.end - 1),
    };
    let done = !window.contains(&from) || limit == Some(0);
    let events_max = limits::PAGE_EVENTS_MAX;
    let read = Read { scope, direction, from, filter, events_max, bytes_max: limits::PAGE_BYTES_MAX };
    Ok(Cursor { store, plugins, head, read, window, left: limit.unwrap_or(usize::MAX), done })
}
