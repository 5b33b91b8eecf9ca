//! Which charts are drawn of the figures: all stores over their size.

use std::path::Path;

use weir_bench::Failure;

use super::figures::Figures;
use super::look::Point;
use crate::charts::{self, Labels, Line};

/// What is drawn of a point, and how it is called behind the store's name.
type Kind = (&'static str, fn(&Point) -> f64);

struct Picture {
    file: &'static str,
    title: &'static str,
    y: &'static str,
    figures: [Kind; 2],
    log_y: bool,
}

const PICTURES: [Picture; 4] = [
    Picture {
        file: "appends",
        title: "Appends while a store grows, beside a fresh one",
        y: "events/s, of fresh",
        figures: [(", single", |p| p.single.ratio.median), (", 100 a request", |p| p.batch.ratio.median)],
        log_y: false,
    },
    Picture {
        file: "reads",
        title: "Reads while a store grows",
        y: "p50, µs",
        figures: [(", last page", |p| p.page_us.p50), (", by id", |p| p.event_us.map_or(f64::NAN, |us| us.p50))],
        log_y: true,
    },
    Picture {
        file: "open",
        title: "Opening a store, until it is healthy",
        y: "ms",
        figures: [(", killed", |p| p.open_killed_s * 1e3), (", stopped", |p| p.open_stopped_s * 1e3)],
        log_y: false,
    },
    Picture {
        file: "memory",
        title: "Memory of the server",
        y: "MB",
        figures: [(", most", |p| p.memory.peak as f64 / 1e6), (", settled", |p| p.memory.now as f64 / 1e6)],
        log_y: false,
    },
];

pub fn draw(figures: &Figures, dir: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(dir)?;
    for Picture { file, title, y, figures: kinds, log_y } in PICTURES {
        let labels = Labels { title, x: "events, topics or streams", y };
        charts::lines(&dir.join(format!("growth-{file}.svg")), &labels, &lines(figures, &kinds), log_y)?;
    }
    let disk: [Kind; 1] = [("", Point::disk_per_event)];
    let labels = Labels { title: "Disk of a store", x: "events, topics or streams", y: "bytes an event" };
    charts::lines(&dir.join("growth-disk.svg"), &labels, &lines(figures, &disk), true)
}

/// One for each store and kind of figure, of the points where there is one.
fn lines(figures: &Figures, kinds: &[Kind]) -> Vec<Line> {
    let line = |(kind, figure): &Kind, axis: &str, points: &[Point]| {
        let points = points.iter().map(|point| (point.size as f64, figure(point)));
        Line { name: format!("{axis}{kind}"), points: points.filter(|(_, value)| *value > 0.0).collect() }
    };
    let all =
        figures.grown.iter().flat_map(|grown| kinds.iter().map(|kind| line(kind, grown.axis.name(), &grown.points)));
    all.filter(|line| !line.points.is_empty()).collect()
}
