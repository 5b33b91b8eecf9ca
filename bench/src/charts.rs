//! Charts as SVG files: lines over numbers that grow by factors, and bars in groups. They know nothing of what they show.

use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use weir_bench::Failure;

const WIDTH: i32 = 960;
const HEIGHT: i32 = 520;
/// Around the plot: the title above, numbers left and below, names right.
const TOP: i32 = 50;
const LEFT: i32 = 80;
const BOTTOM: i32 = 55;
const RIGHT: i32 = 190;

/// Told apart also by those who see fewer colours; the first is for what the chart is about.
const COLORS: [RGBColor; 11] = [
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0xf0, 0xa8, 0x60),
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xcc, 0x33, 0x66),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x8a, 0x5f, 0xbf),
    RGBColor(0xb8, 0xa0, 0x00),
    RGBColor(0x50, 0x50, 0x50),
    RGBColor(0x90, 0x90, 0x90),
    RGBColor(0xb8, 0xb8, 0xb8),
];
const LIGHT: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);

pub struct Labels<'a> {
    pub title: &'a str,
    pub x: &'a str,
    pub y: &'a str,
}

/// One line, by its points, all of which are above 0.
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// In each group one bar with its lowest and highest round as a whisker, or none.
pub struct Bars {
    pub name: String,
    pub values: Vec<Option<Whisker>>,
}

#[derive(Debug, Clone, Copy)]
pub struct Whisker {
    pub value: f64,
    pub min: f64,
    pub max: f64,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Plot<'a> = DrawingArea<SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Lines over `x`, whose axis grows by factors and names the numbers that are there. `y` grows by factors as well if
/// `log_y`, else from 0.
pub fn lines(path: &Path, labels: &Labels, series: &[Line], log_y: bool) -> Result<(), Failure> {
    let mut ticks: Vec<f64> = series.iter().flat_map(|line| line.points.iter().map(|(x, _)| *x)).collect();
    ticks.sort_by(f64::total_cmp);
    ticks.dedup();
    let (Some(first), Some(last)) = (ticks.first(), ticks.last()) else { return Ok(()) };
    let ys = || series.iter().flat_map(|line| line.points.iter().map(|(_, y)| *y));
    let (lowest, highest) = (ys().fold(f64::INFINITY, f64::min), ys().fold(0.0, f64::max));
    let axis = if log_y { Axis::factors(lowest, highest) } else { Axis::even(highest) };
    let place = |y: f64| if log_y { y.log10() } else { y };
    let root = canvas(path)?;
    let x_ticks = ticks.iter().map(|x| (x.log10(), number(*x))).collect();
    let x = Axis { from: first.log10() - 0.08, to: last.log10() + 0.08, ticks: x_ticks };
    let plot = frame(&root, labels, &x, &axis)?;
    for (line, color) in series.iter().zip(COLORS.iter().cycle()) {
        let points: Vec<(f64, f64)> = line.points.iter().map(|(x, y)| (x.log10(), place(*y))).collect();
        plot.draw(&PathElement::new(points.clone(), color.stroke_width(2)))?;
        points.into_iter().try_for_each(|point| plot.draw(&Circle::new(point, 4, color.filled())))?;
    }
    legend(&root, series.iter().map(|line| line.name.as_str()))?;
    Ok(root.present()?)
}

/// Bars from 0 on, in groups beside each other.
pub fn bars(path: &Path, labels: &Labels, groups: &[String], series: &[Bars]) -> Result<(), Failure> {
    let highest = series.iter().flat_map(|bars| bars.values.iter().flatten()).map(|whisker| whisker.max);
    let root = canvas(path)?;
    let ticks = groups.iter().enumerate().map(|(at, name)| (at as f64 + 0.5, name.clone())).collect();
    let x = Axis { from: 0.0, to: groups.len() as f64, ticks };
    let plot = frame(&root, labels, &x, &Axis::even(highest.fold(0.0, f64::max)))?;
    let width = 0.86 / series.len().max(1) as f64;
    for (index, (bars, color)) in series.iter().zip(COLORS.iter().cycle()).enumerate() {
        for (group, bar) in bars.values.iter().enumerate() {
            let Some(Whisker { value, min, max }) = *bar else { continue };
            let left = group as f64 + 0.07 + width * index as f64;
            let middle = left + width * 0.45;
            plot.draw(&Rectangle::new([(left, 0.0), (left + width * 0.9, value)], color.filled()))?;
            plot.draw(&PathElement::new([(middle, min), (middle, max)], BLACK.stroke_width(1)))?;
        }
    }
    legend(&root, series.iter().map(|bars| bars.name.as_str()))?;
    Ok(root.present()?)
}

/// From where to where in the plot's own measure, and what stands beside which place.
struct Axis {
    from: f64,
    to: f64,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From 0 in four to ten even steps.
    fn even(highest: f64) -> Self {
        let highest = if highest > 0.0 { highest } else { 1.0 };
        let power = 10_f64.powf((highest / 4.0).log10().floor());
        let step = [1.0, 2.0, 5.0].map(|factor| factor * power).into_iter().rfind(|step| highest / step >= 4.0);
        let step = step.unwrap_or(power);
        let ticks = (0..=10).map(|at| f64::from(at) * step).filter(|tick| *tick <= highest * 1.05);
        Self { from: 0.0, to: highest * 1.05, ticks: ticks.map(|tick| (tick, number(tick))).collect() }
    }

    /// By powers of ten, with 2 and 5 of each.
    fn factors(lowest: f64, highest: f64) -> Self {
        let (from, to) = (lowest.log10() - 0.1, highest.log10() + 0.1);
        let powers = from.floor() as i32..=to.ceil() as i32;
        let ticks = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|factor| factor * 10_f64.powi(power)));
        let ticks = ticks.filter(|tick| (from..=to).contains(&tick.log10()));
        Self { from, to, ticks: ticks.map(|tick| (tick.log10(), number(tick))).collect() }
    }
}

