//! A decider for tests of the host: a counter for each stream, that breaks the rules as two markers in its file say.
//! It is no example of how to write a plugin.

use serde::{Deserialize, Serialize};
use weir_guest_acts::{act, behaviour, describe, huge, init, meet, problem, run, version};
use weir_plugin_sdk::{
    Command, Decider, Event, Manifest, NewEvent, NoConfig, Payload, Problem, Rejection, export_decider,
};

/// Far more than any sensible limit on the events of one command.
const MANY_EVENTS: usize = 100_000;

struct Odd;

#[derive(Default, Serialize, Deserialize)]
struct Counter {
    n: i64,
}

#[derive(Serialize, Deserialize)]
struct Step {
    by: i64,
}

impl Decider for Odd {
    type Config = NoConfig;
    type State = Counter;

    fn manifest() -> Manifest {
        let manifest = describe("odd-decider");
        if behaviour() == "no-wish" { manifest } else { manifest.wish_append("foreign") }
    }

    fn init(_: NoConfig) -> Result<Self, String> {
        init(Self)
    }

    fn evolve(&self, state: Counter, event: &Event) -> Result<Counter, Problem> {
        act("evolve");
        meet(&event.event_type)?;
        Ok(match event.event_type.as_str() {
            "added" => Counter { n: state.n.saturating_add(event.json::<Step>()?.by) },
            "subtracted" => Counter { n: state.n.saturating_sub(event.json::<Step>()?.by) },
            _ => state,
        })
    }

    fn decide(&mut self, state: &Counter, command: &Command) -> Result<Vec<NewEvent>, Rejection> {
        act("decide");
        let mut events = count(state, command)?;
        match behaviour() {
            "foreign-topic" => events.push(NewEvent::new("foreign", "added", &Step { by: 1 })?),
            "foreign-stream" => events.push(command.event("added", &Step { by: 1 })?.in_stream("foreign")),
            "no-stream" => events.iter_mut().for_each(|event| event.stream = None),
            "no-events" => events.clear(),
            "invalid-json-event" => {
                events.iter_mut().for_each(|event| event.payload = Payload::Json(r#"{"odd":"#.into()))
            }
            "bytes-event" => events.iter_mut().for_each(|event| event.payload = Payload::Bytes(vec![0, 1, 2])),
            "huge-answer" => events.push(command.event("huge", &huge())?),
            "too-many-events" => {
                let event = command.event("added", &Step { by: 1 })?;
                events.extend(std::iter::repeat_n(event, MANY_EVENTS));
            }
            "bad-type-name" => events.push(command.event("bad\u{7}\nname", &Step { by: 1 })?),
            "server-key" => {
                events.iter_mut().for_each(|event| event.metadata.push(("weir.plugin".into(), "me".into())))
            }
            "empty-reject" => return Err(Rejection::Invalid(Vec::new())),
            "huge-problem" => return Err(Rejection::Conflict(problem(&huge()))),
            "stamp-reject" => return Err(Rejection::Conflict(problem(&format!("version {} says no", version())))),
            "by-type" => run(command.name.trim_start_matches("odd.")),
            _ => {}
        }
        Ok(events)
    }

    fn write_state(state: &Counter) -> Result<Option<Payload>, Problem> {
        let payload = match behaviour() {
            "invalid-json-state" => Payload::Json(r#"{"n":"#.into()),
            "bytes-state" => Payload::Bytes(state.n.to_le_bytes().into()),
            "huge-state" => Payload::Json(format!("\"{}\"", huge())),
            _ => Payload::of(state)?,
        };
        Ok(Some(payload))
    }

    fn read_state(kept: &Payload) -> Result<Counter, Problem> {
        match kept {
            Payload::Json(_) => kept.json(),
            Payload::Bytes(bytes) => match bytes.as_slice().try_into() {
                Ok(bytes) => Ok(Counter { n: i64::from_le_bytes(bytes) }),
                Err(_) => Err(problem("a state of other than 8 bytes")),
            },
        }
    }
}

/// What a well-behaved counter does.
fn count(state: &Counter, command: &Command) -> Result<Vec<NewEvent>, Rejection> {
    match command.name.as_str() {
        "add" => Ok(vec![command.event("added", &command.json::<Step>()?)?]),
        "sub" => match command.json::<Step>()? {
            Step { by } if by > state.n => {
                Err(Rejection::conflict("below-zero", format!("there are only {}", state.n)))
            }
            step => Ok(vec![command.event("subtracted", &step)?]),
        },
        _ if behaviour() == "by-type" => Ok(Vec::new()),
        _ => Err(Rejection::UnknownCommand),
    }
}

export_decider!(Odd);

#[cfg(test)]
mod tests {
    use weir_plugin_sdk::testing::{command, decider, new_event};

    use super::*;

    #[test]
    fn unless_it_is_told_otherwise_it_counts() {
        decider::<Odd>()
            .when(command("add", "t", "s", r#"{"by":3}"#))
            .then([new_event("t", "added", r#"{"by":3}"#).in_stream("s")])
            .when(command("sub", "t", "s", r#"{"by":2}"#))
            .then([new_event("t", "subtracted", r#"{"by":2}"#).in_stream("s")])
            .then_state(r#"{"n":1}"#)
            .when(command("sub", "t", "s", r#"{"by":2}"#))
            .then_rejected("below-zero")
            .when(command("add", "t", "s", "{}"))
            .then_rejected("payload-unexpected")
            .when(command("dance", "t", "s", "{}"))
            .then_rejected("unknown-command");
    }
}
