//! The kind `process manager`: reacts to events, and to time that passed, with actions: events, commands and timers.
//! It is pure, does nothing itself and keeps its memory in a view. Actions, view and how far it has read are stored as one.

use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned};

pub use crate::bindings::process_manager::exports::weir::plugin::processing::{Action, Timer};
use crate::{Command, Event, Manifest, NewCommand, NewEvent, Payload, Problem, View};

/// A plugin that reacts to events with actions. Export it with [`export_process_manager!`](crate::export_process_manager).
///
/// ```
/// use weir_plugin_sdk::{Action, Event, Manifest, NewEvent, NoConfig, Problem, ProcessManager, Timer, View};
///
/// struct Reminders;
///
/// impl ProcessManager for Reminders {
///     type Config = NoConfig;
///     fn manifest() -> Manifest { Manifest::new("reminders", "1.0.0").interest(&["orders"], &[]).wish_append("reminders") }
///     fn init(_: NoConfig) -> Result<Self, String> { Ok(Self) }
///     fn react(&mut self, event: &Event, _: &View) -> Result<Vec<Action>, Problem> {
///         Ok(match (event.event_type.as_str(), &event.stream) {
///             ("placed", Some(order)) => vec![Action::set_timer(order, event.time_ms + 60_000, &event.position)?],
///             ("paid", Some(order)) => vec![Action::cancel_timer(order)],
///             _ => vec![],
///         })
///     }
///     fn on_timer(&mut self, timer: &Timer, _: &View) -> Result<Vec<Action>, Problem> {
///         Ok(vec![Action::append(NewEvent::new("reminders", "pay-please", &timer.key)?)])
///     }
/// }
/// weir_plugin_sdk::export_process_manager!(Reminders);
///
/// # #[cfg(not(target_family = "wasm"))] {
/// use weir_plugin_sdk::testing::{new_event, process_manager, stream_event, timer};
/// process_manager::<Reminders>()
///     .given([stream_event("orders", "o1", 1, "placed", "{}")])
///     .then_actions([Action::set_timer("o1", 60_000, &1).unwrap()])
///     .timer(timer("o1", 60_000, "1"))
///     .then_actions([Action::append(new_event("reminders", "pay-please", r#""o1""#))]);
/// # }
/// ```
pub trait ProcessManager: Sized + 'static {
    /// The operator's configuration, read from the side-car file; [`NoConfig`](crate::NoConfig) if there is none.
    type Config: DeserializeOwned;

    /// Called once a file, before anything else, without an instance. A new
    /// [`state_version`](crate::Manifest::state_version) builds the view anew, without doing the actions again.
    fn manifest() -> Manifest;

    /// Called once an instance, which has no view yet. The error stops this generation of the plugin.
    fn init(config: Self::Config) -> Result<Self, String>;

    /// What to do about one event. A problem stops the process manager here, and nothing of the batch is done or stored.
    fn react(&mut self, event: &Event, view: &View) -> Result<Vec<Action>, Problem>;

    /// What to do about a batch, in order. Override it only where reading and writing many keys at once is worth it.
    fn react_batch(&mut self, batch: &[Event], view: &View) -> Result<Vec<Action>, Problem> {
        all(batch, |event| self.react(event, view))
    }

    /// What to do about a timer that is due. Nothing by default, for plugins that set none.
    fn on_timer(&mut self, timer: &Timer, view: &View) -> Result<Vec<Action>, Problem> {
        let _ = (timer, view);
        Ok(Vec::new())
    }

    /// What to do about several timers, in the order of their times.
    fn on_timers(&mut self, due: &[Timer], view: &View) -> Result<Vec<Action>, Problem> {
        all(due, |timer| self.on_timer(timer, view))
    }

    /// What to do about a command of its own that was refused for good, with one reason at least. Nothing by default:
    /// whoever sends commands that may be refused goes on here. A command that was done shows itself by its events, in
    /// [`react`](Self::react).
    fn on_refused(&mut self, command: &Command, reasons: &[Problem], view: &View) -> Result<Vec<Action>, Problem> {
        let _ = (command, reasons, view);
        Ok(Vec::new())
    }
}

