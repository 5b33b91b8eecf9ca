//! The kind `upcaster`: shows recorded events in their newest form, so that readers need not know old ones. The log keeps
//! what it has. It may change type, payload, tags and metadata; what an event is and where it stands is not its to change.

use serde::de::DeserializeOwned;

use crate::{Event, Manifest, Problem};

/// A plugin that brings old events to their newest form. Export it with [`export_upcaster!`](crate::export_upcaster).
///
/// ```
/// use weir_plugin_sdk::{Event, Manifest, NoConfig, Problem, Upcaster};
///
/// struct FullNames;
///
/// #[derive(serde::Deserialize)]
/// struct Old { first: String, last: String }
///
/// impl Upcaster for FullNames {
///     type Config = NoConfig;
///     fn manifest() -> Manifest { Manifest::new("full-names", "1.0.0").interest(&["people"], &["joined"]) }
///     fn init(_: NoConfig) -> Result<Self, String> { Ok(Self) }
///     fn upcast(&mut self, mut event: Event) -> Result<Event, Problem> {
///         let old: Old = event.json()?;
///         event.event_type = "joined-v2".into();
///         event.with_json(&format!("{} {}", old.first, old.last))
///     }
/// }
/// weir_plugin_sdk::export_upcaster!(FullNames);
///
/// # #[cfg(not(target_family = "wasm"))] {
/// use weir_plugin_sdk::testing::{event, upcaster};
/// upcaster::<FullNames>()
///     .given(event("people", 1, "joined", r#"{"first":"Ann","last":"Lee"}"#))
///     .then(event("people", 1, "joined-v2", r#""Ann Lee""#));
/// # }
/// ```
pub trait Upcaster: Sized + 'static {
    /// The operator's configuration, read from the side-car file; [`NoConfig`](crate::NoConfig) if there is none.
    type Config: DeserializeOwned;

    /// Called once a file, before anything else, without an instance.
    fn manifest() -> Manifest;

    /// Called once an instance. The error stops this generation of the plugin and is shown to the operator.
    fn init(config: Self::Config) -> Result<Self, String>;

    /// The event in its newest form; one that is new already comes back as it is.
    fn upcast(&mut self, event: Event) -> Result<Event, Problem>;

    /// The same events, in the same order.
    fn upcast_batch(&mut self, batch: Vec<Event>) -> Result<Vec<Event>, Problem> {
        batch.into_iter().map(|event| self.upcast(event)).collect()
    }
}

/// Makes an [`Upcaster`] the component's exports. Once a crate, at its top level; natively it only checks the trait.
#[macro_export]
macro_rules! export_upcaster {
    ($plugin:ty) => {
        $crate::__export!($plugin => UpcasterComponent, life, upcaster);
    };
}

/// Turns the exported functions into calls of the trait.
pub(crate) mod glue {
    use std::marker::PhantomData;

    use super::{Event, Problem, Upcaster};
    use crate::bindings::upcaster::exports::weir::plugin::upcasting;
    use crate::slot;

    /// The exports of one plugin type.
    pub struct Component<T: Upcaster>(PhantomData<T>);

    crate::slot::lifecycle!(Upcaster);

    impl<T: Upcaster> upcasting::Guest for Component<T> {
        fn upcast(batch: Vec<Event>) -> Result<Vec<Event>, Problem> {
            slot::with(|plugin: &mut T| plugin.upcast_batch(batch))
        }
    }
}
