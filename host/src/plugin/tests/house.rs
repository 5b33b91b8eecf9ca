//! A plugin room in a directory of its own, and the people that a test needs: a rehearsal, an HTTP client, events.

use async_trait::async_trait;
use bytes::Bytes;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

use crate::model::{Event, EventType, NewEvent, Payload, StreamName, TopicName};
use crate::plugin::{
    Embedded, HttpClient, HttpError, HttpGrant, HttpRequest, HttpResponse, PluginStatus, Plugins, PluginsConfig,
    Rehearsal, State, TopicSetting, TrustedKeys, Validator,
};

pub struct House {
    pub dir: TempDir,
    pub plugins: Plugins,
    pub stage: Arc<Stage>,
}

/// What exists already when a validator is tried.
#[derive(Default)]
pub struct Stage {
    pub settings: Mutex<Vec<Arc<TopicSetting>>>,
    pub events: Mutex<Vec<Event>>,
}

#[async_trait]
impl Rehearsal for Stage {
    fn settings(&self) -> Vec<Arc<TopicSetting>> {
        self.settings.lock().expect("settings").clone()
    }

    fn topics(&self) -> Vec<TopicName> {
        Vec::new()
    }

    async fn recent(&self, _topic: &TopicName, limit: usize) -> Vec<Event> {
        self.events.lock().expect("events").iter().take(limit).cloned().collect()
    }

    async fn stream(&self, _topic: &TopicName, stream: &StreamName, limit: usize) -> Vec<Event> {
        let events = self.events.lock().expect("events");
        let of_stream = |event: &&Event| event.stream.as_ref().is_some_and(|(name, _)| name == stream);
        events.iter().filter(of_stream).take(limit).cloned().collect()
    }
}

/// An HTTP client that answers 200 and remembers nothing.
pub struct Web;

#[async_trait]
impl HttpClient for Web {
    async fn send(&self, _grant: &HttpGrant, _request: HttpRequest) -> Result<HttpResponse, HttpError> {
        Ok(HttpResponse { status: 200, headers: Vec::new(), body: Bytes::new() })
    }
}

impl House {
    /// An open room with nothing in it.
    pub async fn new() -> Self {
        Self::with(Vec::new(), |_| {}).await
    }

    /// A room with embedded plugins, and files that are there before it opens.
    pub async fn with(embedded: Vec<Embedded>, before: impl FnOnce(&Path)) -> Self {
        let dir = TempDir::new().expect("a directory");
        std::fs::create_dir(dir.path().join("plugins")).expect("a directory");
        before(&dir.path().join("plugins"));
        let stage = Arc::new(Stage::default());
        let plugins = Self::open(dir.path(), embedded, &stage).await;
        Self { dir, plugins, stage }
    }

    /// An empty room that waits so long until a file is still.
    pub async fn settling(settle_ms: u64) -> Self {
        let dir = TempDir::new().expect("a directory");
        let stage = Arc::new(Stage::default());
        let plugins = Self::open_settling(dir.path(), Vec::new(), &stage, settle_ms).await;
        Self { dir, plugins, stage }
    }

    pub async fn open(dir: &Path, embedded: Vec<Embedded>, stage: &Arc<Stage>) -> Plugins {
        Self::open_settling(dir, embedded, stage, 30).await
    }

    /// An empty room that takes only what one of these keys signed.
    pub async fn signed_by(keys: TrustedKeys) -> Self {
        let dir = TempDir::new().expect("a directory");
        let stage = Arc::new(Stage::default());
        let plugins = Self::open_with(dir.path(), &stage, |config| config.keys = Some(keys)).await;
        Self { dir, plugins, stage }
    }

    async fn open_settling(dir: &Path, embedded: Vec<Embedded>, stage: &Arc<Stage>, settle_ms: u64) -> Plugins {
        Self::open_with(dir, stage, |config| (config.embedded, config.settle_ms) = (embedded, settle_ms)).await
    }

