//! Cases of deciders: what happened in a stream, a command, and what follows.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::diff::Mismatch;
use super::spec::{
    self, EventSpec, ExpectedEvent, Numbering, OneOrMany, ProblemSpec, compare_events, compare_problems,
    new_event_value, payload_value, plain, refusal_value, shown_payload,
};
use super::{Case, Stage, faulted};
use crate::cli::plugin::component::TIME_MS;
use crate::model::{Payload, StreamName, Tag, TopicName};
use crate::plugin::{Command, Rejection};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeciderCase {
    name: String,
    #[serde(default)]
    config: Option<Map<String, Value>>,
    /// The state before the given events, as the plugin writes it.
    #[serde(default)]
    given_state: Option<Value>,
    #[serde(default)]
    given: OneOrMany<EventSpec>,
    #[serde(default)]
    when: Option<CommandSpec>,
    then: Then,
}

/// A command. What is not said is filled in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandSpec {
    pub name: String,
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default, deserialize_with = "spec::topic")]
    pub topic: Option<TopicName>,
    #[serde(default, deserialize_with = "spec::stream")]
    pub stream: Option<StreamName>,
    #[serde(default)]
    pub payload: Option<Value>,
    #[serde(default, deserialize_with = "spec::json_text")]
    pub payload_json: Option<String>,
    #[serde(default, deserialize_with = "spec::base64_text")]
    pub data: Option<Vec<u8>>,
    #[serde(default)]
    pub actor: Option<String>,
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    #[serde(default)]
    pub time_ms: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Then {
    /// Exactly these events.
    events: Option<OneOrMany<ExpectedEvent>>,
    /// The state after the given events and those that were decided.
    state: Option<Value>,
    /// There is none after them: it is the initial one.
    no_state: bool,
    /// The command itself is wrong.
    invalid: Option<OneOrMany<ProblemSpec>>,
    /// The state does not allow it.
    conflict: Option<ProblemSpec>,
    unknown_command: bool,
    /// The plugin is at fault, which is told with these words among others.
    fault: Option<String>,
    /// The given events cannot be folded.
    problem: Option<ProblemSpec>,
}

impl Then {
    /// Null stands for none.
    fn expected_state(&self) -> Option<Value> {
        self.state.clone().map(plain).or(self.no_state.then_some(Value::Null))
    }
}

impl CommandSpec {
    pub fn command(&self, defaults: &spec::Defaults) -> Result<Command, String> {
        let stream = self.stream.clone().or_else(|| defaults.stream.clone());
        let payload = spec::payload(self.payload.as_ref(), self.payload_json.as_deref(), self.data.as_deref())?;
        let tags = self.tags.iter().map(|tag| Tag::parse(tag).map_err(|error| error.to_string()));
        Ok(Command {
            id: self.id.clone().unwrap_or_else(|| "command-1".to_owned()),
            name: self.name.clone(),
            topic: self.topic.clone().unwrap_or_else(|| defaults.topic.clone()),
            stream: stream.ok_or("a command needs a stream; write stream = \"…\" into it, or once into the file")?,
            payload: payload.unwrap_or_else(|| Payload::Json("{}".into())),
            actor: self.actor.clone(),
            tags: tags.collect::<Result<_, _>>()?,
            metadata: self.metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            time_ms: self.time_ms.unwrap_or(TIME_MS + 86_400_000),
        })
    }
}

impl Case for DeciderCase {
    fn name(&self) -> &str {
        &self.name
    }

    fn config(&self) -> Option<&Map<String, Value>> {
        self.config.as_ref()
    }

