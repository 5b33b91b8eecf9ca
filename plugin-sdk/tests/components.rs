//! What built plugins ask of the host. The bindings hold all that any kind may import; a component must import only what
//! it calls, and export its own kind alone. `cargo xtask plugins` builds the files.

use std::collections::BTreeSet;
use std::path::Path;

use wasmparser::{Encoding, Parser, Payload};

/// The interfaces of the contract that a component imports and exports, without WASI's.
fn interfaces(file: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file))
        .unwrap_or_else(|error| panic!("{file}: {error}; run `cargo xtask plugins`"));
    let (mut imports, mut exports, mut depth) = (BTreeSet::new(), BTreeSet::new(), 0);
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.expect("a component") {
            Payload::Version { encoding: Encoding::Module | Encoding::Component, .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                imports.extend(section.into_iter().map(|import| import.expect("an import").name.name.to_owned()));
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                exports.extend(section.into_iter().map(|export| export.expect("an export").name.name.to_owned()));
            }
            _ => {}
        }
    }
    imports.retain(|name| !name.starts_with("wasi:"));
    (imports, exports)
}

fn ours(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| format!("weir:plugin/{name}@1.0.0")).collect()
}

/// Every import is one of `may_import`, and the exports are these and `lifecycle`.
#[track_caller]
fn holds(file: &str, may_import: &[&str], exports: &[&str]) {
    let (imported, exported) = interfaces(file);
    let unexpected = &imported - &ours(may_import);
    assert!(unexpected.is_empty(), "{file} imports {unexpected:?}");
    let mut expected = ours(exports);
    expected.extend(ours(&["lifecycle"]));
    assert_eq!(exported, expected, "{file}");
}

#[test]
fn a_validator_asks_for_nothing_but_the_log() {
    holds("plugins/examples/dist/rust-validator.wasm", &["types", "log"], &["validating"]);
    holds("tests/guests/dist/odd.wasm", &["types", "log"], &["validating"]);
}

#[test]
fn an_upcaster_asks_for_nothing_but_the_log() {
    holds("tests/guests/dist/odd-upcaster.wasm", &["types", "log"], &["upcasting"]);
}

#[test]
fn a_decider_asks_for_nothing_but_the_log() {
    holds("tests/guests/dist/odd-decider.wasm", &["types", "log"], &["deciding"]);
}

#[test]
fn a_projection_asks_for_its_view_and_the_log() {
    for file in ["plugins/examples/dist/rust-projection.wasm", "tests/guests/dist/odd-projection.wasm"] {
        holds(file, &["types", "log", "view"], &["projecting", "querying"]);
    }
}

#[test]
fn a_process_manager_asks_for_its_view_and_the_log() {
    let file = "tests/guests/dist/odd-manager.wasm";
    holds(file, &["types", "log", "view"], &["processing"]);
}

#[test]
fn a_sink_may_ask_for_network_and_clock() {
    for file in ["plugins/dist/webhook.wasm", "tests/guests/dist/odd-sink.wasm"] {
        holds(file, &["types", "log", "http", "clock"], &["sinking"]);
    }
}
