//! The kind `sink`: delivers stored events to a target outside. It alone has the network and a clock.
//! A sink does not keep positions, does not wait and does not try again: it says what happened, and the host decides.

use serde::de::{Deserialize, DeserializeOwned};

pub use crate::bindings::sink::exports::weir::plugin::sinking::{Receipt, Rest, Retry, Target};
use crate::{Event, Manifest, Problem};

/// A plugin that delivers events. Export it with [`export_sink!`](crate::export_sink).
///
/// ```
/// use weir_plugin_sdk::{Event, Http, Manifest, NoConfig, Receipt, Sink, Target};
///
/// struct Lines;
///
/// impl Sink for Lines {
///     type Config = NoConfig;
///     fn manifest() -> Manifest { Manifest::new("lines", "1.0.0").wish_http("lines.example", &["POST"]) }
///     fn init(_: NoConfig) -> Result<Self, String> { Ok(Self) }
///     fn deliver(&mut self, _: &Target, batch: &[Event]) -> Receipt {
///         let ids: Vec<&str> = batch.iter().map(|event| event.id.as_str()).collect();
///         match Http::post("https://lines.example/").body(ids.join("\n")).send() {
///             Ok(answer) if answer.is_success() => Receipt::done(batch),
///             Ok(answer) => Receipt::retry(0, format!("status {}", answer.status)),
///             Err(error) => Receipt::retry(0, error.to_string()),
///         }
///     }
/// }
/// weir_plugin_sdk::export_sink!(Lines);
/// ```
pub trait Sink: Sized + 'static {
    /// The operator's configuration, read from the side-car file; [`NoConfig`](crate::NoConfig) if there is none.
    type Config: DeserializeOwned;

    /// Called once a file, before anything else, without an instance.
    fn manifest() -> Manifest;

    /// Called once an instance. The error stops this generation of the plugin and is shown to the operator.
    fn init(config: Self::Config) -> Result<Self, String>;

    /// A consumer registers: refuse its configuration, or accept it. Accepts everything by default.
    fn check(&mut self, target: &Target) -> Result<(), Vec<Problem>> {
        let _ = target;
        Ok(())
    }

    /// Delivers the batch in order and says how far it came.
    fn deliver(&mut self, target: &Target, batch: &[Event]) -> Receipt;
}

impl Target {
    /// The consumer's configuration as a type of the plugin's own.
    ///
    /// ```
    /// use weir_plugin_sdk::Target;
    /// let target = Target { id: "c1".into(), config_json: r#"{"path":"/tmp"}"#.into() };
    /// #[derive(serde::Deserialize)]
    /// struct Config { path: String }
    /// assert_eq!(target.config::<Config>().unwrap().path, "/tmp");
    /// assert_eq!(target.config::<u8>().unwrap_err().code, "config-unexpected");
    /// ```
    pub fn config<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Problem> {
        serde_json::from_str(&self.config_json).map_err(|error| Problem::new("config-unexpected", error.to_string()))
    }
}

impl Receipt {
    /// Everything was delivered.
    ///
    /// ```
    /// assert_eq!(weir_plugin_sdk::Receipt::done(&[]).accepted, 0);
    /// ```
    pub fn done(batch: &[Event]) -> Self {
        Self { accepted: u32::try_from(batch.len()).unwrap_or(u32::MAX), rest: Rest::Done }
    }

    /// `accepted` events were delivered; try the others again when the host's back-off says so.
    ///
    /// ```
    /// use weir_plugin_sdk::{Receipt, Rest};
    /// assert!(matches!(Receipt::retry(2, "status 500").rest, Rest::Retry(retry) if retry.after_ms.is_none()));
    /// ```
    pub fn retry(accepted: u32, reason: impl Into<String>) -> Self {
        Self { accepted, rest: Rest::Retry(Retry { after_ms: None, reason: reason.into() }) }
    }

    /// `accepted` events were delivered; try the others again after the time that the other side named.
    ///
    /// ```
    /// use weir_plugin_sdk::{Receipt, Rest};
    /// let receipt = Receipt::retry_after(0, 2_000, "status 429");
    /// assert!(matches!(receipt.rest, Rest::Retry(retry) if retry.after_ms == Some(2_000)));
    /// ```
    pub fn retry_after(accepted: u32, after_ms: u64, reason: impl Into<String>) -> Self {
        Self { accepted, rest: Rest::Retry(Retry { after_ms: Some(after_ms), reason: reason.into() }) }
    }

    /// `accepted` events were delivered; the one after them can never be, the others may.
    ///
    /// ```
    /// use weir_plugin_sdk::{Problem, Receipt, Rest};
    /// assert!(matches!(Receipt::poison(1, Problem::new("too-big", "Too big")).rest, Rest::Poison(_)));
    /// ```
    pub fn poison(accepted: u32, problem: Problem) -> Self {
        Self { accepted, rest: Rest::Poison(problem) }
    }

    /// `accepted` events were delivered; the target wants no more, ever.
    ///
    /// ```
    /// use weir_plugin_sdk::{Problem, Receipt, Rest};
    /// assert!(matches!(Receipt::gone(0, Problem::new("gone", "Gone")).rest, Rest::Gone(_)));
    /// ```
    pub fn gone(accepted: u32, problem: Problem) -> Self {
        Self { accepted, rest: Rest::Gone(problem) }
    }
}

/// Makes a [`Sink`] the component's exports. Once a crate, at its top level; natively it only checks the trait.
#[macro_export]
macro_rules! export_sink {
    ($plugin:ty) => {
        $crate::__export!($plugin => SinkComponent, life, sink);
    };
}

/// Turns the exported functions into calls of the trait.
pub(crate) mod glue {
    use std::marker::PhantomData;

    use super::{Event, Problem, Receipt, Sink, Target};
    use crate::bindings::sink::exports::weir::plugin::sinking;
    use crate::slot;

    /// The exports of one plugin type.
    pub struct Component<T: Sink>(PhantomData<T>);

    crate::slot::lifecycle!(Sink);

    impl<T: Sink> sinking::Guest for Component<T> {
        fn check(target: Target) -> Result<(), Vec<Problem>> {
            slot::with(|plugin: &mut T| plugin.check(&target))
        }

        fn deliver(target: Target, batch: Vec<Event>) -> Receipt {
            slot::with(|plugin: &mut T| plugin.deliver(&target, &batch))
        }
    }
}
