//! Topics: created, changed, listed, found. Definitions are records in the store that holds the topic's events, so
//! that what lives in memory vanishes together. **Invariant:** a topic in the map is stored; a half-made one is in neither.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::{Mutex, watch};

use super::aggregates::STATE_TYPE;
use super::{Engine, EngineError, Retention};
use crate::model::{PluginName, TopicName, limits};
use crate::plugin::TopicSetting;
use crate::storage::{Change, Expect, Store};

pub(super) const KEY_PREFIX: &str = "topic/";

/// A topic as the engine uses it. Changing it makes a new one.
#[derive(Clone)]
pub struct Topic {
    pub name: TopicName,
    pub store: Store,
    /// The JSON array of schemas as the client sent it; `None` for an open topic.
    pub schemas: Option<Box<RawValue>>,
    /// What validators are configured with; present exactly when `schemas` is.
    pub setting: Option<Arc<TopicSetting>>,
    /// Which events are deleted when; `None` keeps all.
    pub retention: Option<Retention>,
    /// The plugin that decides for it, if the topic names one; a side-car may name the topic instead.
    pub decider: Option<PluginName>,
    /// A JSON Schema that every state must satisfy which a command makes.
    pub state_schema: Option<Box<RawValue>>,
    /// What the schema plugin is configured with for states, under a topic name of their own, so that what it says of events
    /// stays as it was; present exactly when `state_schema` is.
    pub state_setting: Option<Arc<TopicSetting>>,
    /// Counts the changes of `state_schema`, also those that took it away.
    state_revision: u64,
    pub created_ms: u64,
}

/// How a topic is kept in the records.
#[derive(Serialize, Deserialize)]
struct Stored {
    name: String,
    schemas: Option<Box<RawValue>>,
    /// Counts the changes of `schemas`.
    revision: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retention: Option<Retention>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state_schema: Option<Box<RawValue>>,
    /// Counts the changes of `state_schema`.
    #[serde(default)]
    state_revision: u64,
    created_ms: u64,
}

/// What a new topic is given.
#[derive(Default)]
pub struct NewTopic {
    pub adapter: Option<String>,
    /// A JSON array; without it the topic is open.
    pub schemas: Option<Box<RawValue>>,
    pub retention: Option<Retention>,
    pub decider: Option<PluginName>,
    /// A JSON object.
    pub state_schema: Option<Box<RawValue>>,
}

/// What is changed of a topic; `None` stays as it is.
#[derive(Default)]
pub struct TopicChange {
    pub schemas: Option<Box<RawValue>>,
    pub retention: Option<Option<Retention>>,
    pub decider: Option<Option<PluginName>>,
    pub state_schema: Option<Option<Box<RawValue>>>,
}

/// One entry of a schema list, as far as the engine looks at it. The rest is the schema plugin's business.
#[derive(Deserialize)]
struct SchemaHead {
    #[serde(rename = "eventType")]
    event_type: Option<String>,
}

pub(super) struct Topics {
    map: RwLock<HashMap<TopicName, Arc<Topic>>>,
    /// One change at a time: checked, stored, then shown.
    changing: Mutex<()>,
    changes: watch::Sender<u64>,
}

impl Topics {
    /// Loads the topics of all stores; the first store is the default one.
    pub(super) async fn load(stores: &[Store], now_ms: u64) -> Result<Self, EngineError> {
        let mut map = HashMap::new();
        for store in stores {
            let mut after = None;
            loop {
                let records = store.records.scan(KEY_PREFIX, after.as_deref(), 500).await?;
                let Some((last, _)) = records.last() else { break };
                after = Some(last.clone());
                for (key, record) in &records {
                    let stored: Stored = serde_json::from_slice(&record.value).map_err(|error| corrupt(key, &error))?;
                    let topic = Topic::from_stored(stored, store.clone())?;
                    map.insert(topic.name.clone(), Arc::new(topic));
                }
            }
        }
        if let Some(store) = stores.first() {
            let name = TopicName::default_topic();
            map.entry(name.clone()).or_insert_with(|| Arc::new(Topic::open(name, store.clone(), now_ms)));
        }
        Ok(Self { map: RwLock::new(map), changing: Mutex::new(()), changes: watch::Sender::new(0) })
    }