    async fn run(&self, stage: &Stage<'_>) -> Result<Vec<Mismatch>, String> {
        let decider = stage.piece.decider().ok_or("the component is no decider")?;
        let mut log = Numbering::default();
        let events = log.record_all(&self.given.items, stage.defaults)?;
        let given = self.given_state.clone().map(shown_payload);
        let then = &self.then;
        let state = match (decider.evolve(given.as_ref(), &events).await.map_err(faulted)?, &then.problem) {
            (Ok(state), None) => state,
            (Err(refusal), Some(expected)) => {
                return Ok(Mismatch::of_part("problem", expected.value(), refusal_value(&refusal))
                    .into_iter()
                    .collect());
            }
            (Err(refusal), None) => return Err(format!("the plugin could not fold the events: {}", refusal.message)),
            (Ok(_), Some(_)) => return Err("a problem was expected, and the plugin folded the events".to_owned()),
        };
        let Some(when) = &self.when else { return Ok(self.compare_state(state.as_ref()).into_iter().collect()) };
        let decided = decider.decide(state.as_ref(), &when.command(stage.defaults)?).await.map_err(faulted);
        if let Some(words) = &then.fault {
            let fault = decided.err().unwrap_or_else(|| "was not at fault".to_owned());
            let is_told = fault.contains(words.as_str());
            return Ok(if is_told {
                Vec::new()
            } else {
                Vec::from_iter(Mismatch::of("fault", json!(words), json!(fault)))
            });
        }
        let decided = decided?;
        let mut mismatches = Vec::new();
        let events = match decided {
            Ok(events) => events,
            Err(rejection) => return Ok(self.compare_rejection(&rejection).into_iter().collect()),
        };
        let shown: Vec<Value> = events.iter().map(new_event_value).collect();
        if let Some(expected) = self.rejection() {
            mismatches.extend(Mismatch::of("decision", expected, json!({ "events": shown })));
            return Ok(mismatches);
        }
        if then.events.is_none() && then.expected_state().is_none() {
            return Err(
                "'then' needs one of 'events', 'state', 'no_state', 'invalid', 'conflict', 'unknown_command', \
                 'fault' and 'problem'"
                    .to_owned(),
            );
        }
        if let Some(expected) = &then.events {
            mismatches.extend(compare_events("events", &expected.items, shown)?);
        }
        if then.expected_state().is_some() {
            let recorded: Vec<_> = events.iter().map(|event| log.place(event, None, None, None, None)).collect();
            let after = decider.evolve(state.as_ref(), &recorded).await.map_err(faulted)?;
            let after =
                after.map_err(|refusal| format!("the plugin cannot fold its own events: {}", refusal.message))?;
            mismatches.extend(self.compare_state(after.as_ref()));
        }
        Ok(mismatches)
    }
}

impl DeciderCase {
    fn compare_state(&self, state: Option<&Payload>) -> Option<Mismatch> {
        Mismatch::of("state", self.then.expected_state()?, state.map_or(Value::Null, payload_value))
    }

    /// The rejection that is expected, as it is shown.
    fn rejection(&self) -> Option<Value> {
        let Then { invalid, conflict, unknown_command, .. } = &self.then;
        if let Some(problems) = invalid {
            let problems = problems.items.iter().map(ProblemSpec::value).collect::<Value>();
            return Some(json!({ "invalid": problems }));
        }
        if let Some(problem) = conflict {
            return Some(json!({ "conflict": problem.value() }));
        }
        unknown_command.then(|| json!("unknown_command"))
    }

    fn compare_rejection(&self, rejection: &Rejection) -> Option<Mismatch> {
        let what = "decision";
        match (rejection, &self.then) {
            (Rejection::Invalid(refusals), Then { invalid: Some(expected), .. }) => {
                let (expected, actual) = compare_problems(expected, refusals);
                return Mismatch::of(what, json!({ "invalid": expected }), json!({ "invalid": actual }));
            }
            (Rejection::Conflict(refusal), Then { conflict: Some(expected), .. }) => {
                let (expected, actual) =
                    (json!({ "conflict": expected.value() }), json!({ "conflict": refusal_value(refusal) }));
                return Mismatch::of_part(what, expected, actual);
            }
            (Rejection::UnknownCommand, Then { unknown_command: true, .. }) => return None,
            _ => {}
        }
        let actual = match rejection {
            Rejection::Invalid(refusals) => json!({ "invalid": refusals.iter().map(refusal_value).collect::<Value>() }),
            Rejection::Conflict(refusal) => json!({ "conflict": refusal_value(refusal) }),
            Rejection::UnknownCommand => json!("unknown_command"),
        };
        let expected = self.rejection().unwrap_or_else(|| json!("events, and no rejection"));
        Mismatch::of(what, expected, actual)
    }
}
