//! A day of plugin changes in a few minutes: validators, a sink, the webhook and the schema plugin are replaced by good,
//! broken, hostile and half-written files, paused, resumed, reloaded and rolled back, while publishers go on.
//!
//! Which generations may answer at any moment is written down as it happens (`Book`), and afterwards every single answer
//! and every recorded event is held against that: a refusal must be the doing of a plugin that could serve just then.

mod book;
mod deeds;
mod load;
mod subject;
mod vitals;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::crash::in_order_at_least_once;
use crate::{Client, Receiver, ServerOptions, TestServer, eventually};
use book::Book;
use deeds::Deed;
use load::Load;
use subject::{Kind, Subject};
pub use vitals::Vitals;

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct ReloadsPlan {
    /// The same seed makes the same changes in the same order; what meets what is up to the machine.
    pub seed: u64,
    pub reloads: usize,
    /// Validators that are replaced side by side.
    pub rules: usize,
    /// MiB of events published first, so that the store's caches are full and only plugins can make memory grow.
    pub fill_mib: usize,
    /// From this reload on, memory may grow by at most so much.
    pub steady: Option<Steady>,
}

#[derive(Debug, Clone, Copy)]
pub struct Steady {
    pub after_reloads: usize,
    pub growth_max: f64,
}

/// What was seen. A broken promise is a panic, with the place.
#[derive(Debug)]
pub struct ReloadsReport {
    pub seed: u64,
    pub seconds: u64,
    /// What was done to plugins, by name.
    pub deeds: BTreeMap<&'static str, usize>,
    pub publishes: usize,
    /// Answers by what they were; each is accounted for.
    pub answers: BTreeMap<&'static str, usize>,
    /// Recorded events, and signatures of generations on them.
    pub recorded: usize,
    pub signatures: usize,
    pub generations_that_signed: usize,
    pub delivered: usize,
    pub batches_of_the_relay: usize,
    pub publish_p99: Duration,
    pub slowest_publish: Duration,
    pub most_instances: BTreeMap<String, u64>,
    /// The server's resources over the run.
    pub vitals: Vec<Vitals>,
}

/// Steps of the run that the report shows vitals of.
const VITALS_SHOWN: usize = 9;

/// # Panics
/// When any promise is broken.
pub async fn reloads(options: ServerOptions, plan: ReloadsPlan) -> ReloadsReport {
    println!("seed {}", plan.seed);
    let started = std::time::Instant::now();
    let mut server = TestServer::start(options).await;
    let (receiver, stamps) = (Receiver::start().await, Receiver::start().await);
    let api = server.client.clone();
    set_up(&api, plan.fill_mib).await;

    let mut dice = StdRng::seed_from_u64(plan.seed);
    let book = Arc::new(Mutex::new(Book::default()));
    let mut subjects = Vec::new();
    let rules = (1..=plan.rules).map(|n| (format!("rule-{n}"), Kind::Rule));
    let others = [("relay", Kind::Relay), ("schema", Kind::Schema), ("webhook", Kind::Webhook)];
    for (name, kind) in rules.chain(others.map(|(name, kind)| (name.to_owned(), kind))) {
        subjects.push(Subject::start(name, kind, server.plugins_dir(), api.clone(), book.clone()).await);
    }
    let retry = json!({"maxAttempts": 1000, "initialDelayMs": 20, "maxDelayMs": 200});
    let consumer = json!({"callback": receiver.url(), "topics": {"t1": null}, "retry": retry});
    api.post("/consumers/register", consumer).await.ok(201);
    let relay = json!({"sink": "relay", "callback": stamps.url(), "topics": {"t1": null}, "retry": retry});
    let relay = api.post("/consumers/register", relay).await.ok(201)["consumerId"].clone();

    let load = Load::start(&api);
    let (mut reloads, mut deeds, mut vitals) = (0, BTreeMap::new(), Vec::new());
    let mut most_instances = BTreeMap::new();
    while reloads < plan.reloads {
        let mut running = JoinSet::new();
        let mut resting = Vec::new();
        for subject in subjects {
            match Deed::draw(&mut dice, subject.kind) {
                Some(deed) => {
                    *deeds.entry(deed.word()).or_default() += 1;
                    reloads += usize::from(deed.is_a_reload());
                    running.spawn(subject.meet(deed, StdRng::seed_from_u64(dice.random())));
                }
                None => resting.push(subject),
            }
        }
        subjects = running.join_all().await;
        subjects.append(&mut resting);
        subjects.sort_by(|a, b| a.name.cmp(&b.name));
        within_limits(&api, &mut most_instances).await;
        vitals.push(Vitals::of(server.pid(), reloads));
    }
    let publishes = load.stop().await;
    for subject in subjects.iter_mut().filter(|subject| subject.kind == Kind::Relay) {
        subject.mend().await;
    }

    let head = api.get("/topics/t1").await.ok(200)["sequence"].as_u64().expect("a number");
    eventually("all are delivered", 120, async || {
        receiver.events().last().is_some_and(|event| event["sequence"] == head).then_some(())
    })
    .await;
    in_order_at_least_once(&receiver.events(), head);
    let path = format!("/consumers/{}", relay.as_str().expect("an id"));
    eventually("the relay has delivered all", 120, async || {
        let shown = api.get(&path).await.ok(200);
        assert_eq!(shown["deadLetters"], 0, "{shown}");
        (shown["lag"] == 0).then_some(())
    })
    .await;
    let stamps = stamps.bodies();
    assert!(stamps.iter().all(|stamp| stamp.as_str().is_some_and(|text| text.starts_with("relay-"))), "{stamps:?}");
    let events = api.events("t1").await;
    assert_eq!(events.len() as u64, head);
    let verdict = book.lock().unwrap_or_else(PoisonError::into_inner).judge(&publishes, &events);
    if let Some(steady) = plan.steady {
        vitals::flat(&vitals, steady);
    }
    same_after_a_restart(&mut server).await;

    let mut times: Vec<Duration> = publishes.iter().map(|publish| publish.answered - publish.sent).collect();
    times.sort_unstable();
    let every = (vitals.len() / VITALS_SHOWN).max(1);
    ReloadsReport {
        seed: plan.seed,
        seconds: started.elapsed().as_secs(),
        deeds,
        publishes: publishes.len(),
        answers: verdict.answers,
        recorded: events.len(),
        signatures: verdict.signatures,
        generations_that_signed: verdict.signers.len(),
        delivered: receiver.events().len(),
        batches_of_the_relay: stamps.len(),
        publish_p99: times[times.len() * 99 / 100],
        slowest_publish: times[times.len() - 1],
        most_instances,
        vitals: vitals.into_iter().rev().step_by(every).collect::<Vec<_>>().into_iter().rev().collect(),
    }
}

