//! What one measurement of one case gives, and the arithmetic on it.

use std::time::Duration;

use serde::Serialize;
use weir_bench::Failure;

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

/// Ticks in which Linux counts CPU time, on every architecture that a server runs on.
const TICKS_PER_SECOND: u64 = 100;

/// The CPU time that a process has used so far, all of its threads together.
pub fn cpu_time(pid: u32) -> Result<Duration, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_err(|error| format!("process {pid} is gone ({error}); its last words may stand above"))?;
    Ok(parse_stat(&stat).ok_or_else(|| format!("/proc/{pid}/stat is not understood"))?)
}

/// `utime` and `stime` are fields 14 and 15; the name in field 2 may hold anything, so counting begins behind it.
fn parse_stat(stat: &str) -> Option<Duration> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Duration::from_millis((user + system) * 1_000 / TICKS_PER_SECOND))
}

/// Waits until a process no longer works, so that what it does in the background is counted with the case that caused
/// it and does not disturb the next one. Bounded: a process that never rests is measured as it is.
pub async fn settled(pid: u32) -> Result<(Duration, Duration), Failure> {
    const STEP: Duration = Duration::from_millis(50);
    const STEPS_MAX: u32 = 400;
    let (mut cpu, mut quiet) = (cpu_time(pid)?, 0);
    for step in 1..=STEPS_MAX {
        tokio::time::sleep(STEP).await;
        let now = cpu_time(pid)?;
        quiet = if now == cpu { quiet + 1 } else { 0 };
        cpu = now;
        if quiet == 2 {
            return Ok((cpu, STEP * (step - 2)));
        }
    }
    Ok((cpu, STEP * STEPS_MAX))
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

    #[test]
    fn cpu_time_is_read_behind_a_name_with_spaces_and_brackets() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 150 30 0 0 20 0 3 0 12 1000 5 18446744073709551615";
        assert_eq!(parse_stat(stat), Some(Duration::from_millis(1_800)));
        assert_eq!(parse_stat("7 (a) S 1"), None);
    }
}
