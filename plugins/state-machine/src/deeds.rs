//! What a transition does: its actions, the timers that go with a change of state, and the instance after it.

use weir_plugin_cel::{EvalError, Expression, Scope};
use weir_plugin_sdk::{Action, NewCommand, NewEvent, Problem};

use crate::cause::Cause;
use crate::chart::{Act, Delay, Machine, Template, Transition};
use crate::instance::{AFTER, Instance, Reminder, command_id, timer_key};
use crate::names;

pub struct Deeds<'a> {
    machine: &'a Machine,
    key: &'a str,
    cause: String,
    pub instance: Instance,
    pub actions: Vec<Action>,
}

impl<'a> Deeds<'a> {
    pub fn new(machine: &'a Machine, key: &'a str, cause: &Cause<'_>, before: &Instance) -> Self {
        let position = match cause {
            Cause::Event(event) => event.position,
            _ => before.position,
        };
        let (version, time) = (before.version + 1, cause.time_ms(before.time));
        let instance = Instance { version, position, time, error: None, ..before.clone() };
        Self { machine, key, cause: cause.id(), instance, actions: Vec::new() }
    }

    /// Leaves the state, acts, and enters the next one.
    pub fn of(mut self, transition: &Transition, scope: &Scope<'_>) -> Result<Self, EvalError> {
        if transition.to.is_some() {
            self.cancel(AFTER);
        }
        for (index, act) in transition.actions.iter().enumerate() {
            self.act(index, act, scope)?;
        }
        if let Some(to) = &transition.to {
            self.enter(to, scope)?;
        }
        Ok(self)
    }

    fn enter(&mut self, to: &str, scope: &Scope<'_>) -> Result<(), EvalError> {
        self.instance.state = to.to_owned();
        let Some(state) = self.machine.states.get(to) else { return Ok(()) };
        if state.is_final {
            let left: Vec<String> = self.instance.timers.keys().cloned().collect();
            left.iter().for_each(|name| self.cancel(name));
        }
        match &state.after {
            Some(delay) => self.set_timer(AFTER, delay, serde_json::Value::Null, scope),
            None => Ok(()),
        }
    }

    fn act(&mut self, index: usize, act: &Act, scope: &Scope<'_>) -> Result<(), EvalError> {
        match act {
            Act::Execute { command, topic, stream, payload, actor } => {
                let id = command_id(&self.machine.name, self.key, &self.cause, index);
                let Some(stream) = stream_of(stream, scope)? else {
                    return Err(EvalError::new(format!(
                        "command '{command}' is for no stream: '{}' is null",
                        stream.source()
                    )));
                };
                let sent = NewCommand::new(id, command, topic, stream, &payload.fill(scope)?).map_err(told)?;
                let actor = actor.as_ref().map(|actor| actor.named(scope)).transpose()?.flatten();
                self.actions.push(Action::execute(NewCommand { actor, ..sent }));
            }
            Act::Append { topic, event_type, stream, payload } => {
                let event = NewEvent::new(topic, event_type, &payload.fill(scope)?).map_err(told)?;
                let stream = stream.as_ref().map(|stream| stream_of(stream, scope)).transpose()?.flatten();
                self.actions.push(Action::append(NewEvent { stream, ..event }));
            }
            Act::Timer { name, delay, payload } => self.set_timer(name, delay, fill(payload, scope)?, scope)?,
            Act::Cancel(name) => self.cancel(name),
        }
        Ok(())
    }

    fn set_timer(
        &mut self,
        name: &str,
        delay: &Delay,
        payload: serde_json::Value,
        scope: &Scope<'_>,
    ) -> Result<(), EvalError> {
        let at_ms = self.instance.time.saturating_add(delay.ms(scope)?);
        let reminder = Reminder { version: self.instance.version, payload };
        let key = timer_key(&self.machine.name, self.key, name);
        self.actions.push(Action::set_timer(key, at_ms, &reminder).map_err(told)?);
        self.instance.timers.insert(name.to_owned(), at_ms);
        Ok(())
    }

    fn cancel(&mut self, name: &str) {
        if self.instance.timers.remove(name).is_some() {
            self.actions.push(Action::cancel_timer(timer_key(&self.machine.name, self.key, name)));
        }
    }
}

fn fill(payload: &Template, scope: &Scope<'_>) -> Result<serde_json::Value, EvalError> {
    payload.fill(scope)
}

/// A stream's name; null is none.
fn stream_of(stream: &Expression, scope: &Scope<'_>) -> Result<Option<String>, EvalError> {
    let Some(name) = stream.named(scope)? else { return Ok(None) };
    match names::stream(&name) {
        Ok(()) => Ok(Some(name)),
        Err(reason) => Err(EvalError::new(format!("'{}' is no name of a stream: {reason}", stream.source()))),
    }
}

fn told(problem: Problem) -> EvalError {
    EvalError::new(problem.message)
}
