//! A validator that serves: asks a guest what it says of a topic's setting and of a batch of new events.

use std::pin::pin;
use std::sync::Arc;

use super::bindings::exports::weir::plugin::validating as wit;
use super::generation::Generation;
use super::instance::{Exports, Instance, within};
use super::reporter::clean;
use super::words::Command;
use super::{Fault, LoadError, OnTrap, PluginError, PluginId, Refusal, TopicSetting, Verdict, lift, lower};
use crate::model::{EventType, NewEvent, Payload, TopicName};

/// One generation of a validator. Calls that hold it finish on it, whatever takes its place.
pub struct Validator {
    pub(super) generation: Arc<Generation>,
}

impl Validator {
    pub(super) fn new(generation: Arc<Generation>) -> Self {
        Self { generation }
    }

    pub fn id(&self) -> &PluginId {
        &self.generation.id
    }

    /// What its failure means for the events that it was asked about: the operator's choice.
    pub fn on_trap(&self) -> OnTrap {
        self.generation.on_trap
    }

    pub fn interested_in(&self, topic: &TopicName, event_type: &EventType) -> bool {
        self.generation.manifest.interests.matches(topic, event_type)
    }

    /// Whether any event of this topic may interest it: only then it is asked about the topic's setting.
    pub fn interested_in_topic(&self, topic: &TopicName) -> bool {
        self.generation.manifest.interests.in_topic(topic)
    }

    /// Asks whether a setting is acceptable. Nothing remembers it: the instance that was asked is thrown away, because
    /// the setting may be refused by someone else, or never stored.
    pub async fn configure(&self, setting: &TopicSetting) -> Result<Result<(), Vec<Refusal>>, PluginError> {
        self.generation.call("configure", 0, pin!(self.try_configure(setting))).await
    }

    async fn try_configure(&self, setting: &TopicSetting) -> Result<Result<(), Vec<Refusal>>, Fault> {
        let (mut instance, _seat) = self.generation.pool.checkout().await?;
        self.tell(&mut instance, setting).await
    }

    /// One verdict an event, in the same order. `settings` are those of the batch's topics that have one.
    pub async fn validate(
        &self,
        settings: &[Arc<TopicSetting>],
        batch: &[&NewEvent],
    ) -> Result<Vec<Verdict>, PluginError> {
        self.generation.call("validate", batch.len(), pin!(self.try_validate(settings, batch))).await
    }

