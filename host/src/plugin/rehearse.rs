//! Tries a new validator on what exists, before it serves: every topic's setting, and the newest events of the topics.
//!
//! A fault refuses the generation, and so does a setting that it does not take. What it would reject does not: new rules
//! are why operators put a new validator there. **Invariant:** the trial is bounded, however many topics there are.

use super::{LoadError, Rehearsal, TopicSetting, Validator, Verdict};
use crate::model::limits::{REHEARSAL_EVENTS_MAX, REHEARSAL_TOPIC_EVENTS};
use crate::model::{EventType, NewEvent, Payload, TopicName};
use std::sync::Arc;

pub(super) async fn rehearse(validator: &Validator, rehearsal: &dyn Rehearsal) -> Result<(), LoadError> {
    let mut settings = rehearsal.settings();
    settings.retain(|setting| validator.interested_in_topic(&setting.topic));
    validator.accepts_all(&settings).await?;

    let (mut tried, mut rejected, mut replaced) = (0, 0, 0);
    for (topic, setting) in topics(&settings) {
        let left = REHEARSAL_EVENTS_MAX - tried;
        if left == 0 {
            break;
        }
        let mut events = rehearsal.recent(&topic, REHEARSAL_TOPIC_EVENTS.min(left)).await;
        if events.is_empty() {
            events.extend(probe(&topic));
        }
        events.truncate(left);
        let batch: Vec<_> = events.iter().filter(|e| validator.interested_in(&e.topic, &e.event_type)).collect();
        tried += events.len();
        let settings: Vec<_> = setting.into_iter().cloned().collect();
        let verdicts = validator.try_validate(&settings, &batch).await;
        let verdicts = verdicts.map_err(|fault| LoadError::Rehearsal { topic, fault })?;
        rejected += verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Reject(_))).count();
        replaced += verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Replace(_))).count();
    }
    let id = validator.id();
    tracing::info!(plugin = id.name, version = id.version, tried, rejected, replaced, "plugin tried on recent events");
    Ok(())
}

/// The topics that have a setting, and the one that always exists.
fn topics(settings: &[Arc<TopicSetting>]) -> impl Iterator<Item = (TopicName, Option<&Arc<TopicSetting>>)> {
    let default = TopicName::default_topic();
    let missing = !settings.iter().any(|setting| setting.topic == default);
    let default = missing.then_some((default, None));
    settings.iter().map(|setting| (setting.topic.clone(), Some(setting))).chain(default)
}

/// The smallest event there is, for a topic that has none.
fn probe(topic: &TopicName) -> Option<NewEvent> {
    let event_type = EventType::parse("probe").ok()?;
    let payload = Payload::Json(bytes::Bytes::from_static(b"{}"));
    Some(NewEvent { topic: topic.clone(), stream: None, event_type, payload, tags: Vec::new(), metadata: Vec::new() })
}
