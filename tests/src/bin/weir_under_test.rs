//! The `weir` program as the tests start it.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    weir::cli::run(weir::cli::Cli::parse())
}
