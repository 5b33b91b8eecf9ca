//! The lines that Weir has to hold, each judged by the figures of one run.

use serde::Serialize;

use super::figures::{Key, Measurements, Taken, p50_us, rate};
use super::{APPEND, APPEND_GROWING, BARE, WEIR, WEIR_OPEN};
use crate::goal::{Bound, Spread};

const BATCH: usize = 100;

/// Which figure is compared, and with which of others; of several, with their sum.
struct Goal {
    what: String,
    figure: fn(&Taken) -> f64,
    of: Key,
    over: Vec<Key>,
    bound: Bound,
}

/// A goal with its ratio, made within each round.
#[derive(Debug, Serialize)]
pub struct Judged {
    pub what: String,
    pub bound: Bound,
    pub ratio: Option<Spread>,
    /// Nothing if a side of it was not measured.
    pub holds: Option<bool>,
}

/// All goals that the connections of this run allow to judge.
pub fn judge(cases: &Measurements, connections: &[usize]) -> Vec<Judged> {
    let goals = goals().into_iter().filter(|goal| connections.contains(&goal.of.connections));
    goals.map(|goal| goal.judge(cases)).collect()
}

impl Goal {
    fn rate(what: String, of: Key, over: Key, bound: Bound) -> Self {
        Self { what, figure: rate, of, over: vec![over], bound }
    }

    fn judge(self, cases: &Measurements) -> Judged {
        let over: Vec<Vec<f64>> = self.over.iter().map(|key| cases.rounds(*key, self.figure)).collect();
        let rounds = cases.rounds(self.of, self.figure).into_iter().enumerate();
        let ratio = |(round, value): (usize, f64)| {
            let parts: Option<Vec<f64>> = over.iter().map(|rounds| rounds.get(round).copied()).collect();
            Some(value / parts?.iter().sum::<f64>())
        };
        let ratios: Option<Vec<f64>> = rounds.map(ratio).collect();
        let ratio = Spread::of_some(ratios.unwrap_or_default());
        let holds = ratio.map(|ratio| self.bound.holds(ratio.median));
        Judged { what: self.what, bound: self.bound, ratio, holds }
    }
}

fn goals() -> Vec<Goal> {
    let mut goals = singles();
    goals.extend(batches());
    goals.extend(limits());
    goals
}

fn singles() -> Vec<Goal> {
    let mut goals = Vec::new();
    let mut single = |over: &'static str, connections: usize, bound: Bound| {
        let what = format!("single events, {connections} connection(s), of {over}");
        goals.push(Goal::rate(what, Key::new(WEIR, connections, 1), Key::new(over, connections, 1), bound));
    };
    for connections in [16, 64] {
        for over in ["PostgreSQL", "UmaDB", "S2 lite", "SierraDB"] {
            single(over, connections, Bound::AtLeast(1.8));
        }
    }
    single("Redis streams", 16, Bound::MoreThan(1.0));
    single("Redis streams", 64, Bound::AtLeast(0.7));
    single("PostgreSQL", 1, Bound::AtLeast(0.75));
    goals
}

/// Ahead of everybody, also of the one that syncs later.
fn batches() -> Vec<Goal> {
    let mut goals = Vec::new();
    for connections in [1, 16, 64, 256] {
        for over in ["PostgreSQL", "Redis streams", "UmaDB", "S2 lite", "SierraDB", "NATS JetStream"] {
            let later = if over.starts_with("NATS") { " (syncs later)" } else { "" };
            let what = format!("batches of {BATCH}, {connections} connection(s), of {over}{later}");
            let [of, over] = [WEIR, over].map(|name| Key::new(name, connections, BATCH));
            goals.push(Goal::rate(what, of, over, Bound::MoreThan(1.0)));
        }
    }
    goals
}

fn limits() -> Vec<Goal> {
    let what = "single events, 64 connections, of the bare HTTP handler".to_owned();
    let (of, over) = (Key::new(WEIR, 64, 1), Key::new(BARE, 64, 1));
    let mut goals = vec![Goal::rate(what, of, over, Bound::AtLeast(0.6))];
    goals.push(Goal {
        what: "p50 of single events, 1 connection, of write + fdatasync p50 + bare handler p50".to_owned(),
        figure: p50_us,
        of: Key::new(WEIR, 1, 1),
        over: vec![Key::new(APPEND, 1, 1), Key::new(BARE, 1, 1)],
        bound: Bound::AtMost(1.3),
    });
    for connections in [1, 16, 64, 256] {
        for (over, file) in [(APPEND, "preallocated"), (APPEND_GROWING, "growing")] {
            let what =
                format!("batches of {BATCH}, {connections} connection(s), of a plain append + fdatasync ({file} file)");
            let [of, over] = [WEIR, over].map(|name| Key::new(name, connections, BATCH));
            goals.push(Goal::rate(what, of, over, Bound::AtLeast(0.6)));
        }
    }
    for (connections, events) in [(16, 1), (64, 1), (16, BATCH), (64, BATCH)] {
        let what = format!("schema plugin, {events} a request, {connections} connections, of an open topic");
        let [of, over] = [WEIR, WEIR_OPEN].map(|name| Key::new(name, connections, events));
        goals.push(Goal::rate(what, of, over, Bound::AtLeast(0.75)));
    }
    goals
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::taken;
    use super::*;

    fn judged<'a>(all: &'a [Judged], what: &str) -> &'a Judged {
        all.iter().find(|one| one.what == what).expect(what)
    }

    #[test]
    fn a_goal_is_judged_by_the_middle_of_the_ratios_within_rounds() {
        let mut cases = Measurements::default();
        for (own, other) in [(100, 50), (300, 100), (400, 400)] {
            cases.add(Key::new(WEIR, 16, 1), taken(own, 1));
            cases.add(Key::new("UmaDB", 16, 1), taken(other, 1));
        }
        let all = judge(&cases, &[16]);
        let umadb = judged(&all, "single events, 16 connection(s), of UmaDB");
        assert_eq!(umadb.ratio, Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!((umadb.bound, umadb.holds), (Bound::AtLeast(1.8), Some(true)));
        let absent = judged(&all, "single events, 16 connection(s), of SierraDB");
        assert_eq!((absent.ratio, absent.holds), (None, None));
        assert!(!all.iter().any(|one| one.what.contains("64 connection")), "only what was measured");
    }

    #[test]
    fn latency_is_compared_with_the_sum_of_its_limits() {
        let mut cases = Measurements::default();
        for (name, us) in [(WEIR, 131), (APPEND, 80), (BARE, 20)] {
            cases.add(Key::new(name, 1, 1), taken(1, us));
        }
        let all = judge(&cases, &[1]);
        let p50 = judged(&all, "p50 of single events, 1 connection, of write + fdatasync p50 + bare handler p50");
        assert_eq!((p50.ratio.map(|ratio| ratio.median), p50.holds), (Some(1.31), Some(false)));
    }

    #[test]
    fn bounds_hold_as_they_say() {
        assert!(Bound::AtLeast(1.8).holds(1.8) && !Bound::MoreThan(1.0).holds(1.0) && Bound::AtMost(1.3).holds(1.3));
        assert_eq!(goals().len(), 11 + 24 + 14);
    }
}
