//! The kind `decider`: folds the events of a stream into a state, and says what happens when a command meets it.
//! A decider is pure, and keeps nothing itself: the host hands the state in, and may fold it from the events at any time.

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::bindings::decider::exports::weir::plugin::deciding::Rejection;
use crate::{Command, Event, Manifest, NewEvent, Payload, Problem};

/// A plugin that decides on commands. Export it with [`export_decider!`](crate::export_decider).
///
/// ```
/// use weir_plugin_sdk::{Command, Decider, Event, Manifest, NewEvent, NoConfig, Problem, Rejection};
///
/// struct Account;
///
/// impl Decider for Account {
///     type Config = NoConfig;
///     type State = u64;
///     fn manifest() -> Manifest { Manifest::new("account", "1.0.0").interest(&["accounts"], &[]) }
///     fn init(_: NoConfig) -> Result<Self, String> { Ok(Self) }
///     fn evolve(&self, balance: u64, event: &Event) -> Result<u64, Problem> {
///         match event.event_type.as_str() {
///             "paid-in" => Ok(balance + event.json::<u64>()?),
///             "paid-out" => Ok(balance - event.json::<u64>()?),
///             _ => Ok(balance),
///         }
///     }
///     fn decide(&mut self, balance: &u64, command: &Command) -> Result<Vec<NewEvent>, Rejection> {
///         let amount: u64 = command.json()?;
///         match command.name.as_str() {
///             "pay-in" => Ok(vec![command.event("paid-in", &amount)?]),
///             "pay-out" if amount > *balance => Err(Rejection::conflict("too-much", "there is not that much")),
///             "pay-out" => Ok(vec![command.event("paid-out", &amount)?]),
///             _ => Err(Rejection::UnknownCommand),
///         }
///     }
/// }
/// weir_plugin_sdk::export_decider!(Account);
///
/// # #[cfg(not(target_family = "wasm"))] {
/// use weir_plugin_sdk::testing::{command, decider, stream_event};
/// decider::<Account>()
///     .given([stream_event("accounts", "ann", 1, "paid-in", "30")])
///     .when(command("pay-out", "accounts", "ann", "20"))
///     .then([command("", "accounts", "ann", "").event("paid-out", &20).unwrap()])
///     .then_state(10)
///     .when(command("pay-out", "accounts", "ann", "20"))
///     .then_rejected("too-much");
/// # }
/// ```
pub trait Decider: Sized + 'static {
    /// The operator's configuration, read from the side-car file; [`NoConfig`](crate::NoConfig) if there is none.
    type Config: DeserializeOwned;

    /// What the events of a stream come to; its default is the state of a stream without events. The host keeps it as JSON
    /// between calls.
    type State: Serialize + DeserializeOwned + Default;

    /// Called once a file, before anything else, without an instance. A new
    /// [`state_version`](crate::Manifest::state_version) folds all states anew.
    fn manifest() -> Manifest;

    /// Called once an instance. The error stops this generation of the plugin and is shown to the operator.
    fn init(config: Self::Config) -> Result<Self, String>;

    /// The state after one more event. What happened can't be refused here: a problem says that the event can't be read.
    fn evolve(&self, state: Self::State, event: &Event) -> Result<Self::State, Problem>;

    /// What happens when this command meets this state: events, in order, or a rejection.
    fn decide(&mut self, state: &Self::State, command: &Command) -> Result<Vec<NewEvent>, Rejection>;

    /// The state as the host keeps it; none is the initial one, as of a stream without events. Override both this and
    /// [`read_state`](Self::read_state), or neither.
    fn write_state(state: &Self::State) -> Result<Option<Payload>, Problem> {
        Payload::of(state).map(Some)
    }

    /// The state from what the host kept.
    fn read_state(kept: &Payload) -> Result<Self::State, Problem> {
        let named =
            |problem: Problem| Problem::new("state-unexpected", format!("The state does not fit: {}", problem.message));
        kept.json().map_err(named)
    }
}

impl Rejection {
    /// The command itself is wrong, whatever the state.
    ///
    /// ```
    /// use weir_plugin_sdk::{Problem, Rejection};
    /// assert_eq!(Rejection::invalid("no-amount", "An amount is needed"), Problem::new("no-amount", "An amount is needed").into());
    /// ```
    pub fn invalid(code: impl Into<String>, message: impl Into<String>) -> Self {
        Problem::new(code, message).into()
    }

    /// The command is right, but not in this state.
    ///
    /// ```
    /// use weir_plugin_sdk::Rejection;
    /// assert!(matches!(Rejection::conflict("closed", "It is closed"), Rejection::Conflict(problem) if problem.code == "closed"));
    /// ```
    pub fn conflict(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Conflict(Problem::new(code, message))
    }
}

/// A payload that does not fit makes the command invalid, so that `command.json()?` says what it should.
impl From<Problem> for Rejection {
    fn from(problem: Problem) -> Self {
        Self::Invalid(vec![problem])
    }
}

/// The state that these events make of what the host kept.
pub(crate) fn fold<T: Decider>(
    plugin: &T,
    kept: Option<&Payload>,
    events: &[Event],
) -> Result<Option<Payload>, Problem> {
    let state = kept.map_or_else(|| Ok(T::State::default()), T::read_state)?;
    let state = events.iter().try_fold(state, |state, event| plugin.evolve(state, event))?;
    T::write_state(&state)
}

/// What the plugin says to a command. A state that can't be read is not the command's fault.
pub(crate) fn decide<T: Decider>(
    plugin: &mut T,
    kept: Option<&Payload>,
    command: &Command,
) -> Result<Vec<NewEvent>, Rejection> {
    match kept.map_or_else(|| Ok(T::State::default()), T::read_state) {
        Ok(state) => plugin.decide(&state, command),
        Err(problem) => Err(Rejection::Failed(problem)),
    }
}

/// Makes a [`Decider`] the component's exports. Once a crate, at its top level; natively it only checks the trait.
#[macro_export]
macro_rules! export_decider {
    ($plugin:ty) => {
        $crate::__export!($plugin => DeciderComponent, life, decider);
    };
}

/// Turns the exported functions into calls of the trait.
pub(crate) mod glue {
    use std::marker::PhantomData;

    use super::{Command, Decider, Event, NewEvent, Payload, Problem, Rejection};
    use crate::bindings::decider::exports::weir::plugin::deciding;
    use crate::slot;

    /// The exports of one plugin type.
    pub struct Component<T: Decider>(PhantomData<T>);

    crate::slot::lifecycle!(Decider);

    impl<T: Decider> deciding::Guest for Component<T> {
        fn evolve(state: Option<Payload>, events: Vec<Event>) -> Result<Option<Payload>, Problem> {
            slot::with(|plugin: &mut T| super::fold(plugin, state.as_ref(), &events))
        }

        fn decide(state: Option<Payload>, command: Command) -> Result<Vec<NewEvent>, Rejection> {
            slot::with(|plugin: &mut T| super::decide(plugin, state.as_ref(), &command))
        }
    }
}
