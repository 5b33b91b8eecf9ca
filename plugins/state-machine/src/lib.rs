//! The process manager "state-machine": state charts from the operator's configuration. Events move the instances of a
//! chart from state to state, and on the way commands are sent, events appended and timers set. It decides nothing
//! itself and knows no orders or payments: all of that is in the charts.

mod cause;
mod chart;
mod compile;
mod config;
mod deeds;
mod facts;
mod graph;
mod instance;
mod limits;
mod mistake;
mod names;
mod run;

use cause::Cause;
use chart::Machine;
use config::Config;
use instance::{read_command_id, read_timer_key};
use limits::REFUSALS_MAX;
use weir_plugin_cel::EvalError;
use weir_plugin_sdk::{
    Action, Command, Event, Manifest, Problem, ProcessManager, Timer, View, debug, export_process_manager, log, warn,
};

/// The operator's charts. What becomes of their instances is in the view.
#[derive(Debug)]
pub struct StateMachine {
    machines: Vec<Machine>,
}

impl ProcessManager for StateMachine {
    type Config = Config;

    /// It is not known here which topics the charts are for, so all events come; and the operator's grant says where
    /// they may act.
    fn manifest() -> Manifest {
        Manifest::new("state-machine", env!("CARGO_PKG_VERSION"))
            .description("Runs state charts over events: commands, events and timers from its configuration")
            .config_schema(include_str!("../config.schema.json"))
            .wish_append("*")
    }

    fn init(config: Config) -> Result<Self, String> {
        let machines = compile::machines(config).map_err(|mistake| mistake.to_string())?;
        Ok(Self { machines })
    }

    fn react(&mut self, event: &Event, view: &View) -> Result<Vec<Action>, Problem> {
        let mut actions = Vec::new();
        for machine in self.machines.iter().filter(|machine| machine.topics.matches(&event.topic)) {
            if let Some(key) = key_of(machine, event) {
                actions.append(&mut run::hear(machine, &key, &Cause::Event(event), view)?);
            }
        }
        Ok(actions)
    }

    fn on_timer(&mut self, timer: &Timer, view: &View) -> Result<Vec<Action>, Problem> {
        let Some((machine, key, name)) = read_timer_key(&timer.key) else { return Ok(Vec::new()) };
        match (self.machine(machine), Cause::timer(name, timer)) {
            (Some(machine), Some(cause)) => run::hear(machine, key, &cause, view),
            _ => Ok(Vec::new()),
        }
    }

    fn on_refused(&mut self, command: &Command, reasons: &[Problem], view: &View) -> Result<Vec<Action>, Problem> {
        let Some((machine, key, cause, index)) = read_command_id(&command.id) else { return Ok(Vec::new()) };
        let Some(machine) = self.machine(machine) else { return Ok(Vec::new()) };
        let cause = Cause::refused(command, reasons, cause, index);
        if cause.refusals() > REFUSALS_MAX {
            let what = format!("{REFUSALS_MAX} commands were refused, one because of the other; that ends here");
            warn!(command = command.id, reasons = Problem::messages(reasons); "{what}");
            return Ok(Vec::new());
        }
        run::hear(machine, key, &cause, view)
    }
}

export_process_manager!(StateMachine);

impl StateMachine {
    /// None, if the operator took it out of the configuration while something of it was on its way.
    fn machine(&self, name: &str) -> Option<&Machine> {
        let machine = self.machines.iter().find(|machine| machine.name == name);
        if machine.is_none() {
            debug!(machine = name; "there is no such machine any more");
        }
        machine
    }
}

/// The instance that an event belongs to, if it belongs to one.
fn key_of(machine: &Machine, event: &Event) -> Option<String> {
    let scope = facts::of_key(machine, event);
    let named = machine.key.named(&scope).and_then(|key| match key {
        Some(key) => names::key(&key).map(|()| Some(key)).map_err(EvalError::new),
        None => Ok(None),
    });
    named.unwrap_or_else(|error| {
        log::count("expression_errors", 1);
        warn!(machine = machine.name, event = event.id, error = error; "an event has no key");
        None
    })
}

#[cfg(test)]
mod tests;