fn all<T>(items: &[T], mut react: impl FnMut(&T) -> Result<Vec<Action>, Problem>) -> Result<Vec<Action>, Problem> {
    let mut actions = Vec::new();
    for item in items {
        actions.append(&mut react(item)?);
    }
    Ok(actions)
}

impl Action {
    /// Appends an event, to a topic that the operator granted.
    ///
    /// ```
    /// use weir_plugin_sdk::{Action, NewEvent};
    /// let event = NewEvent::new("payments", "payment-asked", &20).unwrap().in_stream("order-1");
    /// assert!(matches!(Action::append(event), Action::Append(_)));
    /// ```
    pub fn append(event: NewEvent) -> Self {
        Self::Append(event)
    }

    /// Sends a command to a decider.
    ///
    /// ```
    /// use weir_plugin_sdk::{Action, NewCommand};
    /// let command = NewCommand::new("orders-1/charge", "charge", "payments", "order-1", &20).unwrap();
    /// assert!(matches!(Action::execute(command), Action::Execute(_)));
    /// ```
    pub fn execute(command: NewCommand) -> Self {
        Self::Execute(command)
    }

    /// Sets a timer, in Unix milliseconds; one of the same key is replaced. The payload comes back when it is due.
    ///
    /// ```
    /// use weir_plugin_sdk::Action;
    /// let action = Action::set_timer("order-1", 5_000, &20).unwrap();
    /// assert!(matches!(action, Action::SetTimer(timer) if timer.json::<u64>() == Ok(20)));
    /// ```
    pub fn set_timer<T: Serialize + ?Sized>(key: impl Into<String>, at_ms: u64, payload: &T) -> Result<Self, Problem> {
        Ok(Self::SetTimer(Timer { key: key.into(), at_ms, payload: Payload::of(payload)? }))
    }

    /// Cancels a timer; one that is not set stays so.
    ///
    /// ```
    /// use weir_plugin_sdk::Action;
    /// assert_eq!(Action::cancel_timer("order-1"), Action::CancelTimer("order-1".into()));
    /// ```
    pub fn cancel_timer(key: impl Into<String>) -> Self {
        Self::CancelTimer(key.into())
    }
}

impl Timer {
    /// The JSON payload as a type of the plugin's own; see [`Payload::json`].
    ///
    /// ```
    /// # #[cfg(not(target_family = "wasm"))]
    /// assert_eq!(weir_plugin_sdk::testing::timer("order-1", 5_000, "[1]").json::<Vec<u8>>(), Ok(vec![1]));
    /// ```
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Problem> {
        self.payload.json()
    }
}

/// Makes a [`ProcessManager`] the component's exports. Once a crate, at its top level; natively it only checks the trait.
#[macro_export]
macro_rules! export_process_manager {
    ($plugin:ty) => {
        $crate::__export!($plugin => ProcessManagerComponent, life, process_manager);
    };
}

/// Turns the exported functions into calls of the trait.
pub(crate) mod glue {
    use std::marker::PhantomData;

    use super::{Action, Command, Event, Problem, ProcessManager, Timer, View};
    use crate::bindings::process_manager::exports::weir::plugin::processing;
    use crate::slot;

    /// The exports of one plugin type.
    pub struct Component<T: ProcessManager>(PhantomData<T>);

    crate::slot::lifecycle!(ProcessManager);

    impl<T: ProcessManager> processing::Guest for Component<T> {
        fn react(batch: Vec<Event>) -> Result<Vec<Action>, Problem> {
            slot::with(|plugin: &mut T| plugin.react_batch(&batch, &View::open()))
        }

        fn on_timer(due: Vec<Timer>) -> Result<Vec<Action>, Problem> {
            slot::with(|plugin: &mut T| plugin.on_timers(&due, &View::open()))
        }

        fn on_refused(command: Command, reasons: Vec<Problem>) -> Result<Vec<Action>, Problem> {
            slot::with(|plugin: &mut T| plugin.on_refused(&command, &reasons, &View::open()))
        }
    }
}
