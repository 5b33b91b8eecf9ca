//! Everything that parses what others wrote, as plain functions of bytes that must not panic: for `fuzz/` and for the
//! tests below, which feed them mutated files of `fuzz/corpus`.

use crate::model::EventId;
use crate::{http, plugin, storage};

/// The name of a target, which is that of its corpus too, and what it runs.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: [Target; 9] = [
    ("event", storage::fuzzing::event),
    ("gap", storage::fuzzing::gap),
    ("group", storage::fuzzing::group),
    ("row", storage::fuzzing::row),
    ("event_id", event_id),
    ("query", |bytes| as_text(bytes, http::fuzzing::query)),
    ("sidecar", |bytes| as_text(bytes, plugin::fuzzing::sidecar)),
    ("manifest", |bytes| as_text(bytes, plugin::fuzzing::manifest)),
    ("component", plugin::fuzzing::component),
];

/// Runs one target, by its name.
///
/// # Panics
/// When there is no such target; and when it finds something.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    target.unwrap_or_else(|| panic!("there is no target '{name}'")).1(bytes);
}

fn as_text(bytes: &[u8], parse: fn(&str)) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        parse(text);
    }
}

/// What is an event id is written as the same one again.
fn event_id(bytes: &[u8]) {
    as_text(bytes, |text| {
        if let Some(id) = EventId::parse(text) {
            assert_eq!(EventId::parse(&id.to_string()), Some(id), "{text:?}");
        }
    });
}

#[cfg(test)]
#[path = "fuzzing_tests.rs"]
mod tests;
