//! The kind `validator`: looks at events before they are stored and accepts, changes or refuses them.
//! A validator is pure: it has no clock, no randomness and no network, so the same events always get the same verdicts.

use serde::de::DeserializeOwned;

pub use crate::bindings::validator::exports::weir::plugin::validating::{Topic, Verdict};
use crate::{Command, Manifest, NewEvent, Payload, Problem};

/// A plugin that decides whether events may be stored. Export it with [`export_validator!`](crate::export_validator).
///
/// ```
/// use weir_plugin_sdk::{Manifest, NewEvent, Problem, Validator, Verdict};
///
/// struct Short { bytes_max: usize }
///
/// #[derive(serde::Deserialize)]
/// struct Config { bytes_max: usize }
///
/// impl Validator for Short {
///     type Config = Config;
///     fn manifest() -> Manifest { Manifest::new("short", "1.0.0") }
///     fn init(config: Config) -> Result<Self, String> { Ok(Self { bytes_max: config.bytes_max }) }
///     fn validate(&mut self, event: &NewEvent) -> Verdict {
///         match event.payload.as_json() {
///             Some(text) if text.len() <= self.bytes_max => Verdict::Accept,
///             _ => Verdict::refuse(Problem::new("too-long", "The payload is too long")),
///         }
///     }
/// }
/// weir_plugin_sdk::export_validator!(Short);
/// ```
pub trait Validator: Sized + 'static {
    /// The operator's configuration, read from the side-car file; [`NoConfig`](crate::NoConfig) if there is none.
    type Config: DeserializeOwned;

    /// Called once a file, before anything else, without an instance.
    fn manifest() -> Manifest;

    /// Called once an instance. The error stops this generation of the plugin and is shown to the operator.
    fn init(config: Self::Config) -> Result<Self, String>;

    /// A topic was created or changed: refuse its configuration, or remember it. Accepts everything by default.
    fn configure(&mut self, topic: &Topic) -> Result<(), Vec<Problem>> {
        let _ = topic;
        Ok(())
    }

    /// The verdict on one event.
    fn validate(&mut self, event: &NewEvent) -> Verdict;

    /// One verdict an event, in the same order. Override it only where events must be seen together.
    fn validate_batch(&mut self, batch: &[NewEvent]) -> Vec<Verdict> {
        batch.iter().map(|event| self.validate(event)).collect()
    }
}

/// A validator that has a say in commands too, before their decider sees them.
///
/// ```
/// use weir_plugin_sdk::{Command, Guards, Manifest, NewEvent, NoConfig, Payload, Problem, Validator, Verdict};
///
/// struct Frozen;
///
/// impl Validator for Frozen {
///     type Config = NoConfig;
///     fn manifest() -> Manifest { Manifest::new("frozen", "1.0.0") }
///     fn init(_: NoConfig) -> Result<Self, String> { Ok(Self) }
///     fn validate(&mut self, _: &NewEvent) -> Verdict { Verdict::Accept }
/// }
///
/// impl Guards for Frozen {
///     fn guard(&mut self, state: Option<&Payload>, command: &Command) -> Result<(), Vec<Problem>> {
///         match state.and_then(Payload::as_json) {
///             Some(r#""frozen""#) if command.name != "thaw" => Err(vec![Problem::new("FROZEN", "It is frozen")]),
///             _ => Ok(()),
///         }
///     }
/// }
/// weir_plugin_sdk::export_validator_with_guards!(Frozen);
///
/// # #[cfg(not(target_family = "wasm"))] {
/// use weir_plugin_sdk::testing::{command, validator};
/// validator::<Frozen>()
///     .guard(None, command("freeze", "lakes", "como", "{}")).then_accepted()
///     .guard(Some(r#""frozen""#), command("swim", "lakes", "como", "{}")).then_rejected([Problem::new("FROZEN", "It is frozen")]);
/// # }
/// ```
pub trait Guards: Validator {
    /// Refuses a command for this state of its stream, or lets it pass; no state is an initial one.
    fn guard(&mut self, state: Option<&Payload>, command: &Command) -> Result<(), Vec<Problem>>;
}

impl Verdict {
    /// Refuses the event for one reason.
    ///
    /// ```
    /// use weir_plugin_sdk::{Problem, Verdict};
    /// let Verdict::Reject(problems) = Verdict::refuse(Problem::new("no", "No")) else { panic!() };
    /// assert_eq!(problems.len(), 1);
    /// ```
    pub fn refuse(problem: Problem) -> Self {
        Self::Reject(vec![problem])
    }

    /// Accepts the event with another payload.
    ///
    /// ```
    /// use weir_plugin_sdk::{Payload, Verdict};
    /// assert_eq!(Verdict::replace_with(&[1]), Verdict::Replace(Payload::Json("[1]".into())));
    /// ```
    pub fn replace_with<T: serde::Serialize + ?Sized>(value: &T) -> Self {
        match Payload::of(value) {
            Ok(payload) => Self::Replace(payload),
            Err(problem) => Self::refuse(problem),
        }
    }
}

/// Makes a [`Validator`] the component's exports. Once a crate, at its top level; natively it only checks the trait.
#[macro_export]
macro_rules! export_validator {
    ($plugin:ty) => {
        $crate::__export!($plugin => ValidatorComponent, life, validator);
    };
}

/// Makes a [`Validator`] with [`Guards`] the component's exports. Once a crate, at its top level, instead of
/// [`export_validator!`](crate::export_validator).
#[macro_export]
macro_rules! export_validator_with_guards {
    ($plugin:ty) => {
        const _: () = _ = <$plugin as $crate::Guards>::guard;
        $crate::__export!($plugin => ValidatorComponent, life, validator, guards);
    };
}

/// Turns the exported functions into calls of the traits.
pub(crate) mod glue {
    use std::marker::PhantomData;

    use super::{Command, Guards, NewEvent, Payload, Problem, Topic, Validator, Verdict};
    use crate::bindings::guards::exports::weir::plugin::guarding;
    use crate::bindings::validator::exports::weir::plugin::validating;
    use crate::slot;

    /// The exports of one plugin type.
    pub struct Component<T: Validator>(PhantomData<T>);

    crate::slot::lifecycle!(Validator);

    impl<T: Validator> validating::Guest for Component<T> {
        fn configure(topic: Topic) -> Result<(), Vec<Problem>> {
            slot::with(|plugin: &mut T| plugin.configure(&topic))
        }

        fn validate(batch: Vec<NewEvent>) -> Vec<Verdict> {
            slot::with(|plugin: &mut T| plugin.validate_batch(&batch))
        }
    }

    impl<T: Guards> guarding::Guest for Component<T> {
        fn guard(state: Option<Payload>, command: Command) -> Result<(), Vec<Problem>> {
            slot::with(|plugin: &mut T| plugin.guard(state.as_ref(), &command))
        }
    }
}
