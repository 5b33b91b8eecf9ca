//! Two texts of 32 bytes inside the .wasm file that a test overwrites before it loads the file: what the guest does, and
//! which version it says it is. One build gives every variant this way. See the README for the rules.

use std::hint::black_box;

/// Twelve letters to find it by, then twenty for the behaviour, filled up with dots.
static BEHAVIOUR: [u8; 32] = *b"@@behaviour:accept..............";

/// Ten letters to find it by, then twenty-two for the version.
static VERSION: [u8; 32] = *b"@@version:0.1.0.................";

/// What to do, for example `loop-in-init`.
pub fn behaviour() -> &'static str {
    text(&BEHAVIOUR, 12)
}

/// What version to show.
pub fn version() -> &'static str {
    text(&VERSION, 10)
}

/// The compiler must not know what the static holds, or it would fold the default into the code.
fn text(marker: &'static [u8; 32], start: usize) -> &'static str {
    let bytes = &black_box(marker)[start..];
    std::str::from_utf8(bytes).unwrap_or("not UTF-8").trim_end_matches('.')
}
