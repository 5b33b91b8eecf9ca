//! From events to states: what is at hand, or a snapshot, or nothing, and then the events after it, page by page.

use std::sync::Arc;

use super::cache::Entry;
use super::{Aggregate, Held, State};
use crate::engine::error::StateUnreadable;
use crate::engine::upcast::upcast_strictly;
use crate::engine::{Engine, EngineError};
use crate::model::{Direction, Event, Filter, Page, Payload, Read, Scope, StreamName, TopicName, Version, limits};

impl Aggregate {
    /// The state after these events of the stream. That they cannot be read is not the fault of who asks.
    pub(super) async fn evolve(
        &self,
        state: Option<&Payload>,
        events: &[Event],
    ) -> Result<Option<Payload>, EngineError> {
        self.decider.evolve(state, events).await?.map_err(|refusal| {
            let (topic, stream) = (self.topic.name.clone(), self.stream.clone());
            Box::new(StateUnreadable { plugin: self.decider.id().clone(), topic, stream, refusal }).into()
        })
    }
}

impl Engine {
    /// What a stream's events come to now, or came to when it had so many. `None` if they come to nothing.
    pub async fn state(
        &self,
        topic: &TopicName,
        stream: &StreamName,
        at: Option<Version>,
    ) -> Result<Option<State>, EngineError> {
        let aggregate = self.aggregate(topic, stream)?;
        let Held { version, payload, .. } = match at {
            None => self.state_now(&aggregate).await?,
            Some(at) => self.state_at(&aggregate, at).await?,
        };
        Ok(payload.map(|payload| State { payload, version }))
    }

    /// The state now, and at hand from now on.
    pub(super) async fn state_now(&self, aggregate: &Aggregate) -> Result<Held, EngineError> {
        let head = self.head(aggregate).await?;
        let known = self.known(aggregate, Version::MAX, head).await;
        // A command may have gone on since the head was looked at.
        if known.version >= head {
            return Ok(known);
        }
        let mut held = self.fold(aggregate, known, head).await?;
        self.hold(aggregate, &mut held);
        Ok(held)
    }

    /// The state at a version. The past is not kept at hand.
    pub(super) async fn state_at(&self, aggregate: &Aggregate, at: Version) -> Result<Held, EngineError> {
        let head = self.head(aggregate).await?;
        if at > head {
            let (topic, stream) = (aggregate.topic.name.clone(), aggregate.stream.clone());
            return Err(EngineError::VersionUnknown { topic, stream, version: at, head });
        }
        let known = self.known(aggregate, at, head).await;
        self.fold(aggregate, known, at).await
    }

    pub(super) async fn head(&self, aggregate: &Aggregate) -> Result<Version, EngineError> {
        Ok(aggregate.topic.store.log.stream_head(&aggregate.topic.name, &aggregate.stream).await?)
    }

    /// Looked up once, and made if there is none.
    pub(super) fn entry<'a>(&self, aggregate: &'a Aggregate) -> &'a Arc<Entry> {
        let key = || (aggregate.topic.name.clone(), aggregate.stream.clone());
        aggregate.entry.get_or_init(|| self.aggregates.cache.entry(key()))
    }

    /// The state at hand, which may not be the newest.
    pub(super) fn at_hand(&self, aggregate: &Aggregate) -> Option<Held> {
        self.entry(aggregate).held(&aggregate.made_by)
    }

    /// The nearest state no later than a version: at hand, of a snapshot, or the initial one. What has no events takes no place
    /// among those at hand: whoever asks for names that are not must not drive out those that are.
    async fn known(&self, aggregate: &Aggregate, until: Version, head: Version) -> Held {
        if head == 0 {
            return Held::INITIAL;
        }
        if let Some(held) = self.at_hand(aggregate).filter(|held| held.version <= until) {
            return held;
        }
        self.aggregates.snapshots.find(aggregate, until.min(head)).await.unwrap_or(Held::INITIAL)
    }

    /// Keeps a state at hand, and now and then as a snapshot.
    pub(super) fn hold(&self, aggregate: &Aggregate, held: &mut Held) {
        self.aggregates.snapshots.keep(aggregate, held);
        self.aggregates.cache.put(self.entry(aggregate), &aggregate.made_by, held);
    }

    /// Folds the events after a state into it, up to a version that the stream has.
    async fn fold(&self, aggregate: &Aggregate, mut held: Held, until: Version) -> Result<Held, EngineError> {
        while held.version < until {
            let events = self.events_after(aggregate, held.version, until).await?;
            let last = events.last().and_then(version_of).unwrap_or(until);
            let events = upcast_strictly(&self.plugins, events).await?;
            held.payload = aggregate.evolve(held.payload.as_ref(), &events).await?;
            held.version = last;
        }
        Ok(held)
    }

    /// The next events of a stream, at least one. **Invariant:** none is left out: a state without them would be another one.
    async fn events_after(
        &self,
        aggregate: &Aggregate,
        version: Version,
        until: Version,
    ) -> Result<Vec<Event>, EngineError> {
        let scope = Scope::Stream(aggregate.topic.name.clone(), aggregate.stream.clone());
        let events_max = usize::try_from(until - version).unwrap_or(usize::MAX).min(limits::PAGE_EVENTS_MAX);
        let (direction, filter, bytes_max) = (Direction::Forward, Filter::default(), limits::PAGE_BYTES_MAX);
        let read = Read { scope, direction, from: version + 1, filter, events_max, bytes_max };
        let Page { events, .. } = aggregate.topic.store.log.read(&read).await?;
        let next = |(i, event): (usize, &Event)| version_of(event) == Some(version + 1 + i as Version);
        if events.is_empty() || !events.iter().enumerate().all(next) {
            let (topic, stream) = (aggregate.topic.name.clone(), aggregate.stream.clone());
            return Err(EngineError::HistoryDeleted { topic, stream, version: version + 1 });
        }
        Ok(events)
    }
}

pub(super) fn version_of(event: &Event) -> Option<Version> {
    event.stream.as_ref().map(|(_, version)| *version)
}
