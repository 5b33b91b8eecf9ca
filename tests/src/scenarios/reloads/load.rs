//! Publishers: about 200 events a second, some of them wrong and some that make a validator trap.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::Client;

const PUBLISHERS: usize = 4;
const PAUSE: Duration = Duration::from_millis(20);

/// One request and its answer.
#[derive(Debug)]
pub struct Publish {
    pub number: u64,
    /// It fits the topic's schema.
    pub valid: bool,
    /// Its type makes validators of one behaviour trap. It also carries a condition that never holds, so that it is never
    /// recorded: new generations are tried on recorded events, and these would fail there.
    pub trap: bool,
    pub sent: Instant,
    pub answered: Instant,
    pub status: u16,
    pub body: Value,
}

pub struct Load {
    stop: Arc<AtomicBool>,
    publishers: Vec<JoinHandle<Vec<Publish>>>,
}

impl Load {
    pub fn start(api: &Client) -> Self {
        let (stop, numbers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let publisher = |_| tokio::spawn(publish(api.clone(), numbers.clone(), stop.clone()));
        let publishers = (0..PUBLISHERS).map(publisher).collect();
        Self { stop, publishers }
    }

    pub async fn stop(self) -> Vec<Publish> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for publisher in self.publishers {
            all.extend(publisher.await.expect("every request was answered"));
        }
        all
    }
}

async fn publish(api: Client, numbers: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> Vec<Publish> {
    let mut all = Vec::new();
    let mut ticks = tokio::time::interval(PAUSE);
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let (valid, trap) = (number % 20 != 7, number % 20 == 13);
        let n = if valid { json!(number) } else { json!("x") };
        let mut event = json!({"topic": "t1", "type": "t", "payload": {"n": n}, "metadata": {"n": number.to_string()}});
        if trap {
            event["type"] = json!("odd.trap");
            event["stream"] = json!("never");
            event["expectedVersion"] = json!(1_000_000);
        }
        let sent = Instant::now();
        let answer = api.send(Method::POST, "/events", json!([event])).await;
        let (answered, status, body) = (Instant::now(), answer.status, answer.json());
        all.push(Publish { number, valid, trap, sent, answered, status, body });
    }
    all
}
