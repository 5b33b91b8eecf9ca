//! One command: load, guard, decide, append if the stream is still as it was, answer. If it is not, the new events are read and
//! the command is decided again.

use std::time::Instant;

use super::decide::its_fault;
use super::load::version_of;
use super::{Aggregate, Executed, Execution, Held};
use crate::engine::publish::replay;
use crate::engine::upcast::upcast_strictly;
use crate::engine::{Engine, EngineError};
use crate::model::limits::{COMMAND_RETRIES_TIME, PAGE_BYTES_MAX, PAGE_EVENTS_MAX};
use crate::model::{Condition, Conflict, Direction, Event, Expected, Filter, Page, Payload, Read, Scope};
use crate::plugin::Command;
use crate::storage::{AppendError, Appended, Batch, Place, Store};

/// What a command comes to, before it is recorded.
struct Proposal {
    batch: Batch,
    /// The batch's events, and the state that they make, as far as both can be known before.
    events: Vec<Event>,
    foreseen: Option<Payload>,
}

impl Engine {
    /// Executes a command. What it made is recorded when this answers; nothing is when it fails, except for
    /// `AppendError::Unknown`.
    pub async fn execute(&self, command: Command, execution: Execution) -> Result<Executed, EngineError> {
        // A command's future holds several calls of guests; it is kept out of those that wait for it.
        let outcome = Box::pin(self.try_execute(&command, &execution)).await;
        self.aggregates.counts.ended(&outcome);
        outcome
    }

    async fn try_execute(&self, command: &Command, execution: &Execution) -> Result<Executed, EngineError> {
        let aggregate = self.aggregate(&command.topic, &command.stream)?;
        let _turn = self.entry(&aggregate).turn().await?;
        if let Some(appended) = replay(&*aggregate.topic.store.log, execution.key).await? {
            return self.replayed(&aggregate, &appended.places).await;
        }
        // What is at hand is mostly what there is, and the log takes nothing that was decided on less: so the stream is looked at
        // only when the answer is no.
        let mut at_hand = self.at_hand(&aggregate);
        let (started, mut attempts) = (Instant::now(), 0);
        while attempts == 0 || started.elapsed() < COMMAND_RETRIES_TIME {
            let (held, is_looked_up) = match at_hand.take() {
                Some(held) => (held, false),
                None => (self.state_now(&aggregate).await?, true),
            };
            let proposal = self.propose(&aggregate, command, execution, &held).await;
            let is_no = !matches!(proposal, Ok(Some(_)));
            if is_no && !is_looked_up && self.head(&aggregate).await? != held.version {
                continue;
            }
            let Some(proposal) = proposal? else {
                let Held { version, payload, .. } = held;
                return Ok(Executed { events: Vec::new(), version, state: payload, replayed: false });
            };
            if let Some(executed) = self.record(&aggregate, held, proposal).await? {
                return Ok(executed);
            }
            attempts += 1;
            self.aggregates.counts.retried();
        }
        let (topic, stream) = (command.topic.clone(), command.stream.clone());
        Err(EngineError::CommandLost { topic, stream, attempts })
    }

    /// What a command comes to on a state; `None` if nothing is to be done. Nothing is written.
    async fn propose(
        &self,
        aggregate: &Aggregate,
        command: &Command,
        execution: &Execution,
        held: &Held,
    ) -> Result<Option<Proposal>, EngineError> {
        aggregate.is_as_expected(held, &execution.expected)?;
        self.guard(held.payload.as_ref(), command).await?;
        let events = aggregate.decide(held, command).await?;
        if events.is_empty() {
            return Ok(None);
        }
        let conditions = vec![aggregate.condition(Expected::Exactly(held.version))];
        let mut batch = Batch { events, conditions, key: execution.key };
        let topics = self.topics_of_batch(&batch).map_err(|error| its_fault(aggregate, error))?;
        self.validate(&mut batch.events, &topics).await?;
        let events = aggregate.foreseen(held.version, &batch.events, command.time_ms);
        let foreseen = self.foresee(aggregate, held, &events).await?;
        Ok(Some(Proposal { batch, events, foreseen }))
    }

