//! The contract between server and plugins, as it was when `cargo xtask contract` stored it. From 1.0.0 on it never moves;
//! until then this says plainly when it did.

use std::path::{Path, PathBuf};

use weir::plugin::Sidecar;

use crate::hostile::{Shop, call};

const MOVED: &str = "the contract moved: plugins that were built before do not fit any more. If that is meant, and the \
                     contract is not 1.0.0 yet, run `cargo xtask contract` and say so in CHANGELOG.md";

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What a component sees of interfaces: all but comments and empty lines.
fn code(text: &str) -> Vec<&str> {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default().trim_end());
    lines.filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_interfaces_are_those_that_were_stored() {
    let files = std::fs::read_dir(here("../wit")).expect("wit").map(|file| file.expect("a file").path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    let now: String = files.iter().map(|file| std::fs::read_to_string(file).expect("an interface")).collect();
    let stored = std::fs::read_to_string(here("fixtures/contract/contract.wit")).expect("the fixture");
    for (old, new) in code(&stored).iter().zip(code(&now)) {
        assert_eq!(*old, new, "{MOVED}");
    }
    assert_eq!(code(&stored).len(), code(&now).len(), "{MOVED}");
}

#[tokio::test(flavor = "multi_thread")]
async fn components_that_were_built_before_are_loaded_and_called() {
    let shop = Shop::open();
    let kinds = [
        ("validator", "validate"),
        ("upcaster", "upcast"),
        ("decider", "evolve"),
        ("decider", "decide"),
        ("projection", "apply"),
        ("projection", "query"),
        ("process-manager", "timer"),
        ("sink", "check"),
        ("sink", "deliver"),
    ];
    for (kind, name) in kinds {
        let bytes = std::fs::read(here(&format!("fixtures/contract/{kind}.wasm"))).expect("the fixture");
        let sidecar = Sidecar::parse("odd.toml", "grants.append = [\"*\"]\n").expect("a side-car");
        let piece = shop.take(bytes, sidecar).await.unwrap_or_else(|error| panic!("{kind} {error}: {MOVED}"));
        if let Err(error) = call(&piece, name).await {
            panic!("{kind} {name}: {error}: {MOVED}");
        }
    }
}
