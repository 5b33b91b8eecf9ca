//! What a measurement prints: a table for people, one JSON object for programs.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::component::kind_word;
use super::super::output::{Colour, bytes, count, fields, paint, table};
use crate::plugin::Kind;

pub struct Report {
    pub name: String,
    pub kind: Kind,
    pub size: usize,
    pub events: usize,
    pub load_cold_ms: u64,
    pub load_cached_ms: u64,
    pub instance: Duration,
    pub memory_bytes_peak: u64,
    pub rows: Vec<Row>,
}

/// What calls of one size came to.
#[derive(Debug, Default)]
pub struct Row {
    pub batch: usize,
    pub calls: u64,
    pub events: u64,
    pub time: Duration,
    /// Times of single calls.
    pub times: Vec<Duration>,
    pub fuel: u64,
}

impl Row {
    fn us_per_event(&self) -> f64 {
        self.time.as_secs_f64() * 1e6 / (self.events.max(1)) as f64
    }

    fn events_per_second(&self) -> u64 {
        (self.events as f64 / self.time.as_secs_f64().max(1e-9)) as u64
    }

    fn quantile_us(&self, percent: usize) -> f64 {
        let mut times = self.times.clone();
        times.sort_unstable();
        let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    }
}

impl Report {
    pub fn text(&self) -> String {
        let head = fields(&[
            ("plugin", format!("{} ({})", paint(Colour::Bold, &self.name), kind_word(self.kind))),
            ("size", bytes(self.size as u64)),
            (
                "load",
                format!("{} ms cold, {} ms when compiled before", count(self.load_cold_ms), count(self.load_cached_ms)),
            ),
            ("fresh instance", format!("{:.0} µs", self.instance.as_secs_f64() * 1e6)),
            ("memory", format!("{} at most", bytes(self.memory_bytes_peak))),
            ("events", format!("{} different ones", count(self.events as u64))),
        ]);
        let names = ["batch", "events/s", "µs/event", "call p50 µs", "call p99 µs", "instructions/event"];
        let mut rows = vec![names.map(str::to_owned).to_vec()];
        for row in &self.rows {
            let fuel = row.fuel / row.events.max(1);
            rows.push(vec![
                row.batch.to_string(),
                count(row.events_per_second()),
                format!("{:.2}", row.us_per_event()),
                format!("{:.1}", row.quantile_us(50)),
                format!("{:.1}", row.quantile_us(99)),
                if self.kind.is_pure() { count(fuel) } else { "-".to_owned() },
            ]);
        }
        format!("{head}\n{}", table(&[true; 6], &rows))
    }

    pub fn json(&self) -> Value {
        let row = |row: &Row| {
            json!({
                "batch": row.batch,
                "calls": row.calls,
                "events": row.events,
                "eventsPerSecond": row.events_per_second(),
                "usPerEvent": row.us_per_event(),
                "callP50Us": row.quantile_us(50),
                "callP99Us": row.quantile_us(99),
                "fuelPerEvent": self.kind.is_pure().then(|| row.fuel / row.events.max(1)),
            })
        };
        json!({
            "plugin": self.name,
            "kind": self.kind,
            "bytes": self.size,
            "events": self.events,
            "loadColdMs": self.load_cold_ms,
            "loadCachedMs": self.load_cached_ms,
            "freshInstanceUs": self.instance.as_secs_f64() * 1e6,
            "memoryBytesPeak": self.memory_bytes_peak,
            "batches": self.rows.iter().map(row).collect::<Value>(),
        })
    }
}
