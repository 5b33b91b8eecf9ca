//! What a process holds, as Linux tells it.

use super::Steady;

/// After so many reloads.
#[derive(Debug, Clone, Copy)]
pub struct Vitals {
    pub reloads: usize,
    pub memory_kib: u64,
    pub threads: u64,
    pub files: u64,
}

/// Threads and files that may come and go: tokio's blocking threads, connections and files that are being read.
const SLACK: u64 = 16;

impl Vitals {
    /// # Panics
    /// When the process is gone.
    pub fn of(pid: u32, reloads: usize) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).expect("a number")
        };
        let files = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count() as u64;
        Self { reloads, memory_kib: field("VmRSS"), threads: field("Threads"), files }
    }
}

/// Compares the middle of a tenth of the reloads, once the run is steady, with the middle of the last tenth.
///
/// # Panics
/// When memory, threads or files grew.
pub fn flat(vitals: &[Vitals], steady: Steady) {
    let last = vitals.last().expect("some").reloads;
    let tenth = last / 10;
    let early = steady.after_reloads..=steady.after_reloads + tenth;
    let middle = |reloads: std::ops::RangeInclusive<usize>, what: fn(&Vitals) -> u64| {
        let mut values: Vec<u64> = vitals.iter().filter(|it| reloads.contains(&it.reloads)).map(what).collect();
        values.sort_unstable();
        values[values.len() / 2]
    };
    let grown = |what| (middle(early.clone(), what), middle(last - tenth..=last, what));
    let (before, after) = grown(|it| it.memory_kib);
    println!("memory: {before} KiB from reload {} on, {after} KiB at the end", steady.after_reloads);
    assert!(after as f64 <= before as f64 * steady.growth_max, "memory grew from {before} to {after} KiB: {vitals:?}");
    for (what, value) in [("threads", (|it| it.threads) as fn(&Vitals) -> u64), ("files", |it| it.files)] {
        let (before, after) = grown(value);
        println!("{what}: {before}, then {after}");
        assert!(after <= before + SLACK, "{what} grew from {before} to {after}");
    }
}
