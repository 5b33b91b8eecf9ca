//! The figures: tables for people, and JSON with every round for machines.

use std::fmt;
use std::path::Path;

use serde::Serialize;
use weir_bench::Failure;
use weir_bench::machine::Machine;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub machine: Machine,
    pub seconds: f64,
    pub rounds: u32,
    /// Bytes of an event's payload.
    pub event_bytes: usize,
    pub costs: Vec<Cost>,
}

/// What one plugin costs; lists have a value a round, or one a try.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    pub name: String,
    pub wasm_bytes: usize,
    /// From the file's bytes to a generation that may serve, compiled and taken from the cache.
    pub compile_ms: f64,
    pub load_ms: Vec<f64>,
    pub instance_us: Vec<f64>,
    pub raw_instance_us: Vec<f64>,
    /// The most linear memory that an instance had.
    pub memory_bytes: u64,
    pub fuel_per_event: Option<u64>,
    pub batches: Vec<Batch>,
    pub reloads: Reloads,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    pub events: usize,
    pub call_us: Vec<f64>,
    pub raw_call_us: Vec<f64>,
}

/// From the file's appearance to the new generation's first answer.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reloads {
    pub new_ms: Vec<f64>,
    pub cached_ms: Vec<f64>,
}

/// The one in the middle; of two there, the lower.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}

impl Batch {
    /// The host's time as a multiple of wasmtime's alone, made within each round.
    fn ratio(&self) -> Option<f64> {
        let ratios: Vec<f64> = self.call_us.iter().zip(&self.raw_call_us).map(|(host, raw)| host / raw).collect();
        median(&ratios)
    }
}

impl Report {
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let written = std::fs::write(path, serde_json::to_string_pretty(self)?);
        Ok(written.map_err(|error| format!("cannot write {}: {error}", path.display()))?)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, rounds, event_bytes, .. } = self;
        let show = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
        let short = |values: &[f64]| median(values).map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
        writeln!(f, "\n{event_bytes}-byte payloads, {seconds} s a case, medians of {rounds} round(s)\n")?;
        writeln!(
            f,
            "{:<18} {:>6} {:>10} {:>10} {:>10} {:>12} {:>10}",
            "", "batch", "calls/s", "µs/call", "µs/event", "raw µs/event", "host/raw"
        )?;
        for cost in &self.costs {
            for batch in &cost.batches {
                let call = median(&batch.call_us);
                let events = batch.events as f64;
                let calls = call.map_or_else(|| "-".to_owned(), |call| format!("{:.0}", 1e6 / call));
                let raw = median(&batch.raw_call_us).map(|raw| raw / events);
                writeln!(
                    f,
                    "{:<18} {:>6} {calls:>10} {:>10} {:>10} {:>12} {:>10}",
                    cost.name,
                    batch.events,
                    show(call),
                    show(call.map(|call| call / events)),
                    show(raw),
                    show(batch.ratio())
                )?;
            }
        }
        writeln!(
            f,
            "\n{:<18} {:>8} {:>10} {:>10} {:>9} {:>9} {:>9} {:>10} {:>10} {:>10}",
            "",
            "KB",
            "compile ms",
            "load ms",
            "inst. µs",
            "raw µs",
            "memory KB",
            "fuel/event",
            "reload ms",
            "cached ms"
        )?;
        for cost in &self.costs {
            writeln!(
                f,
                "{:<18} {:>8} {:>10.0} {:>10} {:>9} {:>9} {:>9} {:>10} {:>10} {:>10}",
                cost.name,
                cost.wasm_bytes / 1_000,
                cost.compile_ms,
                short(&cost.load_ms),
                short(&cost.instance_us),
                short(&cost.raw_instance_us),
                cost.memory_bytes / 1_024,
                cost.fuel_per_event.map_or_else(|| "-".to_owned(), |fuel| fuel.to_string()),
                short(&cost.reloads.new_ms),
                short(&cost.reloads.cached_ms)
            )?;
        }
        Ok(())
    }
}
