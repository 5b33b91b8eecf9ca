//! Holds that expire unless they are released, by timers of the sample `state-machine`: beside the transfers, under the same kills.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::transfers::{each_event, send_surely};
use crate::{Client, TestServer, eventually};

pub const PLUGIN: &str = "state-machine";
/// How long a hold lasts.
const HOLD_MS: u64 = 2_000;
/// Every other hold is released at a random time up to this.
const RELEASED_MS_MAX: u64 = 2 * HOLD_MS;
/// A hold that was released so long before its end must not expire: its release was folded by then.
const IN_TIME_MS: u64 = HOLD_MS / 2;
const END_SECONDS_MAX: u64 = 300;

const SIDECAR: &str = r#"
[grants]
append = ["holds"]

[[config.machines]]
name = "hold"
topic = "holds"
initial = "none"

[config.machines.states.none]
on = [{ event = "placed", to = "held" }]

[config.machines.states.held]
on = [{ event = "released", to = "free" }]
after = { ms = 2000, to = "expired", actions = [{ append = { topic = "holds", type = "expired", stream = "key" } }] }

[config.machines.states.free]
final = true

[config.machines.states.expired]
final = true
"#;

/// Has the plugin and the topic there.
pub async fn found(server: &TestServer) {
    std::fs::write(server.plugins_dir().join(format!("{PLUGIN}.toml")), SIDECAR).expect("a side-car");
    let file = format!("{PLUGIN}.wasm");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/dist").join(&file);
    std::fs::copy(from, server.plugins_dir().join(&file)).expect("cargo xtask plugins was run");
    let api = &server.client;
    eventually("the state machine serves", 60, async || {
        (api.get(&format!("/plugins/{PLUGIN}")).await.json()["state"] == "active").then_some(())
    })
    .await;
    api.post("/topics", json!({"name": "holds", "adapter": "redb"})).await.ok(201);
}

/// Places a hold now and then, until it is told to stop, and releases every other one. Gives how many were placed.
pub async fn place(seed: u64, clients: watch::Receiver<Client>, stop: watch::Receiver<bool>) -> usize {
    let mut random = StdRng::seed_from_u64(seed);
    let mut releases = JoinSet::new();
    let mut placed = 0;
    while !*stop.borrow() {
        let stream = format!("h{placed}");
        send_surely(
            &mut clients.clone(),
            "holds",
            &json!({"type": "placed", "stream": stream, "payload": {}}).to_string(),
        )
        .await;
        if placed % 2 == 1 {
            let after = Duration::from_millis(random.random_range(0..RELEASED_MS_MAX));
            let mut clients = clients.clone();
            releases.spawn(async move {
                tokio::time::sleep(after).await;
                send_surely(
                    &mut clients,
                    "holds",
                    &json!({"type": "released", "stream": stream, "payload": {}}).to_string(),
                )
                .await;
            });
        }
        placed += 1;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..20))).await;
    }
    releases.join_all().await;
    placed
}

#[derive(Default)]
struct Hold {
    placed: Option<u64>,
    released: Option<u64>,
    expired: Vec<u64>,
}

/// How many expired and how many did not.
///
/// # Panics
/// When a timer was lost, fired twice, too early, or though it was cancelled.
pub async fn each_timer_fired_once_or_was_cancelled(api: &Client, placed: usize) -> BTreeMap<&'static str, usize> {
    eventually("every hold that nobody released expires", END_SECONDS_MAX, async || {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut holds: HashMap<String, Hold> = HashMap::new();
        each_event(api, "holds", |event| {
            let hold = holds.entry(event["stream"].as_str().expect("a stream").to_owned()).or_default();
            let time = OffsetDateTime::parse(event["timestamp"].as_str().expect("a time"), &Rfc3339).expect("RFC 3339");
            let time_ms = (time.unix_timestamp_nanos() / 1_000_000) as u64;
            // One that was sent again, as nobody answered, changes nothing.
            match event["type"].as_str() {
                Some("placed") => hold.placed = hold.placed.or(Some(time_ms)),
                Some("released") => hold.released = hold.released.or(Some(time_ms)),
                _ => hold.expired.push(time_ms),
            }
        })
        .await;
        assert_eq!(holds.len(), placed, "every hold is there");
        let mut counts = BTreeMap::new();
        for (name, Hold { placed, released, expired }) in holds {
            let due = placed.expect("it was placed before all else") + HOLD_MS;
            assert!(expired.len() <= 1, "{name} expired {} times", expired.len());
            assert!(expired.iter().all(|time| *time >= due), "{name} expired too early");
            let is_in_time = released.is_some_and(|time| time + IN_TIME_MS < due);
            assert!(!is_in_time || expired.is_empty(), "{name} expired, though it was released long before");
            if released.is_none() && expired.is_empty() {
                return None;
            }
            let end = match (released, expired.is_empty()) {
                (_, true) => "cancelled",
                (Some(_), false) => "fired before a late release",
                (None, false) => "fired",
            };
            *counts.entry(end).or_default() += 1;
        }
        Some(counts)
    })
    .await
}
