//! Money between accounts while the server is killed and its plugins are replaced: nothing is lost, and nothing happens twice.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::holds;
use super::reload::marked;
use crate::{Client, ServerOptions, TestServer, eventually};

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct TransfersPlan {
    pub accounts: usize,
    pub transfers: usize,
    pub clients: usize,
    /// Kills of the server, and as many replacements of plugins.
    pub kills: usize,
    pub seed: u64,
}

/// What was seen. A broken promise is a panic, with the place.
#[derive(Debug, Default)]
pub struct TransfersReport {
    pub seconds: f64,
    pub kills: usize,
    pub replaced: usize,
    /// How many transfers ended so, and why those that failed did.
    pub ends: BTreeMap<String, usize>,
    pub balance: u64,
    /// How many timers fired, and how many were cancelled.
    pub timers: BTreeMap<&'static str, usize>,
}

/// The bank's plugins that take part.
const PLUGINS: [&str; 3] = ["bank-account", "account-balances", "transfers"];
/// What each account begins with.
const CENTS: u64 = 1_000;
/// The most that a transfer moves: most of them come through, and some overdraw.
const AMOUNT_MAX: u64 = 100;
/// Every so many transfers one has hardly any time; the others have enough for whatever happens here.
const HURRIED: usize = 50;
const PATIENT_MS: u64 = 3_600_000;
const END_SECONDS_MAX: u64 = 900;

/// Has money moved, and holds placed and released, while the server is killed and plugins are replaced at random, then checks that
/// the sum is what it was, that every transfer ended once, and that every timer fired once or was cancelled.
///
/// # Panics
/// When money was lost or made, a transfer has no end, or two, or a timer was lost, or fired twice.
pub async fn transfers(options: ServerOptions, plan: TransfersPlan) -> TransfersReport {
    let mut server = TestServer::start(options).await;
    found(&server, plan).await;
    holds::found(&server).await;
    let begun = Instant::now();
    let (address, clients) = watch::channel(server.client.clone());
    let sent = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> =
        (0..plan.clients).map(|client| tokio::spawn(send(client, plan, clients.clone(), sent.clone()))).collect();
    let plugins: Vec<String> =
        PLUGINS.iter().map(|name| format!("bank/dist/{name}")).chain([format!("dist/{}", holds::PLUGIN)]).collect();
    let (over, stop) = watch::channel(false);
    let holding = tokio::spawn(holds::place(plan.seed, clients, stop));
    let mut random = StdRng::seed_from_u64(plan.seed);
    let mut report = TransfersReport::default();
    for round in 1..=plan.kills {
        let share = plan.transfers * round / (plan.kills + 1);
        eventually("transfers are asked for", 300, async || (sent.load(Ordering::Relaxed) >= share).then_some(()))
            .await;
        replace(&server, &plugins[random.random_range(0..plugins.len())], &mut random);
        report.replaced += 1;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..1_000))).await;
        server.kill().await;
        server.start_again().await;
        report.kills += 1;
        address.send_replace(server.client.clone());
    }
    for sender in senders {
        sender.await.expect("it sent all");
    }
    over.send_replace(true);
    let placed = holding.await.expect("it placed and released them");
    report.ends = all_end_once(&server.client, plan).await;
    report.timers = holds::each_timer_fired_once_or_was_cancelled(&server.client, placed).await;
    report.balance = nothing_is_lost(&server.client, plan).await;
    report.seconds = begun.elapsed().as_secs_f64();
    report
}

/// The bank, with its accounts.
async fn found(server: &TestServer, plan: TransfersPlan) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/bank/dist");
    let grants = "[grants]\nappend = [\"accounts\", \"transfers\"]\n";
    std::fs::write(server.plugins_dir().join("transfers.toml"), grants).expect("a side-car");
    for plugin in PLUGINS {
        let file = format!("{plugin}.wasm");
        std::fs::copy(from.join(&file), server.plugins_dir().join(&file)).expect("cargo xtask plugins was run");
    }
    let api = &server.client;
    for plugin in PLUGINS {
        eventually("the bank's plugins serve", 60, async || {
            (api.get(&format!("/plugins/{plugin}")).await.json()["state"] == "active").then_some(())
        })
        .await;
    }
    api.post("/topics", json!({"name": "accounts", "adapter": "redb", "decider": "bank-account"})).await.ok(201);
    api.post("/topics", json!({"name": "transfers", "adapter": "redb"})).await.ok(201);
    let lanes = (0..8).map(|lane| async move {
        for account in (lane..plan.accounts).step_by(8) {
            let path = format!("/aggregates/accounts/a{account}/commands");
            api.post(&format!("{path}/open"), json!({"owner": format!("o{account}")})).await.ok(200);
            api.post(&format!("{path}/deposit"), json!({"amount": CENTS})).await.ok(200);
        }
    });
    futures_util::future::join_all(lanes).await;
}

/// The same plugin with another digest.
fn replace(server: &TestServer, plugin: &str, random: &mut StdRng) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../plugins/{plugin}.wasm"));
    let path = server.plugins_dir().join(from.file_name().expect("a file"));
    let bytes = std::fs::read(from);
    std::fs::write(path, marked(bytes.expect("it was there"), random.random())).expect("replaced");
}

