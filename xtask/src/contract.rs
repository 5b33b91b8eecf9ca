//! The contract's fixtures: components as they were built against it, and the contract's own text. A test loads them and
//! says when the contract moved.

use std::path::PathBuf;
use std::{fs, io};

use crate::run::{Failure, root};

/// One of each kind; those in C are small.
const COMPONENTS: [(&str, &str); 6] = [
    ("plugins/examples/dist/c-validator.wasm", "validator.wasm"),
    ("plugins/examples/dist/c-projection.wasm", "projection.wasm"),
    ("tests/guests/dist/odd-decider.wasm", "decider.wasm"),
    ("tests/guests/dist/odd-manager.wasm", "process-manager.wasm"),
    ("tests/guests/dist/odd-upcaster.wasm", "upcaster.wasm"),
    ("tests/guests/dist/odd-sink.wasm", "sink.wasm"),
];

/// Stores today's components and contract in place of those that are there.
pub fn store() -> Result<(), Failure> {
    let folder = root().join("tests/fixtures/contract");
    let copy = || -> io::Result<()> {
        fs::create_dir_all(&folder)?;
        for (from, to) in COMPONENTS {
            fs::copy(root().join(from), folder.join(to))?;
        }
        fs::write(folder.join("contract.wit"), contract()?)
    };
    copy().map_err(|error| Failure::new(format!("the contract's fixtures could not be stored: {error}")))?;
    eprintln!("stored in tests/fixtures/contract; say in CHANGELOG.md what moved");
    Ok(())
}

/// All interfaces, one after the other.
fn contract() -> io::Result<String> {
    let files = fs::read_dir(root().join("wit"))?.map(|file| Ok(file?.path()));
    let mut files: Vec<PathBuf> = files.collect::<io::Result<_>>()?;
    files.sort();
    files.iter().map(fs::read_to_string).collect()
}
