//! The figures: a table for people, and JSON with every round for machines.

use std::fmt;
use std::path::Path;

use serde::Serialize;
use weir_bench::Failure;
use weir_bench::machine::Machine;

use crate::case::Case;
use crate::events::PAYLOAD_BYTES;
use crate::measured::{Measured, median};

#[derive(Debug, Serialize)]
pub struct Settings {
    pub seconds: f64,
    pub rounds: u32,
    pub warmup: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    machine: Machine,
    settings: Settings,
    payload_bytes: usize,
    cases: Vec<CaseReport>,
    ratios: Vec<Ratio>,
}

#[derive(Debug, Serialize)]
struct CaseReport {
    #[serde(flatten)]
    case: Case,
    /// The round in the middle, by events per second.
    median: Measured,
    rounds: Vec<Measured>,
}

/// Events per second of a server's case, as a part of what its limits reached. Made within each round, then the middle
/// one taken: what slows a whole round down cancels out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Ratio {
    #[serde(flatten)]
    case: Case,
    to_echo: Option<f64>,
    /// One write and fdatasync a request.
    to_append_preallocated: Option<f64>,
    to_append_growing: Option<f64>,
    /// One write and fdatasync for the requests of all connections.
    to_append_grouped: Option<f64>,
}

impl Report {
    pub fn new(machine: Machine, settings: Settings, results: Vec<(Case, Vec<Measured>)>) -> Self {
        let ratio = |rounds: &[Measured], limit: Case| {
            let (_, limits) = results.iter().find(|(case, _)| *case == limit)?;
            let rounds = rounds.iter().zip(limits);
            let ratios: Vec<f64> = rounds.map(|(one, most)| one.events_per_second / most.events_per_second).collect();
            median(&ratios, |ratio| *ratio).copied()
        };
        let ratios = results.iter().filter_map(|(case, rounds)| {
            let [to_echo, to_append_preallocated, to_append_growing, to_append_grouped] =
                case.limits()?.map(|limit| ratio(rounds, limit));
            Some(Ratio { case: *case, to_echo, to_append_preallocated, to_append_growing, to_append_grouped })
        });
        let ratios = ratios.collect();
        let case = |(case, rounds): (Case, Vec<Measured>)| {
            let median = median(&rounds, |one| one.events_per_second)?.clone();
            Some(CaseReport { case, median, rounds })
        };
        let cases = results.into_iter().filter_map(case).collect();
        Self { machine, settings, payload_bytes: PAYLOAD_BYTES, cases, ratios }
    }

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
        let Settings { seconds, rounds, warmup } = self.settings;
        let warm = if warmup { ", warmed up" } else { "" };
        writeln!(f, "\n{PAYLOAD_BYTES}-byte payloads, {seconds} s a case, median of {rounds} round(s){warm}\n")?;
        writeln!(
            f,
            "{:<21} {:>5} {:>6} {:>10} {:>10} {:>9} {:>9} {:>9} {:>9}",
            "", "conns", "events", "events/s", "requests/s", "p50 µs", "p99 µs", "p99.9 µs", "CPU µs/ev"
        )?;
        let mut cases: Vec<&CaseReport> = self.cases.iter().collect();
        cases.sort_by_key(|case| case.case.kind() as u8);
        for CaseReport { case, median, .. } in cases {
            let [who, connections, events] = case.words();
            writeln!(
                f,
                "{who:<21} {connections:>5} {events:>6} {:>10.0} {:>10.0} {:>9.0} {:>9.0} {:>9.0} {:>9.1}",
                median.events_per_second,
                median.requests_per_second,
                median.p50_us,
                median.p99_us,
                median.p99_9_us,
                median.cpu_us_per_event
            )?;
        }
        if self.ratios.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\nevents/s as a part of the limits; append: one write and fdatasync a request, or for all connections\n"
        )?;
        writeln!(
            f,
            "{:<21} {:>5} {:>6} {:>10} {:>10} {:>9} {:>11}",
            "", "conns", "events", "of echo", "of preall.", "of grow.", "of all in 1"
        )?;
        for ratio in &self.ratios {
            let [who, connections, events] = ratio.case.words();
            let show = |part: Option<f64>| part.map_or_else(|| "-".to_owned(), |part| format!("{part:.2}"));
            let Ratio { to_echo, to_append_preallocated, to_append_growing, to_append_grouped, .. } = *ratio;
            let [echo, preallocated, growing, grouped] =
                [to_echo, to_append_preallocated, to_append_growing, to_append_grouped].map(show);
            writeln!(
                f,
                "{who:<21} {connections:>5} {events:>6} {echo:>10} {preallocated:>10} {growing:>9} {grouped:>11}"
            )?;
        }
        Ok(())
    }
}
