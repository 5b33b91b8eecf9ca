//! What the stories of all kinds share: a plugin with its configuration, and texts to compare by.

use serde_json::Value;

use super::Host;
use crate::{Event, NewEvent, Payload, Problem};

/// One story about a plugin `T`, with what came of its last step in `O`. A `then_…` that does not hold panics with what
/// was expected and what was there. JSON is compared by what it says; spaces and the order of keys do not matter.
pub struct Case<T, O> {
    host: Host,
    start: fn(&str) -> Result<T, String>,
    config: String,
    plugin: Option<T>,
    pub(super) outcome: O,
}

impl<T, O> Case<T, O> {
    pub(super) fn new(start: fn(&str) -> Result<T, String>, outcome: O) -> Self {
        Self { host: Host::new(), start, config: String::new(), plugin: None, outcome }
    }

    /// The operator's configuration: JSON text, or a `serde_json::Value`. Without it, none is set.
    pub fn config(mut self, json: impl ToString) -> Self {
        self.config = json.to_string();
        self.plugin = None;
        self
    }

    /// The stand-in for the server: the view, what was logged and counted.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The plugin refuses its configuration, and says these words.
    #[track_caller]
    pub fn then_init_fails(self, words: &str) -> Self {
        match (self.start)(&self.config) {
            Ok(_) => panic!("init accepts the config {}", self.config),
            Err(error) if error.contains(words) => self,
            Err(error) => differ("the reason of init", words, &error),
        }
    }

    /// The plugin, made by `init` when it is first needed.
    #[track_caller]
    pub(super) fn plugin(&mut self) -> &mut T {
        if self.plugin.is_none() {
            match (self.start)(&self.config) {
                Ok(plugin) => self.plugin = Some(plugin),
                Err(error) => panic!("init refuses the config {}: {error}", self.config),
            }
        }
        self.plugin.as_mut().expect("it was made above")
    }
}

#[track_caller]
pub fn same(what: &str, expected: &str, actual: &str) {
    if expected != actual {
        differ(what, expected, actual);
    }
}

#[track_caller]
pub fn differ(what: &str, expected: &str, actual: &str) -> ! {
    panic!("{what} is not as expected\n  expected: {expected}\n    actual: {actual}")
}

/// JSON in one form, so that only what it says is compared.
pub fn json(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(value) => value.to_string(),
        Err(_) => format!("(not JSON) {text}"),
    }
}

pub fn payload(payload: &Payload) -> String {
    match payload {
        Payload::Json(text) => json(text),
        Payload::Bytes(bytes) => format!("(bytes) {bytes:?}"),
    }
}

pub fn problem(problem: &Problem) -> String {
    match &problem.pointer {
        Some(pointer) => format!("{} at '{pointer}': {}", problem.code, problem.message),
        None => format!("{}: {}", problem.code, problem.message),
    }
}

pub fn problems(problems: &[Problem]) -> String {
    list(problems, problem)
}

pub fn new_event(event: &NewEvent) -> String {
    let NewEvent { topic, stream, event_type, payload: content, tags, metadata } = event;
    let stream = stream.as_ref().map(|stream| format!(", stream '{stream}'")).unwrap_or_default();
    format!("'{event_type}' to topic '{topic}'{stream}: {}{}", payload(content), labels(tags, metadata))
}

pub fn event(event: &Event) -> String {
    let Event { id, position, topic: _, sequence: _, stream, version, event_type, time_ms, .. } = event;
    let stream = match (stream, version) {
        (None, None) => String::new(),
        (stream, version) => format!(", stream {stream:?} version {version:?}"),
    };
    let labels = labels(&event.tags, &event.metadata);
    format!("'{event_type}' {id} at {position}, {time_ms} ms{stream}: {}{labels}", payload(&event.payload))
}

pub fn labels(tags: &[String], metadata: &[(String, String)]) -> String {
    let tags = if tags.is_empty() { String::new() } else { format!(", tags {tags:?}") };
    let metadata = if metadata.is_empty() { String::new() } else { format!(", metadata {metadata:?}") };
    tags + &metadata
}

/// One item a line, so that the first difference is easy to find.
pub fn list<T>(items: &[T], shown: impl Fn(&T) -> String) -> String {
    match items {
        [] => "nothing".to_owned(),
        [one] => shown(one),
        several => several.iter().map(|item| format!("\n    {}", shown(item))).collect(),
    }
}