async fn set_up(api: &Client, fill_mib: usize) {
    // What a validator replaced fits too: then only the sender's own mistakes are refused by the schema.
    let number = json!({"eventType": "t", "type": "object", "properties": {"n": {"type": "integer"}}});
    let trap = json!({"eventType": "odd.trap", "type": "object"});
    api.post("/topics", json!({"name": "t1", "schemas": [number, trap]})).await.ok(201);
    api.post("/topics", json!({"name": "filling", "adapter": "redb"})).await.ok(201);
    let event = json!({"topic": "filling", "type": "t", "payload": {"text": "x".repeat(950)}});
    let batch = Value::Array(vec![event; 512]).to_string();
    for _ in 0..fill_mib * 2 {
        api.post("/events", &batch).await.ok(201);
    }
}

/// No plugin has more instances than its limit. One that is just handed over counts twice for a moment, so only what
/// stays so is a fault.
async fn within_limits(api: &Client, most: &mut BTreeMap<String, u64>) {
    const LOOKS: usize = 5;
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let mut least: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for _ in 0..LOOKS {
        for plugin in api.get("/plugins").await.ok(200)["plugins"].as_array().expect("a list") {
            let name = plugin["name"].as_str().expect("a name").to_owned();
            let instances = plugin["serving"]["instances"].as_u64().unwrap_or(0);
            let limit = if plugin["serving"]["kind"] == "sink" { 256 } else { (2 * cores).max(4) };
            let seen = least.entry(name).or_insert((instances, limit));
            *seen = (seen.0.min(instances), limit);
        }
        if least.values().all(|(instances, limit)| instances <= limit) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for (name, (instances, limit)) in least {
        assert!(instances <= limit, "{name} has {instances} instances, and may have {limit}");
        let before = most.entry(name).or_default();
        *before = instances.max(*before);
    }
}

/// What served serves again, and what can be gone back to is on disk.
async fn same_after_a_restart(server: &mut TestServer) {
    let serving = async |api: &Client| -> BTreeMap<String, Value> {
        let list = api.get("/plugins").await.ok(200);
        let plugins = list["plugins"].as_array().expect("a list").iter();
        plugins.map(|plugin| (plugin["name"].to_string(), plugin["serving"]["digest"].clone())).collect()
    };
    let list = server.client.get("/plugins").await.ok(200);
    for plugin in list["plugins"].as_array().expect("a list") {
        for kept in plugin["kept"].as_array().expect("a list") {
            let file = format!("{}.wasm", kept["digest"].as_str().expect("a digest"));
            let embedded = kept["generation"] == 1 && ["schema", "webhook"].iter().any(|name| plugin["name"] == *name);
            let there = server.data_dir().join("plugin-state").join(&file).is_file();
            assert!(there || embedded, "{} could go back to {kept}, but {file} is gone", plugin["name"]);
        }
    }
    let before = serving(&server.client).await;
    server.stop().await;
    server.start_again().await;
    assert_eq!(serving(&server.client).await, before, "a restart brings back what served");
}
