//! A consumer: what was registered, and how far it is. The keys of its records stand here and nowhere else.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::backoff::RetryPolicy;
use crate::model::{EventType, PluginName, Sequence, TopicName};
use crate::plugin::Target;

/// What a client registered. It never changes afterwards.
#[derive(Debug, Clone)]
pub struct Definition {
    pub id: String,
    pub name: Option<String>,
    pub callback: Option<String>,
    pub sink: PluginName,
    /// The sink's own settings, a JSON object.
    pub config: Option<Box<RawValue>>,
    /// Where each topic's delivery began: the last sequence that is *not* wanted.
    pub topics: BTreeMap<TopicName, Sequence>,
    /// Kept over a restart.
    pub durable: bool,
    /// Only these types; empty means all.
    pub types: Vec<EventType>,
    pub batch_events_max: usize,
    pub retry: RetryPolicy,
    pub created_ms: u64,
}

impl Definition {
    /// What the sink is told: the client's `config`, with the callback in it.
    pub fn target(&self) -> Target {
        let mut config: serde_json::Map<String, serde_json::Value> =
            self.config.as_deref().and_then(|config| serde_json::from_str(config.get()).ok()).unwrap_or_default();
        if let Some(callback) = &self.callback {
            config.insert("callback".to_owned(), callback.clone().into());
        }
        Target { id: self.id.clone(), config_json: serde_json::Value::Object(config).to_string().into() }
    }
}

/// The record of a definition.
#[derive(Serialize, Deserialize)]
struct Stored {
    id: String,
    name: Option<String>,
    callback: Option<String>,
    sink: String,
    config: Option<Box<RawValue>>,
    topics: BTreeMap<String, Sequence>,
    types: Vec<String>,
    batch_events_max: usize,
    retry: RetryPolicy,
    created_ms: u64,
}

impl Definition {
    pub fn to_record(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&Stored {
            id: self.id.clone(),
            name: self.name.clone(),
            callback: self.callback.clone(),
            sink: self.sink.to_string(),
            config: self.config.clone(),
            topics: self.topics.iter().map(|(topic, from)| (topic.to_string(), *from)).collect(),
            types: self.types.iter().map(ToString::to_string).collect(),
            batch_events_max: self.batch_events_max,
            retry: self.retry,
            created_ms: self.created_ms,
        })
    }

    /// Only durable consumers have a record.
    pub fn from_record(bytes: &[u8]) -> Result<Self, String> {
        let stored: Stored = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let topic = |(name, from): (String, Sequence)| Ok((TopicName::parse(&name)?, from));
        let topics: Result<_, crate::model::NameError> = stored.topics.into_iter().map(topic).collect();
        let types: Result<_, _> = stored.types.iter().map(|text| EventType::parse(text)).collect();
        Ok(Self {
            id: stored.id,
            name: stored.name,
            callback: stored.callback,
            sink: PluginName::parse(&stored.sink).map_err(|error| error.to_string())?,
            config: stored.config,
            topics: topics.map_err(|error| error.to_string())?,
            durable: true,
            types: types.map_err(|error| error.to_string())?,
            batch_events_max: stored.batch_events_max,
            retry: stored.retry,
            created_ms: stored.created_ms,
        })
    }
}

/// Definitions live in the default store.
pub const DEFINITION_PREFIX: &str = "consumer/";

pub fn definition_key(id: &str) -> String {
    format!("{DEFINITION_PREFIX}{id}")
}

/// Checkpoints and dead letters live in the store of their topic, so that they vanish with the events they count.
pub fn checkpoint_key(id: &str, topic: &TopicName) -> String {
    format!("checkpoint/{id}/{topic}")
}

pub fn dead_letter_prefix(id: &str, topic: &TopicName) -> String {
    format!("dead-letter/{id}/{topic}/")
}

pub fn dead_letter_key(id: &str, topic: &TopicName, sequence: Sequence) -> String {
    format!("{}{sequence:020}", dead_letter_prefix(id, topic))
}

/// An event that was given up on. The event itself stays in the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    pub event_id: String,
    pub reason: String,
    pub attempts: u32,
    pub at_ms: u64,
}

/// In the order of how bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProgressState {
    Active,
    /// The last attempt failed; the next one is planned.
    Retrying,
    /// The target said that it is gone for good; nothing is sent any more, and the position stays.
    Gone,
}

/// How far one topic of a consumer is.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The last sequence that is done: delivered, filtered out or dead-lettered.
    pub sequence: Sequence,
    pub state: ProgressState,
    pub last_error: Option<String>,
    pub dead_letters: u64,
    pub delivered: u64,
}

/// A registered consumer at work.
pub struct Consumer {
    pub definition: Definition,
    pub target: Target,
    progress: Mutex<BTreeMap<TopicName, Progress>>,
}

impl Consumer {
    pub fn new(definition: Definition) -> Self {
        let start = |sequence: &Sequence| Progress {
            sequence: *sequence,
            state: ProgressState::Active,
            last_error: None,
            dead_letters: 0,
            delivered: 0,
        };
        let progress = definition.topics.iter().map(|(topic, from)| (topic.clone(), start(from))).collect();
        Self { target: definition.target(), definition, progress: Mutex::new(progress) }
    }

    pub fn progress(&self) -> MutexGuard<'_, BTreeMap<TopicName, Progress>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes one topic's progress.
    pub fn update(&self, topic: &TopicName, change: impl FnOnce(&mut Progress)) {
        if let Some(progress) = self.progress().get_mut(topic) {
            change(progress);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_survives_its_record_and_the_callback_wins_over_config() {
        let config = serde_json::value::to_raw_value(&serde_json::json!({"callback": "x", "headers": {"a": "b"}}));
        let definition = Definition {
            id: "c1".to_owned(),
            name: Some("n".to_owned()),
            callback: Some("http://127.0.0.1:1/x".to_owned()),
            sink: PluginName::parse("webhook").expect("a name"),
            config: config.ok(),
            topics: BTreeMap::from([(TopicName::parse("t").expect("a name"), 7)]),
            durable: true,
            types: vec![EventType::parse("made").expect("a name")],
            batch_events_max: 5,
            retry: RetryPolicy::default(),
            created_ms: 12,
        };
        let back = Definition::from_record(&definition.to_record().expect("a record")).expect("a definition");
        assert_eq!(format!("{back:?}"), format!("{definition:?}"));
        let told: serde_json::Value = serde_json::from_str(&back.target().config_json).expect("JSON");
        assert_eq!(told, serde_json::json!({"callback": "http://127.0.0.1:1/x", "headers": {"a": "b"}}));
    }
}
