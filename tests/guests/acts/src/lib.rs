//! Misbehaviours that any call of any kind can have. `act` names the call, and does what the marker says for it.

mod marker;

use std::hint::black_box;

pub use marker::{behaviour, version};
use weir_plugin_sdk::{Manifest, Problem, info};

/// More than any sensible limit on an answer.
pub const HUGE_BYTES: usize = 64 << 20;

/// Far more than any sensible limit on lines a second.
const FLOOD_LINES: usize = 100_000;

/// `<what>-in-<call>`: does `what` if the marker names this call, else nothing.
pub fn act(call: &str) {
    if let Some((what, place)) = behaviour().split_once("-in-")
        && place == call
    {
        run(what);
    }
}

/// Does it, if it is known; most do not come back.
pub fn run(what: &str) {
    match what {
        "loop" => spin(u64::MAX),
        "slow" => spin(20_000_000),
        "trap" => panic!("odd: this guest traps because a test asked it to"),
        "memory" => grow(),
        "stack" => _ = deeper(1),
        "sleep" => std::thread::sleep(std::time::Duration::from_secs(60)),
        "log" => (0..FLOOD_LINES).for_each(|line| info!(line = line; "odd: one of many lines")),
        "print" => println!("odd: this went to stdout"),
        _ => {}
    }
}

/// `describe`, for the kinds that have no more to say: they wish for nothing and see everything.
pub fn describe(name: &str) -> Manifest {
    act("describe");
    match behaviour() {
        "empty-name" => Manifest::new("", version()),
        "config-schema" => Manifest::new(name, version()).config_schema("{\"type\":"),
        "interest" => Manifest::new(name, version()).interest(&["seen*"], &[]),
        "state-2" => Manifest::new(name, version()).state_version(2),
        _ => Manifest::new(name, version()).description("Misbehaves as a test asks it to"),
    }
}

/// `init` of every kind.
pub fn init<T>(plugin: T) -> Result<T, String> {
    act("init");
    match behaviour() {
        "refuse-init" => Err("odd: init refuses because a test asked it to".into()),
        _ => Ok(plugin),
    }
}

/// What every event does in a call that takes events: `by-type` does what its type says, `problem` finds `odd.bad` bad.
pub fn meet(event_type: &str) -> Result<(), Problem> {
    match behaviour() {
        "by-type" => run(event_type.trim_start_matches("odd.")),
        "problem" if event_type == "odd.bad" => return Err(problem("odd.bad is bad")),
        _ => {}
    }
    Ok(())
}

/// A problem of the guests' own.
pub fn problem(message: &str) -> Problem {
    Problem::new("odd", message)
}

fn spin(rounds: u64) {
    for round in 0..rounds {
        black_box(round);
    }
}

/// Takes memory, and touches it, until there is none.
fn grow() {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(black_box(vec![1; 1 << 20]));
    }
}

/// Calls itself until the stack is used up. What follows the call keeps it from becoming a loop.
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { deeper(depth + 1) + frame[7] }
}

/// A text of the size that no host should take.
pub fn huge() -> String {
    "x".repeat(HUGE_BYTES)
}
