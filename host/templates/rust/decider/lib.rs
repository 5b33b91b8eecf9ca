//! An account: nobody takes out more than is in it.

use weir_plugin_sdk::{Command, Decider, Event, Manifest, NewEvent, NoConfig, Problem, Rejection, export_decider};

pub struct Plugin;

impl Decider for Plugin {
    type Config = NoConfig;
    /// The balance.
    type State = u64;

    fn manifest() -> Manifest {
        Manifest::new("{{name}}", env!("CARGO_PKG_VERSION"))
            .description("Nobody takes out more than is there")
            .interest(&["accounts"], &[])
    }

    fn init(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn evolve(&self, balance: u64, event: &Event) -> Result<u64, Problem> {
        Ok(match event.event_type.as_str() {
            "paid-in" => balance.saturating_add(event.json()?),
            "paid-out" => balance.saturating_sub(event.json()?),
            _ => balance,
        })
    }

    fn decide(&mut self, balance: &u64, command: &Command) -> Result<Vec<NewEvent>, Rejection> {
        let amount: u64 = command.json()?;
        match command.name.as_str() {
            "pay-in" => Ok(vec![command.event("paid-in", &amount)?]),
            "pay-out" if amount > *balance => Err(Rejection::conflict("too-much", "there is not that much")),
            "pay-out" => Ok(vec![command.event("paid-out", &amount)?]),
            _ => Err(Rejection::UnknownCommand),
        }
    }
}

export_decider!(Plugin);
