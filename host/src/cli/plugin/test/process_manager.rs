//! Cases of process managers: events and timers that are due, the actions that follow, and what is remembered.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::decider::CommandSpec;
use super::diff::Mismatch;
use super::spec::{
    EventSpec, ExpectedEvent, Numbering, OneOrMany, ProblemSpec, compare_view, new_event_value, payload_value, plain,
    refusal_value, shown_payload, view_of,
};
use super::{Case, Stage, faulted};
use crate::model::{Event, Payload, SERVER_KEYS, Tag};
use crate::plugin::{Action, Command, Refusal, Timer};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessManagerCase {
    name: String,
    #[serde(default)]
    config: Option<Map<String, Value>>,
    /// What is remembered before.
    #[serde(default)]
    given_view: Option<Map<String, Value>>,
    #[serde(default)]
    given: OneOrMany<EventSpec>,
    /// Timers that are due after the given events.
    #[serde(default)]
    due: OneOrMany<TimerSpec>,
    /// Commands of its own that were refused, after the timers.
    #[serde(default)]
    refused: OneOrMany<RefusedSpec>,
    #[serde(default)]
    then: Then,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimerSpec {
    key: String,
    at_ms: u64,
    #[serde(default)]
    payload: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RefusedSpec {
    command: CommandSpec,
    /// All reasons, or the code of the only one and perhaps its message.
    #[serde(default)]
    reasons: Vec<ReasonSpec>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReasonSpec {
    code: String,
    /// The code, if the plugin does not look at it.
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    pointer: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Then {
    /// Exactly these, in order.
    actions: Option<Vec<ActionSpec>>,
    view: Option<Map<String, Value>>,
    view_has: Option<Map<String, Value>>,
    view_lacks: Vec<String>,
    problem: Option<ProblemSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ActionSpec {
    Append(ExpectedEvent),
    Execute(ExpectedCommand),
    SetTimer(ExpectedTimer),
    CancelTimer(String),
}

/// Only what is said is compared.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ExpectedCommand {
    id: Option<String>,
    name: Option<String>,
    topic: Option<String>,
    stream: Option<String>,
    payload: Option<Value>,
    actor: Option<String>,
    tags: Option<Vec<String>>,
    metadata: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ExpectedTimer {
    key: Option<String>,
    at_ms: Option<u64>,
    payload: Option<Value>,
}

impl Case for ProcessManagerCase {
    fn name(&self) -> &str {
        &self.name
    }

    fn config(&self) -> Option<&Map<String, Value>> {
        self.config.as_ref()
    }

    async fn run(&self, stage: &Stage<'_>) -> Result<Vec<Mismatch>, String> {
        let manager = stage.piece.process_manager().ok_or("the component is no process manager")?;
        let mut view = view_of(self.given_view.as_ref());
        let events = Numbering::default().record_all(&self.given.items, stage.defaults)?;
        // As a server does: it hands over what the plugin wants to see.
        let events: Vec<Event> = events.into_iter().filter(|event| manager.interested_in(event)).collect();
        let mut actions = Vec::new();
        let mut answer = manager.react(Arc::new(view.clone()), &events).await.map_err(faulted)?;
        if let Ok(reaction) = answer {
            view = view.after(reaction.writes);
            actions.extend(reaction.actions);
            let due: Vec<Timer> = self.due.items.iter().map(TimerSpec::timer).collect();
            answer = manager.on_timer(Arc::new(view.clone()), &due).await.map_err(faulted)?;
        }
        for refused in &self.refused.items {
            let Ok(reaction) = answer else { break };
            view = view.after(reaction.writes);
            actions.extend(reaction.actions);
            let command = refused.command.command(stage.defaults)?;
            let reasons = refused.reasons()?;
            answer = manager.on_refused(Arc::new(view.clone()), &command, &reasons).await.map_err(faulted)?;
        }
        let then = &self.then;
        match (answer, &then.problem) {
            (Err(refusal), Some(expected)) => {
                return Ok(Mismatch::of_part("problem", expected.value(), refusal_value(&refusal))
                    .into_iter()
                    .collect());
            }
            (Err(refusal), None) => return Err(format!("the plugin refused what it was given: {}", refusal.message)),
            (Ok(_), Some(_)) => return Err("a problem was expected, and the plugin gave none".to_owned()),
            (Ok(reaction), None) => {
                view = view.after(reaction.writes);
                actions.extend(reaction.actions);
            }
        }
        let mut mismatches = Vec::new();
        if let Some(expected) = &then.actions {
            let wanted = expected.iter().map(ActionSpec::value).collect::<Result<Vec<_>, _>>()?;
            let actual = actions.iter().enumerate().map(|(at, action)| match (expected.get(at), wanted.get(at)) {
                (Some(spec), Some(wanted)) => spec.cut(wanted, action),
                _ => action_value(action),
            });
            let actual = Value::Array(actual.collect());
            mismatches.extend(Mismatch::of("actions", Value::Array(wanted), actual));
        }
        mismatches.extend(compare_view(then.view.as_ref(), then.view_has.as_ref(), &then.view_lacks, &view));
        Ok(mismatches)
    }
}

impl RefusedSpec {
    fn reasons(&self) -> Result<Vec<Refusal>, String> {
        let only = self.code.clone().map(|code| ReasonSpec { code, message: self.message.clone(), pointer: None });
        let reasons: Vec<Refusal> = self.reasons.iter().cloned().chain(only).map(ReasonSpec::reason).collect();
        if reasons.is_empty() { Err("a refused command needs a 'code', or 'reasons'".to_owned()) } else { Ok(reasons) }
    }
}

impl ReasonSpec {
    fn reason(self) -> Refusal {
        let message = self.message.unwrap_or_else(|| self.code.clone());
        Refusal { code: self.code, message, pointer: self.pointer }
    }
}

impl TimerSpec {
    fn timer(&self) -> Timer {
        let payload = self.payload.clone().map_or_else(|| Payload::Json("{}".into()), shown_payload);
        Timer { key: self.key.clone(), at_ms: self.at_ms, payload }
    }
}

impl ActionSpec {
    fn value(&self) -> Result<Value, String> {
        Ok(match self {
            Self::Append(event) => json!({ "append": event.value()? }),
            Self::Execute(command) => json!({ "execute": command.value() }),
            Self::SetTimer(timer) => json!({ "set_timer": timer.value() }),
            Self::CancelTimer(key) => json!({ "cancel_timer": key }),
        })
    }

    /// An actual action, cut down to what is expected of it. Payloads stay whole.
    fn cut(&self, wanted: &Value, action: &Action) -> Value {
        let actual = action_value(action);
        match (self, action) {
            (Self::Append(event), Action::Append(_)) => {
                json!({ "append": event.cut(&wanted["append"], actual["append"].clone()) })
            }
            (Self::Execute(_), Action::Execute(_)) => {
                json!({ "execute": keys(&wanted["execute"], &actual["execute"]) })
            }
            (Self::SetTimer(_), Action::SetTimer(_)) => {
                json!({ "set_timer": keys(&wanted["set_timer"], &actual["set_timer"]) })
            }
            _ => actual,
        }
    }
}

/// Of an object the members that the other one has, whole.
fn keys(wanted: &Value, actual: &Value) -> Value {
    let named = wanted.as_object().into_iter().flatten();
    let kept = named.filter_map(|(key, _)| Some((key.clone(), actual.get(key)?.clone())));
    Value::Object(kept.collect())
}

impl ExpectedCommand {
    fn value(&self) -> Value {
        let mut out = Map::new();
        let mut put = |key: &str, value: Option<Value>| drop(value.map(|value| out.insert(key.to_owned(), value)));
        put("id", self.id.clone().map(Value::from));
        put("name", self.name.clone().map(Value::from));
        put("topic", self.topic.clone().map(Value::from));
        put("stream", self.stream.clone().map(Value::from));
        put("payload", self.payload.clone().map(plain));
        put("actor", self.actor.clone().map(Value::from));
        put("tags", self.tags.clone().map(Value::from));
        put("metadata", self.metadata.as_ref().map(|metadata| json!(metadata)));
        Value::Object(out)
    }
}

impl ExpectedTimer {
    fn value(&self) -> Value {
        let mut out = Map::new();
        let mut put = |key: &str, value: Option<Value>| drop(value.map(|value| out.insert(key.to_owned(), value)));
        put("key", self.key.clone().map(Value::from));
        put("at_ms", self.at_ms.map(Value::from));
        put("payload", self.payload.clone().map(plain));
        Value::Object(out)
    }
}

fn action_value(action: &Action) -> Value {
    match action {
        Action::Append(event) => json!({ "append": new_event_value(event) }),
        Action::Execute(command) => json!({ "execute": command_value(command) }),
        Action::SetTimer(timer) => {
            let Timer { key, at_ms, payload } = timer;
            json!({ "set_timer": { "key": key, "at_ms": at_ms, "payload": payload_value(payload) } })
        }
        Action::CancelTimer(key) => json!({ "cancel_timer": key }),
    }
}

fn command_value(command: &Command) -> Value {
    let own = command.metadata.iter().filter(|(key, _)| !key.starts_with(SERVER_KEYS));
    json!({
        "id": command.id,
        "name": command.name,
        "topic": command.topic.as_str(),
        "stream": command.stream.as_str(),
        "payload": payload_value(&command.payload),
        "actor": command.actor,
        "tags": command.tags.iter().map(Tag::as_str).collect::<Vec<_>>(),
        "metadata": own.cloned().collect::<BTreeMap<_, _>>(),
    })
}