/// Asks for its share of the transfers; a request that nobody answers is sent again.
async fn send(client: usize, plan: TransfersPlan, mut clients: watch::Receiver<Client>, sent: Arc<AtomicUsize>) {
    let mut random = StdRng::seed_from_u64(plan.seed + client as u64);
    for number in (client..plan.transfers).step_by(plan.clients) {
        let from = random.random_range(0..plan.accounts);
        let to = (from + random.random_range(1..plan.accounts)) % plan.accounts;
        let mut payload = json!({
            "from": format!("a{from}"), "to": format!("a{to}"), "amount": random.random_range(1..=AMOUNT_MAX)
        });
        payload["timeoutMs"] = if number % HURRIED == 0 { 1 } else { PATIENT_MS }.into();
        let event =
            json!({"type": "transfer-requested", "stream": format!("t{number}"), "payload": payload}).to_string();
        // Sent twice it is the same transfer.
        send_surely(&mut clients, "transfers", &event).await;
        sent.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sends an event until it is taken, by one of the servers that come and go.
pub(super) async fn send_surely(clients: &mut watch::Receiver<Client>, topic: &str, event: &str) {
    for _ in 0..10_000 {
        let api = clients.borrow_and_update().clone();
        match api.try_send(Method::POST, &format!("/topics/{topic}/events"), event.to_owned()).await {
            Ok(answer) if answer.status == 201 => return,
            Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.text),
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nobody answers");
}

/// Reads a topic page by page.
pub(super) async fn each_event(api: &Client, topic: &str, mut see: impl FnMut(&Value)) {
    let mut from = 1;
    loop {
        let page = api.get(&format!("/topics/{topic}/events?from={from}&limit=5000")).await.ok(200);
        let events = page["events"].as_array().expect("a list");
        let Some(last) = events.last() else { return };
        events.iter().for_each(&mut see);
        from = last["sequence"].as_u64().expect("a number") + 1;
    }
}

const ENDS: [&str; 3] = ["transfer-completed", "transfer-failed", "transfer-stuck"];

/// How the transfers ended.
async fn all_end_once(api: &Client, plan: TransfersPlan) -> BTreeMap<String, usize> {
    eventually("every transfer has its end", END_SECONDS_MAX, async || {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut ends: HashMap<String, Vec<String>> = HashMap::new();
        each_event(api, "transfers", |event| {
            let text = |name: &str| event[name].as_str().expect("text").to_owned();
            if ENDS.contains(&text("type").as_str()) {
                let reason =
                    event["payload"]["reason"].as_str().map_or_else(String::new, |reason| format!(" {reason}"));
                ends.entry(text("stream")).or_default().push(text("type") + &reason);
            }
        })
        .await;
        let twice: Vec<_> = ends.iter().filter(|(_, ends)| ends.len() != 1).collect();
        assert!(twice.is_empty(), "ended more than once: {twice:?}");
        if ends.len() < plan.transfers {
            return None;
        }
        let mut counts = BTreeMap::new();
        ends.into_values().flatten().for_each(|end| *counts.entry(end).or_default() += 1);
        Some(counts)
    })
    .await
}

/// The sum of all balances, in the events and in the view.
async fn nothing_is_lost(api: &Client, plan: TransfersPlan) -> u64 {
    // A transfer that was called failed in its hurry may still be on its way back.
    eventually("nothing is on its way", 120, async || {
        let page = api.get("/projections/transfers/state?limit=1000").await.ok(200);
        let on_its_way =
            |entry: &Value| !matches!(entry["value"]["state"].as_str(), Some("completed" | "failed" | "stuck"));
        let mut entries = page["entries"].as_array().expect("a list").clone();
        let mut next = page["next"].clone();
        while let Some(after) = next.as_str().map(str::to_owned) {
            let page = api.get(&format!("/projections/transfers/state?limit=1000&after={after}")).await.ok(200);
            entries.extend(page["entries"].as_array().expect("a list").clone());
            next = page["next"].clone();
        }
        (!entries.iter().any(on_its_way)).then_some(())
    })
    .await;
    let (mut balances, mut moves) = (HashMap::new(), HashMap::new());
    let mut last = 0;
    each_event(api, "accounts", |event| {
        let payload = &event["payload"];
        if let Some(balance) = payload["balance"].as_u64() {
            balances.insert(event["stream"].clone().to_string(), balance);
        }
        if let Some(transfer) = payload["transfer"].as_str() {
            let key = (transfer.to_owned(), event["stream"].to_string(), event["type"].to_string());
            *moves.entry(key).or_insert(0) += 1;
        }
        last = event["position"].as_u64().expect("a number");
    })
    .await;
    let twice: Vec<_> = moves.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "applied more than once: {twice:?}");
    let sum: u64 = balances.values().sum();
    assert_eq!(sum, plan.accounts as u64 * CENTS, "the sum of the accounts' own balances");
    let total = api.get(&format!("/projections/account-balances/query/total?minPosition={last}&wait=60")).await.ok(200);
    assert_eq!((&total["balance"], &total["accounts"]), (&json!(sum), &json!(plan.accounts)), "the view's sum");
    sum
}
