//! Stories of the plugin room, played with real components: small ones, written as WebAssembly text in `guests.rs`, so that
//! no build step stands before the tests.

mod calls;
mod files;
pub mod guests;
pub mod house;
mod lifecycle;
mod sinks;
mod stories;
