//! What was measured, by case, and the figures made of it.

use std::path::Path;

use serde::Serialize;
use weir_bench::Failure;
use weir_bench::machine::Machine;

use super::goals::{self, Judged};
use crate::events::PAYLOAD_BYTES;
use crate::goal::Spread;
use crate::measured::Measured;

/// One case: who, over how many connections, with how many events a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Key {
    pub name: &'static str,
    pub connections: usize,
    pub events: usize,
}

/// One case in one round.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    #[serde(flatten)]
    pub measured: Measured,
    /// CPU time of the load generator, which shares the machine.
    pub client_cpu_us_per_event: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Settings {
    pub seconds: f64,
    pub rounds: u32,
    pub connections: Vec<usize>,
}

/// All rounds of all cases, in the order in which they came first.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Measurements(Vec<Case>);

#[derive(Debug, Serialize)]
struct Case {
    #[serde(flatten)]
    key: Key,
    rounds: Vec<Taken>,
}

/// Who was to be measured.
#[derive(Debug, Serialize)]
pub struct About {
    pub name: &'static str,
    pub promise: &'static str,
    pub version: Option<String>,
    /// Why it is not there.
    pub missing: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    pub machine: Machine,
    pub settings: Settings,
    payload_bytes: usize,
    pub about: Vec<About>,
    pub goals: Vec<Judged>,
    pub cases: Measurements,
}

impl Key {
    pub fn new(name: &'static str, connections: usize, events: usize) -> Self {
        Self { name, connections, events }
    }
}

impl Taken {
    pub fn line(&self) -> String {
        let Measured { events_per_second, p50_us, p99_us, cpu_us_per_event, .. } = self.measured;
        format!(
            "{events_per_second:>8.0} events/s, p50 {p50_us:.0} µs, p99 {p99_us:.0} µs, CPU {cpu_us_per_event:.1} µs"
        )
    }
}

impl Measurements {
    pub fn add(&mut self, key: Key, taken: Taken) {
        match self.0.iter_mut().find(|case| case.key == key) {
            Some(case) => case.rounds.push(taken),
            None => self.0.push(Case { key, rounds: vec![taken] }),
        }
    }

    /// One figure of a case, round by round; empty if it was not measured.
    pub fn rounds(&self, key: Key, figure: impl Fn(&Taken) -> f64) -> Vec<f64> {
        let case = self.0.iter().find(|case| case.key == key);
        case.map(|case| case.rounds.iter().map(figure).collect()).unwrap_or_default()
    }

    pub fn spread(&self, key: Key, figure: impl Fn(&Taken) -> f64) -> Option<Spread> {
        Spread::of_some(self.rounds(key, figure))
    }
}

pub fn rate(taken: &Taken) -> f64 {
    taken.measured.events_per_second
}

pub fn p50_us(taken: &Taken) -> f64 {
    taken.measured.p50_us
}

pub fn p99_us(taken: &Taken) -> f64 {
    taken.measured.p99_us
}

type Version = Result<String, String>;

impl Figures {
    pub fn new(
        machine: Machine,
        settings: Settings,
        about: Vec<(&'static str, &'static str, Version)>,
        cases: Measurements,
    ) -> Self {
        let about = about.into_iter().map(|(name, promise, version)| {
            let (version, missing) = version.map_or_else(|why| (None, Some(why)), |version| (Some(version), None));
            About { name, promise, version, missing }
        });
        let goals = goals::judge(&cases, &settings.connections);
        Self { machine, about: about.collect(), goals, settings, payload_bytes: PAYLOAD_BYTES, cases }
    }

    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let written = std::fs::write(path, serde_json::to_string_pretty(self)?);
        Ok(written.map_err(|error| format!("cannot write {}: {error}", path.display()))?)
    }
}

#[cfg(test)]
pub mod tests {
    use std::time::Duration;

    use super::*;

    /// A round with so many events a second, each request so many microseconds.
    pub fn taken(events_per_second: u64, us: u64) -> Taken {
        let measured =
            Measured::new(events_per_second, Duration::from_secs(1), vec![us * 1_000], Duration::ZERO, Duration::ZERO);
        Taken { measured, client_cpu_us_per_event: 0.0 }
    }

    #[test]
    fn a_spread_is_of_the_rounds_of_its_case() {
        let (key, other) = (Key::new("a", 1, 1), Key::new("a", 1, 100));
        let mut cases = Measurements::default();
        for rate in [30, 10, 20] {
            cases.add(key, taken(rate, 1));
            cases.add(other, taken(1, 1));
        }
        assert_eq!(cases.spread(key, rate), Some(Spread { median: 20.0, min: 10.0, max: 30.0 }));
        assert_eq!(cases.spread(Key::new("b", 1, 1), rate), None);
    }
}
