//! What an instance hears: an event, a timer, or that a command of its own was refused.

use serde_json::{Value as Json, json};
use weir_plugin_sdk::{Command, Event, Problem, Timer};

use crate::chart::Trigger;
use crate::instance::{AFTER, Reminder};

pub enum Cause<'a> {
    Event(&'a Event),
    Timer { name: &'a str, at_ms: u64, reminder: Reminder },
    Refused { command: &'a Command, code: &'a str, payload: Json, id: String },
}

impl<'a> Cause<'a> {
    /// None, if it is no timer of ours.
    pub fn timer(name: &'a str, timer: &Timer) -> Option<Self> {
        Some(Self::Timer { name, at_ms: timer.at_ms, reminder: timer.json().ok()? })
    }

    /// `cause` and `index` are those of the refused command's id: what it was sent for, and which of several it was.
    pub fn refused(command: &'a Command, reasons: &'a [Problem], cause: &str, index: &str) -> Self {
        let code = reasons.first().map_or("", |reason| &reason.code);
        let message = Problem::messages(reasons);
        let sent: Option<Json> = command.json().ok();
        let payload = json!({"command": command.name, "code": code, "message": message, "payload": sent});
        Self::Refused { command, code, payload, id: format!("{cause}~{index}") }
    }

    /// Names this cause among all that its instance ever hears. An event's id is another in every topic and store; its
    /// position is that only within one store.
    pub fn id(&self) -> String {
        match self {
            Self::Event(event) => event.id.clone(),
            Self::Timer { name, at_ms, reminder } => format!("{name}@{at_ms}.{}", reminder.version),
            Self::Refused { id, .. } => id.clone(),
        }
    }

    /// Refusals in a row, this one counted.
    pub fn refusals(&self) -> usize {
        match self {
            Self::Refused { id, .. } => id.matches('~').count(),
            _ => 0,
        }
    }

    /// When it happened, in Unix milliseconds; `before` is when its instance heard something last. Nothing else is a
    /// clock.
    pub fn time_ms(&self, before: u64) -> u64 {
        match self {
            Self::Event(event) => event.time_ms,
            Self::Timer { at_ms, .. } => *at_ms,
            Self::Refused { command, .. } => command.time_ms.max(before),
        }
    }

    pub fn fits(&self, trigger: &Trigger) -> bool {
        match (self, trigger) {
            (Self::Event(event), Trigger::Event(types)) => types.matches(&event.event_type),
            (Self::Timer { name, .. }, Trigger::Timer(wanted)) => name == wanted,
            (Self::Timer { name, .. }, Trigger::After) => *name == AFTER,
            (Self::Refused { command, code, .. }, Trigger::Refused { codes, commands }) => {
                codes.matches(code) && commands.matches(&command.name)
            }
            _ => false,
        }
    }
}
