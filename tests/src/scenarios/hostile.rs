//! Hostile components in a running server: files that cannot be taken are dropped in one after the other, and sinks that
//! loop, trap, fill memory, sleep and log are called all the time, while publishers go on.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::schema;
use crate::{Client, ServerOptions, TestServer, eventually};

#[derive(Debug)]
pub struct HostileReport {
    /// Files that were dropped in, each with the reason that the server gave.
    pub refused: Vec<(String, String)>,
    /// The 99th percentile of a publish, before and while.
    pub p99_before: Duration,
    pub p99_while: Duration,
    pub publishes: usize,
}

/// Files of guests that never come to serve.
const FILES: [(&str, &str); 21] = [
    ("odd", "loop-in-describe"),
    ("odd", "trap-in-describe"),
    ("odd", "memory-in-describe"),
    ("odd", "stack-in-describe"),
    ("odd", "loop-in-init"),
    ("odd", "trap-in-init"),
    ("odd", "refuse-init"),
    ("odd", "empty-name"),
    ("odd", "loop-in-validate"),
    ("odd", "trap-in-validate"),
    ("odd", "memory-in-validate"),
    ("odd", "too-few"),
    ("odd", "none"),
    ("odd", "invalid-json"),
    ("odd-projection", "loop-in-describe"),
    ("odd-projection", "view-in-init"),
    ("odd-decider", "loop-in-init"),
    ("odd-decider", "memory-in-init"),
    ("odd-manager", "loop-in-describe"),
    ("odd-upcaster", "trap-in-init"),
    ("odd-sink", "loop-in-init"),
];

/// Sinks that are called, again and again.
const SINKS: [&str; 6] =
    ["loop-in-deliver", "trap-in-deliver", "memory-in-deliver", "sleep-in-deliver", "log-in-deliver", "over-count"];

/// A guest's file with its behaviour written into it (see tests/guests/README.md).
///
/// # Panics
/// When the guests were not built.
pub fn odd(file: &str, behaviour: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/dist").join(format!("{file}.wasm"));
    let mut bytes = std::fs::read(&path).unwrap_or_else(|_| panic!("{file}.wasm; run `cargo xtask plugins`"));
    patch::<20>(&mut bytes, b"@@behaviour:", behaviour);
    bytes
}

/// The same with a version of its own, and so with a digest of its own.
///
/// # Panics
/// When the guests were not built.
pub fn odd_version(file: &str, behaviour: &str, version: &str) -> Vec<u8> {
    let mut bytes = odd(file, behaviour);
    patch::<22>(&mut bytes, b"@@version:", version);
    bytes
}

fn patch<const LENGTH: usize>(bytes: &mut [u8], marker: &[u8], text: &str) {
    let at = bytes.windows(marker.len()).position(|window| window == marker).expect("the marker") + marker.len();
    let mut word = [b'.'; LENGTH];
    word[..text.len()].copy_from_slice(text.as_bytes());
    bytes[at..at + LENGTH].copy_from_slice(&word);
}

/// Every publish must succeed, every file must be refused with a reason, and the server must be healthy at the end.
///
/// # Panics
/// When one of these is not so.
pub async fn hostile(options: ServerOptions, files: usize, before: Duration) -> HostileReport {
    let server = TestServer::start(options).await;
    let api = server.client.clone();
    for topic in ["t1", "events"] {
        api.post("/topics", json!({"name": topic, "schemas": [schema("t")]})).await.ok(201);
    }
    measure(&api, Duration::from_secs(1), None).await;
    let calm = measure(&api, before, None).await;

    for sink in SINKS {
        let name = format!("sink-{sink}");
        std::fs::write(server.plugins_dir().join(format!("{name}.wasm")), odd("odd-sink", sink)).expect("dropped in");
        eventually("the sink serves", 60, async || {
            let shown = api.get(&format!("/plugins/{name}")).await;
            (shown.status == 200 && shown.json()["state"] == "active").then_some(())
        })
        .await;
        let consumer = json!({"sink": name, "callback": "http://127.0.0.1:9/", "topics": {"events": null}});
        api.post("/consumers/register", consumer).await.ok(201);
    }
    for n in 0..20 {
        api.post("/events", json!([{"topic": "events", "type": "t", "payload": {"n": n}}])).await.ok(201);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn({
        let (api, stop) = (api.clone(), stop.clone());
        async move { measure(&api, Duration::from_secs(600), Some(stop)).await }
    });
    let mut refused = Vec::new();
    for (file, behaviour) in FILES.into_iter().cycle().take(files) {
        let name = format!("{file}-{behaviour}");
        let path = server.plugins_dir().join(format!("{name}.wasm"));
        std::fs::write(&path, odd(file, behaviour)).expect("dropped in");
        let reason = eventually("the file is refused", 60, async || {
            let shown = api.get(&format!("/plugins/{name}")).await;
            let shown = (shown.status == 200).then(|| shown.json())?;
            (shown["state"] == "failed").then(|| shown["reason"].as_str().unwrap_or_default().to_owned())
        })
        .await;
        assert!(reason.starts_with(&format!("plugin '{name}' ")) && !reason.contains('\n'), "{reason}");
        refused.push((name.clone(), reason));
        std::fs::remove_file(&path).expect("removed");
        eventually("it is forgotten", 60, async || {
            (api.get(&format!("/plugins/{name}")).await.status == 404).then_some(())
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    let stormy = load.await.expect("no publish failed");
    assert_eq!(api.get("/health").await.ok(200)["status"], "healthy");
    let publishes = calm.len() + stormy.len();
    HostileReport { refused, p99_before: p99(calm), p99_while: p99(stormy), publishes }
}

/// The times of publishes, one by one, about 200 a second.
async fn measure(api: &Client, time: Duration, stop: Option<Arc<AtomicBool>>) -> Vec<Duration> {
    let (mut times, end) = (Vec::new(), Instant::now() + time);
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    while Instant::now() < end && !stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed)) {
        ticks.tick().await;
        let started = Instant::now();
        api.post("/events", json!([{"topic": "t1", "type": "t", "payload": {"n": times.len()}}])).await.ok(201);
        times.push(started.elapsed());
    }
    times
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() * 99 / 100]
}
