//! So many events into a server, exactly and as fast as it takes them. How fast that is, is not measured here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinSet;
use weir_bench::Failure;

use crate::connection::Connection;
use crate::events::Batch;

const CONNECTIONS: usize = 16;
const EVENTS_PER_REQUEST: usize = 100;

/// Publishes so many events, of which `make` makes requests. All must be answered with 201.
pub async fn run(
    address: SocketAddr,
    make: &dyn Fn(usize) -> Batch,
    events: u64,
    numbers: &Arc<AtomicU64>,
) -> Result<(), Failure> {
    let each = EVENTS_PER_REQUEST as u64;
    let requests = Arc::new(AtomicU64::new(events / each));
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (requests, numbers, request) = (requests.clone(), numbers.clone(), make(EVENTS_PER_REQUEST));
        tasks.spawn(async move { work(address, request, &requests, &numbers).await });
    }
    // Dropping the set, as an error does, ends the other tasks.
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let rest = usize::try_from(events % each)?;
    if rest > 0 {
        work(address, make(rest), &AtomicU64::new(1), numbers).await?;
    }
    Ok(())
}

/// One connection, which takes from the requests that are left.
async fn work(
    address: SocketAddr,
    mut request: Batch,
    requests: &AtomicU64,
    numbers: &AtomicU64,
) -> Result<(), Failure> {
    let mut connection = Connection::open(address).await?;
    while requests.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        let first = numbers.fetch_add(request.events() as u64, Ordering::Relaxed);
        let answer = connection.exchange(request.numbered(first)).await?;
        if answer.status != 201 {
            let body = String::from_utf8_lossy(answer.body);
            return Err(format!("the answer was {}, not 201: {body:.500}", answer.status).into());
        }
    }
    Ok(())
}
