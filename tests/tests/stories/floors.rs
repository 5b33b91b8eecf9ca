//! The floors of the house: which room may name which room, and which crate. Every arrow points down.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A room (or one file of it), the rooms it may name, and the crates that it may name besides those that all may.
struct Rule {
    path: &'static str,
    rooms: &'static [&'static str],
    crates: &'static [&'static str],
}

/// Values and helpers without a framework: any room but `model` may name them.
const COMMON: &[&str] =
    &["async_trait", "bytes", "compact_str", "futures_util", "serde", "serde_json", "thiserror", "tokio", "tracing"];

/// The longest path that matches a file is its rule.
const RULES: &[Rule] = &[
    Rule { path: "model", rooms: &[], crates: &[] },
    Rule { path: "storage", rooms: &["model", "storage_contract"], crates: &["crc32fast", "sha2"] },
    Rule { path: "storage/redb", rooms: &["model", "storage_contract"], crates: &["crc32fast", "redb", "rustix"] },
    Rule { path: "storage/views.rs", rooms: &["model"], crates: &["redb"] },
    Rule {
        path: "plugin",
        rooms: &["model"],
        crates: &[
            "base64",
            "globset",
            "hmac",
            "notify",
            "rand",
            "ring",
            "rustix",
            "semver",
            "sha2",
            "smallvec",
            "thread_priority",
            "toml",
            "utoipa",
            "wasmparser",
            "wasmtime",
            "wasmtime_wasi",
            "wit_component",
            "rayon",
        ],
    },
    Rule { path: "plugin/tests", rooms: &["model"], crates: &["tracing_subscriber", "wit_component"] },
    Rule { path: "engine", rooms: &["model", "storage", "plugin"], crates: &["smallvec"] },
    Rule { path: "delivery", rooms: &["model", "storage", "plugin", "engine"], crates: &["rand", "sha2", "utoipa"] },
    Rule { path: "delivery/addresses.rs", rooms: &[], crates: &[] },
    Rule { path: "delivery/http_client.rs", rooms: &["model", "plugin"], crates: &["reqwest", "rustls", "url"] },
    Rule {
        path: "http",
        rooms: &["model", "storage", "plugin", "engine", "delivery"],
        crates: &[
            "axum",
            "base64",
            "http_body_util",
            "hyper",
            "hyper_util",
            "sha2",
            "time",
            "url",
            "utoipa",
            "utoipa_axum",
            "uuid",
        ],
    },
    Rule { path: "artifacts.rs", rooms: &["model"], crates: &["reqwest", "rustls", "sha2", "toml", "url", "uuid"] },
    Rule { path: "config.rs", rooms: &["model"], crates: &["clap", "toml"] },
    Rule {
        path: "server.rs",
        rooms: &["model", "storage", "plugin", "engine", "delivery", "http", "artifacts", "config"],
        crates: &["rustix"],
    },
    Rule {
        path: "cli",
        rooms: &["model", "artifacts", "config", "server"],
        crates: &["clap", "indicatif", "tracing_subscriber"],
    },
    Rule {
        path: "cli/plugin",
        rooms: &["model", "artifacts", "plugin"],
        crates: &["base64", "clap", "indicatif", "toml", "uuid"],
    },
    Rule { path: "cli/client.rs", rooms: &[], crates: &["clap", "reqwest", "rustls", "url"] },
    Rule { path: "fuzzing", rooms: &["model", "storage", "plugin", "http"], crates: &[] },
    Rule { path: "main.rs", rooms: &["cli"], crates: &["clap"] },
    Rule { path: "lib.rs", rooms: &[], crates: &["mimalloc"] },
];

const MODEL_CRATES: &[&str] = &["bytes", "compact_str", "thiserror"];

fn host() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../host")
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The crates that host/Cargo.toml depends on, as code spells them.
fn dependencies() -> BTreeSet<String> {
    let manifest = std::fs::read_to_string(host().join("Cargo.toml")).expect("the manifest");
    let section =
        manifest.split("[dependencies]").nth(1).expect("dependencies").split("\n[").next().expect("a section");
    let name = |line: &str| Some(line.split(['.', ' ', '=']).next()?.trim().replace('-', "_"));
    section.lines().filter_map(name).filter(|name| !name.is_empty() && !name.starts_with('#')).collect()
}

/// Words that stand before `::` at the start of a path, like `tokio` in `tokio::time::sleep`, with comments left out.
fn path_starts(text: &str) -> BTreeSet<String> {
    let mut starts = BTreeSet::new();
    for line in text.lines() {
        let code = line.split("//").next().unwrap_or_default();
        for (end, _) in code.match_indices("::") {
            let before = &code[..end];
            let start = before.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
            if !before[..start].ends_with("::") {
                starts.insert(before[start..].to_owned());
            }
        }
    }
    starts
}

/// Rooms named as `crate::room`, also in a group: `crate::{a, b}`.
fn rooms_named(text: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    text.split("crate::").skip(1).map(word).filter(|room| !room.is_empty()).collect()
}

#[test]
fn every_arrow_points_down() {
    let dependencies = dependencies();
    assert!(dependencies.contains("wasmtime") && dependencies.contains("async_trait"), "{dependencies:?}");
    let source = host().join("src");
    let mut files = Vec::new();
    sources(&source, &mut files);
    assert!(files.len() > 30, "the sources are found");
    let mut wrong = Vec::new();
    for file in files {
        let name = file.strip_prefix(&source).expect("inside").to_str().expect("text").to_owned();
        let rule = RULES.iter().filter(|rule| name.starts_with(rule.path)).max_by_key(|rule| rule.path.len());
        let Some(rule) = rule else {
            wrong.push(format!("{name} is in no room; say in floors.rs what it may name"));
            continue;
        };
        let text = std::fs::read_to_string(&file).expect("a file");
        let own = rule.path.split('/').next().unwrap_or_default();
        for room in rooms_named(&text) {
            if room != own && !rule.rooms.contains(&room.as_str()) {
                wrong.push(format!("{name} names room '{room}'"));
            }
        }
        // A room's own module may share its name with a crate (`storage/redb`); `redb::` inside it means the crate.
        let common = if rule.path == "model" { MODEL_CRATES } else { COMMON };
        for start in path_starts(&text) {
            let named = dependencies.contains(&start);
            if named && !common.contains(&start.as_str()) && !rule.crates.contains(&start.as_str()) {
                wrong.push(format!("{name} names crate '{start}'"));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that do not point down:\n{}", wrong.join("\n"));
}

#[test]
fn the_check_sees_what_it_forbids() {
    let text = "use crate::http::App; // axum::x\nlet a = tokio::time::sleep(x); storage::redb::open();";
    assert_eq!(rooms_named(text), BTreeSet::from(["http".to_owned()]));
    assert_eq!(path_starts(text), BTreeSet::from(["crate".to_owned(), "tokio".to_owned(), "storage".to_owned()]));
}
