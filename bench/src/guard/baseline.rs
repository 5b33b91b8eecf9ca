//! The committed figures, and what is said about new ones beside them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use weir_bench::Failure;

/// More instructions than this, in percent of the baseline, are a failure; as many fewer are worth a new baseline.
const CHANGE_PERCENT_MAX: u64 = 10;

/// By the build that was counted: the one that runs, and the one that tests use.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Baselines(BTreeMap<String, Baseline>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    pub made: Made,
    /// Instructions an event.
    pub figures: Figures,
}

pub type Figures = BTreeMap<String, u64>;

/// What else than this repository decides how many instructions there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    pub arch: String,
    pub compiler: String,
    pub valgrind: String,
    /// What libc and the compiler of plugins choose their instructions by; of what valgrind knows.
    pub cpu: Vec<String>,
}

impl Baselines {
    /// A file that is not there has none yet.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()).into()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("{}: {error}", path.display()).into()),
        }
    }

    pub fn of(&self, build: &str) -> Result<&Baseline, Failure> {
        let none = || {
            format!(
                "there is no baseline of the build '{build}'; `cargo xtask bench guard --build {build} --update` makes one"
            )
        };
        Ok(self.0.get(build).ok_or_else(none)?)
    }

    pub fn put(&mut self, build: &str, baseline: Baseline) {
        self.0.insert(build.to_owned(), baseline);
    }

    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")
            .map_err(|error| format!("{}: {error}", path.display()).into())
    }
}

/// What became of one figure.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Same,
    Fewer,
    More,
    /// It is new.
    Unknown,
}

pub fn verdict(before: Option<u64>, now: u64) -> Verdict {
    // Wide enough for any two counts.
    let (percent, now) = (|part: u64| u128::from(before.unwrap_or(0)) * u128::from(part), u128::from(now) * 100);
    match before {
        None => Verdict::Unknown,
        Some(_) if now > percent(100 + CHANGE_PERCENT_MAX) => Verdict::More,
        Some(_) if now < percent(100 - CHANGE_PERCENT_MAX) => Verdict::Fewer,
        Some(_) => Verdict::Same,
    }
}

/// A figure beside its baseline, as one line.
pub struct Compared<'a> {
    pub name: &'a str,
    pub before: Option<u64>,
    pub now: u64,
}

impl Compared<'_> {
    pub fn verdict(&self) -> Verdict {
        verdict(self.before, self.now)
    }
}

impl fmt::Display for Compared<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, before, now } = self;
        let Some(before) = before else { return write!(f, "{name}: {now} instructions an event, no baseline") };
        let change = (*now as f64 / *before as f64 - 1.0) * 100.0;
        write!(f, "{name}: {now} instructions an event, baseline {before} ({change:+.1} %)")
    }
}

/// Every figure of either side: one that is counted no more is not silently let go.
pub fn compare<'a>(before: &'a Figures, now: &'a Figures) -> Result<Vec<Compared<'a>>, Failure> {
    if let Some(gone) = before.keys().find(|name| !now.contains_key(*name)) {
        return Err(format!("the baseline has '{gone}', which is not counted; `--update` makes it anew").into());
    }
    Ok(now.iter().map(|(name, now)| Compared { name, before: before.get(name).copied(), now: *now }).collect())
}

/// What differs from where the baseline was made, in words.
pub fn differences(before: &Made, now: &Made) -> Vec<String> {
    let cpu = |made: &Made| made.cpu.join(" ");
    [
        ("compiler", before.compiler.clone(), now.compiler.clone()),
        ("valgrind", before.valgrind.clone(), now.valgrind.clone()),
        ("processor", cpu(before), cpu(now)),
    ]
    .into_iter()
    .filter(|(_, before, now)| before != now)
    .map(|(what, before, now)| format!("the {what} is another than the baseline's: {now}, not {before}"))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_ten_percent_more_fails_and_as_many_fewer_is_said() {
        let cases = [
            (Some(1000), 1100, Verdict::Same),
            (Some(1000), 1101, Verdict::More),
            (Some(1000), 900, Verdict::Same),
            (Some(1000), 899, Verdict::Fewer),
            (Some(0), 0, Verdict::Same),
            (Some(0), 1, Verdict::More),
            (Some(u64::MAX), u64::MAX, Verdict::Same),
            (None, 5, Verdict::Unknown),
        ];
        for (before, now, expected) in cases {
            assert_eq!(verdict(before, now), expected, "{before:?} → {now}");
        }
    }

    #[test]
    fn a_line_names_the_figure_both_counts_and_the_change() {
        let line = Compared { name: "open topic", before: Some(1000), now: 1234 }.to_string();
        assert_eq!(line, "open topic: 1234 instructions an event, baseline 1000 (+23.4 %)");
    }

    #[test]
    fn a_figure_that_is_counted_no_more_is_named() {
        let (before, now) = (Figures::from([("a".into(), 1), ("b".into(), 1)]), Figures::from([("a".into(), 1)]));
        assert!(compare(&before, &now).err().is_some_and(|error| error.to_string().contains("'b'")));
        assert_eq!(compare(&now, &before).map(|all| all.len()).unwrap_or(0), 2);
    }

    #[test]
    fn another_compiler_is_said_and_the_same_is_not() {
        let made = |compiler: &str| Made {
            arch: "a".into(),
            compiler: compiler.into(),
            valgrind: "v".into(),
            cpu: vec!["avx2".into()],
        };
        assert!(differences(&made("rustc 1"), &made("rustc 1")).is_empty());
        let said = differences(&made("rustc 1"), &made("rustc 2"));
        assert_eq!(said, ["the compiler is another than the baseline's: rustc 2, not rustc 1"]);
    }

    #[test]
    fn a_build_without_baseline_is_told_how_to_make_one() {
        let error = Baselines::default().of("test").expect_err("none").to_string();
        assert!(error.contains("'test'") && error.contains("--update"), "{error}");
    }
}
