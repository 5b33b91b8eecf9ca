//! Public packages as clients: `tests/clients` pins them, `cargo xtask clients` installs them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

const SECONDS_MAX: u64 = 120;

/// The workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Where packages are installed: exactly those that are pinned, or the story fails.
///
/// # Panics
/// When they are not.
pub fn packages(folder: &str, pins: &str, stamp: &str) -> PathBuf {
    let installed = root().join("target/clients").join(folder);
    let wanted = std::fs::read_to_string(root().join("tests/clients").join(folder).join(pins)).expect("the pins");
    let found = std::fs::read_to_string(installed.join(stamp)).unwrap_or_default();
    assert!(found == wanted, "the packages of tests/clients/{folder} are not there; run `cargo xtask clients`");
    std::path::absolute(installed).expect("a path")
}

/// Runs a client's program; how many comparisons held, as its last line says.
///
/// # Panics
/// When one did not.
pub async fn run(mut command: Command) -> u64 {
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(SECONDS_MAX), running).await;
    let output = output.expect("it ends in time").expect("it runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    let last: Value = serde_json::from_str(printed.lines().last().unwrap_or_default()).expect("its last line is JSON");
    last["compared"].as_u64().expect("a number")
}
