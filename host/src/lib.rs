//! Weir: an event store that teams extend with WebAssembly. ARCHITECTURE.md is the map of this crate.

#![deny(unsafe_code)]

pub mod artifacts;
pub mod cli;
pub mod config;
pub mod delivery;
pub mod engine;
#[doc(hidden)]
pub mod fuzzing;
pub mod http;
pub mod model;
pub mod plugin;
pub mod server;
pub mod storage;

/// A publish makes some dozens of short-lived allocations that cross threads; the C library's allocator spent a tenth of
/// the server's time on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
