//! Everything that must hold before a change goes in. The test runner comes last, so that its own summary is the end of
//! the output.

use crate::bench;
use crate::run::{Failure, cargo, output};

/// Format, lints, licences on CI, instruction counts on CI, doc tests, tests.
pub fn test(args: &[String]) -> Result<(), Failure> {
    cargo(&["fmt", "--all", "--check"], &[])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"], &[])?;
    audit_on_ci()?;
    bench::guard_on_ci()?;
    if has("nextest") {
        cargo(&["test", "--workspace", "--doc", "--quiet"], &[])?;
        cargo(&["nextest", "run", "--workspace"], args)
    } else {
        eprintln!("cargo-nextest is not installed: plain `cargo test` does as well, only slower");
        cargo(&["test", "--workspace"], args)
    }
}

/// Bans, licences and sources as `deny.toml` says. Advisories are not looked up: they change without any change here.
pub fn audit() -> Result<(), Failure> {
    if !has("deny") {
        return Err(Failure::new(
            "cargo-deny is not installed; `cargo install cargo-deny --locked` takes some minutes",
        ));
    }
    cargo(&["deny", "check", "bans", "licenses", "sources"], &[])
}

/// Part of the tests only on CI and only where the tool is: compiling it takes longer than all tests together.
fn audit_on_ci() -> Result<(), Failure> {
    if std::env::var_os("CI").is_some() && has("deny") { audit() } else { Ok(()) }
}

fn has(subcommand: &str) -> bool {
    output("cargo", &[subcommand, "--version"]).is_some()
}
