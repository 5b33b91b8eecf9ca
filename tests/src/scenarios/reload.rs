//! The schema plugin is replaced again and again while publishers go on.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::schema;
use crate::{Client, ServerOptions, TestServer, eventually};

#[derive(Debug, Default)]
pub struct ReloadReport {
    pub publishes: u64,
    pub slowest_publish: Duration,
    /// From the file's appearance to the new generation's first call, per replacement.
    pub swaps: Vec<Duration>,
}

/// The sample schema plugin with a custom section at its end: the same code, and a digest of its own.
///
/// # Panics
/// When the plugins were not built.
pub fn another_schema_plugin() -> Vec<u8> {
    another("schema")
}

/// The same of the webhook plugin.
///
/// # Panics
/// When the plugins were not built.
pub fn another_webhook_plugin() -> Vec<u8> {
    another("webhook")
}

fn another(plugin: &str) -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/dist").join(format!("{plugin}.wasm"));
    marked(std::fs::read(file).expect("plugins/dist/<plugin>.wasm; run `cargo xtask plugins`"), rand::random())
}

/// The same component with a custom section at its end.
pub(super) fn marked(mut bytes: Vec<u8>, mark: u64) -> Vec<u8> {
    // A custom section: its number, its size, its name's size and name, and a mark that no compiled plugin in a cache has.
    bytes.extend_from_slice(b"\x00\x0d\x04mark");
    bytes.extend_from_slice(&mark.to_le_bytes());
    bytes
}

/// Replaces the plugin under about 200 publishes a second, each of which must succeed.
///
/// # Panics
/// When a publish fails, or a new generation does not come to serve.
pub async fn reload(options: ServerOptions, replacements: u64) -> ReloadReport {
    let server = TestServer::start(options).await;
    let api = server.client.clone();
    api.post("/topics", json!({"name": "t1", "schemas": [schema("t")]})).await.ok(201);
    let stop = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn(load(api.clone(), stop.clone()));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut swaps = Vec::new();
    for replacement in 1..=replacements {
        let bytes = another_schema_plugin();
        let dropped = Instant::now();
        std::fs::write(server.plugins_dir().join("schema.wasm"), bytes).expect("dropped in");
        eventually("the new generation serves", 120, async || {
            let shown = api.get("/plugins/schema").await.ok(200);
            assert_eq!(shown["reason"], json!(null), "{shown}");
            (shown["serving"]["generation"] == replacement + 1).then_some(())
        })
        .await;
        let invalid = api.post("/events", json!([{"topic": "t1", "type": "t", "payload": {"n": "x"}}])).await;
        invalid.problem(400, "EVENT_PUBLISH_FAILED");
        swaps.push(dropped.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    let (publishes, slowest_publish) = load.await.expect("no publish failed");
    ReloadReport { publishes, slowest_publish, swaps }
}

/// Publishes one by one, about 200 a second. Answers how many, and the slowest.
async fn load(api: Client, stop: Arc<AtomicBool>) -> (u64, Duration) {
    let (mut publishes, mut slowest) = (0, Duration::ZERO);
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let started = Instant::now();
        api.post("/events", json!([{"topic": "t1", "type": "t", "payload": {"n": publishes}}])).await.ok(201);
        slowest = slowest.max(started.elapsed());
        publishes += 1;
    }
    (publishes, slowest)
}
