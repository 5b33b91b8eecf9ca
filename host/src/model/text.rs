//! Text for people.

use std::fmt::Write;

/// Two hexadecimal digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // A `String` takes whatever is written to it.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// What others said on several lines, on one.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
