//! What a command comes to: first the guards of the validators, then the decider, then a look at the state that its events
//! would make.

use std::borrow::Cow;

use super::{Aggregate, Held};
use crate::engine::error::Refused;
use crate::engine::upcast::upcast_lent;
use crate::engine::validate::SCHEMA_PLUGIN;
use crate::engine::{Engine, EngineError, Topic};
use crate::model::{
    COMMAND_KEY, Event, EventType, Metadata, NewEvent, Payload, Version,
    limits::{EVENT_METADATA_BYTES_MAX, EVENT_METADATA_ENTRIES_MAX, EVENT_TAGS_MAX},
};
use crate::plugin::{Command, Fault, OnTrap, PluginError, Refusal, Rejection, Verdict};
use crate::storage::Place;

/// The type under which the schema plugin knows the schema of states; see `Topic::state_setting`.
pub(in crate::engine) const STATE_TYPE: &str = "state";

impl Engine {
    /// Asks every validator that guards this topic's commands.
    pub(super) async fn guard(&self, state: Option<&Payload>, command: &Command) -> Result<(), EngineError> {
        let validators = self.plugins.validators();
        let guards = validators.iter().filter(|it| it.has_guards() && it.interested_in_topic(&command.topic));
        for validator in guards {
            match validator.guard(state, command).await {
                Ok(Ok(())) => {}
                Ok(Err(refusals)) => {
                    let plugin = validator.id().name.clone();
                    return Err(EngineError::CommandRefused { plugin, why: Refused::Guarded, refusals });
                }
                Err(error) if validator.on_trap() == OnTrap::Accept => {
                    tracing::warn!(plugin = %error.plugin.name, %error, "a guard failed; its side-car says to accept");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The schema of states, asked about the one that a command would make.
    pub(super) async fn check_state(&self, topic: &Topic, state: Option<&Payload>) -> Result<(), EngineError> {
        let (Some(setting), Some(state)) = (&topic.state_setting, state) else { return Ok(()) };
        let refused = |refusals| EngineError::StateRefused { topic: topic.name.clone(), refusals };
        let Payload::Json(_) = state else {
            let message = "the state is bytes, and the topic's stateSchema needs JSON".to_owned();
            return Err(refused(vec![Refusal { code: "state-not-json".to_owned(), message, pointer: None }]));
        };
        let missing = EngineError::ValidatorMissing { topic: topic.name.clone(), plugin: SCHEMA_PLUGIN };
        let schema = self.plugins.validator(SCHEMA_PLUGIN).ok_or(missing)?;
        let event = NewEvent {
            topic: setting.topic.clone(),
            stream: None,
            event_type: EventType::parse(STATE_TYPE)?,
            payload: state.clone(),
            tags: Vec::new(),
            metadata: Vec::new(),
        };
        let verdicts = schema.validate(std::slice::from_ref(setting), &[&event]).await?;
        match verdicts.into_iter().next() {
            Some(Verdict::Reject(refusals)) => Err(refused(refusals)),
            _ => Ok(()),
        }
    }

    /// The state that events would make once they are recorded. A decider that cannot read its own events must not get them
    /// recorded: nobody could ever ask for the state again.
    pub(super) async fn foresee(
        &self,
        aggregate: &Aggregate,
        held: &Held,
        foreseen: &[Event],
    ) -> Result<Option<Payload>, EngineError> {
        let home = upcast_lent(&self.plugins, aggregate.home(foreseen)).await?;
        if home.is_empty() {
            return Ok(held.payload.clone());
        }
        let state = aggregate.evolve(held.payload.as_ref(), &home).await?;
        self.check_state(&aggregate.topic, state.as_ref()).await?;
        Ok(state)
    }
}

impl Aggregate {
    /// Asks the decider.
    pub(super) async fn decide(&self, held: &Held, command: &Command) -> Result<Vec<NewEvent>, EngineError> {
        let decision = self.decider.decide(held.payload.as_ref(), command).await?;
        let plugin = || self.decider.id().name.clone();
        let refused = |why, refusals| EngineError::CommandRefused { plugin: plugin(), why, refusals };
        let mut events = decision.map_err(|rejection| match rejection {
            Rejection::Invalid(refusals) => refused(Refused::Invalid, refusals),
            Rejection::Conflict(refusal) => refused(Refused::Conflict, vec![refusal]),
            Rejection::UnknownCommand => {
                EngineError::CommandUnknown { plugin: plugin(), name: command.name.chars().take(200).collect() }
            }
        })?;
        let cause = (COMMAND_KEY.to_owned(), command.id.clone());
        for event in &mut events {
            inherit(std::iter::once(&cause).chain(&command.metadata), &mut event.metadata);
            let missing = command.tags.iter().filter(|tag| !event.tags.contains(tag)).cloned().collect::<Vec<_>>();
            event.tags.extend(missing);
            if event.tags.len() > EVENT_TAGS_MAX {
                let fault = format!(
                    "its event has {} tags with those of the command; at most {EVENT_TAGS_MAX} go",
                    event.tags.len()
                );
                return Err(PluginError { plugin: self.decider.id().clone(), fault: Fault::Answer(fault) }.into());
            }
        }
        Ok(events)
    }

    /// New events as if they were recorded: what is not known before that, their position and sequence, is 0, as are the versions
    /// of other streams, and their time is the command's.
    pub(super) fn foreseen(&self, mut version: Version, events: &[NewEvent], time_ms: u64) -> Vec<Event> {
        let place = |version| Place { position: 0, sequence: 0, version: Some(version), time_ms };
        let foresee = |event: &NewEvent| {
            let mut event = place(0).record(event.clone());
            if self.has(&event) {
                version += 1;
                place(version).give(&mut event);
            }
            event
        };
        events.iter().map(foresee).collect()
    }

    /// The stream's own of them, which mostly are all.
    pub(super) fn home<'e>(&self, events: &'e [Event]) -> Cow<'e, [Event]> {
        if events.iter().all(|event| self.has(event)) {
            return Cow::Borrowed(events);
        }
        events.iter().filter(|event| self.has(event)).cloned().collect()
    }

    pub(super) fn has(&self, event: &Event) -> bool {
        event.topic == self.topic.name && event.stream.as_ref().is_some_and(|(stream, _)| *stream == self.stream)
    }
}

/// A command's id, trace and correlation go on in its events, where they name none themselves and have room for it.
fn inherit<'a>(from: impl Iterator<Item = &'a (String, String)>, to: &mut Metadata) {
    let bytes = |metadata: &Metadata| metadata.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
    for (key, value) in from {
        let has_room =
            to.len() < EVENT_METADATA_ENTRIES_MAX && bytes(to) + key.len() + value.len() <= EVENT_METADATA_BYTES_MAX;
        if has_room && !to.iter().any(|(known, _)| known == key) {
            to.push((key.clone(), value.clone()));
        }
    }
}

/// What a decider asked for and cannot have is its fault, not that of who sent the command.
pub(super) fn its_fault(aggregate: &Aggregate, error: EngineError) -> EngineError {
    match &error {
        EngineError::TopicUnknown(_) | EngineError::StoresMixed { .. } => {
            let fault = Fault::Answer(format!("it asked for events that cannot be: {error}"));
            PluginError { plugin: aggregate.decider.id().clone(), fault }.into()
        }
        _ => error,
    }
}
