//! The clock, for sinks alone: pure kinds have the events' own times and nothing else.

/// Now, in Unix milliseconds. In a native test it is what [`testing::Host::set_now_ms`] set.
///
/// [`testing::Host::set_now_ms`]: crate::testing::Host::set_now_ms
///
/// ```
/// # #[cfg(not(target_family = "wasm"))] {
/// let host = weir_plugin_sdk::testing::Host::new();
/// host.set_now_ms(1_000);
/// assert_eq!(weir_plugin_sdk::clock::now_ms(), 1_000);
/// # }
/// ```
pub fn now_ms() -> u64 {
    #[cfg(target_family = "wasm")]
    return crate::bindings::shared::weir::plugin::clock::now_ms();
    #[cfg(not(target_family = "wasm"))]
    return crate::testing::now_ms();
}
