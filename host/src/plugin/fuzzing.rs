//! Plugin files that nobody would write, for the fuzz targets. Dev code: it panics when a parser breaks a promise.

use super::bindings::exports::weir::plugin::lifecycle as wit;
use super::manifest::Manifest;
use super::{Kind, LoadError, Sidecar, inspect};
use crate::model::{EventType, TopicName};

const KINDS: [Kind; 6] =
    [Kind::Validator, Kind::Upcaster, Kind::Decider, Kind::Projection, Kind::ProcessManager, Kind::Sink];

/// Operators and authors read these on one line.
fn assert_shown(error: &LoadError) {
    let text = error.to_string();
    assert!(!text.is_empty() && !text.contains('\n'), "{text:?}");
}

/// The text of a side-car.
pub fn sidecar(text: &str) {
    match Sidecar::parse("x.toml", text) {
        Ok(sidecar) => {
            for kind in KINDS {
                let _ = sidecar.on_trap(kind);
            }
            assert!(sidecar.pin().is_none_or(|pin| pin.len() == 64));
            assert!(sidecar.config_json().is_ok_and(|json| json.starts_with('{')));
        }
        Err(error) => assert_shown(&error),
    }
}

/// What a component says of itself, a line for each member: name, version, description, config schema, and then
/// topics and event types by turns.
pub fn manifest(text: &str) {
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap_or_default().to_owned();
    let (name, version, description, schema) = (next(), next(), next(), next());
    let globs: Vec<String> = lines.map(str::to_owned).collect();
    let interest = |pair: &[String]| wit::Interest { topics: pair[..1].into(), event_types: pair[1..].into() };
    let manifest = wit::Manifest {
        name,
        version,
        description,
        interests: globs.chunks(2).map(interest).collect(),
        state_version: 0,
        config_schema: (!schema.is_empty()).then_some(schema),
        wishes: globs.into_iter().map(wit::Wish::Append).collect(),
    };
    match Manifest::check(manifest) {
        Ok(manifest) => {
            let (topic, event_type) = (TopicName::parse("orders"), EventType::parse("Placed"));
            if let (Ok(topic), Ok(event_type)) = (topic, event_type) {
                let matches = manifest.interests.matches(&topic, &event_type);
                assert!(!matches || manifest.interests.in_topic(&topic), "a topic that only some events are in");
            }
        }
        Err(error) => assert_shown(&error),
    }
}

/// A file in the plugin directory.
pub fn component(bytes: &[u8]) {
    if let Err(error) = inspect::form("x", bytes) {
        assert_shown(&error);
    }
    if let Err(error) = inspect::shape(bytes) {
        assert_shown(&error);
    }
}
