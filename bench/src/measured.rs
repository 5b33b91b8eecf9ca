//! What one measurement of one case gives, and the arithmetic on it.

use std::time::Duration;

use serde::Serialize;
use weir_bench::Failure;

use crate::cpu::cpu_time;

/// One case in one round.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    pub events: u64,
    /// Requests; for a file, writes.
    pub requests: u64,
    pub seconds: f64,
    pub events_per_second: f64,
    pub requests_per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub p99_9_us: f64,
    /// CPU time of the measured process, its work in the background included.
    pub cpu_us_per_event: f64,
    /// How long the process went on working after the last answer.
    pub settle_seconds: f64,
}

impl Measured {
    pub fn new(events: u64, took: Duration, mut latencies_ns: Vec<u64>, cpu: Duration, settle: Duration) -> Self {
        latencies_ns.sort_unstable();
        let (requests, seconds) = (latencies_ns.len() as u64, took.as_secs_f64());
        let micros = |per_thousand| percentile(&latencies_ns, per_thousand) as f64 / 1e3;
        Self {
            events,
            requests,
            seconds,
            events_per_second: events as f64 / seconds,
            requests_per_second: requests as f64 / seconds,
            p50_us: micros(500),
            p99_us: micros(990),
            p99_9_us: micros(999),
            cpu_us_per_event: cpu.as_secs_f64() * 1e6 / events.max(1) as f64,
            settle_seconds: settle.as_secs_f64(),
        }
    }
}

/// The smallest value that so many of a thousand do not exceed.
fn percentile(sorted: &[u64], per_thousand: usize) -> u64 {
    let rank = (sorted.len() * per_thousand).div_ceil(1_000);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// The middle one by `key`; of two in the middle, the lower.
pub fn median<T>(values: &[T], key: impl Fn(&T) -> f64) -> Option<&T> {
    let mut order: Vec<&T> = values.iter().collect();
    order.sort_by(|a, b| key(a).total_cmp(&key(b)));
    order.get(order.len().checked_sub(1)? / 2).copied()
}

/// Waits until a process no longer works, so that what it does in the background is counted with the case that caused
/// it and does not disturb the next one. Bounded: a process that never rests is measured as it is.
pub async fn settled(pid: u32) -> Result<(Duration, Duration), Failure> {
    settled_within(Duration::from_secs(20), || cpu_time(pid)).await
}

/// The same for whatever CPU time is looked at: it, and how long it still grew.
pub async fn settled_within(
    time_max: Duration,
    look: impl Fn() -> Result<Duration, Failure>,
) -> Result<(Duration, Duration), Failure> {
    const STEP: Duration = Duration::from_millis(50);
    let (mut cpu, mut quiet, steps_max) = (look()?, 0, (time_max.as_millis() / STEP.as_millis()) as u32);
    for step in 1..=steps_max {
        tokio::time::sleep(STEP).await;
        let now = look()?;
        quiet = if now == cpu { quiet + 1 } else { 0 };
        cpu = now;
        if quiet == 2 {
            return Ok((cpu, STEP * (step - 2)));
        }
    }
    Ok((cpu, time_max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let sorted: Vec<u64> = (1..=1_000).collect();
        assert_eq!([500, 990, 999].map(|p| percentile(&sorted, p)), [500, 990, 999]);
        assert_eq!([500, 999].map(|p| percentile(&[7], p)), [7, 7]);
        assert_eq!(percentile(&[], 500), 0);
    }

    #[test]
    fn the_median_is_one_of_the_rounds() {
        assert_eq!(median(&[3.0, 1.0, 2.0], |x| *x), Some(&2.0));
        assert_eq!(median(&[4.0, 1.0], |x| *x), Some(&1.0));
        assert_eq!(median(&[], |x: &f64| *x), None);
    }
}
