//! A view that is built anew while events arrive and clients read it; and reads of what was written just now.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::clients::root;
use crate::{Client, ServerOptions, TestServer, eventually};

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct ViewsPlan {
    /// Events before the view is built anew.
    pub events: u64,
    pub events_per_second: u64,
    /// Clients that read all the time.
    pub readers: usize,
    /// Events that are published and looked for in the view at once, and clients that do so.
    pub pairs: usize,
    pub clients: usize,
}

/// What was seen. A broken promise is a panic.
#[derive(Debug, Default)]
pub struct ViewsReport {
    /// Of the new generation, until it was read.
    pub rebuild_seconds: f64,
    pub rebuilt_per_second: f64,
    /// Microseconds an event in the plugin, and in all.
    pub guest_us: f64,
    pub total_us: f64,
    /// Events that arrived meanwhile, and reads.
    pub arrived: u64,
    pub reads: usize,
    pub pairs_seconds: f64,
}

const NAME: &str = "totals";
const STREAMS: u64 = 1_000;
const BATCH: u64 = 1_000;
/// Each read looks at every stream; without a pause they alone would keep a core busy.
const READ_PAUSE: Duration = Duration::from_millis(20);

/// Counts payments by stream. All events of the store are payments of 1: at any position the total is that position.
async fn total(api: &Client, query: &str) -> (u64, u64, u64) {
    let answer = api.get(&format!("/projections/{NAME}/query/total{query}")).await;
    let total = answer.ok(200).as_u64().expect("a number");
    let number = |name: &str| answer.headers[name].to_str().expect("text").parse().expect("a number");
    (total, number("weir-position"), number("weir-generation"))
}

async fn publish(api: &Client, first: u64, count: u64) -> u64 {
    let one = |n| json!({"topic": "payments", "type": "payment-made", "stream": format!("s{}", n % STREAMS), "payload": {"amount": 1}});
    let events: Vec<Value> = (first..first + count).map(one).collect();
    let body = api.post("/events", Value::from(events)).await.ok(201);
    body["positions"].as_array().and_then(|all| all.last()?.as_u64()).expect("a position")
}

async fn shown(api: &Client) -> Value {
    api.get(&format!("/projections/{NAME}")).await.ok(200)
}

/// Builds a view anew under traffic and reads, goes back, and then reads what was written just now.
///
/// # Panics
/// When a read is not whole, is stale, or goes back.
pub async fn views(options: ServerOptions, plan: ViewsPlan) -> ViewsReport {
    let home = tempfile::tempdir().expect("a directory");
    let plugins = home.path().join("config/plugins");
    std::fs::create_dir_all(&plugins).expect("a directory");
    let component = root().join("plugins/examples/dist/rust-projection.wasm");
    std::fs::copy(&component, plugins.join(format!("{NAME}.wasm"))).expect("cargo xtask plugins was run");
    let server = TestServer::start_in(options, home).await;
    let api = &server.client;
    api.post("/topics", json!({"name": "payments", "adapter": "redb"})).await.ok(201);
    let mut next = 0;
    while next < plan.events {
        let count = BATCH.min(plan.events - next);
        publish(api, next, count).await;
        next += count;
    }
    eventually("the view has all", 300, async || (shown(api).await["live"]["position"] == plan.events).then_some(()))
        .await;
    let mut report = ViewsReport::default();
    rebuild(api, plan, &mut report).await;
    roll_back(api).await;
    pairs(api, plan, &mut report).await;
    report
}

