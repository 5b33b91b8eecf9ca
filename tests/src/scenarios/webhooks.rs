//! Receivers that hang, fail or are slow, and what publishers notice of them.

use std::time::{Duration, Instant};

use serde_json::json;

use super::schema;
use crate::{Client, Receiver, Reply, ServerOptions, TestServer, eventually};

/// The 99th percentile of publishing without a consumer, and with each kind of bad receiver.
#[derive(Debug)]
pub struct WebhookReport {
    /// Name of the receiver, its p99, and that p99 as a multiple of the one without a consumer in the same round; medians.
    pub cases: Vec<(&'static str, Duration, f64)>,
}

const CASES: [(&str, Option<Reply>); 5] = [
    ("none", None),
    ("good", Some(Reply::Status(200))),
    ("hangs", Some(Reply::Hang)),
    ("answers 500", Some(Reply::Status(500))),
    ("slow", Some(Reply::Slow(200))),
];

/// Publishes `events` a case and round, by four publishers at 100 a second each; then mends every receiver and checks that
/// it got all.
///
/// # Panics
/// When a publish fails or a receiver does not get every event in the end.
pub async fn webhooks(options: ServerOptions, events: u64, rounds: usize) -> WebhookReport {
    let mut measured: Vec<Vec<Duration>> = vec![Vec::new(); CASES.len()];
    for _ in 0..rounds {
        for (index, (_, reply)) in CASES.iter().enumerate() {
            measured[index].push(case(options.clone(), events, *reply).await);
        }
    }
    let middle = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let cases = CASES.iter().enumerate().map(|(index, (name, _))| {
        let mut p99: Vec<f64> = measured[index].iter().map(Duration::as_secs_f64).collect();
        let mut ratios: Vec<f64> = measured[index]
            .iter()
            .zip(&measured[0])
            .map(|(one, none)| one.as_secs_f64() / none.as_secs_f64())
            .collect();
        (*name, Duration::from_secs_f64(middle(&mut p99)), middle(&mut ratios))
    });
    WebhookReport { cases: cases.collect() }
}

/// The p99 of publishing to a fresh server with such a receiver.
async fn case(options: ServerOptions, events: u64, reply: Option<Reply>) -> Duration {
    const PUBLISHERS: u64 = 4;
    let (server, receiver) = (TestServer::start(options).await, Receiver::start().await);
    let api = server.client.clone();
    api.post("/topics", json!({"name": "t1", "schemas": [schema("t")]})).await.ok(201);
    if let Some(reply) = reply {
        receiver.reply(reply);
        let retry = json!({"maxAttempts": 1000, "initialDelayMs": 20, "maxDelayMs": 500});
        let body = json!({"callback": receiver.url(), "topics": {"t1": null}, "retry": retry});
        api.post("/consumers/register", body).await.ok(201);
    }
    let publishers: Vec<_> = (0..PUBLISHERS).map(|_| tokio::spawn(publish(api.clone(), events / PUBLISHERS))).collect();
    let mut times = Vec::new();
    for publisher in publishers {
        times.extend(publisher.await.expect("it published all"));
    }
    times.sort_unstable();
    if reply.is_some() {
        receiver.reply(Reply::Status(200));
        // One that hangs keeps its request until the delivery's time is up.
        eventually("the receiver has all", 90, async || {
            receiver.events().last().is_some_and(|event| event["sequence"] == events).then_some(())
        })
        .await;
        let sequences: std::collections::BTreeSet<u64> =
            receiver.events().iter().filter_map(|event| event["sequence"].as_u64()).collect();
        assert_eq!(sequences.len() as u64, events, "nothing is lost");
    }
    times[times.len() * 99 / 100]
}

async fn publish(api: Client, events: u64) -> Vec<Duration> {
    let mut times = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    for n in 0..events {
        ticks.tick().await;
        let started = Instant::now();
        api.post("/events", json!([{"topic": "t1", "type": "t", "payload": {"n": n}}])).await.ok(201);
        times.push(started.elapsed());
    }
    times
}
