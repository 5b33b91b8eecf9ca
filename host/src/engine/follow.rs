//! A follower: reads a target forward from the log until it has caught up, then takes what comes from its channel, and goes
//! back to the log when the channel has let go of it. It keeps a place and no queue: it takes a page only when it is asked.

use std::sync::Arc;

use super::channel::{Batch, LiveEvent, Look};
use super::live::{Live, Subscription};
use super::places::{place, window};
use super::selection::{Located, Selection, Start, Target};
use super::upcast::upcast;
use super::{Engine, EngineError};
use crate::model::{Direction, Event, Form, Page, Position, Read, Scope, Sequence, limits};
use crate::storage::EventLog;

pub struct Follower {
    engine: Arc<Engine>,
    log: Arc<dyn EventLog>,
    subscription: Subscription,
    /// What is wanted; `from` is the next place that is.
    read: Read,
    /// A stream that is followed from a sequence may get events before it still.
    first_sequence: Sequence,
    form: Form,
    /// How many events may still be handed up.
    left: usize,
    /// The next place of the channel to look at, once the log's end was reached.
    at: Option<u64>,
    /// Where the wanted day ends, if it is over.
    end: Option<u64>,
    looked: Position,
    told: bool,
}

/// What a look gave.
#[derive(Debug)]
pub enum Found {
    Events(Vec<Arc<LiveEvent>>),
    /// Nothing here; there may be more to look at.
    Looked,
    /// Everything that was there is handed up; once.
    CaughtUp,
    /// There is nothing until `changed`.
    Nothing,
    /// As many events as were asked for, or the server stops.
    End,
}

/// How far a follower is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// Everything up to this position of the store was looked at.
    pub position: Position,
    /// Where to go on: the next place, in the unit of the target.
    pub from: u64,
}

impl Live {
    /// Follows a target: what there is, and then what comes.
    pub async fn follow(&self, target: &Target, selection: Selection) -> Result<Follower, EngineError> {
        let Selection { start, filter, limit, form, .. } = selection;
        // Before the log is looked at: what is committed in between is found there or in the channel, or in both.
        let subscription = self.subscribe(target)?;
        let direction = Direction::Forward;
        let Located { store, scope, head, from } = self.engine.locate(target, &start, direction).await?;
        let first_sequence = match (target, &start) {
            (Target::Topic(_, Some(_)), start) | (Target::Stream(..), start @ Start::After(_)) => {
                start.place(direction)
            }
            _ => None,
        };
        let places = window(&*store.log, &scope, head, &mut filter.clone()).await?;
        let from = from.unwrap_or(1).max(places.start);
        let (events_max, bytes_max) = (limits::FOLLOW_PAGE_EVENTS_MAX, limits::FOLLOW_PAGE_BYTES_MAX);
        Ok(Follower {
            engine: self.engine.clone(),
            log: store.log,
            subscription,
            read: Read { scope, direction, from, filter, events_max, bytes_max },
            first_sequence: first_sequence.unwrap_or(0),
            form,
            left: limit.unwrap_or(usize::MAX),
            at: None,
            end: (places.end <= head).then_some(places.end),
            looked: 0,
            told: false,
        })
    }
}

impl Follower {
    /// The next look. One that is given up before it ends has changed nothing, and is made again.
    pub async fn look(&mut self) -> Result<Found, EngineError> {
        if self.left == 0 || self.subscription.is_closed() {
            return Ok(Found::End);
        }
        match self.at {
            None => self.look_back().await,
            Some(at) => self.look_live(at).await,
        }
    }

    /// Waits until there may be something new. False when the server stops.
    pub async fn changed(&mut self) -> bool {
        self.subscription.changed().await
    }

    /// Waits until the server stops.
    pub async fn stopped(&mut self) {
        while self.changed().await {}
    }

    pub fn is_stopped(&self) -> bool {
        self.subscription.is_closed()
    }

    pub fn reached(&self) -> Reached {
        Reached { position: self.looked, from: self.read.from }
    }

