//! Asks the validators, before anything is sequenced. A topic with schemas is never published to unvalidated: when the
//! schema plugin is not there, or faults, publishing fails closed.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Engine, EngineError, Topic};
use crate::model::NewEvent;
use crate::plugin::{OnTrap, Refusal, TopicSetting, Validator, Verdict};

/// The plugin that enforces topics' schemas, by the name of its file.
pub const SCHEMA_PLUGIN: &str = "schema";

/// So many events need no memory of their own: most requests bring one.
const FEW: usize = 2;

impl Engine {
    /// Runs every validator that is interested, the schema plugin last, so that what is stored fits its schema whatever
    /// the others replaced. `topics[i]` is the topic of `events[i]`.
    pub(super) async fn validate(&self, events: &mut [NewEvent], topics: &[Arc<Topic>]) -> Result<(), EngineError> {
        let validators = self.plugins.validators();
        if !validators.iter().any(is_schema)
            && let Some(topic) = topics.iter().find(|topic| topic.setting.is_some())
        {
            return Err(EngineError::ValidatorMissing { topic: topic.name.clone(), plugin: SCHEMA_PLUGIN });
        }
        for validator in validators.iter().filter(|validator| !is_schema(validator)) {
            let wanted = |_: usize, event: &NewEvent| validator.interested_in(&event.topic, &event.event_type);
            match ask(validator, events, topics, wanted).await {
                Err(EngineError::Plugin(error)) if validator.on_trap() == OnTrap::Accept => {
                    tracing::warn!(plugin = %error.plugin.name, %error, "a validator failed; its side-car says to accept");
                }
                other => other?,
            }
        }
        for validator in validators.iter().filter(|validator| is_schema(validator)) {
            ask(validator, events, topics, |i, _| topics[i].setting.is_some()).await?;
        }
        Ok(())
    }

    /// Asks every validator that sees events of a topic whether it can work with a topic's setting.
    pub(super) async fn check_setting(&self, topic: &Topic) -> Result<(), EngineError> {
        let Some(setting) = &topic.setting else { return Ok(()) };
        let validators = self.plugins.validators();
        if !validators.iter().any(is_schema) {
            return Err(EngineError::ValidatorMissing { topic: topic.name.clone(), plugin: SCHEMA_PLUGIN });
        }
        for validator in validators.iter().filter(|validator| validator.interested_in_topic(&topic.name)) {
            validator.configure(setting).await?.map_err(EngineError::SchemasRefused)?;
        }
        Ok(())
    }
}

impl Engine {
    /// Asks the schema plugin whether it can work with the schema of a topic's states. No other validator sees states.
    pub(super) async fn check_state_setting(&self, topic: &Topic) -> Result<(), EngineError> {
        let Some(setting) = &topic.state_setting else { return Ok(()) };
        let missing = EngineError::ValidatorMissing { topic: topic.name.clone(), plugin: SCHEMA_PLUGIN };
        let schema = self.plugins.validator(SCHEMA_PLUGIN).ok_or(missing)?;
        schema.configure(setting).await?.map_err(|refusals| {
            let of_states = |refusal: Refusal| {
                let message = format!("stateSchema: {}", refusal.message);
                Refusal { message, pointer: Some("/stateSchema".to_owned()), ..refusal }
            };
            EngineError::SchemasRefused(refusals.into_iter().map(of_states).collect())
        })
    }
}

fn is_schema(validator: &Arc<Validator>) -> bool {
    validator.id().name == SCHEMA_PLUGIN
}

/// One call for all events that a validator wants to see; its replacements go into `events`.
async fn ask(
    validator: &Validator,
    events: &mut [NewEvent],
    topics: &[Arc<Topic>],
    wanted: impl Fn(usize, &NewEvent) -> bool,
) -> Result<(), EngineError> {
    let chosen: SmallVec<[usize; FEW]> = (0..events.len()).filter(|&i| wanted(i, &events[i])).collect();
    if chosen.is_empty() {
        return Ok(());
    }
    let batch: SmallVec<[&NewEvent; FEW]> = chosen.iter().map(|&i| &events[i]).collect();
    let verdicts = validator.validate(&settings(&chosen, topics), &batch).await?;
    drop(batch);
    for (&index, verdict) in chosen.iter().zip(verdicts) {
        match verdict {
            Verdict::Accept => {}
            Verdict::Replace(payload) => {
                events[index].payload = payload;
                validator.id().sign(&mut events[index].metadata);
            }
            Verdict::Reject(refusals) => {
                return Err(EngineError::Refused { index, plugin: validator.id().name.clone(), refusals });
            }
        }
    }
    Ok(())
}

/// The settings of the chosen events' topics, each once.
fn settings(chosen: &[usize], topics: &[Arc<Topic>]) -> Vec<Arc<TopicSetting>> {
    let mut settings: Vec<Arc<TopicSetting>> = Vec::with_capacity(1);
    for &i in chosen {
        if let Some(setting) = &topics[i].setting
            && !settings.iter().any(|known| known.topic == setting.topic)
        {
            settings.push(setting.clone());
        }
    }
    settings
}
