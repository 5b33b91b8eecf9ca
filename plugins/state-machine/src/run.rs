//! An instance hears something: which transition it makes, and what comes of that.
//!
//! Expressions that can't be evaluated never stop the process manager, for whoever may publish an event could do that:
//! a guard that fails does not hold, and a transition that fails is not made; the instance and the server's tracing say
//! so.

use std::cell::OnceCell;

use serde_json::Value as Json;
use weir_plugin_cel::{EvalError, Scope, Value};
use weir_plugin_sdk::{Action, Problem, View, log, warn};

use crate::cause::Cause;
use crate::chart::{Machine, State, Transition};
use crate::deeds::Deeds;
use crate::facts;
use crate::instance::Instance;
use crate::limits::DATA_BYTES_MAX;

/// What `key`'s instance of the machine does about it.
pub fn hear(machine: &Machine, key: &str, cause: &Cause<'_>, view: &View) -> Result<Vec<Action>, Problem> {
    let place = format!("{}/{key}", machine.name);
    let kept: Option<Instance> = view.get(&place)?;
    let begins = kept.is_none() && matches!(cause, Cause::Event(_));
    let Some(mut instance) = kept.or_else(|| begins.then(|| Instance::new(&machine.initial))) else {
        return Ok(Vec::new());
    };
    if !is_due(&mut instance, cause) {
        return Ok(Vec::new());
    }
    let (next, actions) = match turn(machine, key, cause, &instance) {
        Ok(Some(turned)) => turned,
        // A timer that came is no longer set, whatever came of it.
        Ok(None) if matches!(cause, Cause::Timer { .. }) => (instance, Vec::new()),
        Ok(None) => return Ok(Vec::new()),
        Err(error) => {
            trouble(machine, key, cause, "a transition was not made", &error);
            let said = format!("{}: {error}", cause.id());
            (Instance { error: Some(said), ..instance }, Vec::new())
        }
    };
    if !begins || next.version > 0 {
        view.put(&place, &next)?;
    }
    Ok(actions)
}

/// Takes a timer off the instance. One that was replaced or cancelled while it was already on its way counts no more.
fn is_due(instance: &mut Instance, cause: &Cause<'_>) -> bool {
    match cause {
        Cause::Timer { name, at_ms, .. } if instance.timers.get(*name) != Some(at_ms) => false,
        Cause::Timer { name, .. } => instance.timers.remove(*name).is_some(),
        _ => true,
    }
}

type Turned = (Instance, Vec<Action>);

/// The first transition that fits and whose guard holds, if there is one.
fn turn(machine: &Machine, key: &str, cause: &Cause<'_>, instance: &Instance) -> Result<Option<Turned>, EvalError> {
    let Some(state) = state_of(machine, key, instance) else { return Ok(None) };
    let mut fitting = state.transitions.iter().filter(|transition| cause.fits(&transition.trigger)).peekable();
    if fitting.peek().is_none() {
        unheard(machine, key, cause);
        return Ok(None);
    }
    // What is looked at must be there before the scope, and longer.
    let data = OnceCell::new();
    let mut scope = facts::of_cause(machine, cause, key, &instance.state, &instance.data)?;
    let Some(transition) = fitting.find(|transition| is_open(machine, key, cause, transition, &scope)) else {
        return Ok(None);
    };
    let changed = set(transition, &scope, &instance.data)?;
    scope.set("data", Value::tree(data.get_or_init(|| changed))?);
    let deeds = Deeds::new(machine, key, cause, instance).of(transition, &scope)?;
    drop(scope);
    log::count("transitions", 1);
    let data = data.into_inner().unwrap_or_default();
    Ok(Some((Instance { data, ..deeds.instance }, deeds.actions)))
}

/// A state that hears something: a final one does not, nor one that the chart no longer has.
fn state_of<'a>(machine: &'a Machine, key: &str, instance: &Instance) -> Option<&'a State> {
    let state = machine.states.get(&instance.state);
    if state.is_none() {
        warn!(machine = machine.name, key = key, state = instance.state; "an instance is in a state that is gone");
    }
    state.filter(|state| !state.is_final)
}

/// Most events are for nobody, and that is as it should be; a refused command that nobody minds is worth a word.
fn unheard(machine: &Machine, key: &str, cause: &Cause<'_>) {
    if let Cause::Refused { command, code, .. } = cause {
        let (machine, command) = (&machine.name, &command.name);
        warn!(machine = machine, key = key, command = command, code = code; "nothing is done about a refused command");
    }
}

fn is_open(machine: &Machine, key: &str, cause: &Cause<'_>, transition: &Transition, scope: &Scope<'_>) -> bool {
    let Some(guard) = &transition.guard else { return true };
    guard.holds(scope).unwrap_or_else(|error| {
        trouble(machine, key, cause, &format!("a guard does not hold, '{}'", guard.source()), &error);
        false
    })
}

/// All at once: each sees what was there before.
fn set(transition: &Transition, scope: &Scope<'_>, data: &Json) -> Result<Json, EvalError> {
    let mut changed = data.as_object().cloned().unwrap_or_default();
    for (name, expression) in &transition.set {
        changed.insert(name.clone(), expression.json(scope)?);
    }
    let changed = Json::Object(changed);
    let bytes = changed.to_string().len();
    match bytes > DATA_BYTES_MAX {
        true => Err(EvalError::new(format!("data would have {bytes} bytes, at most {DATA_BYTES_MAX} are kept"))),
        false => Ok(changed),
    }
}

fn trouble(machine: &Machine, key: &str, cause: &Cause<'_>, what: &str, error: &EvalError) {
    log::count("expression_errors", 1);
    warn!(machine = machine.name, key = key, cause = cause.id(), error = error; "{what}");
}
