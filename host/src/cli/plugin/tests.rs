//! What the tests of the commands share: components in text form, and files to hold them.

use tempfile::TempDir;

use super::component::{BenchArgs, ComponentArgs};

/// The same guests as in the plugin room's own tests.
#[path = "../../plugin/tests/guests.rs"]
#[allow(dead_code)]
pub mod guests;

/// A component and its side-car in a directory of their own, with a cache beside them.
pub fn write(name: &str, bytes: &[u8], sidecar: Option<&str>) -> (TempDir, ComponentArgs) {
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join(format!("{name}.wasm"));
    std::fs::write(&file, bytes).expect("a file");
    if let Some(sidecar) = sidecar {
        std::fs::write(file.with_extension("toml"), sidecar).expect("a file");
    }
    let bench = BenchArgs { cache: Some(dir.path().join("cache")), ..BenchArgs::default() };
    (dir, ComponentArgs { file, sidecar: None, bench })
}
