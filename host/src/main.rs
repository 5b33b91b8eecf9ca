//! The `weir` program: one server, and the tools that talk to it.

use std::process::ExitCode;

use clap::Parser;

/// A publish makes some dozens of short-lived allocations that cross threads; the C library's allocator spent a tenth of
/// the server's time on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    weir::cli::run(weir::cli::Cli::parse())
}
