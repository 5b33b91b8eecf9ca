//! After the log: consumers, one runner per consumer and topic, started by the commit. A target that is slow, broken or
//! gone delays nobody but itself. **Invariant:** a position moves only after its events are delivered or dead-lettered.

mod addresses;
mod backoff;
mod consumer;
mod http_client;
mod runner;
mod views;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

pub use backoff::RetryPolicy;
pub use consumer::{Consumer, Definition, Progress, ProgressState};
pub use http_client::ReqwestClient;
pub use views::{Fresh, GenerationStatus, Letter, Made, Reading, Standing, ViewError, ViewState, ViewStatus, Views};

use crate::engine::{Engine, EngineError};
use crate::model::{PluginName, TopicName, limits};
use crate::plugin::{Kind, PluginError, Refusal};
use crate::storage::{Change, StorageError};
use consumer::{DEFINITION_PREFIX, checkpoint_key, dead_letter_prefix, definition_key};
use runner::Runner;

/// The plugin that a consumer with a callback is delivered by.
pub const WEBHOOK_PLUGIN: &str = "webhook";

#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    #[error("Consumer '{0}' not found")]
    Unknown(String),
    #[error("there are {limit} consumers already, the most that one server keeps")]
    Full { limit: usize },
    #[error("plugin '{0}' is not active; see GET /plugins")]
    SinkMissing(PluginName),
    #[error("there is no sink '{0}'; see GET /plugins")]
    SinkUnknown(PluginName),
    #[error("{}", refused(.0))]
    Refused(Vec<Refusal>),
    #[error("{0}")]
    CallbackRefused(String),
    #[error("the sink's check was cut off, because the server stops: {0}; try again")]
    Interrupted(String),
    #[error(transparent)]
    Plugin(#[from] PluginError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

fn refused(refusals: &[Refusal]) -> String {
    match refusals {
        [] => "the sink refuses the configuration, and does not say why".to_owned(),
        some => Refusal::messages(some),
    }
}

/// A consumer with its runners and the switch that stops them.
struct Entry {
    consumer: Arc<Consumer>,
    stop: watch::Sender<bool>,
    runners: Mutex<JoinSet<()>>,
}

/// All consumers of this server.
pub struct Consumers {
    engine: Arc<Engine>,
    http: Arc<ReqwestClient>,
    background: Handle,
    entries: RwLock<BTreeMap<String, Arc<Entry>>>,
    /// One registration or removal at a time: checked, stored, then shown.
    changing: Mutex<()>,
}

impl Consumers {
    /// Loads the durable consumers and starts their runners.
    /// Sinks run on `background`: what they do there holds up no request.
    pub async fn start(
        engine: Arc<Engine>,
        http: Arc<ReqwestClient>,
        background: Handle,
    ) -> Result<Arc<Self>, ConsumerError> {
        let consumers = Self { engine, http, background, entries: RwLock::default(), changing: Mutex::new(()) };
        let records = consumers.engine.default_store().records.clone();
        let mut after: Option<String> = None;
        loop {
            let page = records.scan(DEFINITION_PREFIX, after.as_deref(), 500).await.map_err(EngineError::from)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (key, record) in &page {
                let damaged = |detail| StorageError::Corrupt { place: format!("record '{key}'"), detail };
                let definition = Definition::from_record(&record.value).map_err(damaged).map_err(EngineError::from)?;
                consumers.run(definition);
            }
        }
        Ok(Arc::new(consumers))
    }

    /// Registers a consumer. Nothing is registered when this fails.
    pub async fn register(&self, definition: Definition) -> Result<Arc<Consumer>, ConsumerError> {
        let _changing = self.changing.lock().await;
        if self.read().len() >= limits::CONSUMERS_MAX {
            return Err(ConsumerError::Full { limit: limits::CONSUMERS_MAX });
        }
        for topic in definition.topics.keys() {
            self.engine.topic(topic)?;
        }
        self.check_target(&definition).await?;
        if definition.durable {
            let record = definition.to_record().map_err(|error| StorageError::Corrupt {
                place: format!("consumer '{}'", definition.id),
                detail: error.to_string(),
            });
            let change = Change::put(definition_key(&definition.id), record.map_err(EngineError::from)?);
            self.engine.default_store().records.commit(vec![change]).await.map_err(EngineError::from)?;
        }
        Ok(self.run(definition))
    }

    /// Asks the sink whether it can deliver there, and refuses an address at once that every delivery would be refused.
    async fn check_target(&self, definition: &Definition) -> Result<(), ConsumerError> {
        let plugins = self.engine.plugins();
        let sink = plugins.sink(definition.sink.as_str()).ok_or_else(|| self.missing(&definition.sink))?;
        let private_addresses = sink.grants_private_addresses();
        let target = definition.target();
        let check = self.background.spawn(async move { sink.check(&target).await });
        check.await.map_err(|error| ConsumerError::Interrupted(error.to_string()))??.map_err(ConsumerError::Refused)?;
        if let Some(callback) = &definition.callback {
            self.http.check_callback(callback, private_addresses).map_err(ConsumerError::CallbackRefused)?;
        }
        Ok(())
    }

    /// A plugin that may be a sink again soon is another matter than one that never is.
    fn missing(&self, sink: &PluginName) -> ConsumerError {
        let known = self.engine.plugins().status(sink.as_str());
        match known.map(|plugin| plugin.serving.map(|serving| serving.kind)) {
            None
            | Some(Some(Kind::Validator | Kind::Upcaster | Kind::Decider | Kind::Projection | Kind::ProcessManager)) => {
                ConsumerError::SinkUnknown(sink.clone())
            }
            Some(None | Some(Kind::Sink)) => ConsumerError::SinkMissing(sink.clone()),
        }
    }

    fn run(&self, definition: Definition) -> Arc<Consumer> {
        let consumer = Arc::new(Consumer::new(definition));
        let (stop, stopped) = watch::channel(false);
        let mut runners = JoinSet::new();
        for topic in consumer.definition.topics.keys() {
            let (engine, consumer) = (self.engine.clone(), consumer.clone());
            let runner = Runner { engine, consumer, topic: topic.clone(), stop: stopped.clone() };
            runners.spawn_on(runner.run(), &self.background);
        }
        let entry = Entry { consumer: consumer.clone(), stop, runners: Mutex::new(runners) };
        let id = consumer.definition.id.clone();
        self.entries.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(entry));
        consumer
    }

    /// Stops delivery to a consumer and forgets it, its checkpoints and its dead letters.
    pub async fn unregister(&self, id: &str) -> Result<(), ConsumerError> {
        let _changing = self.changing.lock().await;
        let entry = self.read().get(id).cloned().ok_or_else(|| ConsumerError::Unknown(id.to_owned()))?;
        entry.stop.send_replace(true);
        entry.runners.lock().await.shutdown().await;
        self.forget(&entry.consumer).await?;
        self.entries.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        Ok(())
    }

    /// Removes the definition first: what a crash leaves behind then is never found again, and never delivered twice.
    async fn forget(&self, consumer: &Consumer) -> Result<(), EngineError> {
        let Definition { id, topics, durable, .. } = &consumer.definition;
        if !durable {
            return Ok(());
        }
        let default = &self.engine.default_store().records;
        default.commit(vec![Change::delete(definition_key(id))]).await?;
        for topic in topics.keys() {
            let Ok(found) = self.engine.topic(topic) else { continue };
            let records = &found.store.records;
            records.commit(vec![Change::delete(checkpoint_key(id, topic))]).await?;
            loop {
                let letters = records.scan(&dead_letter_prefix(id, topic), None, 500).await?;
                if letters.is_empty() {
                    break;
                }
                records.commit(letters.into_iter().map(|(key, _)| Change::delete(key)).collect()).await?;
            }
        }
        Ok(())
    }

    pub fn get(&self, id: &str) -> Result<Arc<Consumer>, ConsumerError> {
        let entry = self.read().get(id).map(|entry| entry.consumer.clone());
        entry.ok_or_else(|| ConsumerError::Unknown(id.to_owned()))
    }

    pub fn list(&self) -> Vec<Arc<Consumer>> {
        let mut all: Vec<_> = self.read().values().map(|entry| entry.consumer.clone()).collect();
        all.sort_by_key(|consumer| consumer.definition.created_ms);
        all
    }

    /// The topics that have at least one consumer.
    pub fn topics(&self) -> Vec<TopicName> {
        let mut topics: HashMap<TopicName, ()> = HashMap::new();
        for entry in self.read().values() {
            topics.extend(entry.consumer.definition.topics.keys().map(|topic| (topic.clone(), ())));
        }
        let mut topics: Vec<_> = topics.into_keys().collect();
        topics.sort();
        topics
    }

    /// Stops all runners. A delivery on its way gets `grace` to end; its events are sent again after a restart if not.
    pub async fn stop(&self, grace: Duration) {
        let entries: Vec<_> = self.read().values().cloned().collect();
        for entry in &entries {
            entry.stop.send_replace(true);
        }
        let all = async {
            for entry in &entries {
                let mut runners = entry.runners.lock().await;
                while runners.join_next().await.is_some() {}
            }
        };
        if tokio::time::timeout(grace, all).await.is_err() {
            for entry in &entries {
                entry.runners.lock().await.abort_all();
            }
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Arc<Entry>>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }
}
