//! The comparison with nothing but its limits, and with a server that only pretends: what can be tested without other stores.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn fake() -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_weir-bench")).parent().expect("a directory").to_owned();
    target.join("examples/fake_weir")
}

fn compare(dir: &Path, only: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir-bench"));
    command.args(["compare", "--seconds", "0.02", "--rounds", "2", "--connections", "1,16", "--only", only]);
    command.arg("--data-dir").arg(dir).arg("--charts").arg(dir).arg("--json").arg(dir.join("figures.json"));
    command.arg("--peers").arg(dir.join("nowhere")).arg("--weir").arg(fake());
    command.output().expect("it runs")
}

fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    dir
}

fn figures(dir: &Path) -> Value {
    let text = std::fs::read_to_string(dir.join("figures.json")).expect("figures");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn the_limits_are_measured_alone() {
    let dir = scratch("limits");
    let output = compare(&dir, "bare,append");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("| bare HTTP handler |") && text.contains("+ fdatasync beside each column"), "{text}");
    let figures = figures(&dir);
    let cases = figures["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 2 * 2 * 3, "two connections, one event and a hundred, bare and two files");
    assert!(cases.iter().all(|case| case["rounds"].as_array().is_some_and(|rounds| rounds.len() == 2)));
    let goals = figures["goals"].as_array().expect("goals");
    assert!(!goals.is_empty() && goals.iter().all(|goal| goal["holds"].is_null()), "nothing of Weir was measured");
    let mut left: Vec<_> =
        std::fs::read_dir(&dir).expect("a directory").flatten().map(|file| file.file_name()).collect();
    left.sort();
    assert_eq!(left, ["compare-batches.svg", "compare-latency.svg", "compare-single.svg", "figures.json"]);
    std::fs::remove_dir_all(&dir).expect("removed");
}

#[test]
fn weir_is_counted_and_judged_and_whoever_is_missing_is_named() {
    let dir = scratch("judged");
    let output = compare(&dir, "weir,weir-open,bare,append,umadb");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("*** MISSING: UmaDB is not measured: there is no "));
    assert!(String::from_utf8_lossy(&output.stdout).contains("**MISSING: UmaDB**"));
    let figures = figures(&dir);
    let judged = figures["goals"].as_array().expect("goals").iter().filter(|goal| goal["holds"].is_boolean()).count();
    // The p50, batches of 100 beside two files over two connections, and the plugin's share twice.
    assert_eq!(judged, 1 + 4 + 2, "{}", figures["goals"]);
    std::fs::remove_dir_all(&dir).expect("removed");
}