    pub(super) async fn try_validate(
        &self,
        settings: &[Arc<TopicSetting>],
        batch: &[&NewEvent],
    ) -> Result<Vec<Verdict>, Fault> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let pool = &self.generation.pool;
        let (mut instance, seat) = pool.checkout().await?;
        if remembers_too_much(&instance, settings, batch) {
            instance = pool.blueprint.instance().await?;
        }
        for setting in settings {
            if instance.known.get(&setting.topic) != Some(&setting.revision) {
                self.tell(&mut instance, setting).await?.map_err(|refusals| {
                    let why = refusals.first().map_or("without a reason", |refusal| refusal.message.as_str());
                    Fault::Answer(format!("it refused the setting of topic '{}': {why}", setting.topic))
                })?;
                instance.known.insert(setting.topic.clone(), setting.revision);
            }
        }
        let events = lower::NewEvents::of(batch);
        let events = events.lower()?;
        let bounds = &pool.blueprint.bounds;
        let Exports::Validating { validating: exports, .. } = instance.exports.clone() else {
            return Err(Fault::wrong_kind());
        };
        instance.begin(bounds)?;
        let outcome = within(bounds.call_timeout_ms, pin!(exports.call_validate(&mut instance.store, &events))).await;
        let verdicts = instance.end(bounds, outcome)?;
        if verdicts.len() != batch.len() {
            return Err(Fault::Answer(format!("{} verdicts for {} events", verdicts.len(), batch.len())));
        }
        let verdicts = verdicts.into_iter().map(verdict).collect::<Result<_, Fault>>()?;
        seat.keep(instance);
        Ok(verdicts)
    }

    pub fn has_guards(&self) -> bool {
        self.generation.pool.blueprint.linked.has_guards()
    }

    /// What it says of a command for a stream in this state. One without guards says nothing.
    pub async fn guard(
        &self,
        state: Option<&Payload>,
        command: &Command,
    ) -> Result<Result<(), Vec<Refusal>>, PluginError> {
        if !self.has_guards() {
            return Ok(Ok(()));
        }
        self.generation.call("guard", 0, pin!(self.try_guard(state, command))).await
    }

    async fn try_guard(&self, state: Option<&Payload>, command: &Command) -> Result<Result<(), Vec<Refusal>>, Fault> {
        let pool = &self.generation.pool;
        let (mut instance, seat) = pool.checkout().await?;
        let bounds = &pool.blueprint.bounds;
        let state = state.map(lower::payload).transpose()?;
        let command_too = lower::LoweredCommand::of(command);
        let lowered = command_too.lower()?;
        let Exports::Validating { guarding: Some(guarding), .. } = instance.exports.clone() else {
            return Err(Fault::wrong_kind());
        };
        instance.begin_at(command.time_ms, bounds)?;
        let outcome =
            within(bounds.call_timeout_ms, pin!(guarding.call_guard(&mut instance.store, state, lowered))).await;
        let answer = instance.end(bounds, outcome)?;
        seat.keep(instance);
        Ok(answer.map_err(|problems| problems.into_iter().map(Refusal::from).collect()))
    }

    /// Tries every setting, in one instance that is thrown away.
    pub(super) async fn accepts_all(&self, settings: &[Arc<TopicSetting>]) -> Result<(), LoadError> {
        let failed = |setting: &TopicSetting, fault| LoadError::Configure { topic: setting.topic.clone(), fault };
        let Some(first) = settings.first() else { return Ok(()) };
        let (mut instance, _seat) = self.generation.pool.checkout().await.map_err(|fault| failed(first, fault))?;
        for setting in settings {
            let answer = self.tell(&mut instance, setting).await.map_err(|fault| failed(setting, fault))?;
            answer.map_err(|refusals| {
                let message = refusals.first().map_or("it gives no reason", |refusal| refusal.message.as_str());
                LoadError::SettingRefused { topic: setting.topic.clone(), message: clean(message) }
            })?;
        }
        Ok(())
    }

    /// Hands a setting to an instance.
    async fn tell(&self, instance: &mut Instance, setting: &TopicSetting) -> Result<Result<(), Vec<Refusal>>, Fault> {
        let bounds = &self.generation.pool.blueprint.bounds;
        let Exports::Validating { validating: exports, .. } = instance.exports.clone() else {
            return Err(Fault::wrong_kind());
        };
        instance.begin(bounds)?;
        let topic = wit::Topic { name: setting.topic.as_str(), config_json: &setting.config_json };
        let outcome = within(bounds.call_timeout_ms, pin!(exports.call_configure(&mut instance.store, topic))).await;
        let answer = instance.end(bounds, outcome)?;
        Ok(answer.map_err(|problems| problems.into_iter().map(Refusal::from).collect()))
    }
}

/// Whether an instance was configured for a topic of the batch that has no setting any more.
fn remembers_too_much(instance: &Instance, settings: &[Arc<TopicSetting>], batch: &[&NewEvent]) -> bool {
    let mut last: Option<&TopicName> = None;
    batch.iter().any(|event| {
        // Most batches are of one topic.
        if instance.known.is_empty() || last.replace(&event.topic) == Some(&event.topic) {
            return false;
        }
        instance.known.contains_key(&event.topic) && !settings.iter().any(|setting| setting.topic == event.topic)
    })
}

fn verdict(verdict: wit::Verdict) -> Result<Verdict, Fault> {
    Ok(match verdict {
        wit::Verdict::Accept => Verdict::Accept,
        wit::Verdict::Reject(problems) => Verdict::Reject(problems.into_iter().map(Refusal::from).collect()),
        wit::Verdict::Replace(payload) => Verdict::Replace(lift::payload(payload, "a payload instead of the event's")?),
    })
}
