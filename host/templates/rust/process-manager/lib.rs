//! Reminds of orders that were not paid within a minute.

use weir_plugin_sdk::{
    Action, Event, Manifest, NewEvent, NoConfig, Problem, ProcessManager, Timer, View, export_process_manager,
};

pub struct Plugin;

impl ProcessManager for Plugin {
    type Config = NoConfig;

    fn manifest() -> Manifest {
        Manifest::new("{{name}}", env!("CARGO_PKG_VERSION"))
            .description("Reminds of orders that were not paid in time")
            .interest(&["orders"], &[])
            .wish_append("reminders")
    }

    fn init(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn react(&mut self, event: &Event, _: &View) -> Result<Vec<Action>, Problem> {
        Ok(match (event.event_type.as_str(), &event.stream) {
            ("placed", Some(order)) => vec![Action::set_timer(order, event.time_ms + 60_000, &event.position)?],
            ("paid", Some(order)) => vec![Action::cancel_timer(order)],
            _ => Vec::new(),
        })
    }

    fn on_timer(&mut self, timer: &Timer, _: &View) -> Result<Vec<Action>, Problem> {
        Ok(vec![Action::append(NewEvent::new("reminders", "pay-please", &timer.key)?)])
    }
}

export_process_manager!(Plugin);
