//! Stories about deciders.

use super::case::{Case, differ, json, list, new_event, payload, problem, problems, same};
use crate::decider::{decide, fold};
use crate::{Command, Decider, Event, NewEvent, Payload, Rejection};

const NO_STATE: &str = "no state";

/// The state of the story's stream, and what came of the last command.
pub struct Decided {
    state: Option<Payload>,
    events: u64,
    last: Option<Result<Vec<NewEvent>, Rejection>>,
}

/// A story about a decider and one stream; [`Decider`] has an example. The state is written and read between the steps, as
/// the server does it.
pub fn decider<T: Decider>() -> Case<T, Decided> {
    Case::new(|config| T::init(crate::config::read(config)?), Decided { state: None, events: 0, last: None })
}

impl<T: Decider> Case<T, Decided> {
    /// These events happened in the stream.
    #[track_caller]
    pub fn given(mut self, events: impl AsRef<[Event]>) -> Self {
        let kept = self.outcome.state.take();
        match fold(self.plugin(), kept.as_ref(), events.as_ref()) {
            Ok(state) => self.outcome.state = state,
            Err(refused) => panic!("the decider can't evolve, {}", problem(&refused)),
        }
        self.outcome.events += events.as_ref().len() as u64;
        self
    }

    /// A command comes. The events that it makes happen at once, so that the next command meets the state after them.
    #[track_caller]
    pub fn when(mut self, command: Command) -> Self {
        let kept = self.outcome.state.clone();
        let decided = decide(self.plugin(), kept.as_ref(), &command);
        if let Ok(events) = &decided {
            let recorded = |(event, number): (&NewEvent, u64)| record(event, number, command.time_ms);
            let numbers = self.outcome.events + 1..;
            let events: Vec<Event> = events.iter().zip(numbers).map(recorded).collect();
            self = self.given(events);
        }
        self.outcome.last = Some(decided);
        self
    }

    /// The last command made these events.
    #[track_caller]
    pub fn then(self, expected: impl AsRef<[NewEvent]>) -> Self {
        let expected = list(expected.as_ref(), new_event);
        match &self.outcome.last {
            Some(Ok(events)) => same("what the command made", &expected, &list(events, new_event)),
            Some(Err(rejection)) => differ("what the command made", &expected, &shown(rejection)),
            None => differ("what the command made", &expected, "there was no command"),
        }
        self
    }

    /// The last command was rejected with a problem of this code, or with `unknown-command`.
    #[track_caller]
    pub fn then_rejected(self, code: &str) -> Self {
        match &self.outcome.last {
            Some(Err(rejection)) if codes(rejection).contains(&code) => {}
            Some(Err(rejection)) => differ("the rejection", code, &shown(rejection)),
            Some(Ok(events)) => differ("the rejection", code, &list(events, new_event)),
            None => differ("the rejection", code, "there was no command"),
        }
        self
    }

    /// The state as the server keeps it: JSON text, or anything that is written as JSON.
    #[track_caller]
    pub fn then_state(self, expected: impl ToString) -> Self {
        same("the state", &json(&expected.to_string()), &self.kept());
        self
    }

    /// The server keeps no state: it is the initial one.
    #[track_caller]
    pub fn then_no_state(self) -> Self {
        same("the state", NO_STATE, &self.kept());
        self
    }

    fn kept(&self) -> String {
        self.outcome.state.as_ref().map_or_else(|| NO_STATE.into(), payload)
    }
}

fn record(event: &NewEvent, number: u64, time_ms: u64) -> Event {
    let NewEvent { topic, stream, event_type, payload, tags, metadata } = event.clone();
    let version = stream.as_ref().map(|_| number);
    let id = format!("{topic}-{number}");
    Event {
        id,
        position: number,
        topic,
        sequence: number,
        stream,
        version,
        event_type,
        time_ms,
        payload,
        tags,
        metadata,
    }
}

fn codes(rejection: &Rejection) -> Vec<&str> {
    match rejection {
        Rejection::Invalid(problems) => problems.iter().map(|problem| problem.code.as_str()).collect(),
        Rejection::Conflict(problem) | Rejection::Failed(problem) => vec![&problem.code],
        Rejection::UnknownCommand => vec!["unknown-command"],
    }
}

fn shown(rejection: &Rejection) -> String {
    match rejection {
        Rejection::Invalid(reasons) => format!("invalid: {}", problems(reasons)),
        Rejection::Conflict(reason) => format!("conflict: {}", problem(reason)),
        Rejection::Failed(reason) => format!("failed: {}", problem(reason)),
        Rejection::UnknownCommand => "unknown-command".into(),
    }
}
