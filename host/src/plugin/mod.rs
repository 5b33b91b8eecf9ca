//! The plugin room: WebAssembly components that are loaded, called with limits, replaced while calls run, and never
//! trusted. It hands back what a guest returned; what that means is decided above.
//!
//! No WIT type and no wasmtime type leaves this room. **Invariant:** whatever a guest does (traps, loops, grows, lies),
//! only its own call fails.

mod actions;
mod archive;
mod bindings;
mod breaker;
mod cache;
mod config;
mod decider;
mod directory;
mod engines;
pub(crate) mod fuzzing;
mod generation;
mod grants;
mod guest;
mod http;
mod inspect;
mod instance;
mod lift;
mod load;
mod load_error;
mod lower;
mod manifest;
mod memory;
mod plugins;
mod pool;
mod process_manager;
mod projection;
mod pulse;
mod refresh;
mod rehearse;
mod reporter;
mod secrets;
mod sidecar;
mod signature;
mod sink;
mod slot;
mod stats;
mod upcaster;
mod validator;
mod view;
mod wasi;
mod watch;
mod words;
mod workbench;
mod workshop;

pub use actions::ActionError;
pub use archive::Kept;
pub use config::{Embedded, PluginsConfig, PluginsError};
pub use decider::{Bound, Decider};
pub use load_error::LoadError;
pub use plugins::{PluginMetric, Plugins};
pub use process_manager::{ProcessManager, Reaction};
pub use projection::Projection;
pub use pulse::Pulse;
pub use rehearse::{Change, Replay};
pub use reporter::Metric;
pub use sidecar::{Consistency, Faults, Grants, HttpAllow, OnTrap, PluginLimits, Reload, ReloadMode, Sidecar};
pub use signature::{KeyError, SigningKey, TrustedKeys};
pub use sink::Sink;
pub use stats::{CallStats, LATENCY_BOUNDS_US};
pub use upcaster::Upcaster;
pub use validator::Validator;
pub use view::{MemoryView, Overlay, ViewBase, ViewWrites};
pub use words::{
    Action, Command, Fault, HttpClient, HttpError, HttpGrant, HttpRequest, HttpResponse, HttpRule, Interest, Kind,
    PluginError, PluginId, PluginStatus, Receipt, Recipe, Refusal, Rehearsal, Rejection, Rest, Serving, State, Target,
    Timer, TopicSetting, Verdict,
};
pub use workbench::{Wish, Workbench, Workpiece};
pub use workshop::threads_beside_requests;

/// Unix milliseconds: for people and for sinks, never for a decision.
fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
