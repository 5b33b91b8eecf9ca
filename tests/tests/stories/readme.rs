//! The blocks of the README and of docs, run as printed against a fresh server: each `sh` block must print what the block
//! after it shows, which is JSON or a whole answer.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use weir_tests::{TestServer, eventually};

use crate::server;

/// A fenced block: its language and its text.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut parts = text.split("```");
    while let (Some(_), Some(block)) = (parts.next(), parts.next()) {
        let (language, body) = block.split_once('\n').expect("a fence has a line");
        blocks.push((language.to_owned(), body.to_owned()));
    }
    blocks
}

/// `…` in what the README shows stands for anything, as times and ids are different each time.
fn fits(shown: &Value, found: &Value) -> bool {
    match (shown, found) {
        (Value::String(text), _) if text == "…" => true,
        (Value::Array(shown), Value::Array(found)) => {
            shown.len() == found.len() && shown.iter().zip(found).all(|(shown, found)| fits(shown, found))
        }
        (Value::Object(shown), Value::Object(found)) => {
            shown.len() == found.len()
                && shown.iter().all(|(key, shown)| found.get(key).is_some_and(|found| fits(shown, found)))
        }
        _ => shown == found,
    }
}

/// The same for lines, in any order, as headers have none; `…` stands for the rest of its line.
fn lines_fit(shown: &str, found: &str) -> bool {
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.sort_unstable();
        lines
    };
    let (shown, found) = (sorted(shown), sorted(found));
    let fits = |(shown, found): (&String, &String)| match shown.split_once('…') {
        Some((start, _)) => found.starts_with(start),
        None => shown == found,
    };
    shown.len() == found.len() && shown.iter().zip(&found).all(fits)
}

/// Runs all commands of a file, one after the other; how many there were.
async fn run_commands_of(file: &str) -> usize {
    run_on(&server().await, file)
}

fn run_on(server: &TestServer, file: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    run_text(server, &std::fs::read_to_string(path).expect("a file"))
}

fn run_text(server: &TestServer, text: &str) -> usize {
    let address = server.client.base.strip_prefix("http://").expect("a URL").to_owned();
    let blocks = blocks(text);
    let mut run = 0;
    for (index, (language, command)) in blocks.iter().enumerate() {
        if language != "sh" {
            continue;
        }
        let command = command.replace("localhost:8000", &address);
        let output = Command::new("bash").args(["-c", &command]).output().expect("bash runs");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
        let (kind, shown) = &blocks[index + 1];
        let fits = match kind.as_str() {
            "http" => lines_fit(shown, &printed),
            "json" => {
                let found = serde_json::from_str(&printed).unwrap_or_else(|_| panic!("no JSON: {command}\n{printed}"));
                fits(&serde_json::from_str(shown).expect("JSON is shown"), &found)
            }
            _ => panic!("a block that shows what is printed follows: {command}"),
        };
        assert!(fits, "{command}\nshown: {shown}\nfound: {printed}");
        run += 1;
    }
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_commands_print_what_the_readme_shows() {
    assert!(run_commands_of("README.md").await >= 6, "the README has commands");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_about_cloud_events_print_what_is_shown() {
    assert!(run_commands_of("docs/cloudevents.md").await >= 8, "there are commands");
}

/// The bank is in the plugin directory from the start; its files are copied there as the page says.
#[tokio::test(flavor = "multi_thread")]
async fn the_tutorials_commands_print_what_is_shown() {
    let server = server().await;
    let bank = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/bank");
    let grants = "[grants]\nappend = [\"accounts\", \"transfers\"]\n";
    std::fs::write(server.plugins_dir().join("transfers.toml"), grants).expect("a side-car");
    for plugin in ["bank-account", "account-balances", "transfers", "account-opened-v2", "card-number-guard"] {
        let file = format!("{plugin}.wasm");
        std::fs::copy(bank.join("dist").join(&file), server.plugins_dir().join(&file))
            .expect("cargo xtask plugins was run");
        eventually("the bank's plugins serve", 60, async || {
            (server.client.get(&format!("/plugins/{plugin}")).await.json()["state"] == "active").then_some(())
        })
        .await;
    }
    assert!(run_on(&server, "docs/tutorial.md") >= 20, "the tutorial has commands");
}

/// A part of a sample's README, from a title on, with its plugins; the first `toml` block is the side-car of the sample.
async fn try_sample(sample: &str, from: &str, others: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let file = format!("plugins/{sample}/README.md");
    let text = std::fs::read_to_string(root.join(&file)).expect("a file");
    let text = text.split(from).nth(1).unwrap_or_else(|| panic!("{file} has {from}"));
    let text = text.split("\n## ").next().unwrap_or_default();
    let server = server().await;
    let plugins = server.plugins_dir();
    if let Some((_, sidecar)) = blocks(text).into_iter().find(|(language, _)| language == "toml") {
        std::fs::write(plugins.join(format!("{sample}.toml")), sidecar).expect("a side-car");
    }
    for plugin in others.iter().chain([&sample]) {
        let file = format!("{plugin}.wasm");
        let dist = ["plugins/dist", "plugins/bank/dist"].map(|dist| root.join(dist).join(&file));
        let component = dist.iter().find(|path| path.is_file()).expect("cargo xtask plugins was run");
        std::fs::copy(component, plugins.join(&file)).expect("copied");
        eventually("the plugin serves", 60, async || {
            (server.client.get(&format!("/plugins/{plugin}")).await.json()["state"] == "active").then_some(())
        })
        .await;
    }
    assert!(run_text(&server, text) >= 3, "{file} has commands");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sample_runs_as_its_readme_says() {
    try_sample("json-patch", "## Try it", &[]).await;
    try_sample("current-state", "## Try it", &["json-patch"]).await;
    try_sample("rules", "## Example", &["bank-account"]).await;
    try_sample("state-machine", "## Example: an order", &[]).await;
    try_sample("state-machine", "## Example: an approval", &[]).await;
    try_sample("items", "## Use", &[]).await;
}

#[test]
fn a_difference_is_seen() {
    let value = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    assert!(fits(&value(r#"{"a":"…","b":[1]}"#), &value(r#"{"a":"x","b":[1]}"#)));
    assert!(!fits(&value(r#"{"a":"…","b":[1]}"#), &value(r#"{"a":"x","b":[2]}"#)));
    assert!(!fits(&value(r#"{"a":1}"#), &value(r#"{"a":1,"b":2}"#)));
    assert!(lines_fit("b: …\na: 1\n\nx", "a: 1\r\nb: 2\r\n\r\nx"));
    assert!(!lines_fit("a: 1", "a: 2") && !lines_fit("a: 1", "a: 1\nb: 2"));
}
