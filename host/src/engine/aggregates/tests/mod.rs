//! Commands and states over the memory store, with a counter in WebAssembly as the decider (tests/guests/odd-decider).

mod binding;
mod commands;
mod concurrency;
mod states;

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Executed, Execution, State};
use crate::engine::{Engine, EngineError, NewTopic, Refused};
use crate::model::{Event, EventType, NewEvent, Payload, PluginName, StreamName, TopicName};
use crate::plugin::tests::guests;
use crate::plugin::tests::house::House;
use crate::plugin::{Command, Embedded, Sidecar};
use crate::storage::contract::ticking;
use crate::storage::{Batch, Clock, Store, memory};

pub const COUNTER: &str = "counter";

/// An engine on memory with the topic `t`, bound to the plugin `counter`.
pub struct Shop {
    pub engine: Arc<Engine>,
    pub house: House,
    pub store: Store,
    pub clock: Clock,
}

/// The odd decider, told how to behave and which version to be.
pub fn counter(behaviour: &str, version: &str) -> Vec<u8> {
    odd("odd-decider", behaviour, version)
}

pub fn odd(file: &str, behaviour: &str, version: &str) -> Vec<u8> {
    let path = format!("{}/../tests/guests/dist/{file}.wasm", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = std::fs::read(path).expect("cargo xtask plugins was run");
    for (marker, text) in [("@@behaviour:", behaviour), ("@@version:", version)] {
        let at = bytes.windows(marker.len()).position(|part| part == marker.as_bytes()).expect("a marker");
        let place = &mut bytes[at + marker.len()..at + 32];
        place.fill(b'.');
        place[..text.len()].copy_from_slice(text.as_bytes());
    }
    bytes
}

/// A validator that refuses the command `sub`.
pub fn guard() -> Vec<u8> {
    guests::guard()
}

pub fn schema() -> Embedded {
    let bytes = include_bytes!("../../../../../plugins/dist/schema.wasm");
    Embedded { name: crate::engine::SCHEMA_PLUGIN, bytes, sidecar: Sidecar::default() }
}

impl Shop {
    pub async fn open() -> Self {
        Self::with("accept", "", Vec::new()).await
    }

    pub async fn behaving(behaviour: &str) -> Self {
        Self::with(behaviour, "", Vec::new()).await
    }

    pub async fn with(behaviour: &str, sidecar: &str, embedded: Vec<Embedded>) -> Self {
        let house = House::with(embedded, |dir| {
            std::fs::write(dir.join("counter.toml"), sidecar).expect("a file");
            std::fs::write(dir.join("counter.wasm"), counter(behaviour, "0.1.0")).expect("a file");
        });
        let (house, clock) = (house.await, ticking());
        let store = memory::open(clock.clone());
        let engine = Engine::open(vec![store.clone()], house.plugins.clone(), clock.clone()).await.expect("an engine");
        let decider = PluginName::parse(COUNTER).ok();
        engine.create_topic(topic("t"), NewTopic { decider, ..NewTopic::default() }).await.expect("a topic");
        Self { engine, house, store, clock }
    }

    /// Another engine over the same store and plugins, as another process would be, or this one after a restart.
    pub async fn another(&self) -> Arc<Engine> {
        let stores = vec![self.store.clone()];
        Engine::open(stores, self.house.plugins.clone(), self.clock.clone()).await.expect("an engine")
    }

    pub async fn run(&self, name: &str, stream: &str, payload: Value) -> Result<Executed, EngineError> {
        run(&self.engine, name, stream, payload).await
    }

    pub async fn add(&self, stream: &str, by: i64) -> Executed {
        self.run("add", stream, json!({ "by": by })).await.expect("added")
    }

    pub async fn state(&self, stream: &str) -> Option<State> {
        self.engine.state(&topic("t"), &self::stream(stream), None).await.expect("a state")
    }

    /// Publishes without the decider.
    pub async fn publish(&self, stream: &str, count: usize, by: i64) {
        let event = NewEvent {
            topic: topic("t"),
            stream: Some(self::stream(stream)),
            event_type: EventType::parse("added").expect("a type"),
            payload: payload(&json!({ "by": by })),
            tags: Vec::new(),
            metadata: Vec::new(),
        };
        let batch = Batch { events: vec![event; count], ..Batch::default() };
        self.engine.publish(batch).await.expect("published");
    }

    /// Events that the decider was handed since its generation serves.
    pub fn folded(&self) -> u64 {
        self.house.status(COUNTER).and_then(|status| status.serving).expect("it serves").stats.events
    }

    /// Waits until so many snapshots are written.
    pub async fn snapshots(&self, count: u64) {
        let written = async {
            while self.engine.command_counts().snapshots < count {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), written).await.expect("snapshots are written");
    }

    pub fn forget(&self) {
        self.engine.aggregates.cache.clear();
    }

    pub fn head(&self) -> u64 {
        *self.store.log.head().borrow()
    }
}

pub async fn run(engine: &Arc<Engine>, name: &str, stream: &str, payload: Value) -> Result<Executed, EngineError> {
    engine.execute(command(name, stream, payload), Execution::default()).await
}

pub fn command(name: &str, stream: &str, payload: Value) -> Command {
    Command {
        id: "c-1".to_owned(),
        name: name.to_owned(),
        topic: topic("t"),
        stream: self::stream(stream),
        payload: self::payload(&payload),
        actor: None,
        tags: Vec::new(),
        metadata: Vec::new(),
        time_ms: 1,
    }
}

pub fn topic(name: &str) -> TopicName {
    TopicName::parse(name).expect("a topic")
}

pub fn stream(name: &str) -> StreamName {
    StreamName::parse(name).expect("a stream")
}

pub fn payload(value: &Value) -> Payload {
    Payload::Json(value.to_string().into())
}

/// What a counter stands at.
pub fn n(state: Option<&Payload>) -> i64 {
    let state: Value = serde_json::from_slice(state.expect("a state").as_bytes()).expect("JSON");
    state["n"].as_i64().expect("a number")
}

pub fn versions(events: &[Event]) -> Vec<u64> {
    events.iter().filter_map(super::load::version_of).collect()
}

/// Who refused, why, and the codes of the reasons.
pub fn refusal(outcome: Result<Executed, EngineError>) -> (String, Refused, Vec<String>) {
    match outcome {
        Err(EngineError::CommandRefused { plugin, why, refusals }) => {
            (plugin, why, refusals.into_iter().map(|refusal| refusal.code).collect())
        }
        other => panic!("not refused: {other:?}"),
    }
}