    /// `None` if somebody else wrote to the stream meanwhile.
    async fn record(
        &self,
        aggregate: &Aggregate,
        held: Held,
        proposal: Proposal,
    ) -> Result<Option<Executed>, EngineError> {
        let Proposal { batch, mut events, foreseen } = proposal;
        let Appended { places, replayed } = match aggregate.topic.store.log.append(batch).await {
            Err(AppendError::Conflict(_)) => return Ok(None),
            appended => appended?,
        };
        // The key was used meanwhile, for another stream's command.
        if replayed {
            return self.replayed(aggregate, &places).await.map(Some);
        }
        places.into_iter().zip(&mut events).for_each(|(place, event)| place.give(event));
        self.recorded(aggregate, held, foreseen, events).await.map(Some)
    }

    /// The answer to a command whose events are recorded, and the state to go on from.
    async fn recorded(
        &self,
        aggregate: &Aggregate,
        held: Held,
        foreseen: Option<Payload>,
        events: Vec<Event>,
    ) -> Result<Executed, EngineError> {
        let events = upcast_strictly(&self.plugins, events).await.map_err(recorded_anyway)?;
        let home = aggregate.home(&events);
        let Some(version) = home.last().and_then(version_of) else {
            return Ok(Executed { events, version: held.version, state: held.payload, replayed: false });
        };
        let state = match aggregate.evolve(held.payload.as_ref(), &home).await {
            Ok(payload) => {
                let mut held = Held { version, payload, snapshot: held.snapshot };
                self.hold(aggregate, &mut held);
                held.payload
            }
            // It read them before they were recorded. The next who asks finds out what is wrong.
            Err(error) => {
                tracing::warn!(topic = %aggregate.topic.name, stream = %aggregate.stream, %error, "a state was not made");
                foreseen
            }
        };
        Ok(Executed { events, version, state, replayed: false })
    }

    /// What was done when the same command came first.
    async fn replayed(&self, aggregate: &Aggregate, places: &[Place]) -> Result<Executed, EngineError> {
        let events = self.read_back(&aggregate.topic.store, places).await?;
        let version = events.iter().filter(|event| aggregate.has(event)).filter_map(version_of).max();
        let Held { version, payload, .. } = match version {
            Some(version) => self.state_at(aggregate, version).await?,
            None => self.state_now(aggregate).await?,
        };
        Ok(Executed { events, version, state: payload, replayed: true })
    }

    /// The events of one batch, as any reader gets them. They are adjacent.
    async fn read_back(&self, store: &Store, places: &[Place]) -> Result<Vec<Event>, EngineError> {
        let (Some(first), Some(last)) = (places.first(), places.last()) else { return Ok(Vec::new()) };
        let (mut events, mut from, last) = (Vec::with_capacity(places.len()), first.position, last.position);
        while from <= last {
            let left = usize::try_from(last + 1 - from).unwrap_or(usize::MAX);
            let (scope, direction, filter) = (Scope::Store, Direction::Forward, Filter::default());
            let events_max = left.min(PAGE_EVENTS_MAX);
            let read = Read { scope, direction, from, filter, events_max, bytes_max: PAGE_BYTES_MAX };
            let Page { events: page, next } = store.log.read(&read).await?;
            events.extend(page.into_iter().filter(|event| event.position <= last));
            let Some(next) = next else { break };
            from = next;
        }
        upcast_strictly(&self.plugins, events).await
    }
}

impl Aggregate {
    fn condition(&self, expected: Expected) -> Condition {
        Condition::Stream { topic: self.topic.name.clone(), stream: self.stream.clone(), expected }
    }

    /// What the sender knew of the stream, before anybody is asked.
    fn is_as_expected(&self, held: &Held, expected: &[Expected]) -> Result<(), EngineError> {
        let failed = expected.iter().filter(|expected| !expected.holds(held.version));
        let conflict = |expected: &Expected| Conflict { condition: self.condition(*expected), actual: held.version };
        let conflicts: Vec<Conflict> = failed.map(conflict).collect();
        if conflicts.is_empty() { Ok(()) } else { Err(AppendError::Conflict(conflicts).into()) }
    }
}

/// The events are recorded, whatever went wrong after it.
fn recorded_anyway(error: EngineError) -> EngineError {
    let detail = format!("the command's events are recorded, but could not be read back: {error}");
    AppendError::Unknown { detail }.into()
}
