//! Reads and growth, whole, against a server that only pretends: that all is measured, judged, drawn and cleaned up.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn bench(dir: &Path, args: &[&str]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_weir-bench"));
    let fake = program.parent().expect("a directory").join("examples/fake_weir");
    let mut command = Command::new(program);
    command.args(args).arg("--data-dir").arg(dir).arg("--json").arg(dir.join("figures.json"));
    command.arg("--weir").arg(fake).output().expect("it runs")
}

fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    dir
}

fn figures(dir: &Path, output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(dir.join("figures.json")).expect("figures");
    serde_json::from_str(&text).expect("JSON")
}

fn left(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a directory").flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    std::fs::remove_dir_all(dir).expect("removed");
    names
}

#[test]
fn every_read_is_checked_measured_and_judged() {
    let dir = scratch("reads");
    let args = ["reads", "--events", "2000", "--rounds", "2", "--seconds", "0.02", "--first-bytes", "3"];
    let output = bench(&dir, &args);
    let figures = figures(&dir, &output);
    let cases = figures["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 5);
    for case in cases {
        let rounds = case["rounds"].as_array().expect("rounds");
        assert_eq!(rounds.len(), 2);
        for who in ["weir", "bare", "raw"] {
            assert!(
                rounds.iter().all(|round| round[who]["mbPerSecond"].as_f64().is_some_and(|rate| rate > 0.0)),
                "{case}"
            );
        }
    }
    assert_eq!(figures["firstBytes"][0]["events"], 2_000);
    let goals = figures["goals"].as_array().expect("goals");
    assert!(goals.len() == 3 && goals.iter().all(|goal| goal["holds"].is_boolean()));
    assert!(String::from_utf8_lossy(&output.stdout).contains("| **full scan, NDJSON** |"));
    assert_eq!(left(&dir), ["figures.json"]);
}

#[test]
fn stores_grow_are_killed_opened_judged_and_drawn() {
    let dir = scratch("growth");
    let charts = dir.join("charts");
    let sizes = ["--events", "1000", "--streams", "1000", "--smallest", "100", "--topics", "1,5,50"];
    let args = ["growth", "--seconds", "0.02", "--rounds", "2", "--charts", charts.to_str().expect("text")];
    let output = bench(&dir, &[&args[..], &sizes].concat());
    let figures = figures(&dir, &output);
    let grown = figures["grown"].as_array().expect("stores");
    let sizes = |at: usize| -> Vec<u64> {
        let points = grown[at]["points"].as_array().expect("points");
        points.iter().filter_map(|point| point["size"].as_u64()).collect()
    };
    assert_eq!([sizes(0), sizes(1), sizes(2)], [vec![100, 1_000], vec![1, 5], vec![100, 1_000]]);
    assert!(grown[1]["note"].as_str().is_some_and(|note| note.contains("too many topics")), "{}", grown[1]["note"]);
    assert!(grown[0]["rebuilt"]["events"].as_u64().is_some_and(|events| events >= 1_000));
    let goals = figures["goals"].as_array().expect("goals");
    assert!(goals.len() == 7 && goals.iter().all(|goal| goal["holds"].is_boolean()));
    let drawn = ["appends", "disk", "memory", "open", "reads"].map(|name| format!("growth-{name}.svg"));
    assert_eq!(left(&charts), drawn);
    assert_eq!(left(&dir), ["figures.json"]);
}

#[test]
fn more_events_than_the_disk_takes_are_refused_before_anything_is_written() {
    let dir = scratch("room");
    let output = bench(&dir, &["growth", "--events", "1000000000"]);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && words.contains("1000000000 events need 1433.3 GB of disk"), "{words}");
    assert_eq!(left(&dir), Vec::<String>::new());
}