    async fn open_with(dir: &Path, stage: &Arc<Stage>, change: impl FnOnce(&mut PluginsConfig)) -> Plugins {
        let mut config = PluginsConfig::new(dir.join("plugins"), dir.join("cache"));
        (config.settle_ms, config.rescan_ms) = (30, 500);
        change(&mut config);
        let plugins = Plugins::new(config, Arc::new(Web)).expect("a plugin room");
        plugins.start(stage.clone()).await;
        plugins
    }

    pub fn path(&self, file: &str) -> std::path::PathBuf {
        self.dir.path().join("plugins").join(file)
    }

    pub fn put(&self, file: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(file), bytes).expect("a file");
    }

    pub fn remove(&self, file: &str) {
        std::fs::remove_file(self.path(file)).expect("a file to remove");
    }

    pub fn status(&self, name: &str) -> Option<PluginStatus> {
        self.plugins.list().into_iter().find(|status| status.name == name)
    }

    /// Waits until the plugin's status is as it should be, and shows the last one when it does not become so.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        is: impl Fn(Option<&PluginStatus>) -> bool,
    ) -> Option<PluginStatus> {
        let mut changes = self.plugins.changes();
        let wait = async {
            while !is(self.status(name).as_ref()) {
                let _ = tokio::time::timeout(Duration::from_millis(50), changes.changed()).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(20), wait).await.is_err() {
            panic!("plugin '{name}' never became {what}: {:#?}", self.status(name));
        }
        self.status(name)
    }

    pub async fn until_serving(&self, name: &str, generation: u64) -> PluginStatus {
        let what = format!("active in generation {generation}");
        let is = |s: Option<&PluginStatus>| {
            s.is_some_and(|s| {
                s.state == State::Active && s.serving.as_ref().is_some_and(|s| s.generation == generation)
            })
        };
        self.until(name, &what, is).await.expect("a status")
    }

    /// Waits for a failure, and gives the reason.
    pub async fn until_failed(&self, name: &str, part: &str) -> String {
        self.until_state(name, State::Failed, part).await
    }

    /// Waits for a state, and gives its reason.
    pub async fn until_state(&self, name: &str, state: State, part: &str) -> String {
        let is = |s: Option<&PluginStatus>| {
            s.is_some_and(|s| s.state == state && s.reason.as_deref().is_some_and(|reason| reason.contains(part)))
        };
        let status = self.until(name, &format!("{state:?} with '{part}'"), is).await;
        status.and_then(|status| status.reason).expect("a reason")
    }

    /// The same directories in a new room, as after a restart.
    pub async fn restart(&mut self) {
        self.plugins.stop().await;
        self.plugins = Self::open(self.dir.path(), Vec::new(), &self.stage).await;
    }

    pub fn validator(&self, name: &str) -> Arc<Validator> {
        self.plugins.validator(name).unwrap_or_else(|| panic!("no validator: {:#?}", self.plugins.list()))
    }
}

pub fn events(count: usize) -> Vec<NewEvent> {
    let event = NewEvent {
        topic: TopicName::default_topic(),
        stream: None,
        event_type: EventType::parse("happened").expect("a type"),
        payload: Payload::Json(Bytes::from_static(br#"{"a":1}"#)),
        tags: Vec::new(),
        metadata: vec![("actor".into(), "ann".into())],
    };
    vec![event; count]
}

pub fn recorded(count: u64) -> Vec<Event> {
    let event = |position| Event {
        position,
        topic: TopicName::default_topic(),
        sequence: position,
        stream: None,
        event_type: EventType::parse("happened").expect("a type"),
        time_ms: 1,
        payload: Payload::Json(Bytes::from_static(br#"{"a":1}"#)),
        tags: Vec::new(),
        metadata: Vec::new(),
    };
    (1..=count).map(event).collect()
}

pub fn setting(revision: u64) -> Arc<TopicSetting> {
    let topic = TopicName::default_topic();
    Arc::new(TopicSetting { topic, revision, config_json: r#"{"schemas":[]}"#.into() })
}