fn canvas(path: &Path) -> Result<Area<'_>, Failure> {
    let root = SVGBackend::new(path, (WIDTH as u32, HEIGHT as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    Ok(root)
}

/// Draws all that stands around the plot, and hands out the plot.
fn frame<'a>(root: &Area<'a>, labels: &Labels, x: &Axis, y: &Axis) -> Result<Plot<'a>, Failure> {
    // Rows count from above, values from below.
    let (bottom, top) = (HEIGHT - BOTTOM, TOP);
    let axes = Cartesian2d::<RangedCoordf64, RangedCoordf64>::new(
        x.from..x.to,
        y.from..y.to,
        (LEFT..WIDTH - RIGHT, bottom..top),
    );
    let plot = root.margin(TOP, BOTTOM, LEFT, RIGHT).apply_coord_spec(axes);
    for (at, name) in &y.ticks {
        plot.draw(&PathElement::new([(x.from, *at), (x.to, *at)], LIGHT))?;
        let (_, row) = plot.map_coordinate(&(x.from, *at));
        write(root, name, (LEFT - 8, row), 14, (HPos::Right, VPos::Center))?;
    }
    for (at, name) in &x.ticks {
        let (column, _) = plot.map_coordinate(&(*at, y.from));
        write(root, name, (column, HEIGHT - BOTTOM + 8), 14, (HPos::Center, VPos::Top))?;
    }
    plot.draw(&PathElement::new([(x.from, y.from), (x.to, y.from)], BLACK))?;
    write(root, labels.title, (LEFT, 12), 19, (HPos::Left, VPos::Top))?;
    write(root, labels.y, (8, TOP - 8), 13, (HPos::Left, VPos::Bottom))?;
    write(root, labels.x, (WIDTH - RIGHT, HEIGHT - 8), 13, (HPos::Right, VPos::Bottom))?;
    Ok(plot)
}

fn legend<'a>(root: &Area, names: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    for (index, (name, color)) in names.zip(COLORS.iter().cycle()).enumerate() {
        let (left, top) = (WIDTH - RIGHT + 16, TOP + 22 * index as i32);
        root.draw(&Rectangle::new([(left, top), (left + 12, top + 12)], color.filled()))?;
        write(root, name, (left + 19, top + 6), 14, (HPos::Left, VPos::Center))?;
    }
    Ok(())
}

fn write(root: &Area, text: &str, at: (i32, i32), size: i32, (h, v): (HPos, VPos)) -> Result<(), Failure> {
    let style = ("sans-serif", size).into_text_style(root).pos(Pos::new(h, v));
    Ok(root.draw_text(text, &style, at)?)
}

/// As short as an axis needs it.
fn number(value: f64) -> String {
    match value {
        1e6.. => format!("{} M", value / 1e6),
        1e4.. => format!("{} k", value / 1e3),
        _ => format!("{value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(name: &str, draw: impl Fn(&Path) -> Result<(), Failure>) -> String {
        let path = std::env::temp_dir().join(format!("weir-charts-{name}-{}.svg", std::process::id()));
        draw(&path).expect("drawn");
        let text = std::fs::read_to_string(&path).expect("a chart");
        std::fs::remove_file(&path).expect("removed");
        text
    }

    const LABELS: Labels = Labels { title: "Events", x: "connections", y: "events/s" };

    #[test]
    fn lines_name_their_points_on_the_axis_and_themselves_beside_it() {
        let line = |name: &str, factor: f64| Line {
            name: name.to_owned(),
            points: [1.0, 16.0, 256.0].map(|x| (x, x * factor)).into(),
        };
        for log_y in [false, true] {
            let text = drawn(&format!("lines-{log_y}"), |path| {
                lines(path, &LABELS, &[line("Weir", 100.0), line("other", 50.0)], log_y)
            });
            let shown = ["Events", "connections", "events/s", "Weir", "other", "256", "10 k"];
            assert!(shown.iter().all(|word| text.contains(&format!("\n{word}\n"))), "{text}");
            let rows: Vec<i32> =
                text.split(" cy=\"").skip(1).filter_map(|rest| rest.split('"').next()?.parse().ok()).collect();
            assert!(rows.len() == 6 && rows[0] > rows[1] && rows[1] > rows[2], "what is more stands higher: {rows:?}");
        }
    }

    #[test]
    fn bars_stand_in_groups_with_room_for_those_that_are_missing() {
        let whisker = |value| Some(Whisker { value, min: value * 0.9, max: value * 1.1 });
        let series = [
            Bars { name: "Weir".to_owned(), values: vec![whisker(10.0), whisker(20.0)] },
            Bars { name: "other".to_owned(), values: vec![None, whisker(5.0)] },
        ];
        let groups = ["16".to_owned(), "64".to_owned()];
        let text = drawn("bars", |path| bars(path, &LABELS, &groups, &series));
        // The ground, three bars, two in the legend.
        assert_eq!(text.matches("<rect").count(), 6, "{text}");
    }

    #[test]
    fn axes_have_few_round_numbers() {
        let even: Vec<String> = Axis::even(87_000.0).ticks.into_iter().map(|(_, name)| name).collect();
        assert_eq!(even, ["0", "20 k", "40 k", "60 k", "80 k"]);
        let factors: Vec<String> = Axis::factors(90.0, 1_900.0).ticks.into_iter().map(|(_, name)| name).collect();
        assert_eq!(factors, ["100", "200", "500", "1000", "2000"]);
    }
}
