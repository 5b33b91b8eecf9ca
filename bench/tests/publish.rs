//! The whole run against a server that only pretends, in seconds.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn fake() -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_weir-bench")).parent().expect("a directory").to_owned();
    target.join("examples/fake_weir")
}

fn bench(dir: &Path, weir: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir-bench"));
    command.args(["publish", "--seconds", "0.02", "--rounds", "2", "--warmup", "--data-dir"]).arg(dir);
    command.arg("--json").arg(dir.join("figures.json")).arg("--weir").arg(weir);
    command.output().expect("it runs")
}

fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    dir
}

#[test]
fn every_case_is_measured_compared_and_cleaned_up() {
    let dir = scratch("whole");
    let output = bench(&dir, &fake());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(dir.join("figures.json")).expect("figures");
    let figures: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let cases = figures["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 30);
    assert!(cases.iter().all(|case| case["median"]["eventsPerSecond"].as_f64().is_some_and(|rate| rate > 0.0)));
    assert!(cases.iter().all(|case| case["rounds"].as_array().is_some_and(|rounds| rounds.len() == 2)));
    let ratios = figures["ratios"].as_array().expect("ratios");
    assert_eq!(ratios.len(), 12);
    assert!(ratios.iter().all(|ratio| ratio["toEcho"].is_number() && ratio["toAppendGrowing"].is_number()));
    assert_eq!(std::fs::read_dir(&dir).expect("a directory").count(), 1, "only the figures are left");
    std::fs::remove_dir_all(&dir).expect("removed");
}

#[test]
fn a_missing_server_is_named_and_nothing_is_left() {
    let dir = scratch("missing");
    let output = bench(&dir, Path::new("/nowhere/weir"));
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/weir"));
    assert_eq!(std::fs::read_dir(&dir).expect("a directory").count(), 0);
    std::fs::remove_dir_all(&dir).expect("removed");
}
