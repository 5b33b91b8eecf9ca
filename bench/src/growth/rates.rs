//! Append rates of two servers that take turns, and how long single reads of each take.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use serde::Serialize;
use weir_bench::Failure;

use crate::child::Server;
use crate::events::Batch;
use crate::goal::Spread;
use crate::load::{self, Load};
use crate::measured::settled;
use crate::reader::{JSON, Reader};

/// Connections that append at once.
const CONNECTIONS: usize = 16;
/// Events in one window: more would make the fresh store an old one.
const WINDOW_EVENTS_MAX: u64 = 50_000;
const WINDOW_MIN: Duration = Duration::from_millis(20);

/// A figure of the store that grows, the same of the fresh one, and the one as a part of the other within each round.
#[derive(Debug, Clone, Serialize)]
pub struct Pair {
    pub grown: Spread,
    pub fresh: Spread,
    pub ratio: Spread,
}

impl Pair {
    fn of(rounds: &[(f64, f64)]) -> Self {
        Self {
            grown: Spread::of(rounds.iter().map(|(grown, _)| *grown)),
            fresh: Spread::of(rounds.iter().map(|(_, fresh)| *fresh)),
            ratio: Spread::of(rounds.iter().map(|(grown, fresh)| grown / fresh)),
        }
    }
}

/// A server with what is appended to it.
pub struct Side<'a> {
    pub server: &'a Server,
    pub request: Batch,
}

impl Side<'_> {
    /// Events a second. What the server does behind its answers ends before anybody else's turn.
    async fn rate(&self, time: Duration, numbers: &Arc<AtomicU64>) -> Result<f64, Failure> {
        let (address, request) = (self.server.address, self.request.clone());
        let done = load::run(Load { address, request, connections: CONNECTIONS, time }, numbers).await?;
        settled(self.server.pid()).await?;
        Ok(done.events as f64 / done.took.as_secs_f64())
    }
}

/// How long appending may take until a store of this size has grown noticeably, at this rate; at most `time`.
pub fn window(size: u64, events_per_second: f64, time: Duration) -> Duration {
    let events = (size / 10).min(WINDOW_EVENTS_MAX) as f64;
    Duration::from_secs_f64(events / events_per_second.max(1.0)).max(WINDOW_MIN).min(time)
}

/// Events a second of both, in windows that take turns; who is first changes from round to round.
pub async fn appends(
    (grown, fresh): (Side<'_>, Side<'_>),
    size: u64,
    time: Duration,
    rounds: u32,
    numbers: &Arc<AtomicU64>,
) -> Result<Pair, Failure> {
    let warm = WINDOW_MIN.min(time);
    let time = window(size, grown.rate(warm, numbers).await?.max(fresh.rate(warm, numbers).await?), time);
    let mut pairs = Vec::new();
    for round in 0..rounds {
        pairs.push(if round % 2 == 0 {
            let first = grown.rate(time, numbers).await?;
            (first, fresh.rate(time, numbers).await?)
        } else {
            let first = fresh.rate(time, numbers).await?;
            (grown.rate(time, numbers).await?, first)
        });
    }
    Ok(Pair::of(&pairs))
}

/// How long reads take of both, in microseconds: the middle one and the 99th of a hundred, the fresh one's middle.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Micros {
    pub p50: f64,
    pub p99: f64,
    pub fresh_p50: f64,
}

/// The reads that `path` names, by turns from both; the flag says whether from the grown one.
pub async fn reads(
    grown: SocketAddr,
    fresh: SocketAddr,
    tries: u64,
    path: impl Fn(bool, u64) -> String,
) -> Result<Micros, Failure> {
    let (mut from_grown, mut from_fresh) = (Reader::open(grown).await?, Reader::open(fresh).await?);
    let (mut times, mut fresh_times) = (Vec::new(), Vec::new());
    for at in 0..tries {
        times.push(from_grown.get(&path(true, at), JSON).await?.took);
        fresh_times.push(from_fresh.get(&path(false, at), JSON).await?.took);
    }
    Ok(Micros {
        p50: percentile(&mut times, 50),
        p99: percentile(&mut times, 99),
        fresh_p50: percentile(&mut fresh_times, 50),
    })
}

fn percentile(times: &mut [Duration], part: usize) -> f64 {
    times.sort_unstable();
    let rank = (times.len() * part).div_ceil(100);
    times.get(rank.saturating_sub(1)).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_made_within_a_round() {
        let pair = Pair::of(&[(50.0, 100.0), (9.0, 10.0), (400.0, 500.0)]);
        assert_eq!((pair.grown.median, pair.fresh.median, pair.ratio.median), (50.0, 100.0, 0.8));
    }

    #[test]
    fn a_window_lets_no_store_grow_by_much() {
        let second = Duration::from_secs(1);
        let millis = |size, rate| window(size, rate, second).as_millis();
        assert_eq!(millis(10_000, 10_000.0), 100, "a tenth");
        assert_eq!(millis(10_000_000, 250_000.0), 200, "as many as the fresh one can take");
        assert_eq!((millis(1_000, 1e6), millis(10_000_000, 1_000.0)), (20, 1_000), "within bounds");
    }

    #[test]
    fn percentiles_are_times_that_were_taken() {
        let mut times: Vec<Duration> = (1..=200).rev().map(Duration::from_micros).collect();
        assert_eq!([50, 99].map(|part| percentile(&mut times, part).round()), [100.0, 198.0]);
    }
}