async fn rebuild(api: &Client, plan: ViewsPlan, report: &mut ViewsReport) {
    let done = Arc::new(AtomicBool::new(false));
    let (arrived, reads) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut others = JoinSet::new();
    others.spawn(traffic(api.clone(), plan, done.clone(), arrived.clone()));
    for _ in 0..plan.readers {
        others.spawn(read(api.clone(), done.clone(), reads.clone()));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = api.get(&format!("/plugins/{NAME}")).await.json()["serving"].clone();
    let (generation, begun) = (shown(api).await["live"]["number"].clone(), Instant::now());
    api.post(&format!("/projections/{NAME}/rebuild"), "").await.ok(200);
    let position = eventually("the new generation is read", 600, async || {
        let live = shown(api).await["live"].clone();
        (live["number"] != generation).then(|| live["position"].as_u64().expect("a position"))
    })
    .await;
    report.rebuild_seconds = begun.elapsed().as_secs_f64();
    report.rebuilt_per_second = position as f64 / report.rebuild_seconds;
    let after = api.get(&format!("/plugins/{NAME}")).await.json()["serving"].clone();
    let grown = |path: &str| {
        after.pointer(path).and_then(Value::as_f64).unwrap_or_default()
            - before.pointer(path).and_then(Value::as_f64).unwrap_or_default()
    };
    report.guest_us = grown("/stats/timeUs") / grown("/stats/events").max(1.0);
    report.total_us = 1e6 / report.rebuilt_per_second;
    tokio::time::sleep(Duration::from_millis(500)).await;
    done.store(true, Ordering::Relaxed);
    while let Some(other) = others.join_next().await {
        other.expect("every read was whole");
    }
    (report.arrived, report.reads) = (arrived.load(Ordering::Relaxed), reads.load(Ordering::Relaxed));
    assert!(report.reads > 0 && report.arrived > 0, "{report:?}");
}

/// Publishes at a steady pace.
async fn traffic(api: Client, plan: ViewsPlan, done: Arc<AtomicBool>, arrived: Arc<AtomicU64>) {
    let (begun, per_turn) = (Instant::now(), 20);
    while !done.load(Ordering::Relaxed) {
        let sent = arrived.fetch_add(per_turn, Ordering::Relaxed);
        publish(&api, plan.events + sent, per_turn).await;
        let due = Duration::from_secs_f64((sent + per_turn) as f64 / plan.events_per_second as f64);
        tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
    }
}

/// Every read is of one position, with everything up to it, and none is older than the one before.
async fn read(api: Client, done: Arc<AtomicBool>, reads: Arc<AtomicUsize>) {
    let mut last = (0, 0);
    while !done.load(Ordering::Relaxed) {
        let (total, position, generation) = total(&api, "").await;
        assert_eq!(total, position, "generation {generation}");
        assert!((generation, position) >= last, "{last:?} was read before {:?}", (generation, position));
        last = (generation, position);
        reads.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(READ_PAUSE).await;
    }
}

/// The generation before comes back, and goes on.
async fn roll_back(api: &Client) {
    let live = shown(api).await;
    let (now, kept) = (live["live"]["number"].as_u64().expect("a number"), live["kept"].as_u64().expect("one is kept"));
    let status = api.post(&format!("/projections/{NAME}/rollback"), "").await.ok(200);
    assert!(kept < now && status["live"]["number"] == kept, "{status}");
    let head = status["head"].as_u64().expect("a position");
    assert_eq!(total(api, &format!("?minPosition={head}&wait=60")).await, (head, head, kept));
}

/// Clients publish and read at once, each until it has done its share.
async fn pairs(api: &Client, plan: ViewsPlan, report: &mut ViewsReport) {
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..plan.clients {
        let (api, share) = (api.clone(), plan.pairs / plan.clients);
        clients.spawn(async move {
            let stream = format!("client-{client}");
            for n in 1..=share {
                let event = json!({"type": "payment-made", "stream": stream, "payload": {"amount": 1}});
                let published = api.post("/topics/payments/events", event).await.ok(201);
                let position = published["positions"][0].as_u64().expect("a position");
                let path = format!("/projections/{NAME}/state/{stream}?minPosition={position}&wait=30");
                let value = api.get(&path).await.ok(200);
                assert_eq!((&value["count"], &value["last"]), (&json!(n), &json!(position)), "stale: {value}");
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.expect("nothing was stale");
    }
    report.pairs_seconds = begun.elapsed().as_secs_f64();
}
