//! Tries a new generation on what exists, before it serves: every topic's setting, and recent events of the topics, with
//! what the generation before says of them beside it.
//!
//! A fault refuses the generation, and so does a setting that it does not take. What it would answer differently does
//! not: new rules are why operators put a new file there. With `reload.mode = "manual"` they look at the differences
//! first. **Invariant:** the trial is bounded, however many topics and events there are.

use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use utoipa::ToSchema;

use super::reporter::clean;
use super::slot::Role;
use super::{Decider, Fault, LoadError, Rehearsal, TopicSetting, Upcaster, Validator, Verdict};
use crate::model::limits::{
    REHEARSAL_CHANGES_SHOWN, REHEARSAL_STREAM_EVENTS, REHEARSAL_TOPIC_EVENTS, REHEARSAL_TOPICS_MAX,
};
use crate::model::{Event, EventType, NewEvent, Payload, StreamName, TopicName};

/// What a new generation would do with recent events, against the one that serves. (A decider is asked about streams: the
/// states that their events come to.)
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    /// Events (of a decider: streams) that both were asked about.
    pub compared: usize,
    pub changed: usize,
    /// The first of those that changed.
    pub changes: Vec<Change>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// An event's id; a decider's topic and stream.
    pub of: String,
    pub before: String,
    pub after: String,
}

impl Replay {
    fn compare(&mut self, of: impl FnOnce() -> String, before: String, after: String) {
        self.compared += 1;
        if before == after {
            return;
        }
        self.changed += 1;
        if self.changes.len() < REHEARSAL_CHANGES_SHOWN {
            self.changes.push(Change { of: of(), before: clean(&before), after: clean(&after) });
        }
    }
}

/// Tries `new` on at most `events_max` events. Kinds that only read, or that have effects, are not tried.
pub(super) async fn rehearse(
    new: &Role,
    old: Option<&Role>,
    rehearsal: &dyn Rehearsal,
    events_max: usize,
) -> Result<Replay, LoadError> {
    let mut replay = Replay::default();
    let settings = match new {
        Role::Validator(validator) => {
            let mut settings = rehearsal.settings();
            settings.retain(|setting| validator.interested_in_topic(&setting.topic));
            validator.accepts_all(&settings).await?;
            settings
        }
        Role::Upcaster(_) | Role::Decider(_) => Vec::new(),
        Role::Projection(_) | Role::ProcessManager(_) | Role::Sink(_) => return Ok(replay),
    };
    let mut left = events_max;
    for topic in topics(&settings, rehearsal) {
        if left == 0 {
            break;
        }
        let events = rehearsal.recent(&topic, REHEARSAL_TOPIC_EVENTS.min(left)).await;
        left -= events.len();
        let failed = |fault| LoadError::Rehearsal { topic: topic.clone(), fault };
        match (new, old) {
            (Role::Validator(new), old) => {
                let old = if let Some(Role::Validator(old)) = old { Some(old.as_ref()) } else { None };
                let setting = settings.iter().find(|setting| setting.topic == topic);
                validate(new, old, setting, &topic, events, &mut replay).await.map_err(failed)?;
            }
            (Role::Upcaster(new), old) => {
                let old = if let Some(Role::Upcaster(old)) = old { Some(old.as_ref()) } else { None };
                upcast(new, old, events, &mut replay).await.map_err(failed)?;
            }
            (Role::Decider(new), Some(Role::Decider(old))) => {
                let streams: BTreeSet<_> = events.into_iter().filter_map(|event| event.stream).collect();
                for stream in streams.into_iter().map(|(stream, _)| stream).collect::<BTreeSet<_>>() {
                    evolve(new, old, &topic, &stream, rehearsal, &mut replay).await.map_err(failed)?;
                }
            }
            _ => {}
        }
    }
    let (id, Replay { compared, changed, .. }) = (&new.generation().id, &replay);
    tracing::info!(plugin = id.name, version = id.version, compared, changed, "plugin tried on recent events");
    Ok(replay)
}

