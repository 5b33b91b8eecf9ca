//! The kind `projection`: folds stored events into a view, and answers queries from it if it has any.
//! A projection is pure: the same events always make the same view, so the server may build it anew at any time.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Event, Manifest, Params, Problem, View};

/// A plugin that folds events into a [`View`]. Export it with [`export_projection!`](crate::export_projection), or, if it
/// has [`Queries`], with [`export_projection_with_queries!`](crate::export_projection_with_queries).
///
/// ```
/// use weir_plugin_sdk::{Event, Manifest, NoConfig, Problem, Projection, View};
///
/// struct Types;
///
/// impl Projection for Types {
///     type Config = NoConfig;
///     fn manifest() -> Manifest { Manifest::new("types", "1.0.0") }
///     fn init(_: NoConfig) -> Result<Self, String> { Ok(Self) }
///     fn apply(&mut self, event: &Event, view: &View) -> Result<(), Problem> {
///         view.update(&event.event_type, |count: Option<u64>| count.unwrap_or_default() + 1)
///     }
/// }
/// weir_plugin_sdk::export_projection!(Types);
///
/// # #[cfg(not(target_family = "wasm"))] {
/// use weir_plugin_sdk::testing::{event, projection};
/// projection::<Types>().given([event("orders", 1, "placed", "{}")]).then_view("placed", 1);
/// # }
/// ```
pub trait Projection: Sized + 'static {
    /// The operator's configuration, read from the side-car file; [`NoConfig`](crate::NoConfig) if there is none.
    type Config: DeserializeOwned;

    /// Called once a file, before anything else, without an instance. A new
    /// [`state_version`](crate::Manifest::state_version) builds the view anew.
    fn manifest() -> Manifest;

    /// Called once an instance, which has no view yet. The error stops this generation of the plugin.
    fn init(config: Self::Config) -> Result<Self, String>;

    /// Folds one event into the view. A problem stops the projection here, and nothing of the batch is stored; an event
    /// that means nothing to the view is no problem.
    fn apply(&mut self, event: &Event, view: &View) -> Result<(), Problem>;

    /// Folds a batch, in order. Override it only where reading and writing many keys at once is worth it.
    fn apply_batch(&mut self, batch: &[Event], view: &View) -> Result<(), Problem> {
        batch.iter().try_for_each(|event| self.apply(event, view))
    }
}

/// A projection that answers questions by itself, beyond the reading of keys that every view has.
///
/// ```
/// use weir_plugin_sdk::{Answer, Event, Manifest, NoConfig, Params, Problem, Projection, Queries, View};
///
/// struct Types;
///
/// impl Projection for Types {
///     type Config = NoConfig;
///     fn manifest() -> Manifest { Manifest::new("types", "1.0.0") }
///     fn init(_: NoConfig) -> Result<Self, String> { Ok(Self) }
///     fn apply(&mut self, event: &Event, view: &View) -> Result<(), Problem> {
///         view.put(&event.event_type, &event.position)
///     }
/// }
///
/// impl Queries for Types {
///     fn query(&mut self, name: &str, params: &Params, view: &View) -> Result<Answer, Problem> {
///         match name {
///             "last" => Answer::of(&view.get::<u64>(&params.require::<String>("type")?)?),
///             _ => Err(Problem::unknown_query(name)),
///         }
///     }
/// }
/// weir_plugin_sdk::export_projection_with_queries!(Types);
///
/// # #[cfg(not(target_family = "wasm"))] {
/// use weir_plugin_sdk::testing::{event, projection};
/// projection::<Types>()
///     .given([event("orders", 7, "placed", "{}")])
///     .query("last", &[("type", "placed")]).then_answer(7)
///     .query("first", &[]).then_problem("unknown-query");
/// # }
/// ```
pub trait Queries: Projection {
    /// Answers a query from the view, which is read-only here: a write ends the call.
    fn query(&mut self, name: &str, params: &Params, view: &View) -> Result<Answer, Problem>;
}

/// The answer to a query: JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer(String);

impl Answer {
    /// An answer from any value that serde can write.
    ///
    /// ```
    /// use weir_plugin_sdk::Answer;
    /// assert_eq!(Answer::of(&[1, 2]).unwrap().as_json(), "[1,2]");
    /// ```
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, Problem> {
        serde_json::to_string(value).map(Self).map_err(|error| Problem::new("answer-not-written", error.to_string()))
    }

    /// An answer that is JSON text already.
    ///
    /// ```
    /// assert_eq!(weir_plugin_sdk::Answer::json_text("null").as_json(), "null");
    /// ```
    pub fn json_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The JSON text.
    ///
    /// ```
    /// assert_eq!(weir_plugin_sdk::Answer::of("hi").unwrap().as_json(), r#""hi""#);
    /// ```
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

/// Makes a [`Projection`] the component's exports. Once a crate, at its top level; natively it only checks the trait.
#[macro_export]
macro_rules! export_projection {
    ($plugin:ty) => {
        $crate::__export!($plugin => ProjectionComponent, life, projection);
    };
}

/// Makes a [`Projection`] with [`Queries`] the component's exports. Once a crate, at its top level, instead of
/// [`export_projection!`](crate::export_projection).
#[macro_export]
macro_rules! export_projection_with_queries {
    ($plugin:ty) => {
        const _: () = _ = <$plugin as $crate::Queries>::query;
        $crate::__export!($plugin => ProjectionComponent, life, projection, queries);
    };
}

/// Turns the exported functions into calls of the traits.
pub(crate) mod glue {
    use std::marker::PhantomData;

    use super::{Event, Params, Problem, Projection, Queries, View};
    use crate::bindings::projection::exports::weir::plugin::projecting;
    use crate::bindings::queries::exports::weir::plugin::querying;
    use crate::slot;

    /// The exports of one plugin type.
    pub struct Component<T: Projection>(PhantomData<T>);

    crate::slot::lifecycle!(Projection);

    impl<T: Projection> projecting::Guest for Component<T> {
        fn apply(batch: Vec<Event>) -> Result<(), Problem> {
            slot::with(|plugin: &mut T| plugin.apply_batch(&batch, &View::open()))
        }
    }

    impl<T: Queries> querying::Guest for Component<T> {
        fn query(name: String, params: Vec<(String, String)>) -> Result<String, Problem> {
            let params = Params::from(params);
            slot::with(|plugin: &mut T| plugin.query(&name, &params, &View::open())).map(|answer| answer.0)
        }
    }
}
