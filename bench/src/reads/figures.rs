//! The figures: tables in markdown with the goals, and JSON with every round.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use weir_bench::Failure;
use weir_bench::machine::Machine;

use super::cases::{Round, Taken, What};
use crate::goal::{Bound, Goal, Goals, Spread};

#[derive(Debug, Serialize)]
pub struct Settings {
    pub events: u64,
    pub rounds: u32,
    pub seconds: f64,
}

/// How soon a scan begins, in milliseconds, at one size of the store.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FirstByte {
    pub events: u64,
    pub weir: Late,
    pub bare: Late,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Late {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl FirstByte {
    pub fn new(events: u64, weir: Vec<Duration>, bare: Vec<Duration>) -> Self {
        Self { events, weir: Late::of(weir), bare: Late::of(bare) }
    }
}

impl Late {
    fn of(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        let ms = |part: usize| {
            let rank = (took.len() * part).div_ceil(100);
            took.get(rank.saturating_sub(1)).map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
        };
        Self { p50_ms: ms(50), p99_ms: ms(99), max_ms: ms(100) }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    machine: Machine,
    settings: Settings,
    cases: Vec<Case>,
    first_bytes: Vec<FirstByte>,
    goals: Vec<Goal>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    what: What,
    /// Weir's MB/s as a part of the others', made within each round.
    of_bare: Spread,
    of_raw: Spread,
    rounds: Vec<Round>,
}

impl Case {
    fn new((what, rounds): (What, Vec<Round>)) -> Self {
        let ratio = |of: fn(&Round) -> &Taken| {
            Spread::of(rounds.iter().map(|round| round.weir.mb_per_second / of(round).mb_per_second))
        };
        Self { what, of_bare: ratio(|round| &round.bare), of_raw: ratio(|round| &round.raw), rounds }
    }

    fn spread(&self, figure: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(figure))
    }
}

impl Figures {
    pub fn new(
        machine: Machine,
        settings: Settings,
        cases: Vec<(What, Vec<Round>)>,
        first_bytes: Vec<FirstByte>,
    ) -> Self {
        let cases: Vec<Case> = cases.into_iter().map(Case::new).collect();
        let goals = judge(&cases, &first_bytes);
        Self { machine, settings, cases, first_bytes, goals }
    }

    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let written = std::fs::write(path, serde_json::to_string_pretty(self)?);
        Ok(written.map_err(|error| format!("cannot write {}: {error}", path.display()))?)
    }
}

fn judge(cases: &[Case], first_bytes: &[FirstByte]) -> Vec<Goal> {
    let mut goals = Vec::new();
    for case in cases.iter().filter(|case| case.what.is_scan()) {
        let rate = case.spread(|round| round.weir.mb_per_second).median;
        let part = (case.of_bare.median, " of the bare stream", Bound::AtLeast(0.5));
        goals.push(Goal::any(case.what.name(), vec![(rate, " MB/s", Bound::AtLeast(300.0)), part]));
    }
    for FirstByte { events, weir, .. } in first_bytes {
        let what = format!("first byte of a scan of {events} events, p99");
        goals.push(Goal::new(what, weir.p99_ms, " ms", Bound::Below(5.0)));
    }
    goals
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { events, rounds, seconds } = self.settings;
        writeln!(f, "{events} events of 1 KB; {rounds} round(s), {seconds} s a read; median (lowest–highest round)\n")?;
        writeln!(f, "| read | bytes | p50, µs | p99, µs | MB/s | of bare HTTP | of the raw storage read |")?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- | --- |")?;
        for case in &self.cases {
            let [bare, raw] = [case.of_bare.show(2), case.of_raw.show(3)];
            writeln!(f, "| **{}** | {} | {bare} | {raw} |", case.what.name(), row(case, |round| &round.weir))?;
            writeln!(f, "| – bare HTTP | {} | | |", row(case, |round| &round.bare))?;
            writeln!(f, "| – raw storage read | {} | | |", row(case, |round| &round.raw))?;
        }
        writeln!(
            f,
            "\n| events | first byte of a full scan: p50, ms | p99 | slowest | bare HTTP: p50 | p99 | slowest |"
        )?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- | --- |")?;
        for FirstByte { events, weir, bare } in &self.first_bytes {
            let show = |late: &Late| format!("{:.2} | {:.2} | {:.2}", late.p50_ms, late.p99_ms, late.max_ms);
            writeln!(f, "| {events} | {} | {} |", show(weir), show(bare))?;
        }
        write!(f, "\n{}", Goals(&self.goals))
    }
}

/// Bytes of one answer, and the cells that all three have.
fn row(case: &Case, of: fn(&Round) -> &Taken) -> String {
    let bytes = case.spread(|round| of(round).bytes as f64 / of(round).requests.max(1) as f64).median;
    let [p50, p99] = [case.spread(|round| of(round).p50_us), case.spread(|round| of(round).p99_us)];
    let rate = case.spread(|round| of(round).mb_per_second);
    format!("{bytes:.0} | {} | {:.0} | {}", p50.show(0), p99.median, rate.show(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(weir: [f64; 3], bare: f64) -> Case {
        let taken = |mb_per_second| Taken { requests: 1, bytes: 10, mb_per_second, p50_us: 1.0, p99_us: 1.0 };
        let round = |rate| Round { weir: taken(rate), bare: taken(bare), raw: taken(2_000.0) };
        Case::new((What::Scan, weir.map(round).into()))
    }

    #[test]
    fn a_scan_is_judged_by_its_middle_round() {
        let holds = |case: Case| judge(&[case], &[]).first().and_then(|goal| goal.holds);
        assert_eq!(holds(case([100.0, 310.0, 400.0], 1_000.0)), Some(true));
        assert_eq!(holds(case([100.0, 200.0, 400.0], 400.0)), Some(true));
        assert_eq!(holds(case([100.0, 200.0, 400.0], 1_000.0)), Some(false));
    }

    #[test]
    fn one_slow_first_byte_of_a_hundred_is_not_judged() {
        let mut took = vec![Duration::from_millis(1); 99];
        took.push(Duration::from_millis(9));
        let late = FirstByte::new(10, took.clone(), took);
        assert_eq!((late.weir.p99_ms, late.weir.max_ms), (1.0, 9.0));
        assert_eq!(judge(&[], &[late]).first().and_then(|goal| goal.holds), Some(true));
    }
}
