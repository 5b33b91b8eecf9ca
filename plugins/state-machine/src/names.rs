//! Names as the server allows them. It would stop the whole process manager for one that it does not allow.

use crate::limits::{KEY_BYTES_MAX, NAME_CHARS_MAX, OWN_NAME_CHARS_MAX};

/// The name of a topic, an event type or a command.
pub fn plain(text: &str) -> Result<(), String> {
    check(text, NAME_CHARS_MAX, "'.', '_' and '-'", |letter| matches!(letter, b'.' | b'_' | b'-'))
}

/// The name of a stream.
pub fn stream(text: &str) -> Result<(), String> {
    check(text, NAME_CHARS_MAX, "'.', '_', '-', ':' and '/'", |letter| {
        matches!(letter, b'.' | b'_' | b'-' | b':' | b'/')
    })
}

/// The name of a machine, a state or a timer.
pub fn own(text: &str) -> Result<(), String> {
    check(text, OWN_NAME_CHARS_MAX, "'.', '_' and '-'", |letter| matches!(letter, b'.' | b'_' | b'-'))
}

/// The name of a value that is kept: an expression must be able to say `data.name`.
pub fn value(text: &str) -> Result<(), String> {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(format!("'{text}' must not begin with a digit"));
    }
    check(text, OWN_NAME_CHARS_MAX, "'_'", |letter| letter == b'_')
}

/// Which instance: any text on one line.
pub fn key(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > KEY_BYTES_MAX {
        return Err(format!("a key has 1 to {KEY_BYTES_MAX} bytes, this one {}", text.len()));
    }
    match text.chars().any(char::is_control) {
        true => Err("a key has no control characters".into()),
        false => Ok(()),
    }
}

fn check(text: &str, chars_max: usize, others: &str, other: fn(u8) -> bool) -> Result<(), String> {
    let shown: String = text.chars().take(80).collect();
    if text.is_empty() || text.len() > chars_max {
        return Err(format!("a name has 1 to {chars_max} characters, '{shown}' has {}", text.chars().count()));
    }
    if !text.bytes().all(|letter| letter.is_ascii_alphanumeric() || other(letter)) {
        return Err(format!("'{shown}' may only have letters, digits, {others}"));
    }
    match text.contains("..") {
        true => Err(format!("'{shown}' must not contain '..'")),
        false => Ok(()),
    }
}
