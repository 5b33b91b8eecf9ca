//! Hostile components in a running server: files that cannot be taken are dropped in one after the other, and sinks that
//! loop, trap, fill memory, sleep and log are called all the time, while publishers go on.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::schema;
use crate::{Client, ServerOptions, TestServer, eventually};

pub struct HostileReport {
    /// Files that were dropped in, each with the reason that the server gave.
    pub refused: Vec<(String, String)>,
    /// The times of publishes with nothing else going on.
    pub calm: Times,
    /// While good components were dropped in.
    pub good: Times,
    /// While hostile components were dropped in.
    pub files: Times,
    /// While hostile sinks were called.
    pub sinks: Times,
    /// For each of the three, its p99 in parts of the calm one, in each round. What a machine that is not alone does to the
    /// disk and the cores comes and goes within seconds; between neighbours it differs less than over all.
    pub of_calm: [Vec<f64>; 3],
}

impl fmt::Debug for HostileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} files refused, each with its reason; publishes:", self.refused.len())?;
        writeln!(f, "{:>14}: {:?}", "calm", self.calm)?;
        let [good, files, sinks] = &self.of_calm;
        for (name, times, rounds) in [
            ("good files", &self.good, good),
            ("hostile files", &self.files, files),
            ("hostile sinks", &self.sinks, sinks),
        ] {
            let ratio = times.p99_of(&self.calm);
            write!(f, "{name:>14}: {times:?}, p99 {ratio:.2} of calm; in each round, sorted:")?;
            rounds.iter().try_for_each(|ratio| write!(f, " {ratio:.2}"))?;
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Sorted times.
pub struct Times(Vec<Duration>);

impl Times {
    fn new(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self(times)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn p99_of(&self, other: &Self) -> f64 {
        self.share(99, 100).as_secs_f64() / other.share(99, 100).as_secs_f64()
    }

    /// The time that this share of them stays below.
    pub fn share(&self, of: usize, all: usize) -> Duration {
        self.0.get(self.0.len() * of / all).copied().unwrap_or_default()
    }
}

impl fmt::Debug for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p90, p99] = [50, 90, 99].map(|of| self.share(of, 100));
        write!(f, "{:5} times, p50 {p50:.2?}, p90 {p90:.2?}, p99 {p99:.2?}", self.len())
    }
}

