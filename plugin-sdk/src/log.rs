//! Tracing lines and numbers of the plugin's own. They go to the server's tracing and metrics with the plugin's name;
//! in a native test they are kept by [`testing::Host`](crate::testing::Host).

pub use crate::bindings::shared::weir::plugin::log::Level;

/// Writes one line; [`info!`](crate::info) and its sisters are shorter.
///
/// ```
/// use weir_plugin_sdk::log::{Level, write};
/// write(Level::Info, "topic configured", &[("topic".to_owned(), "orders".to_owned())]);
/// ```
pub fn write(level: Level, message: &str, fields: &[(String, String)]) {
    #[cfg(target_family = "wasm")]
    crate::bindings::shared::weir::plugin::log::write(level, message, fields);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::write(level, message, fields);
}

/// Adds to a counter of the plugin's own.
///
/// ```
/// weir_plugin_sdk::log::count("refused", 1);
/// ```
pub fn count(name: &str, delta: u64) {
    #[cfg(target_family = "wasm")]
    crate::bindings::shared::weir::plugin::log::count(name, delta);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::count(name, delta);
}

/// Sets a gauge of the plugin's own.
///
/// ```
/// weir_plugin_sdk::log::gauge("schemas", 3.0);
/// ```
pub fn gauge(name: &str, value: f64) {
    #[cfg(target_family = "wasm")]
    crate::bindings::shared::weir::plugin::log::gauge(name, value);
    #[cfg(not(target_family = "wasm"))]
    crate::testing::gauge(name, value);
}

#[doc(hidden)]
#[macro_export]
macro_rules! __write {
    ($level:ident, $($key:ident = $value:expr),+ ; $($message:tt)+) => {
        $crate::log::write(
            $crate::log::Level::$level,
            &::std::format!($($message)+),
            &[$((::std::stringify!($key).to_owned(), ::std::string::ToString::to_string(&$value))),+],
        )
    };
    ($level:ident, $($message:tt)+) => {
        $crate::log::write($crate::log::Level::$level, &::std::format!($($message)+), &[])
    };
}

/// A line for developers only: `trace!("text {}", value)`, or `trace!(key = value; "text")` with fields.
///
/// ```
/// weir_plugin_sdk::trace!("looked at {} events", 3);
/// ```
#[macro_export]
macro_rules! trace { ($($line:tt)+) => { $crate::__write!(Trace, $($line)+) } }

/// A line for whoever looks for a fault; forms as in [`trace!`](crate::trace).
///
/// ```
/// weir_plugin_sdk::debug!(event = "orders-1"; "delivered");
/// ```
#[macro_export]
macro_rules! debug { ($($line:tt)+) => { $crate::__write!(Debug, $($line)+) } }

/// A line about the normal run; forms as in [`trace!`](crate::trace).
///
/// ```
/// weir_plugin_sdk::info!(topic = "orders", schemas = 2; "topic configured");
/// ```
#[macro_export]
macro_rules! info { ($($line:tt)+) => { $crate::__write!(Info, $($line)+) } }

/// A line about something odd that was dealt with; forms as in [`trace!`](crate::trace).
///
/// ```
/// weir_plugin_sdk::warn!("answered with status {}", 503);
/// ```
#[macro_export]
macro_rules! warn { ($($line:tt)+) => { $crate::__write!(Warn, $($line)+) } }

/// A line about something that went wrong; forms as in [`trace!`](crate::trace).
///
/// ```
/// weir_plugin_sdk::error!("no answer");
/// ```
#[macro_export]
macro_rules! error { ($($line:tt)+) => { $crate::__write!(Error, $($line)+) } }
