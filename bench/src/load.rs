//! Load on one server: so many connections, each with one request on its way at a time, until the time is up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Barrier;
use tokio::task::JoinSet;
use weir_bench::Failure;

use crate::events::Batch;
use crate::publisher::{self, Publisher};

/// Requests of one connection: a bound for loops that the clock should end long before.
const REQUESTS_MAX: usize = 10_000_000;
/// Events of one case: more only fill the disk.
const EVENTS_MAX: u64 = 4_000_000;
/// What answers may take beyond the time.
const GRACE: Duration = Duration::from_secs(60);

/// What is sent, by how many, and for how long.
pub struct Load {
    pub address: SocketAddr,
    pub request: Batch,
    pub connections: usize,
    pub time: Duration,
}

/// What was acknowledged.
#[derive(Default)]
pub struct Acknowledged {
    pub events: u64,
    pub took: Duration,
    pub latencies_ns: Vec<u64>,
    /// The body of the last answer of one connection.
    pub sample: Vec<u8>,
}

/// What one connection did.
struct Done {
    start: Instant,
    end: Instant,
    latencies_ns: Vec<u64>,
    sample: Vec<u8>,
}

/// Runs it. Everything but 201 is an error. `numbers` numbers the events of the whole run.
pub async fn run(load: Load, numbers: &Arc<AtomicU64>) -> Result<Acknowledged, Failure> {
    let Load { address, request, connections, time } = load;
    let events = request.events();
    drive_all(publisher::of_weir(address, &request, connections).await?, events, time, numbers).await
}

/// The same by any publishers, each of which sends so many events a request.
pub async fn drive_all(
    publishers: Vec<Box<dyn Publisher>>,
    events: usize,
    time: Duration,
    numbers: &Arc<AtomicU64>,
) -> Result<Acknowledged, Failure> {
    let (connections, events) = (publishers.len(), events as u64);
    let (barrier, last_number) = (Arc::new(Barrier::new(connections)), numbers.load(Ordering::Relaxed) + EVENTS_MAX);
    let mut tasks = JoinSet::new();
    for publisher in publishers {
        let (numbers, barrier) = (numbers.clone(), barrier.clone());
        tasks.spawn(async move {
            barrier.wait().await;
            drive(publisher, events, &numbers, last_number, time).await
        });
    }
    // Dropping the set, as an error does, ends the other tasks.
    let all = async {
        let mut done = Vec::with_capacity(connections);
        while let Some(ended) = tasks.join_next().await {
            done.push(ended??);
        }
        Ok::<_, Failure>(done)
    };
    let done = tokio::time::timeout(time + GRACE, all).await.map_err(|_| "answers stay away")??;
    let start = done.iter().map(|one| one.start).min().ok_or("no connections")?;
    let mut sum = Acknowledged::default();
    for one in done {
        sum.took = sum.took.max(one.end - start);
        sum.events += one.latencies_ns.len() as u64 * events;
        sum.latencies_ns.extend(one.latencies_ns);
        sum.sample = one.sample;
    }
    Ok(sum)
}

/// One connection until the time is up: what was sent by then is waited for, so all that was stored is counted.
async fn drive(
    mut publisher: Box<dyn Publisher>,
    events: u64,
    numbers: &AtomicU64,
    last_number: u64,
    time: Duration,
) -> Result<Done, Failure> {
    let start = Instant::now();
    let mut done = Done { start, end: start, latencies_ns: Vec::new(), sample: Vec::new() };
    for _ in 0..REQUESTS_MAX {
        let first = numbers.fetch_add(events, Ordering::Relaxed);
        publisher.prepare(first)?;
        let begin = Instant::now();
        publisher.publish().await?;
        let end = Instant::now();
        done.latencies_ns.push(u64::try_from((end - begin).as_nanos()).unwrap_or(u64::MAX));
        if end - start >= time || first >= last_number {
            (done.end, done.sample) = (end, publisher.answer().to_vec());
            return Ok(done);
        }
    }
    Err("more requests than any server answers in this time".into())
}
