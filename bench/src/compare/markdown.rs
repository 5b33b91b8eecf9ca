//! The figures as the tables of `bench/RESULTS.md`.

use super::figures::{About, Figures, Key, Taken, p50_us, p99_us, rate};
use super::goals::Judged;
use super::{APPEND, APPEND_GROWING};
use crate::case::EVENTS_PER_REQUEST;
use crate::goal::Spread;

pub fn text(figures: &Figures) -> String {
    let mut text = format!("{}\n\n", figures.machine.line());
    let settings = &figures.settings;
    text += &format!(
        "{} s a case, {} round(s): the median, and in brackets the lowest and the highest.\n",
        settings.seconds, settings.rounds
    );
    text += &busy(figures.machine.load_average.as_deref(), figures.machine.cores);
    text += &missing(&figures.about);
    text += &fdatasync(figures);
    text += &goals(&figures.goals);
    for events in EVENTS_PER_REQUEST {
        let of = if events == 1 { "Single events".to_owned() } else { format!("Batches of {events}") };
        text += &table(figures, &format!("{of}, events/s"), events, |key| spread(figures, key, rate));
        text += &table(figures, &format!("{of}, p50 / p99 of a request, µs"), events, |key| latency(figures, key));
        text += &table(figures, &format!("{of}, CPU µs an event: server + load"), events, |key| cpu(figures, key));
    }
    text + &promises(&figures.about)
}

/// Whoever else works while this is measured takes more from one than from another.
fn busy(load_average: Option<&str>, cores: usize) -> String {
    match load_average.and_then(|text| text.split(' ').next()?.parse::<f64>().ok()) {
        Some(load) if load > cores as f64 / 2.0 => {
            format!(
                "\n**Load {load} on {cores} cores when this began: unless that was only the build before, these figures judge nothing.**\n"
            )
        }
        _ => String::new(),
    }
}

/// Loud, because a table with a gap looks like a full one.
fn missing(about: &[About]) -> String {
    let missing = about.iter().filter_map(|about| Some((about.name, about.missing.as_ref()?)));
    missing.map(|(name, why)| format!("\n**MISSING: {name}** {why}\n")).collect()
}

fn fdatasync(figures: &Figures) -> String {
    let lines = figures.settings.connections.iter().filter_map(|&connections| {
        let [p50, p99] = [p50_us, p99_us].map(|figure| figures.cases.spread(Key::new(APPEND, connections, 1), figure));
        Some(format!("p50 {}, p99 {}", short(p50?, 0), short(p99?, 0)))
    });
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        return String::new();
    }
    format!("\nWrite of one event + fdatasync beside each column below, µs: {}.\n", lines.join(" · "))
}

fn goals(goals: &[Judged]) -> String {
    let mut text =
        "\n### Goals\n\n| Weir, durable, every event validated | goal | measured | |\n| --- | --- | --- | --- |\n"
            .to_owned();
    for Judged { what, bound, ratio, holds } in goals {
        let measured = ratio.map_or_else(|| "–".to_owned(), |ratio| short(ratio, 2));
        let verdict = match holds {
            Some(true) => "holds",
            Some(false) => "**FALLS SHORT**",
            None => "not measured",
        };
        text += &format!("| {what} | {} | {measured} | {verdict} |\n", bound);
    }
    text
}

/// One row for each who was measured, one column for each number of connections.
fn table(figures: &Figures, title: &str, events: usize, cell: impl Fn(Key) -> Option<String>) -> String {
    let connections = &figures.settings.connections;
    let heads: Vec<String> = connections.iter().map(|count| format!("{count} conn.")).collect();
    let mut text = format!("\n### {title}\n\n| | {} |\n|{}\n", heads.join(" | "), " --- |".repeat(heads.len() + 1));
    let names = figures.about.iter().map(|about| about.name).chain([APPEND, APPEND_GROWING]);
    for name in names {
        let cells: Vec<Option<String>> = connections.iter().map(|&count| cell(Key::new(name, count, events))).collect();
        if cells.iter().any(Option::is_some) {
            let cells: Vec<String> = cells.into_iter().map(|cell| cell.unwrap_or_else(|| "–".to_owned())).collect();
            text += &format!("| {name} | {} |\n", cells.join(" | "));
        }
    }
    text
}

