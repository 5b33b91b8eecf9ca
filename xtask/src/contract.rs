//! The contract's fixtures: components of all kinds and languages as they were built against it, in one archive, and the contract's
//! own text. A test loads them and says when the contract moved.

use std::path::PathBuf;
use std::{fs, io};

use crate::examples::{CONTRACT, EXAMPLES};
use crate::run::{Failure, cargo, root};

const FIXTURES: &str = "tests/fixtures/contract";
/// What is built elsewhere, and what it is called beside the others.
const GUESTS: [(&str, &str); 5] = [
    ("rust-guard", "plugins/dist/rules.wasm"),
    ("rust-decider", "tests/guests/dist/odd-decider.wasm"),
    ("rust-manager", "tests/guests/dist/odd-manager.wasm"),
    ("rust-sink", "tests/guests/dist/odd-sink.wasm"),
    ("rust-upcaster", "tests/guests/dist/odd-upcaster.wasm"),
];

/// Stores today's components and contract in place of those that are there.
pub fn store() -> Result<(), Failure> {
    let gathered = gather().and_then(|()| fs::create_dir_all(root().join(FIXTURES)));
    gathered.and_then(|()| fs::write(root().join(FIXTURES).join("contract.wit"), contract()?)).map_err(lost)?;
    let archive = format!("{FIXTURES}/components.tar.xz");
    // A program of its own, as this one has no dependencies.
    cargo(
        &["run", "--quiet", "--profile", "release", "-p", "weir-contract-archive", "--", CONTRACT.dist, &archive],
        &[],
    )?;
    let bytes = fs::metadata(root().join(&archive)).map_err(lost)?.len();
    eprintln!("stored in {FIXTURES} ({} KB); say in CHANGELOG.md what moved", bytes / 1024);
    Ok(())
}

/// Puts the examples and the guests in Rust beside the contract's own plugins.
fn gather() -> io::Result<()> {
    let dist = root().join(CONTRACT.dist);
    for language in ["c", "python", "rust", "ts"] {
        for kind in ["validator", "projection"] {
            let name = format!("{language}-{kind}.wasm");
            fs::copy(root().join(EXAMPLES.dist).join(&name), dist.join(&name))?;
        }
    }
    GUESTS.iter().try_for_each(|(name, from)| fs::copy(root().join(from), dist.join(format!("{name}.wasm"))).map(drop))
}

fn lost(error: io::Error) -> Failure {
    Failure::new(format!("the contract's fixtures could not be stored: {error}"))
}

/// All interfaces, one after the other.
fn contract() -> io::Result<String> {
    let files = fs::read_dir(root().join("wit"))?.map(|file| Ok(file?.path()));
    let mut files: Vec<PathBuf> = files.collect::<io::Result<_>>()?;
    files.sort();
    files.iter().map(fs::read_to_string).collect()
}
