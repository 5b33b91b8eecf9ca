//! Kills in the middle of publishing: what was acknowledged is there, once, in order, and was delivered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::{Mutex, watch};

use super::schema;
use crate::{Client, Receiver, ServerOptions, TestServer, eventually};

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct CrashPlan {
    pub publishers: u64,
    pub events: u64,
    pub kills: u32,
}

/// What was seen. A broken promise is a panic, with the place.
#[derive(Debug)]
pub struct CrashReport {
    pub acknowledged: u64,
    /// In the log: more than acknowledged by those whose answer was cut off.
    pub recorded: u64,
    pub delivered: u64,
    pub slowest_start: Duration,
}

/// What publishers know: which numbers were acknowledged, and as which event.
#[derive(Default)]
struct Acknowledged {
    ids: Mutex<BTreeMap<u64, String>>,
    count: AtomicU64,
}

/// Publishes while the server is killed with SIGKILL at random moments, then checks every promise.
///
/// # Panics
/// When an acknowledged event is missing or there twice, when an id is skipped, or when a delivery is.
pub async fn crash(options: ServerOptions, plan: CrashPlan) -> CrashReport {
    let (mut server, receiver) = (TestServer::start(options).await, Receiver::start().await);
    server.client.post("/topics", json!({"name": "t1", "schemas": [schema("t")]})).await.ok(201);
    let retry = json!({"maxAttempts": 1000, "initialDelayMs": 20, "maxDelayMs": 200});
    let consumer = json!({"callback": receiver.url(), "topics": {"t1": null}, "retry": retry});
    server.client.post("/consumers/register", consumer).await.ok(201);

    let acknowledged = Arc::new(Acknowledged::default());
    let (address, clients) = watch::channel(server.client.clone());
    let publishers: Vec<_> = (0..plan.publishers)
        .map(|publisher| tokio::spawn(publish(publisher, plan, clients.clone(), acknowledged.clone())))
        .collect();
    let mut slowest_start = Duration::ZERO;
    for kill in 0..plan.kills {
        // Spread over the run: each kill waits for its share of the events, and a random moment more.
        let share = plan.events * u64::from(kill) / u64::from(plan.kills);
        eventually("events are acknowledged", 60, async || {
            (acknowledged.count.load(Ordering::Relaxed) >= share).then_some(())
        })
        .await;
        let moment = rand::rng().random_range(0..40);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        server.kill().await;
        let started = Instant::now();
        server.start_again().await;
        slowest_start = slowest_start.max(started.elapsed());
        address.send_replace(server.client.clone());
    }
    for publisher in publishers {
        publisher.await.expect("it published all");
    }
    let acknowledged = acknowledged.ids.lock().await;
    assert_eq!(acknowledged.len() as u64, plan.events);
    let recorded = all_are_there_once(&server.client.events("t1").await, &acknowledged);
    eventually("all are delivered", 120, async || {
        receiver.events().last().is_some_and(|event| event["sequence"] == recorded).then_some(())
    })
    .await;
    let delivered = receiver.events();
    in_order_at_least_once(&delivered, recorded);
    CrashReport { acknowledged: plan.events, recorded, delivered: delivered.len() as u64, slowest_start }
}

/// Checks the log against what was acknowledged, and says how many events it has.
fn all_are_there_once(events: &[Value], acknowledged: &BTreeMap<u64, String>) -> u64 {
    let mut numbers: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for (i, event) in events.iter().enumerate() {
        assert_eq!((&event["sequence"], &event["position"]), (&json!(i + 1), &json!(i + 1)), "gapless, in order");
        let number = event["payload"]["n"].as_u64().expect("a number");
        numbers.entry(number).or_default().push(event["id"].as_str().expect("an id").to_owned());
    }
    for (number, id) in acknowledged {
        // A publish that was cut off has no answer and is sent again: it may be there twice, its answered one once.
        let found = numbers.get(number).map_or(0, |ids| ids.iter().filter(|other| *other == id).count());
        assert_eq!(found, 1, "event {number}, acknowledged as {id}");
    }
    events.len() as u64
}

/// Publishes its share one by one. A request that no one answers is sent again to the server that runs then.
async fn publish(publisher: u64, plan: CrashPlan, mut clients: watch::Receiver<Client>, done: Arc<Acknowledged>) {
    for n in (publisher..plan.events).step_by(usize::try_from(plan.publishers).expect("small")) {
        let body = json!([{"topic": "t1", "type": "t", "payload": {"n": n}}]).to_string();
        let mut attempts = 0;
        loop {
            attempts += 1;
            assert!(attempts < 10_000, "nobody answers");
            let client = clients.borrow_and_update().clone();
            match client.try_send(Method::POST, "/events", body.clone()).await {
                Ok(answer) if answer.status == 201 => {
                    let id = answer.json()["eventIds"][0].as_str().expect("an id").to_owned();
                    done.ids.lock().await.insert(n, id);
                    done.count.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.text),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }
}

/// A repeated delivery may step back, but nothing is ever skipped.
pub(super) fn in_order_at_least_once(events: &[Value], head: u64) {
    let mut reached = 0;
    for event in events {
        let sequence = event["sequence"].as_u64().expect("a number");
        assert!(sequence <= reached + 1, "event {sequence} came after {reached}");
        reached = reached.max(sequence);
    }
    assert_eq!(reached, head);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(sequence: u64, n: u64) -> Value {
        json!({"id": format!("t1-{sequence}"), "sequence": sequence, "position": sequence, "payload": {"n": n}})
    }

    #[test]
    fn a_repeated_answer_less_publish_is_no_fault() {
        let acknowledged = BTreeMap::from([(0, "t1-1".to_owned()), (1, "t1-3".to_owned())]);
        assert_eq!(all_are_there_once(&[event(1, 0), event(2, 1), event(3, 1)], &acknowledged), 3);
    }

    #[test]
    #[should_panic(expected = "acknowledged as t1-2")]
    fn a_lost_event_is_seen() {
        let acknowledged = BTreeMap::from([(0, "t1-1".to_owned()), (1, "t1-2".to_owned())]);
        all_are_there_once(&[event(1, 0)], &acknowledged);
    }

    #[test]
    #[should_panic(expected = "gapless")]
    fn a_gap_is_seen() {
        all_are_there_once(&[event(1, 0), event(3, 1)], &BTreeMap::new());
    }

    #[test]
    #[should_panic(expected = "event 3 came after 1")]
    fn a_skipped_delivery_is_seen() {
        in_order_at_least_once(&[event(1, 0), event(3, 1)], 3);
    }
}
