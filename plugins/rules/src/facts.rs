//! What rules may look at, made of an event or a command: only what one of the rules names.

use weir_plugin_cel::{Scope, Value};
use weir_plugin_sdk::{Command, NewEvent, Payload, Problem};

use crate::rule::Rule;

pub const EVENT_VARIABLES: [&str; 7] = ["payload", "bytes", "type", "topic", "stream", "tags", "metadata"];
pub const COMMAND_VARIABLES: [&str; 10] =
    ["state", "payload", "bytes", "command", "topic", "stream", "actor", "tags", "metadata", "time"];

/// The rules that are going to look.
pub struct Needs<'a>(pub &'a [&'a Rule]);

impl Needs<'_> {
    fn variable(&self, name: &str) -> bool {
        self.0.iter().any(|rule| rule.uses(name))
    }
}

pub fn of_event<'v>(event: &'v NewEvent, needs: Needs<'_>) -> Result<Scope<'v>, Problem> {
    let mut facts = Facts::of(&needs);
    facts.payload(&event.payload)?;
    facts.put("type", || Value::text(&event.event_type));
    facts.put("topic", || Value::text(&event.topic));
    facts.put("stream", || Value::or_null(event.stream.as_deref().map(Value::text)));
    facts.put("tags", || Value::texts(&event.tags));
    facts.put("metadata", || Value::pairs(&event.metadata));
    Ok(facts.scope)
}

pub fn of_command<'v>(
    state: Option<&'v Payload>,
    command: &'v Command,
    needs: Needs<'_>,
) -> Result<Scope<'v>, Problem> {
    let mut facts = Facts::of(&needs);
    facts.json("state", state.and_then(Payload::as_json))?;
    facts.payload(&command.payload)?;
    facts.put("command", || Value::text(&command.name));
    facts.put("topic", || Value::text(&command.topic));
    facts.put("stream", || Value::text(&command.stream));
    facts.put("actor", || Value::or_null(command.actor.as_deref().map(Value::text)));
    facts.put("tags", || Value::texts(&command.tags));
    facts.put("metadata", || Value::pairs(&command.metadata));
    facts.put("time", || Value::number(command.time_ms));
    Ok(facts.scope)
}

struct Facts<'a, 'v> {
    needs: &'a Needs<'a>,
    scope: Scope<'v>,
}

impl<'a, 'v> Facts<'a, 'v> {
    fn of(needs: &'a Needs<'a>) -> Self {
        Self { needs, scope: Scope::new() }
    }

    fn put(&mut self, name: &str, value: impl FnOnce() -> Value<'v>) {
        if self.needs.variable(name) {
            self.scope.set(name, value());
        }
    }

    /// A payload is JSON, and `bytes` is null; or it is not, and the other way round.
    fn payload(&mut self, payload: &'v Payload) -> Result<(), Problem> {
        let (json, bytes) = match payload {
            Payload::Json(text) => (Some(text.as_str()), None),
            Payload::Bytes(bytes) => (None, Some(Value::bytes(bytes))),
        };
        self.put("bytes", || Value::or_null(bytes));
        self.json("payload", json)
    }

    fn json(&mut self, name: &str, text: Option<&'v str>) -> Result<(), Problem> {
        if self.needs.variable(name) {
            let unreadable =
                |error| Problem::new("PAYLOAD_UNREADABLE", format!("The rules can't read the {name}: {error}")).at("");
            let value = text.map(Value::json).transpose().map_err(unreadable)?;
            self.scope.set(name, Value::or_null(value));
        }
        Ok(())
    }
}
