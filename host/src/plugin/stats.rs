//! What one generation's calls cost: counted where a guest is entered and left, for /plugins and /metrics.

use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use utoipa::ToSchema;

use super::Fault;

/// Upper bounds of the latency histogram, in microseconds; the last bucket has none.
pub const LATENCY_BOUNDS_US: [u64; 14] =
    [3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000];
/// Words of `Fault::word`, in the order of their counters.
const FAULTS: [&str; 11] =
    ["trap", "cpu", "timeout", "memory", "answer", "limit", "denied", "start", "host", "busy", "suspended"];

#[derive(Default)]
pub(super) struct Stats {
    calls: AtomicU64,
    events: AtomicU64,
    /// Faults that are the guest's.
    faulty: AtomicU64,
    faults: [AtomicU64; FAULTS.len()],
    time_ns: AtomicU64,
    latency: [AtomicU64; LATENCY_BOUNDS_US.len() + 1],
    wait_ns: AtomicU64,
    fuel: AtomicU64,
    memory_bytes_peak: AtomicU64,
}

/// What a generation's calls came to, so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallStats {
    /// Calls that other rooms asked for, and events in them.
    pub calls: u64,
    pub events: u64,
    /// Failed calls, by reason.
    pub faults: BTreeMap<&'static str, u64>,
    /// Times that the guest was entered, and microseconds in it: the sum, and in buckets up to `LATENCY_BOUNDS_US`.
    pub entries: u64,
    pub time_us: u64,
    #[serde(skip)]
    pub latency: Vec<u64>,
    /// Upper bounds of the time in the guest that half and 99 % of the entries kept, in microseconds.
    pub p50_us: Option<u64>,
    pub p99_us: Option<u64>,
    /// Microseconds that calls waited for an instance.
    pub wait_us: u64,
    /// Instructions (pure kinds).
    pub fuel: u64,
    pub fuel_per_event: Option<u64>,
    /// The most memory that one instance had.
    pub memory_bytes_peak: u64,
}

impl Stats {
    pub fn entered(&self, time: Duration, fuel: u64, memory_bytes: u64) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = LATENCY_BOUNDS_US.partition_point(|bound| *bound < micros);
        self.latency[bucket].fetch_add(1, Ordering::Relaxed);
        self.time_ns.fetch_add(nanos(time), Ordering::Relaxed);
        if fuel > 0 {
            self.fuel.fetch_add(fuel, Ordering::Relaxed);
        }
        // Rarely so, and a look costs less than a change.
        if memory_bytes > self.memory_bytes_peak.load(Ordering::Relaxed) {
            self.memory_bytes_peak.fetch_max(memory_bytes, Ordering::Relaxed);
        }
    }

    pub fn waited(&self, time: Duration) {
        self.wait_ns.fetch_add(nanos(time), Ordering::Relaxed);
    }

    /// One call of another room, and how it ended. Gives how many there were, with this one.
    pub fn called(&self, events: usize, fault: Option<&Fault>) -> u64 {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        self.events.fetch_add(events as u64, Ordering::Relaxed);
        let Some(fault) = fault else { return calls };
        if fault.is_the_guests() {
            self.faulty.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(index) = FAULTS.iter().position(|word| *word == fault.word()) {
            self.faults[index].fetch_add(1, Ordering::Relaxed);
        }
        calls
    }

    /// How many calls there were, and how many of them failed by the guest's fault.
    pub fn counts(&self) -> (u64, u64) {
        (self.calls.load(Ordering::Relaxed), self.faulty.load(Ordering::Relaxed))
    }

    pub fn read(&self) -> CallStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let latency: Vec<u64> = self.latency.iter().map(get).collect();
        let faults = FAULTS.iter().zip(&self.faults).map(|(word, count)| (*word, get(count)));
        let (events, fuel) = (get(&self.events), get(&self.fuel));
        CallStats {
            calls: get(&self.calls),
            events,
            faults: faults.filter(|(_, count)| *count > 0).collect(),
            entries: latency.iter().sum(),
            time_us: get(&self.time_ns) / 1_000,
            p50_us: quantile(&latency, 50),
            p99_us: quantile(&latency, 99),
            latency,
            wait_us: get(&self.wait_ns) / 1_000,
            fuel,
            fuel_per_event: fuel.checked_div(events),
            memory_bytes_peak: get(&self.memory_bytes_peak),
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The bound that so many percent of the entries kept; unknown for those beyond the last one.
fn quantile(latency: &[u64], percent: u64) -> Option<u64> {
    let all: u64 = latency.iter().sum();
    let wanted = (all * percent).div_ceil(100).max(1);
    let mut seen = 0;
    let bucket = latency.iter().position(|count| {
        seen += count;
        seen >= wanted
    });
    LATENCY_BOUNDS_US.get(bucket?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_counter_and_times_their_buckets() {
        let stats = Stats::default();
        let text = String::new;
        let faults = [
            Fault::Trap(text()),
            Fault::Cpu(text()),
            Fault::Timeout(1),
            Fault::Memory(1),
            Fault::Answer(text()),
            Fault::Limit(text()),
            Fault::Denied(text()),
            Fault::Start(text()),
            Fault::Host(text()),
            Fault::Busy(1),
            Fault::Suspended { faults: 1, seconds: 1 },
        ];
        let calls: Vec<u64> = faults.iter().map(|fault| stats.called(2, Some(fault))).collect();
        stats.called(5, None);
        (0..98).for_each(|_| stats.entered(Duration::from_micros(9), 50, 1 << 20));
        (0..2).for_each(|_| stats.entered(Duration::from_millis(2), 50, 2 << 20));
        stats.entered(Duration::from_secs(100), 0, 0);
        let read = stats.read();
        assert_eq!(read.faults, FAULTS.iter().map(|word| (*word, 1)).collect());
        assert_eq!((read.calls, read.events, stats.counts()), (12, 27, (12, 8)));
        assert_eq!((read.p50_us, read.p99_us), (Some(10), Some(3_000)));
        assert_eq!((read.fuel_per_event, read.memory_bytes_peak), (Some(185), 2 << 20));
        assert_eq!((read.entries, calls), (101, (1..=11).collect()));
        assert_eq!(Stats::default().read(), CallStats { latency: vec![0; 15], ..CallStats::default() });
    }
}