/// Files of guests that never come to serve.
const FILES: [(&str, &str); 22] = [
    ("odd", "loop-in-describe"),
    ("odd", "trap-in-describe"),
    ("odd", "memory-in-describe"),
    ("odd", "stack-in-describe"),
    ("odd", "loop-in-init"),
    ("odd", "trap-in-init"),
    ("odd", "refuse-init"),
    ("odd", "empty-name"),
    ("odd", "config-schema"),
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

const PUBLISHERS: usize = 8;

/// What goes on beside the publishes, in rounds of so many phases.
const PHASES: usize = 5;
const CALM: usize = 0;
const GOOD: usize = 1;
const HOSTILE_FILES: usize = 2;
const HOSTILE_SINKS: usize = 3;
const BETWEEN: usize = 4;

/// Every publish must succeed, every file must be refused with a reason, and the server must be healthy at the end. In
/// each round publishes are timed in calm, while good and hostile files come, and while hostile sinks are called: `each`
/// long, and at least all files once over all rounds.
///
/// # Panics
/// When one of these is not so.
pub async fn hostile(options: ServerOptions, rounds: usize, each: Duration) -> HostileReport {
    let dropped = Dropped::make(rounds, each);
    let (mut good, mut hostile) = (dropped.good.iter(), dropped.hostile.iter().cycle());
    let server = TestServer::start(options).await;
    let api = server.client.clone();
    for topic in ["t1", "events"] {
        api.post("/topics", json!({"name": topic, "schemas": [schema("t")]})).await.ok(201);
    }
    let phase = Arc::new(AtomicUsize::new(CALM));
    let publishers: JoinSet<_> = (0..PUBLISHERS).map(|_| measure(api.clone(), phase.clone())).collect();
    let mut refused = Vec::new();
    for round in 0..rounds {
        let enter = |which: usize| phase.store(round * PHASES + which, Ordering::Relaxed);
        enter(CALM);
        tokio::time::sleep(each).await;
        let end = Instant::now() + each;
        enter(GOOD);
        while Instant::now() < end {
            drop_good(&server, good.next().expect("enough were made")).await;
        }
        let end = Instant::now() + each;
        enter(HOSTILE_FILES);
        while Instant::now() < end || refused.len() < FILES.len() * (round + 1) / rounds {
            let (name, bytes) = hostile.next().expect("they begin again");
            refused.push(drop_hostile(&server, name, bytes).await);
        }
        enter(BETWEEN);
        call_sinks(&server, round, &dropped.sinks, async || {
            enter(HOSTILE_SINKS);
            tokio::time::sleep(each).await;
            enter(BETWEEN);
        })
        .await;
    }
    phase.store(usize::MAX, Ordering::Relaxed);
    let times = publishers.join_all().await.concat();
    assert_eq!(api.get("/health").await.ok(200)["status"], "healthy");
    let of = |wanted: &dyn Fn(usize) -> bool| {
        Times::new(times.iter().filter(|(phase, _)| wanted(*phase)).map(|(_, time)| *time).collect())
    };
    let [calm, good, files, sinks] =
        [CALM, GOOD, HOSTILE_FILES, HOSTILE_SINKS].map(|wanted| of(&|phase| phase % PHASES == wanted));
    let of_calm = [GOOD, HOSTILE_FILES, HOSTILE_SINKS].map(|wanted| {
        let in_round = |round, wanted| of(&|phase| phase == round * PHASES + wanted);
        let mut ratios: Vec<f64> =
            (0..rounds).map(|round| in_round(round, wanted).p99_of(&in_round(round, CALM))).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    });
    HostileReport { refused, calm, good, files, sinks, of_calm }
}

/// The files that will be dropped in. They are made before the first publish is timed: finding the places in them to write
/// to takes a core of this machine longer than a publish does.
struct Dropped {
    good: Vec<Vec<u8>>,
    hostile: Vec<(String, Vec<u8>)>,
    sinks: Vec<(&'static str, Vec<u8>)>,
}

impl Dropped {
    fn make(rounds: usize, each: Duration) -> Self {
        // It takes longer than this until one is seen and serves.
        let good = rounds as u128 * (each.as_millis() / 150 + 1);
        Self {
            good: (0..good).map(|n| odd_version("odd", "accept", &format!("1.0.{n}"))).collect(),
            hostile: FILES.map(|(file, behaviour)| (format!("{file}-{behaviour}"), odd(file, behaviour))).into(),
            sinks: SINKS.map(|sink| (sink, odd("odd-sink", sink))).into(),
        }
    }
}

/// A good component comes, serves and goes.
async fn drop_good(server: &TestServer, bytes: &[u8]) {
    let path = server.plugins_dir().join("good.wasm");
    std::fs::write(&path, bytes).expect("dropped in");
    until_state(&server.client, "good", "active").await;
    forget(server, "good").await;
}

/// A hostile component comes, is refused, and goes; gives the reason.
async fn drop_hostile(server: &TestServer, name: &str, bytes: &[u8]) -> (String, String) {
    let path = server.plugins_dir().join(format!("{name}.wasm"));
    std::fs::write(&path, bytes).expect("dropped in");
    let reason = until_state(&server.client, name, "failed").await["reason"].as_str().unwrap_or_default().to_owned();
    assert!(reason.starts_with(&format!("plugin '{name}' ")) && !reason.contains('\n'), "{reason}");
    forget(server, name).await;
    (name.to_owned(), reason)
}

/// Hostile sinks come, are called for as long as `called` takes, and go.
async fn call_sinks(server: &TestServer, round: usize, sinks: &[(&str, Vec<u8>)], called: impl AsyncFnOnce()) {
    // They come like the good files that are measured already.
    let api = &server.client;
    let mut consumers = Vec::new();
    for (sink, bytes) in sinks {
        let name = format!("sink-{sink}-{round}");
        std::fs::write(server.plugins_dir().join(format!("{name}.wasm")), bytes).expect("dropped in");
        until_state(api, &name, "active").await;
        let consumer = json!({"sink": name, "callback": "http://127.0.0.1:9/", "topics": {"events": null}});
        consumers.push((name, api.post("/consumers/register", consumer).await.ok(201)));
    }
    for n in 0..20 {
        api.post("/events", json!([{"topic": "events", "type": "t", "payload": {"n": n}}])).await.ok(201);
    }
    called().await;
    for (name, consumer) in consumers {
        let id = consumer["consumerId"].as_str().unwrap_or_else(|| panic!("an id in {consumer}")).to_owned();
        assert!((200..300).contains(&api.delete(&format!("/consumers/{id}")).await.status));
        forget(server, &name).await;
    }
}

async fn until_state(api: &Client, name: &str, state: &str) -> Value {
    eventually(&format!("'{name}' is {state}"), 60, async || {
        let shown = api.get(&format!("/plugins/{name}")).await;
        let shown = (shown.status == 200).then(|| shown.json())?;
        (shown["state"] == state).then_some(shown)
    })
    .await
}

async fn forget(server: &TestServer, name: &str) {
    std::fs::remove_file(server.plugins_dir().join(format!("{name}.wasm"))).expect("removed");
    eventually(&format!("'{name}' is forgotten"), 60, async || {
        (server.client.get(&format!("/plugins/{name}")).await.status == 404).then_some(())
    })
    .await;
}

/// The times of one publisher's publishes, about 100 a second, each with the phase that it began in.
async fn measure(api: Client, phase: Arc<AtomicUsize>) -> Vec<(usize, Duration)> {
    let mut times = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    loop {
        ticks.tick().await;
        let (began, started) = (phase.load(Ordering::Relaxed), Instant::now());
        if began == usize::MAX {
            return times;
        }
        api.post("/events", json!([{"topic": "t1", "type": "t", "payload": {"n": times.len()}}])).await.ok(201);
        times.push((began, started.elapsed()));
    }
}
