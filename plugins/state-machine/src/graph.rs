//! Whether the states of a machine hang together: a chart that can't do what it says is a mistake, and is told before
//! an event shows it.

use std::collections::BTreeSet;

use crate::chart::{Act, Machine, State, Transition, Trigger};
use crate::mistake::{At, Checked, mistake};

pub fn check(machine: &Machine) -> Checked<()> {
    initial(machine)?;
    for (name, state) in &machine.states {
        targets(machine, state).and_then(|()| ends(state)).at(format!("state '{name}'"))?;
    }
    reachable(machine)?;
    timers(machine)
}

fn initial(machine: &Machine) -> Checked<()> {
    let name = &machine.initial;
    match machine.states.get(name) {
        None => unknown_state(machine, name),
        Some(state) if state.is_final => mistake(format!("'{name}' is final, so that nothing would ever happen")),
        // Nobody enters it but by a transition: an instance is there from its first event on.
        Some(state) if state.after.is_some() && !transitions(machine).any(|it| it.to.as_ref() == Some(name)) => {
            mistake(format!(
                "the time of '{name}' would never begin: an instance is there from the first event that moves it on; \
                 let that event lead to another state, which has the after"
            ))
        }
        Some(_) => Ok(()),
    }
    .at("initial")
}

fn targets(machine: &Machine, state: &State) -> Checked<()> {
    state.transitions.iter().try_for_each(|transition| target(machine, transition).at(&transition.place))
}

fn target(machine: &Machine, transition: &Transition) -> Checked<()> {
    let Some(to) = &transition.to else { return Ok(()) };
    let Some(target) = machine.states.get(to) else { return unknown_state(machine, to).at("to") };
    let sets = transition.actions.iter().find_map(timer_set);
    match sets.filter(|_| target.is_final) {
        Some(name) => mistake(format!("timer '{name}' is set on the way to '{to}', which is final and hears nothing")),
        None => Ok(()),
    }
}

fn unknown_state<T>(machine: &Machine, name: &str) -> Checked<T> {
    let known: Vec<&str> = machine.states.keys().map(String::as_str).collect();
    mistake(format!("there is no state '{name}'; there is {}", known.join(", ")))
}

fn ends(state: &State) -> Checked<()> {
    match (state.is_final, state.transitions.is_empty()) {
        (true, false) => mistake("it is final, so it has no on, after or on_refused"),
        (false, true) => mistake("nothing leads out of it; say final = true if that is meant"),
        _ => Ok(()),
    }
}

fn reachable(machine: &Machine) -> Checked<()> {
    let mut reached = BTreeSet::from([machine.initial.as_str()]);
    let mut next = vec![machine.initial.as_str()];
    while let Some(state) = next.pop().and_then(|name| machine.states.get(name)) {
        let targets = state.transitions.iter().filter_map(|transition| transition.to.as_deref());
        next.extend(targets.filter(|to| reached.insert(to)));
    }
    match machine.states.keys().find(|name| !reached.contains(name.as_str())) {
        Some(name) => mistake(format!("no way leads to it from '{}'", machine.initial)).at(format!("state '{name}'")),
        None => Ok(()),
    }
}

/// A timer is set somewhere and heard somewhere.
fn timers(machine: &Machine) -> Checked<()> {
    let acts = || transitions(machine).flat_map(|transition| &transition.actions);
    let set: BTreeSet<&str> = acts().filter_map(timer_set).collect();
    let heard: BTreeSet<&str> = transitions(machine).filter_map(timer_heard).collect();
    if let Some(name) = set.difference(&heard).next() {
        return mistake(format!("timer '{name}' is set, but no state has on = [{{ timer = \"{name}\", … }}]"));
    }
    match heard.into_iter().chain(acts().filter_map(timer_cancelled)).find(|name| !set.contains(name)) {
        Some(name) => mistake(format!("no action sets a timer '{name}'")),
        None => Ok(()),
    }
}

fn timer_set(act: &Act) -> Option<&str> {
    match act {
        Act::Timer { name, .. } => Some(name),
        _ => None,
    }
}

fn timer_cancelled(act: &Act) -> Option<&str> {
    match act {
        Act::Cancel(name) => Some(name),
        _ => None,
    }
}

fn timer_heard(transition: &Transition) -> Option<&str> {
    match &transition.trigger {
        Trigger::Timer(name) => Some(name),
        _ => None,
    }
}

fn transitions(machine: &Machine) -> impl Iterator<Item = &Transition> {
    machine.states.values().flat_map(|state| &state.transitions)
}
