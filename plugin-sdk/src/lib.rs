//! The Rust SDK for Weir plugins: WebAssembly components that check events before they are stored, make views and
//! decisions of them afterwards, or deliver them elsewhere.
//!
//! A plugin is a type that implements the trait of its kind, and one line that exports it. There are six kinds:
//!
//! | kind | it | trait | export |
//! | --- | --- | --- | --- |
//! | validator | accepts, changes or refuses events before they are stored | [`Validator`], [`Guards`] | [`export_validator!`], [`export_validator_with_guards!`] |
//! | upcaster | shows recorded events in their newest form | [`Upcaster`] | [`export_upcaster!`] |
//! | projection | folds events into a view, and answers queries | [`Projection`], [`Queries`] | [`export_projection!`], [`export_projection_with_queries!`] |
//! | decider | answers commands with events | [`Decider`] | [`export_decider!`] |
//! | process manager | reacts to events and timers with events and commands | [`ProcessManager`] | [`export_process_manager!`] |
//! | sink | delivers events elsewhere; it alone has network and clock | [`Sink`] | [`export_sink!`] |
//!
//! Build it as a `cdylib` for `wasm32-wasip2` and put the file into the server's plugin directory. The same code compiles
//! natively, where [`testing`] stands in for the server, so a plugin is unit-tested with plain `cargo test`.
//!
//! A whole projection, the sum of every customer's orders:
//!
//! ```
//! use weir_plugin_sdk::{Event, Manifest, NoConfig, Problem, Projection, View, export_projection};
//!
//! #[derive(serde::Deserialize)]
//! struct Order { customer: String, amount: u64 }
//!
//! struct Totals;
//!
//! impl Projection for Totals {
//!     type Config = NoConfig;
//!     fn manifest() -> Manifest {
//!         Manifest::new("totals", "1.0.0").interest(&["orders"], &["order-placed"])
//!     }
//!     fn init(_: NoConfig) -> Result<Self, String> {
//!         Ok(Self)
//!     }
//!     fn apply(&mut self, event: &Event, view: &View) -> Result<(), Problem> {
//!         let order: Order = event.json()?;
//!         view.update(&order.customer, |sum: Option<u64>| sum.unwrap_or_default() + order.amount)
//!     }
//! }
//!
//! export_projection!(Totals);
//! ```
//!
//! And its test:
//!
//! ```
//! # use weir_plugin_sdk::{Event, Manifest, NoConfig, Problem, Projection, View};
//! # struct Totals;
//! # impl Projection for Totals {
//! #     type Config = NoConfig;
//! #     fn manifest() -> Manifest { Manifest::new("totals", "1.0.0") }
//! #     fn init(_: NoConfig) -> Result<Self, String> { Ok(Self) }
//! #     fn apply(&mut self, _: &Event, view: &View) -> Result<(), Problem> { view.put("ann", &5) }
//! # }
//! use weir_plugin_sdk::testing::{event, projection};
//!
//! projection::<Totals>()
//!     .given([event("orders", 1, "order-placed", r#"{"customer":"ann","amount":2}"#)])
//!     .given([event("orders", 2, "order-placed", r#"{"customer":"ann","amount":3}"#)])
//!     .then_view("ann", 5);
//! ```
//!
//! A plugin that brings a `#[global_allocator]` of its own switches the default feature `allocator` off.
//!
//! Plugins run in pools, and an instance lives no longer than the server likes: what must last belongs into the view, or
//! into events, and never into the plugin's own fields.

#[doc(hidden)]
pub mod bindings;
pub mod clock;
mod command;
mod config;
mod decider;
mod event;
pub mod http;
pub mod log;
mod manifest;
mod params;
mod process_manager;
mod projection;
mod sink;
mod slot;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod upcaster;
mod validator;
mod view;

/// The same allocator as the one of the C library that a component has anyway, but compiled into its callers: a call of a
/// plugin is mostly strings that come and go.
#[cfg(all(target_family = "wasm", feature = "allocator"))]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

pub use command::{Command, NewCommand};
pub use config::NoConfig;
pub use decider::{Decider, Rejection};
pub use event::{Event, Metadata, NewEvent, Payload, Problem};
pub use http::Http;
pub use manifest::{HttpWish, Interest, Manifest, Wish};
pub use params::Params;
pub use process_manager::{Action, ProcessManager, Timer};
pub use projection::{Answer, Projection, Queries};
pub use sink::{Receipt, Rest, Retry, Sink, Target};
pub use upcaster::Upcaster;
pub use validator::{Guards, Topic, Validator, Verdict};
pub use view::{Scan, View};

/// What the export macros expand to; not for use by hand.
#[doc(hidden)]
pub mod glue {
    pub use crate::decider::glue::Component as DeciderComponent;
    pub use crate::process_manager::glue::Component as ProcessManagerComponent;
    pub use crate::projection::glue::Component as ProjectionComponent;
    pub use crate::sink::glue::Component as SinkComponent;
    pub use crate::upcaster::glue::Component as UpcasterComponent;
    pub use crate::validator::glue::Component as ValidatorComponent;
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_whole_projection_takes_no_more_than_twenty_lines() {
        let mut blocks = include_str!("lib.rs").split("//! ```\n");
        let example = blocks.find(|block| block.contains("impl Projection")).expect("the example of the crate's page");
        let plugin: Vec<&str> = example.lines().filter(|line| !line.starts_with("//! use ")).collect();
        assert!(plugin.last().is_some_and(|line| line.contains("export_projection!")), "{example}");
        // The blank line that parted it from its `use` is none of its own.
        let lines = plugin.len() - 1;
        assert!(lines <= 20, "{lines} lines");
    }
}
