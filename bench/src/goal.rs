//! Goals, each with the figure of this run that it is judged by; and what several rounds have in common.

use std::fmt;

use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Bound {
    AtLeast(f64),
    MoreThan(f64),
    AtMost(f64),
    Below(f64),
}

impl Bound {
    pub fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::MoreThan(bound) => value > bound,
            Self::AtMost(bound) => value <= bound,
            Self::Below(bound) => value < bound,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(f, "≥ {bound}"),
            Self::MoreThan(bound) => write!(f, "> {bound}"),
            Self::AtMost(bound) => write!(f, "≤ {bound}"),
            Self::Below(bound) => write!(f, "< {bound}"),
        }
    }
}

/// A goal: any one of several bounds has to hold.
#[derive(Debug, Serialize)]
pub struct Goal {
    pub what: String,
    /// A figure with its unit, and its bound; none was measured where it is not a number.
    pub any: Vec<(f64, &'static str, Bound)>,
    pub holds: Option<bool>,
}

impl Goal {
    pub fn new(what: impl Into<String>, value: f64, unit: &'static str, bound: Bound) -> Self {
        Self::any(what, vec![(value, unit, bound)])
    }

    pub fn any(what: impl Into<String>, any: Vec<(f64, &'static str, Bound)>) -> Self {
        let measured = any.iter().any(|(value, ..)| value.is_finite());
        let holds = measured.then(|| any.iter().any(|(value, _, bound)| bound.holds(*value)));
        Self { what: what.into(), any, holds }
    }
}

/// A table in markdown.
pub struct Goals<'a>(pub &'a [Goal]);

impl fmt::Display for Goals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| goal | bound | here | |\n| --- | --- | --- | --- |")?;
        for Goal { what, any, holds } in self.0 {
            let part =
                |(value, unit, bound): &(f64, &str, Bound)| (format!("{bound}{unit}"), format!("{value:.2}{unit}"));
            let (bounds, values): (Vec<String>, Vec<String>) = any.iter().map(part).unzip();
            let verdict = match holds {
                Some(true) => "holds",
                Some(false) => "**FALLS SHORT**",
                None => "not measured",
            };
            writeln!(f, "| {what} | {} | {} | {verdict} |", bounds.join(" or "), values.join(", "))?;
        }
        Ok(())
    }
}

/// The middle of some rounds, the lowest and the highest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        Self { median: at(values.len().saturating_sub(1) / 2), min: at(0), max: at(values.len().saturating_sub(1)) }
    }

    /// The same; nothing of no rounds.
    pub fn of_some(values: Vec<f64>) -> Option<Self> {
        (!values.is_empty()).then(|| Self::of(values))
    }

    /// With so many digits behind the point.
    pub fn show(&self, digits: usize) -> String {
        let Self { median, min, max } = self;
        format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_holds_if_one_of_its_bounds_does() {
        let goal = |rate: f64, part: f64| {
            Goal::any("scan", vec![(rate, " MB/s", Bound::AtLeast(300.0)), (part, "", Bound::AtLeast(0.5))]).holds
        };
        assert_eq!(goal(299.0, 0.5), Some(true));
        assert_eq!(goal(300.0, 0.1), Some(true));
        assert_eq!(goal(299.0, 0.49), Some(false));
        assert_eq!(goal(f64::NAN, 0.6), Some(true));
        assert_eq!(goal(f64::NAN, f64::NAN), None);
    }

    #[test]
    fn bounds_are_as_strict_as_they_read() {
        assert!(Bound::AtMost(5.0).holds(5.0) && !Bound::MoreThan(1.0).holds(1.0));
        assert!(!Bound::Below(5.0).holds(5.0) && Bound::AtLeast(5.0).holds(5.0));
        let table = Goals(&[Goal::new("first byte", 6.0, " ms", Bound::Below(5.0))]).to_string();
        assert!(table.contains("| first byte | < 5 ms | 6.00 ms | **FALLS SHORT** |"), "{table}");
    }

    #[test]
    fn the_middle_is_a_round_that_was() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of([2.0, 1.0]).median, 1.0);
        assert!(Spread::of([]).median.is_nan() && Spread::of_some(vec![]).is_none());
    }
}
