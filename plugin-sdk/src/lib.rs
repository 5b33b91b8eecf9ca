//! The Rust SDK for Weir plugins: WebAssembly components that validate events before they are stored, or deliver them
//! elsewhere after that.
//!
//! A plugin is a type that implements the trait of its kind ([`Validator`], [`Sink`]) and one line that exports it
//! ([`export_validator!`], [`export_sink!`]). Build it as a `cdylib` for `wasm32-wasip2` and put the file into the
//! server's plugin directory. The same code compiles natively, where [`testing`] stands in for the server, so a plugin
//! is unit-tested with plain `cargo test`.
//!
//! ```
//! use weir_plugin_sdk::{Manifest, NewEvent, NoConfig, Problem, Validator, Verdict, export_validator};
//!
//! struct NoEmptyOrders;
//!
//! #[derive(serde::Deserialize)]
//! struct Order { lines: Vec<String> }
//!
//! impl Validator for NoEmptyOrders {
//!     type Config = NoConfig;
//!
//!     fn manifest() -> Manifest {
//!         Manifest::new("no-empty-orders", "1.0.0").interest(&["orders"], &["order-placed"])
//!     }
//!
//!     fn init(_: NoConfig) -> Result<Self, String> {
//!         Ok(Self)
//!     }
//!
//!     fn validate(&mut self, event: &NewEvent) -> Verdict {
//!         match event.json::<Order>() {
//!             Ok(order) if order.lines.is_empty() => Verdict::refuse(Problem::new("empty", "an order needs a line").at("/lines")),
//!             Ok(_) => Verdict::Accept,
//!             Err(problem) => Verdict::refuse(problem),
//!         }
//!     }
//! }
//!
//! export_validator!(NoEmptyOrders);
//! ```

#[doc(hidden)]
pub mod bindings;
pub mod clock;
mod config;
mod event;
pub mod http;
pub mod log;
mod manifest;
mod sink;
mod slot;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod validator;

pub use config::NoConfig;
pub use event::{Event, Metadata, NewEvent, Payload, Problem};
pub use http::Http;
pub use manifest::{HttpWish, Interest, Manifest, Wish};
pub use sink::{Receipt, Rest, Retry, Sink, Target};
pub use validator::{Topic, Validator, Verdict};

/// What the export macros expand to; not for use by hand.
#[doc(hidden)]
pub mod glue {
    pub use crate::sink::glue::Component as SinkComponent;
    pub use crate::validator::glue::Component as ValidatorComponent;
}
