//! What expressions may look at.

use serde_json::Value as Json;
use weir_plugin_cel::{EvalError, Scope, Value};
use weir_plugin_sdk::{Event, warn};

use crate::cause::Cause;
use crate::chart::Machine;

pub const KEY_VARIABLES: [&str; 3] = ["event", "payload", "stream"];
pub const VARIABLES: [&str; 5] = ["event", "payload", "data", "state", "key"];

/// For a machine's `key`.
pub fn of_key<'v>(machine: &Machine, event: &'v Event) -> Scope<'v> {
    let mut scope = Scope::new();
    if machine.key.uses("stream") {
        scope.set("stream", Value::or_null(event.stream.as_deref().map(Value::text)));
    }
    let uses_event = machine.key.uses("event");
    if uses_event || machine.key.uses("payload") {
        let payload = payload(event);
        if uses_event {
            scope.set("event", of_event(event, payload.clone()));
        }
        scope.set("payload", payload);
    }
    scope
}

/// For all others.
pub fn of_cause<'v>(
    machine: &Machine,
    cause: &'v Cause<'v>,
    key: &'v str,
    state: &'v str,
    data: &'v Json,
) -> Result<Scope<'v>, EvalError> {
    let mut scope = Scope::new();
    scope.set("key", Value::text(key));
    scope.set("state", Value::text(state));
    scope.set("data", Value::tree(data)?);
    if machine.uses_event || machine.uses_payload {
        let payload = match cause {
            Cause::Event(event) => payload(event),
            Cause::Timer { reminder, .. } => Value::tree(&reminder.payload)?,
            Cause::Refused { payload, .. } => Value::tree(payload)?,
        };
        if machine.uses_event {
            scope.set("event", of_any(cause, payload.clone()));
        }
        scope.set("payload", payload);
    }
    Ok(scope)
}

/// Bytes are no payload here, and what can't be read is none either: a stranger's event must not stop all others.
fn payload(event: &Event) -> Value<'_> {
    let Some(text) = event.payload.as_json() else { return Value::null() };
    Value::json(text).unwrap_or_else(|error| {
        warn!(event = event.id, error = error; "the payload can't be read and is taken for null");
        Value::null()
    })
}

fn of_any<'v>(cause: &'v Cause<'v>, payload: Value<'v>) -> Value<'v> {
    match cause {
        Cause::Event(event) => of_event(event, payload),
        Cause::Timer { name, at_ms, .. } => of_other(None, name, *at_ms, payload),
        Cause::Refused { command, code, .. } => of_other(Some(&command.id), code, command.time_ms, payload),
    }
}

fn of_event<'v>(event: &'v Event, payload: Value<'v>) -> Value<'v> {
    Value::map([
        ("id", Value::text(&event.id)),
        ("type", Value::text(&event.event_type)),
        ("topic", Value::text(&event.topic)),
        ("stream", Value::or_null(event.stream.as_deref().map(Value::text))),
        ("version", Value::or_null(event.version.map(Value::number))),
        ("position", Value::number(event.position)),
        ("time", Value::number(event.time_ms)),
        ("payload", payload),
        ("tags", Value::texts(&event.tags)),
        ("metadata", Value::pairs(&event.metadata)),
    ])
}

/// A timer or a refusal in the form of an event: it has the same members, most of them null.
fn of_other<'v>(id: Option<&'v str>, event_type: &'v str, time_ms: u64, payload: Value<'v>) -> Value<'v> {
    Value::map([
        ("id", Value::or_null(id.map(Value::text))),
        ("type", Value::text(event_type)),
        ("topic", Value::null()),
        ("stream", Value::null()),
        ("version", Value::null()),
        ("position", Value::null()),
        ("time", Value::number(time_ms)),
        ("payload", payload),
        ("tags", Value::list([])),
        ("metadata", Value::map([])),
    ])
}
