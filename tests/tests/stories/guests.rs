//! The odd guests, made to behave as a test wants (see tests/guests/README.md).

use std::path::Path;

/// A guest's file with its behaviour written into it.
pub fn patched(file: &str, behaviour: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/dist").join(format!("{file}.wasm"));
    let mut bytes = std::fs::read(&path).unwrap_or_else(|_| panic!("{file}.wasm; run `cargo xtask plugins`"));
    let marker = b"@@behaviour:";
    let at = bytes.windows(marker.len()).position(|window| window == marker).expect("the marker") + marker.len();
    let mut word = [b'.'; 20];
    word[..behaviour.len()].copy_from_slice(behaviour.as_bytes());
    bytes[at..at + word.len()].copy_from_slice(&word);
    bytes
}
