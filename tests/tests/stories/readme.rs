//! The README's blocks, run as printed against a fresh server: each `sh` block must print what the block after it shows.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

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
        (Value::String(text), Value::String(_)) if text == "…" => true,
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

#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_commands_print_what_the_readme_shows() {
    let server = server().await;
    let address = server.client.base.strip_prefix("http://").expect("a URL").to_owned();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let blocks = blocks(&std::fs::read_to_string(readme).expect("the README"));
    let mut run = 0;
    for (index, (language, command)) in blocks.iter().enumerate() {
        if language != "sh" {
            continue;
        }
        let command = command.replace("localhost:8000", &address);
        let output = Command::new("bash").args(["-c", &command]).output().expect("bash runs");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
        let found: Value = serde_json::from_str(&printed).unwrap_or_else(|_| panic!("no JSON: {command}\n{printed}"));
        let (kind, shown) = &blocks[index + 1];
        assert_eq!(kind, "json", "a block that shows what is printed follows: {command}");
        let shown: Value = serde_json::from_str(shown).expect("JSON in the README");
        assert!(fits(&shown, &found), "{command}\nshown: {shown}\nfound: {found}");
        run += 1;
    }
    assert!(run >= 6, "the README has commands: {run}");
}

#[test]
fn a_difference_is_seen() {
    let value = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    assert!(fits(&value(r#"{"a":"…","b":[1]}"#), &value(r#"{"a":"x","b":[1]}"#)));
    assert!(!fits(&value(r#"{"a":"…","b":[1]}"#), &value(r#"{"a":"x","b":[2]}"#)));
    assert!(!fits(&value(r#"{"a":1}"#), &value(r#"{"a":1,"b":2}"#)));
}
