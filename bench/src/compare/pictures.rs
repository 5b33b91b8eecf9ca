//! Which charts are drawn of the figures.

use std::path::Path;

use weir_bench::Failure;

use super::figures::{Figures, Key, p50_us, rate};
use super::{APPEND, BARE};
use crate::charts::{self, Bars, Labels, Line, Whisker};
use crate::goal::Spread;

pub fn draw(figures: &Figures, dir: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(dir)?;
    let file = |name: &str| dir.join(format!("compare-{name}.svg"));
    let title = "Single events of 1 KB, durable answers (NATS JetStream syncs later)";
    throughput(figures, &file("single"), title, 1)?;
    let title = "Batches of 100 events of 1 KB, durable answers (NATS JetStream syncs later)";
    throughput(figures, &file("batches"), title, 100)?;
    latency(figures, &file("latency"))
}

/// All stores; the limits of single events would make them all look small, and are in the tables.
fn throughput(figures: &Figures, path: &Path, title: &str, events: usize) -> Result<(), Failure> {
    let connections = &figures.settings.connections;
    let labels = Labels { title, x: "connections", y: "events/s: median, lowest and highest round" };
    let groups: Vec<String> = connections.iter().map(usize::to_string).collect();
    let stores = figures.about.iter().map(|about| about.name).filter(|name| *name != BARE);
    let limit = (events > 1).then_some(APPEND);
    let series = stores.chain(limit).filter_map(|name| {
        let whisker = |&connections: &usize| {
            let Spread { median, min, max } = figures.cases.spread(Key::new(name, connections, events), rate)?;
            Some(Whisker { value: median, min, max })
        };
        let values: Vec<Option<Whisker>> = connections.iter().map(whisker).collect();
        values.iter().any(Option::is_some).then(|| Bars { name: name.to_owned(), values })
    });
    charts::bars(path, &labels, &groups, &series.collect::<Vec<_>>())
}

fn latency(figures: &Figures, path: &Path) -> Result<(), Failure> {
    let labels = Labels { title: "Single events of 1 KB: the middle request", x: "connections", y: "p50, µs" };
    let series = figures.about.iter().filter_map(|about| {
        let point = |&connections: &usize| {
            let p50 = figures.cases.spread(Key::new(about.name, connections, 1), p50_us)?;
            Some((connections as f64, p50.median))
        };
        let points: Vec<(f64, f64)> = figures.settings.connections.iter().filter_map(point).collect();
        (!points.is_empty()).then(|| Line { name: about.name.to_owned(), points })
    });
    charts::lines(path, &labels, &series.collect::<Vec<_>>(), true)
}
