//! A decider that serves: folds events into a state, and answers commands with events. It never sees the log.

use std::pin::pin;
use std::sync::Arc;

use super::bindings::exports::weir::plugin::deciding as wit;
use super::generation::Generation;
use super::instance::{Exports, within};
use super::lift::{self, Author};
use super::reporter::clean;
use super::words::{Command, Rejection};
use super::{Fault, PluginError, PluginId, Refusal, lower};
use crate::model::limits::BATCH_EVENTS_MAX;
use crate::model::{Event, NewEvent, Payload, TopicName};

/// One generation of a decider.
pub struct Decider {
    pub(super) generation: Arc<Generation>,
}

/// Which decider a side-car binds to a topic.
pub enum Bound {
    Serving(Arc<Decider>),
    /// One that is not active: its name.
    Away(String),
    Nobody,
}

impl Decider {
    pub(super) fn new(generation: Arc<Generation>) -> Self {
        Self { generation }
    }

    pub fn id(&self) -> &PluginId {
        &self.generation.id
    }

    /// Whether its side-car says that it decides for a topic.
    pub(super) fn is_bound_to(&self, topic: &TopicName) -> bool {
        self.generation.topics.as_ref().is_some_and(|topics| topics.is_match(topic.as_str()))
    }

    /// A new number makes what was folded before worthless: states are built again from the events.
    pub fn state_version(&self) -> u32 {
        self.generation.manifest.state_version
    }

    /// The state after these events. No state and no events: the initial state.
    pub async fn evolve(
        &self,
        state: Option<&Payload>,
        events: &[Event],
    ) -> Result<Result<Option<Payload>, Refusal>, PluginError> {
        self.generation.call("evolve", events.len(), pin!(self.try_evolve(state, events))).await
    }

    pub(super) async fn try_evolve(
        &self,
        state: Option<&Payload>,
        batch: &[Event],
    ) -> Result<Result<Option<Payload>, Refusal>, Fault> {
        let pool = &self.generation.pool;
        let (mut instance, seat) = pool.checkout().await?;
        let bounds = &pool.blueprint.bounds;
        let events = lower::Events::of(batch);
        let events = events.lower()?;
        let state = state.map(lower::payload).transpose()?;
        let Exports::Deciding(deciding) = instance.exports.clone() else { return Err(Fault::wrong_kind()) };
        instance.begin_at(lower::time_of(batch), bounds)?;
        let outcome =
            within(bounds.call_timeout_ms, pin!(deciding.call_evolve(&mut instance.store, state, &events))).await;
        let answer = match instance.end(bounds, outcome)? {
            Ok(state) => Ok(state.map(|state| lift::payload(state, "a state")).transpose()?),
            Err(problem) => Err(Refusal::from(problem)),
        };
        seat.keep(instance);
        Ok(answer)
    }

    /// What happens when a command meets a state: events, signed with the decider's name, or a refusal.
    pub async fn decide(
        &self,
        state: Option<&Payload>,
        command: &Command,
    ) -> Result<Result<Vec<NewEvent>, Rejection>, PluginError> {
        self.generation.call("decide", 0, pin!(self.try_decide(state, command))).await
    }

    async fn try_decide(
        &self,
        state: Option<&Payload>,
        command: &Command,
    ) -> Result<Result<Vec<NewEvent>, Rejection>, Fault> {
        let pool = &self.generation.pool;
        let (mut instance, seat) = pool.checkout().await?;
        let bounds = &pool.blueprint.bounds;
        let state = state.map(lower::payload).transpose()?;
        let command_too = lower::LoweredCommand::of(command);
        let lowered = command_too.lower()?;
        let Exports::Deciding(deciding) = instance.exports.clone() else { return Err(Fault::wrong_kind()) };
        instance.begin_at(command.time_ms, bounds)?;
        let outcome =
            within(bounds.call_timeout_ms, pin!(deciding.call_decide(&mut instance.store, state, lowered))).await;
        let answer = match instance.end(bounds, outcome)? {
            Ok(events) if events.len() > BATCH_EVENTS_MAX => {
                return Err(Fault::Limit(format!(
                    "{} events for one command, at most {BATCH_EVENTS_MAX}",
                    events.len()
                )));
            }
            Ok(events) => {
                let home = Some((&command.topic, &command.stream));
                let author = Author { plugin: self.id(), grant: &self.generation.append, home };
                Ok(events.into_iter().map(|event| author.new_event(event)).collect::<Result<_, _>>()?)
            }
            Err(wit::Rejection::Failed(problem)) => {
                return Err(Fault::Answer(format!(
                    "it could not decide: {}: {}",
                    clean(&problem.code),
                    clean(&problem.message)
                )));
            }
            Err(wit::Rejection::Invalid(problems)) => {
                Err(Rejection::Invalid(problems.into_iter().map(Refusal::from).collect()))
            }
            Err(wit::Rejection::Conflict(problem)) => Err(Rejection::Conflict(problem.into())),
            Err(wit::Rejection::UnknownCommand) => Err(Rejection::UnknownCommand),
        };
        seat.keep(instance);
        Ok(answer)
    }
}