/// The topics that have a setting first, then the one that always exists, then the others.
fn topics(settings: &[Arc<TopicSetting>], rehearsal: &dyn Rehearsal) -> Vec<TopicName> {
    let mut topics: Vec<_> = settings.iter().map(|setting| setting.topic.clone()).collect();
    for topic in [TopicName::default_topic()].into_iter().chain(rehearsal.topics()) {
        if topics.len() >= REHEARSAL_TOPICS_MAX {
            break;
        }
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    topics.truncate(REHEARSAL_TOPICS_MAX);
    topics
}

async fn validate(
    new: &Validator,
    old: Option<&Validator>,
    setting: Option<&Arc<TopicSetting>>,
    topic: &TopicName,
    events: Vec<Event>,
    replay: &mut Replay,
) -> Result<(), Fault> {
    let (ids, mut asked): (Vec<_>, Vec<NewEvent>) = events.into_iter().map(|event| (event.id(), event.into())).unzip();
    if asked.is_empty() {
        // The smallest event there is, so that a validator that fails at its first call is found before it serves.
        asked.extend(probe(topic));
    }
    let settings: Vec<_> = setting.into_iter().cloned().collect();
    let interested: Vec<_> =
        (0..asked.len()).filter(|&i| new.interested_in(&asked[i].topic, &asked[i].event_type)).collect();
    let batch: Vec<_> = interested.iter().map(|&i| &asked[i]).collect();
    let after = new.try_validate(&settings, &batch).await?;
    // What the old one fails on is no fault of the new one; recorded events were accepted once, in any case.
    let before = match old {
        Some(old) => old.try_validate(&settings, &batch).await.ok(),
        None => None,
    };
    for (at, (&index, after)) in interested.iter().zip(&after).enumerate() {
        let Some(id) = ids.get(index) else { continue };
        let before = before.as_ref().map_or(&Verdict::Accept, |before| &before[at]);
        replay.compare(|| id.to_string(), show_verdict(before), show_verdict(after));
    }
    Ok(())
}

fn show_verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accept => "accept".into(),
        Verdict::Replace(payload) => format!("replace {}", show(payload)),
        Verdict::Reject(why) => {
            let why = why.first().map(|why| format!("{}: {}", why.code, why.message));
            format!("reject {}", why.unwrap_or_default())
        }
    }
}

fn show(payload: &Payload) -> String {
    String::from_utf8_lossy(payload.as_bytes()).into_owned()
}

async fn upcast(
    new: &Upcaster,
    old: Option<&Upcaster>,
    mut events: Vec<Event>,
    replay: &mut Replay,
) -> Result<(), Fault> {
    events.retain(|event| new.interested_in(event));
    let after = new.try_upcast(&events).await?;
    let before = match old {
        Some(old) => old.try_upcast(&events).await.unwrap_or(Ok(events.clone())),
        None => Ok(events.clone()),
    };
    let text = |events: &Result<Vec<Event>, super::Refusal>, index: usize| match events {
        Ok(events) => format!("{} {}", events[index].event_type, show(&events[index].payload)),
        Err(refusal) => format!("refused {}: {}", refusal.code, refusal.message),
    };
    for (index, event) in events.iter().enumerate() {
        replay.compare(|| event.id().to_string(), text(&before, index), text(&after, index));
    }
    Ok(())
}

async fn evolve(
    new: &Decider,
    old: &Decider,
    topic: &TopicName,
    stream: &StreamName,
    rehearsal: &dyn Rehearsal,
    replay: &mut Replay,
) -> Result<(), Fault> {
    let events = rehearsal.stream(topic, stream, REHEARSAL_STREAM_EVENTS).await;
    let text = |state: Result<Option<Payload>, super::Refusal>| match state {
        Ok(state) => state.as_ref().map_or("no state".into(), show),
        Err(refusal) => format!("refused {}: {}", refusal.code, refusal.message),
    };
    let after = text(new.try_evolve(None, &events).await?);
    let before = old.try_evolve(None, &events).await.map_or_else(|fault| fault.to_string(), text);
    replay.compare(|| format!("{topic} {stream}"), before, after);
    Ok(())
}

fn probe(topic: &TopicName) -> Option<NewEvent> {
    let event_type = EventType::parse("probe").ok()?;
    let payload = Payload::Json(bytes::Bytes::from_static(b"{}"));
    Some(NewEvent { topic: topic.clone(), stream: None, event_type, payload, tags: Vec::new(), metadata: Vec::new() })
}
