//! Ten kills in the middle of publishing: what was acknowledged is there, once, in order, and was delivered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::RngExt;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::{Mutex, watch};
use weir_tests::{Client, Receiver, eventually};

use crate::{schema, server};

const PUBLISHERS: u64 = 8;
const EVENTS: u64 = 10_000;
const KILLS: u32 = 10;

/// What publishers know: which numbers were acknowledged, and as which event.
#[derive(Default)]
struct Acknowledged {
    ids: Mutex<BTreeMap<u64, String>>,
    count: AtomicU64,
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_lose_no_acknowledged_event_and_no_delivery() {
    let (mut server, receiver) = (server().await, Receiver::start().await);
    server.client.post("/topics", json!({"name": "t1", "schemas": [schema("t")]})).await.ok(201);
    let retry = json!({"maxAttempts": 1000, "initialDelayMs": 20, "maxDelayMs": 200});
    let consumer = json!({"callback": receiver.url(), "topics": {"t1": null}, "retry": retry});
    server.client.post("/consumers/register", consumer).await.ok(201);

    let acknowledged = Arc::new(Acknowledged::default());
    let (address, clients) = watch::channel(server.client.clone());
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| tokio::spawn(publish(publisher, clients.clone(), acknowledged.clone())))
        .collect();
    for kill in 0..KILLS {
        // Spread over the run: each kill waits for its share of the events, and a random moment more.
        let share = EVENTS * u64::from(kill) / u64::from(KILLS);
        eventually("events are acknowledged", 60, async || {
            (acknowledged.count.load(Ordering::Relaxed) >= share).then_some(())
        })
        .await;
        let moment = rand::rng().random_range(0..40);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        server.kill().await;
        server.start_again().await;
        address.send_replace(server.client.clone());
    }
    for publisher in publishers {
        publisher.await.expect("it published all");
    }
    let acknowledged = acknowledged.ids.lock().await;
    assert_eq!(acknowledged.len() as u64, EVENTS);

    let events = server.client.events("t1").await;
    let mut numbers = BTreeMap::new();
    for (i, event) in events.iter().enumerate() {
        assert_eq!((&event["sequence"], &event["position"]), (&json!(i + 1), &json!(i + 1)), "gapless, in order");
        let number = event["payload"]["n"].as_u64().expect("a number");
        numbers.entry(number).or_insert_with(Vec::new).push(event["id"].as_str().expect("an id").to_owned());
    }
    for (number, id) in acknowledged.iter() {
        let found = &numbers[number];
        // A publish that was cut off has no answer and is sent again: it may be there twice, its answered one once.
        assert_eq!(found.iter().filter(|other| *other == id).count(), 1, "event {number}");
    }
    let head = events.len() as u64;
    eventually("all are delivered", 60, async || {
        (receiver.events().last().is_some_and(|event| event["sequence"] == head)).then_some(())
    })
    .await;
    in_order_at_least_once(&receiver.events(), head);
}

/// Publishes its share one by one. A request that no one answers is sent again to the server that runs then.
async fn publish(publisher: u64, mut clients: watch::Receiver<Client>, acknowledged: Arc<Acknowledged>) {
    for n in (publisher..EVENTS).step_by(usize::try_from(PUBLISHERS).expect("small")) {
        let body = json!([{"topic": "t1", "type": "t", "payload": {"n": n}}]).to_string();
        let mut attempts = 0;
        loop {
            attempts += 1;
            assert!(attempts < 10_000, "nobody answers");
            let client = clients.borrow_and_update().clone();
            match client.try_send(Method::POST, "/events", body.clone()).await {
                Ok(answer) if answer.status == 201 => {
                    let id = answer.json()["eventIds"][0].as_str().expect("an id").to_owned();
                    acknowledged.ids.lock().await.insert(n, id);
                    acknowledged.count.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.text),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }
}

/// A repeated delivery may step back, but nothing is ever skipped.
fn in_order_at_least_once(events: &[Value], head: u64) {
    let mut reached = 0;
    for event in events {
        let sequence = event["sequence"].as_u64().expect("a number");
        assert!(sequence <= reached + 1, "event {sequence} came after {reached}");
        reached = reached.max(sequence);
    }
    assert_eq!(reached, head);
}