fn spread(figures: &Figures, key: Key, figure: impl Fn(&Taken) -> f64) -> Option<String> {
    figures.cases.spread(key, figure).map(|spread| short(spread, 0))
}

fn latency(figures: &Figures, key: Key) -> Option<String> {
    let [p50, p99] = [p50_us, p99_us].map(|figure| figures.cases.spread(key, figure));
    Some(format!("{} / {}", number(p50?.median, 0), number(p99?.median, 0)))
}

fn cpu(figures: &Figures, key: Key) -> Option<String> {
    let server = figures.cases.spread(key, |taken| taken.measured.cpu_us_per_event)?;
    let load = figures.cases.spread(key, |taken| taken.client_cpu_us_per_event)?;
    Some(format!("{:.1} + {:.1}", server.median, load.median))
}

fn promises(about: &[About]) -> String {
    let mut text = "\n### Who, and what an answer promises\n\n| | version | |\n| --- | --- | --- |\n".to_owned();
    for About { name, promise, version, .. } in about {
        text += &format!("| {name} | {} | {promise} |\n", version.as_deref().unwrap_or("**missing**"));
    }
    text
}

/// The median and, where rounds differ, what it lies between.
fn short(Spread { median, min, max }: Spread, digits: usize) -> String {
    let [median, min, max] = [median, min, max].map(|value| number(value, digits));
    if min == max { median } else { format!("{median} ({min}–{max})") }
}

/// With commas between thousands.
fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use weir_bench::machine::Machine;

    use super::super::figures::tests::taken;
    use super::super::figures::{Measurements, Settings};
    use super::super::{BARE, WEIR};
    use super::*;

    #[test]
    fn thousands_are_grouped_and_spreads_shown() {
        assert_eq!([number(1_234_567.4, 0), number(999.0, 0), number(1.275, 2)], ["1,234,567", "999", "1.27"]);
        assert_eq!(short(Spread { median: 2.0, min: 2.0, max: 2.0 }, 1), "2.0");
        assert_eq!(short(Spread { median: 2.0, min: 1.0, max: 3_000.0 }, 0), "2 (1–3,000)");
    }

    #[test]
    fn a_busy_machine_is_named() {
        assert!(busy(Some("8.34 8.56 6.99 7/174 2"), 2).contains("Load 8.34 on 2 cores"));
        assert_eq!([busy(Some("0.40 3.00 1.00 1/1 1"), 2), busy(None, 2)], ["", ""]);
    }

    #[test]
    fn the_tables_have_a_row_for_each_and_name_what_is_missing() {
        let mut cases = Measurements::default();
        for (name, rate) in [(WEIR, 70_000), (BARE, 100_000)] {
            cases.add(Key::new(name, 64, 1), taken(rate, 900));
        }
        let about = vec![
            (WEIR, "on disk", Ok("1".to_owned())),
            (BARE, "nothing", Ok("2".to_owned())),
            ("UmaDB", "on disk", Err("is not there: no such file; `cargo install umadb`".to_owned())),
        ];
        let settings = Settings { seconds: 1.0, rounds: 1, connections: vec![64] };
        let text = text(&Figures::new(Machine::look(Path::new(".")), settings, about, cases));
        for line in [
            "| Weir | 70,000 |",
            "| Weir | 900 / 900 |",
            "| single events, 64 connections, of the bare HTTP handler | ≥ 0.6 | 0.70 | holds |",
            "| single events, 64 connection(s), of UmaDB | ≥ 1.8 | – | not measured |",
            "**MISSING: UmaDB** is not there: no such file; `cargo install umadb`",
            "| UmaDB | **missing** | on disk |",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