    pub(super) fn get(&self, name: &TopicName) -> Option<Arc<Topic>> {
        self.read().get(name).cloned()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<TopicName, Arc<Topic>>> {
        self.map.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn store(&self, topic: Topic, expect: Expect) -> Result<(), EngineError> {
        let stored = Stored {
            name: topic.name.to_string(),
            schemas: topic.schemas.clone(),
            revision: topic.setting.as_ref().map_or(0, |setting| setting.revision),
            retention: topic.retention,
            decider: topic.decider.as_ref().map(ToString::to_string),
            state_schema: topic.state_schema.clone(),
            state_revision: topic.state_revision,
            created_ms: topic.created_ms,
        };
        let value = serde_json::to_vec(&stored).map_err(|error| corrupt(topic.name.as_str(), &error))?;
        let change = Change::put(format!("{KEY_PREFIX}{}", topic.name), value).expecting(expect);
        topic.store.records.commit(vec![change]).await?;
        let mut map = self.map.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        map.insert(topic.name.clone(), Arc::new(topic));
        drop(map);
        self.changes.send_modify(|n| *n += 1);
        Ok(())
    }
}

impl Topic {
    /// A topic that takes any events.
    fn open(name: TopicName, store: Store, created_ms: u64) -> Self {
        let (schemas, setting, retention, decider) = (None, None, None, None);
        let (state_schema, state_setting, state_revision) = (None, None, 0);
        Self {
            name,
            store,
            schemas,
            setting,
            retention,
            decider,
            state_schema,
            state_setting,
            state_revision,
            created_ms,
        }
    }

    fn with_schemas(self, schemas: Option<Box<RawValue>>, revision: u64) -> Self {
        let setting = schemas.as_ref().map(|schemas| {
            let config_json = format!(r#"{{"schemas":{}}}"#, schemas.get()).into();
            Arc::new(TopicSetting { topic: self.name.clone(), revision, config_json })
        });
        Self { schemas, setting, ..self }
    }

    fn with_state_schema(self, schema: Option<Box<RawValue>>, revision: u64) -> Self {
        let state_setting = schema.as_deref().map(|schema| {
            let config_json = format!(r#"{{"schemas":[{}]}}"#, named(schema)).into();
            Arc::new(TopicSetting { topic: self.name.of_states(), revision, config_json })
        });
        Self { state_schema: schema, state_setting, state_revision: revision, ..self }
    }

    fn from_stored(stored: Stored, store: Store) -> Result<Self, EngineError> {
        let name = TopicName::parse(&stored.name)?;
        let decider = stored.decider.as_deref().map(PluginName::parse).transpose()?;
        let topic = Self { retention: stored.retention, decider, ..Self::open(name, store, stored.created_ms) };
        let topic = topic.with_schemas(stored.schemas, stored.revision);
        Ok(topic.with_state_schema(stored.state_schema, stored.state_revision))
    }

    pub fn sequence(&self) -> u64 {
        self.store.log.topic_head(&self.name)
    }

    /// The event types that have a schema, in the client's order.
    pub fn event_types(&self) -> Vec<String> {
        self.schemas.as_deref().map(event_types).unwrap_or_default()
    }
}

impl Engine {
    pub fn topic(&self, name: &TopicName) -> Result<Arc<Topic>, EngineError> {
        self.topics.get(name).ok_or_else(|| EngineError::TopicUnknown(name.clone()))
    }

    /// All topics, by name.
    pub fn topics(&self) -> Vec<Arc<Topic>> {
        let mut topics: Vec<_> = self.topics.read().values().cloned().collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        topics
    }

    /// A number that changes with every new or changed topic.
    pub fn topic_changes(&self) -> watch::Receiver<u64> {
        self.topics.changes.subscribe()
    }

    /// Makes a topic.
    pub async fn create_topic(&self, name: TopicName, new: NewTopic) -> Result<Arc<Topic>, EngineError> {
        let NewTopic { adapter, schemas, retention, decider, state_schema } = new;
        let store = self.store(adapter.as_deref())?.clone();
        let _changing = self.topics.changing.lock().await;
        if self.topics.get(&name).is_some() {
            return Err(EngineError::TopicExists(name));
        }
        if self.topics.read().len() >= limits::TOPICS_MAX {
            return Err(EngineError::TopicsFull { limit: limits::TOPICS_MAX });
        }
        let topic = Topic { retention, decider, ..Topic::open(name.clone(), store, (self.clock)()) };
        let topic = topic.with_schemas(schemas, 1).with_state_schema(state_schema, 1);
        topic.decider.as_ref().map_or(Ok(()), |decider| self.check_decider(decider))?;
        self.check_setting(&topic).await?;
        self.check_state_setting(&topic).await?;
        self.topics.store(topic, Expect::Absent).await?;
        self.topic(&name)
    }

    /// Changes a topic. Event types may be added and their schemas changed, never left out.
    pub async fn change_topic(&self, name: &TopicName, change: TopicChange) -> Result<Arc<Topic>, EngineError> {
        let _changing = self.topics.changing.lock().await;
        let old = self.topic(name)?;
        let mut topic = Topic { retention: change.retention.unwrap_or(old.retention), ..(*old).clone() };
        if let Some(schemas) = change.schemas {
            let kept = event_types(&schemas);
            let missing: Vec<String> = old.event_types().into_iter().filter(|old| !kept.contains(old)).collect();
            if !missing.is_empty() {
                return Err(EngineError::SchemasRemoved(missing));
            }
            let revision = old.setting.as_ref().map_or(1, |setting| setting.revision + 1);
            topic = topic.with_schemas(Some(schemas), revision);
            self.check_setting(&topic).await?;
        }
        if let Some(schema) = change.state_schema {
            topic = topic.with_state_schema(schema, old.state_revision + 1);
            self.check_state_setting(&topic).await?;
        }
        if let Some(decider) = change.decider {
            decider.as_ref().map_or(Ok(()), |decider| self.check_decider(decider))?;
            topic.decider = decider;
        }
        self.topics.store(topic, Expect::Any).await?;
        self.topic(name)
    }

    pub(super) fn store(&self, adapter: Option<&str>) -> Result<&Store, EngineError> {
        let Some(given) = adapter else { return Ok(self.default_store()) };
        self.stores.iter().find(|store| store.adapter == given).ok_or_else(|| EngineError::AdapterUnknown {
            given: given.chars().take(80).collect(),
            known: self.stores.iter().map(|store| store.adapter).collect(),
        })
    }
}

/// A schema of states as an entry of a list of schemas. A member of the client's of that name does not count: the last one does.
fn named(schema: &RawValue) -> String {
    let text = schema.get().trim();
    let members = text.strip_suffix('}').unwrap_or(text).trim_end();
    let comma = if members.ends_with('{') { "" } else { "," };
    format!(r#"{members}{comma}"eventType":"{STATE_TYPE}"}}"#)
}

fn event_types(schemas: &RawValue) -> Vec<String> {
    let heads: Vec<SchemaHead> = serde_json::from_str(schemas.get()).unwrap_or_default();
    heads.into_iter().filter_map(|head| head.event_type).collect()
}

pub(super) fn corrupt(key: &str, error: &serde_json::Error) -> EngineError {
    crate::storage::StorageError::Corrupt { place: format!("record '{key}'"), detail: error.to_string() }.into()
}
