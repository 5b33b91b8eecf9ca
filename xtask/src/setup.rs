//! Prepares a machine: the WebAssembly target. Toolchains and system packages are not installed here.

use std::path::Path;
use std::process::Command;

use crate::run::{Failure, finish, output};

pub const TARGET: &str = "wasm32-wasip2";

/// Adds the target if the toolchain does not have it.
pub fn target() -> Result<(), Failure> {
    if installed() {
        return Ok(());
    }
    if output("rustup", &["--version"]).is_none() {
        return Err(Failure::new(format!(
            "the toolchain lacks the target {TARGET}, and rustup, which could add it, is not installed; \
             install rustup (https://rustup.rs) or the target's rust-std from your distribution"
        )));
    }
    let mut command = Command::new("rustup");
    command.args(["target", "add", TARGET]);
    finish(command, &format!("rustup target add {TARGET}"))
}

/// Looks for the target's own standard library, which is there no matter who installed the toolchain.
fn installed() -> bool {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    output(&rustc, &["--print", "target-libdir", "--target", TARGET]).is_some_and(|dir| Path::new(dir.trim()).is_dir())
}
