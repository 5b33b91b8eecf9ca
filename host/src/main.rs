//! The `weir` program: one server, and the tools that talk to it.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    weir::cli::run(weir::cli::Cli::parse())
}
