//! Many followers of one topic: each gets every event, in order. The long form looks at the time from the commit to the
//! receipt, and at what followers cost that have nothing to receive.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::task::JoinSet;

use crate::follower::Follower;
use crate::{Client, ServerOptions, TestServer};

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct FollowersPlan {
    pub followers: usize,
    pub events_per_second: u64,
    pub seconds: u64,
    /// Followers of a topic without events, beside nothing else.
    pub idle: usize,
}

pub struct FollowersReport {
    pub receipts: usize,
    /// From the publisher's answer to the receipt; what was received before the answer counts as nothing.
    pub after_commit: Spread,
    /// From the publisher's request to the receipt.
    pub after_request: Spread,
    /// The publisher's own waits.
    pub publishes: Spread,
    /// Resident memory of the server, in KiB: without followers, and with the idle ones.
    pub rss_kib: (u64, u64),
}

/// Sorted microseconds.
pub struct Spread(Vec<u32>);

impl Spread {
    fn new(mut times: Vec<u32>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    fn at(&self, of: usize, all: usize) -> Duration {
        let index = (self.0.len() * of / all).min(self.0.len().saturating_sub(1));
        Duration::from_micros(self.0.get(index).copied().unwrap_or_default().into())
    }
}

impl fmt::Debug for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p50 {:.2?}, p99 {:.2?}, max {:.2?}", self.at(50, 100), self.at(99, 100), self.at(100, 100))
    }
}

impl fmt::Debug for FollowersReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (without, with) = self.rss_kib;
        writeln!(f, "{} receipts", self.receipts)?;
        writeln!(f, "  commit to receipt:  {:?}", self.after_commit)?;
        writeln!(f, "  request to receipt: {:?}", self.after_request)?;
        writeln!(f, "  publish:            {:?}", self.publishes)?;
        write!(f, "  idle followers: {} MiB more than {} MiB", with.saturating_sub(without) / 1024, without / 1024)
    }
}

/// When each event was asked for and answered, in microseconds since the beginning; 0 is not yet.
struct Times {
    began: Instant,
    requested: Vec<AtomicU64>,
    answered: Vec<AtomicU64>,
}

impl Times {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX).max(1)
    }
}

/// Follows, publishes, and checks that every follower received every event in order.
///
/// # Panics
/// When one did not.
pub async fn followers(options: ServerOptions, plan: FollowersPlan) -> FollowersReport {
    allow_many_connections();
    let server = TestServer::start(options).await;
    let api = server.client.clone();
    api.post("/topics", json!({"name": "busy", "adapter": "redb"})).await.ok(201);
    api.post("/topics", json!({"name": "idle", "adapter": "redb"})).await.ok(201);
    let events = plan.events_per_second * plan.seconds;
    let empty = || (0..=events).map(|_| AtomicU64::new(0)).collect();
    let times = Arc::new(Times { began: Instant::now(), requested: empty(), answered: empty() });
    let mut busy = JoinSet::new();
    for _ in 0..plan.followers {
        let follower = caught_up(&api, "/topics/busy/events").await;
        busy.spawn(receive(follower, events, times.clone()));
    }
    publish(&api, plan, &times).await;
    let receipts: Vec<Vec<u64>> =
        tokio::time::timeout(Duration::from_secs(60), busy.join_all()).await.expect("received");
    let rss_kib = idle(&server, plan.idle).await;
    report(&receipts, &times, rss_kib)
}

async fn caught_up(api: &Client, path: &str) -> Follower {
    let mut follower = Follower::open(&api.base, path, "").await;
    assert_eq!(follower.status, 200, "{}", follower.head);
    assert_eq!(follower.past().await, [""; 0]);
    follower
}

/// When each event was received.
async fn receive(mut follower: Follower, events: u64, times: Arc<Times>) -> Vec<u64> {
    let mut received = Vec::with_capacity(usize::try_from(events).unwrap_or(0));
    while (received.len() as u64) < events {
        let told = follower.next().await.expect("a whole stream").expect("not the end");
        if told.name == "message" {
            received.push(times.now());
            assert_eq!(told.id, Some(format!("busy-{}", received.len())), "in order, without a gap, each once");
        }
    }
    received
}

async fn publish(api: &Client, plan: FollowersPlan, times: &Arc<Times>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / u32::try_from(plan.events_per_second).unwrap_or(1));
    for n in 1..=plan.events_per_second * plan.seconds {
        ticks.tick().await;
        let at = usize::try_from(n).unwrap_or(0);
        times.requested[at].store(times.now(), Ordering::Relaxed);
        api.post("/topics/busy/events", json!({"type": "t", "payload": {"n": n, "text": "x".repeat(200)}}))
            .await
            .ok(201);
        times.answered[at].store(times.now(), Ordering::Relaxed);
    }
}

/// The server's memory before and with so many followers that wait.
async fn idle(server: &TestServer, count: usize) -> (u64, u64) {
    // What the busy ones left behind is given back, or used again.
    tokio::time::sleep(Duration::from_secs(if count > 0 { 2 } else { 0 })).await;
    let before = rss_kib(server.pid());
    let mut waiting = Vec::with_capacity(count);
    for _ in 0..count {
        waiting.push(caught_up(&server.client, "/topics/idle/events").await);
    }
    let with = rss_kib(server.pid());
    let one = server.client.post("/topics/idle/events", json!({"type": "t", "payload": {}}));
    one.await.ok(201);
    for follower in &mut waiting {
        assert_eq!(follower.told().await.id.as_deref(), Some("idle-1"), "they listen");
    }
    (before, with)
}

fn report(receipts: &[Vec<u64>], times: &Times, rss_kib: (u64, u64)) -> FollowersReport {
    let since = |from: &[AtomicU64]| {
        let all = receipts.iter().flat_map(|received| received.iter().zip(&from[1..]));
        let times = all.map(|(received, from)| received.saturating_sub(from.load(Ordering::Relaxed)));
        Spread::new(times.map(|time| u32::try_from(time).unwrap_or(u32::MAX)).collect())
    };
    let waits = times.requested.iter().zip(&times.answered).skip(1);
    let waits = waits.map(|(from, to)| to.load(Ordering::Relaxed) - from.load(Ordering::Relaxed));
    FollowersReport {
        receipts: receipts.iter().map(Vec::len).sum(),
        after_commit: since(&times.answered),
        after_request: since(&times.requested),
        publishes: Spread::new(waits.map(|time| u32::try_from(time).unwrap_or(u32::MAX)).collect()),
        rss_kib,
    }
}

fn rss_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

/// This process has the other end of every connection.
fn allow_many_connections() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("the limit of open files is raised");
}
