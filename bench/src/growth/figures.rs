//! The figures: a table for each store in markdown, the goals, and JSON.

use std::fmt;
use std::path::Path;

use serde::Serialize;
use weir_bench::Failure;
use weir_bench::machine::Machine;

use super::axis::Axis;
use super::goal_bytes;
use super::look::Point;
use super::rates::Micros;
use crate::goal::{Bound, Goal, Goals};

/// A store at its sizes.
#[derive(Debug, Serialize)]
pub struct Grown {
    pub axis: Axis,
    pub points: Vec<Point>,
    /// Why it did not grow on.
    pub note: Option<String>,
    pub rebuilt: Option<Rebuilt>,
}

/// How the index was made anew.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rebuilt {
    pub events: u64,
    pub seconds: f64,
    pub events_per_second: f64,
    /// CPU time of the server until then: what it would take with the machine and the disk for itself, or less.
    pub cpu_seconds: f64,
    /// Of the memory, in bytes.
    pub peak: u64,
}

#[derive(Debug, Serialize)]
pub struct Figures {
    machine: Machine,
    pub grown: Vec<Grown>,
    goals: Vec<Goal>,
}

impl Figures {
    pub fn new(machine: Machine, grown: Vec<Grown>) -> Self {
        let goals = grown.iter().find(|grown| grown.axis == Axis::Events).map(judge).unwrap_or_default();
        Self { machine, grown, goals }
    }

    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let written = std::fs::write(path, serde_json::to_string_pretty(self)?);
        Ok(written.map_err(|error| format!("cannot write {}: {error}", path.display()))?)
    }
}

/// By the worst size where a goal is about all of them, else by the last.
fn judge(by_events: &Grown) -> Vec<Goal> {
    let points = &by_events.points;
    let Some(last) = points.last() else { return Vec::new() };
    let lowest = |ratio: fn(&Point) -> f64| points.iter().map(ratio).fold(f64::NAN, f64::min);
    let (at, within) = (last.size, Bound::AtLeast(0.85));
    let mut goals = vec![
        Goal::new(format!("single appends up to {at} events, of fresh"), lowest(|p| p.single.ratio.median), "", within),
        Goal::new(format!("batches of 100 up to {at} events, of fresh"), lowest(|p| p.batch.ratio.median), "", within),
        Goal::new(format!("memory at {at} events, most"), last.memory.peak as f64 / 1e6, " MB", Bound::Below(300.0)),
        Goal::new(
            format!("disk an event at {at} events"),
            last.disk_per_event(),
            " bytes",
            Bound::AtMost(goal_bytes()),
        ),
        Goal::new(format!("opening {at} events after `kill -9`"), last.open_killed_s, " s", Bound::Below(2.0)),
        Goal::new(format!("opening {at} events after a stop"), last.open_stopped_s, " s", Bound::Below(2.0)),
    ];
    if let Some(Rebuilt { events, events_per_second, .. }) = by_events.rebuilt {
        let what = format!("index of {events} events made anew");
        goals.push(Goal::new(what, events_per_second, " events/s", Bound::AtLeast(500_000.0)));
    }
    goals
}

const COLUMNS: [&str; 12] = [
    "events in the store",
    "single appends/s",
    "of fresh",
    "batches of 100, events/s",
    "of fresh",
    "last page, µs",
    "event by id, µs: p50 (fresh)",
    "p99",
    "memory, MB: most (settled)",
    "disk an event, bytes",
    "open after `kill -9`, ms",
    "after a stop",
];

impl fmt::Display for Grown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { axis, points, note, rebuilt } = self;
        writeln!(f, "| {} | {} |", axis.name(), COLUMNS.join(" | "))?;
        writeln!(f, "|{}", " --- |".repeat(COLUMNS.len() + 1))?;
        points.iter().try_for_each(|point| writeln!(f, "{}", row(point)))?;
        if let Some(note) = note {
            writeln!(f, "\nNot further: {}", note.trim())?;
        }
        if let Some(Rebuilt { events, seconds, events_per_second, cpu_seconds, peak }) = rebuilt {
            let peak = *peak as f64 / 1e6;
            writeln!(
                f,
                "\nThe index of {events} events was made anew in {seconds:.1} s ({cpu_seconds:.1} s of CPU), {events_per_second:.0} events/s, \
                 with {peak:.0} MB of memory at most."
            )?;
        }
        writeln!(f)
    }
}

/// The goals alone: each store's table is printed when it is done.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Goals(&self.goals))
    }
}

fn row(point: &Point) -> String {
    let Point { size, events, single, batch, page_us, event_us, memory, .. } = point;
    let micros = |us: &Micros| format!("{:.0} ({:.0})", us.p50, us.fresh_p50);
    let (by_id, by_id_p99) =
        event_us.map_or(("–".to_owned(), "–".to_owned()), |us| (micros(&us), format!("{:.0}", us.p99)));
    let cells = [
        size.to_string(),
        events.to_string(),
        format!("{:.0}", single.grown.median),
        single.ratio.show(2),
        format!("{:.0}", batch.grown.median),
        batch.ratio.show(2),
        micros(page_us),
        by_id,
        by_id_p99,
        format!("{:.0} ({:.0})", memory.peak as f64 / 1e6, memory.now as f64 / 1e6),
        format!("{:.0}", point.disk_per_event()),
        format!("{:.0}", point.open_killed_s * 1e3),
        format!("{:.0}", point.open_stopped_s * 1e3),
    ];
    format!("| {} |", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::super::rates::Pair;
    use super::*;
    use crate::footprint::Memory;
    use crate::goal::Spread;

    fn point(size: u64, ratio: f64) -> Point {
        let spread = |value| Spread { median: value, min: value, max: value };
        let pair = Pair { grown: spread(ratio), fresh: spread(1.0), ratio: spread(ratio) };
        let micros = Micros { p50: 1.0, p99: 2.0, fresh_p50: 1.0 };
        Point {
            size,
            events: size,
            single: pair.clone(),
            batch: pair,
            page_us: micros,
            event_us: None,
            memory: Memory { now: 1, peak: size * 100_000 },
            disk_bytes: size * 1_400,
            events_on_disk: size,
            open_killed_s: 3.0,
            open_stopped_s: 1.0,
        }
    }

    #[test]
    fn appends_are_judged_at_the_worst_size_and_the_rest_at_the_last() {
        let rebuilt =
            Some(Rebuilt { events: 1, seconds: 1.0, events_per_second: 499_999.0, cpu_seconds: 1.0, peak: 1 });
        let points = vec![point(10, 1.0), point(100, 0.8), point(1_000, 0.9)];
        let grown = Grown { axis: Axis::Events, points, note: None, rebuilt };
        let verdicts: Vec<Option<bool>> = judge(&grown).iter().map(|goal| goal.holds).collect();
        let expected = [false, false, true, true, false, true, false].map(Some);
        assert_eq!(verdicts, expected);
    }
}