    /// A page of the log.
    async fn look_back(&mut self) -> Result<Found, EngineError> {
        let (position, head) = self.subscription.heads();
        let mut read = self.read.clone();
        read.events_max = read.events_max.min(self.left);
        if self.end.is_some_and(|end| read.from >= end) {
            read.from = read.from.max(head + 1);
        }
        let Page { events, next } = self.log.read(&read).await?;
        let last = events.last().map(|event| (place(&read.scope, event), event.position));
        let events: Vec<Event> = events.into_iter().filter(|event| event.sequence >= self.first_sequence).collect();
        let events = match self.form {
            Form::Current => upcast(self.engine.plugins(), events).await?,
            Form::Stored => events,
        };
        // Nothing waits from here on.
        if let Some((place, position)) = last {
            self.read.from = place + 1;
            self.looked = self.looked.max(position);
        }
        match next {
            Some(next) => self.read.from = next,
            None => {
                self.at = Some(head + 1);
                self.looked = self.looked.max(position);
                self.pass(head + 1);
            }
        }
        Ok(self.found(events.into_iter().map(LiveEvent::new).collect()))
    }

    /// A batch of the channel.
    async fn look_live(&mut self, at: u64) -> Result<Found, EngineError> {
        let reached = self.subscription.reached();
        self.subscription.mark_seen();
        let batch = match self.subscription.look(at) {
            Look::Batch(batch) => batch,
            Look::Gone => return Ok(self.go_back()),
            Look::Nothing => {
                self.looked = self.looked.max(reached);
                return Ok(if std::mem::replace(&mut self.told, true) { Found::Nothing } else { Found::CaughtUp });
            }
        };
        let ours: Vec<usize> = (0..batch.stored.len()).filter(|&i| self.is_ours(at, &batch.stored[i])).collect();
        let wanted = ours.iter().copied().filter(|&i| self.read.filter.matches(&batch.stored[i]));
        let wanted: Vec<usize> = wanted.take(self.left).collect();
        let Some(events) = self.form(&batch, &wanted).await? else { return Ok(self.go_back()) };
        // Nothing waits from here on.
        if let Some(&last) = ours.last() {
            self.read.from = place(&self.read.scope, &batch.stored[last]) + 1;
        }
        self.at = Some(batch.end());
        self.looked = self.looked.max(batch.stored.last().map_or(0, |event| event.position));
        self.pass(batch.end());
        Ok(self.found(events))
    }

    /// The channel has let go of what comes next.
    fn go_back(&mut self) -> Found {
        self.at = None;
        Found::Looked
    }

    /// The chosen events in the form that was asked for; `None` when the batch is of no use any more.
    async fn form(&self, batch: &Batch, chosen: &[usize]) -> Result<Option<Vec<Arc<LiveEvent>>>, EngineError> {
        if chosen.is_empty() {
            return Ok(Some(Vec::new()));
        }
        Ok(match self.form {
            Form::Stored => Some(chosen.iter().map(|&i| LiveEvent::new(batch.stored[i].clone())).collect()),
            Form::Current => {
                let current = batch.current(self.engine.plugins()).await?;
                current.map(|events| chosen.iter().map(|&i| events[i].clone()).collect())
            }
        })
    }

    /// Whether an event of the channel is one of the target that was not handed up yet.
    fn is_ours(&self, at: u64, event: &Event) -> bool {
        let of_scope = match &self.read.scope {
            Scope::Store | Scope::Topic(_) => true,
            Scope::Stream(_, stream) => event.stream.as_ref().is_some_and(|(name, _)| name == stream),
        };
        of_scope
            && self.subscription.place(event) >= at
            && place(&self.read.scope, event) >= self.read.from
            && event.sequence >= self.first_sequence
    }

    /// Notes that the channel was looked at up to here. A stream's places are not those of its channel.
    fn pass(&mut self, next: u64) {
        if !matches!(self.read.scope, Scope::Stream(..)) {
            self.read.from = self.read.from.max(next);
        }
    }

    fn found(&mut self, events: Vec<Arc<LiveEvent>>) -> Found {
        self.left -= events.len();
        if events.is_empty() { Found::Looked } else { Found::Events(events) }
    }
}
