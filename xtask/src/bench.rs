//! Measurements: builds what is measured and what measures, each by itself, so that neither changes the features of the
//! other's dependencies.

use std::process::Command;

use crate::run::{Failure, cargo, finish, output, target_dir};

pub fn run(args: &[String]) -> Result<(), Failure> {
    match args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some(("plugins", rest)) => cargo(&["run", "--release", "-p", "weir-bench-plugins", "--"], rest),
        Some(("guard", rest)) if of_tests(rest) => guard_of_tests(rest),
        _ => {
            cargo(&["build", "--release", "-p", "weir"], &[])?;
            cargo(&["run", "--release", "-p", "weir-bench", "--"], args)
        }
    }
}

/// Counts instructions of the server that the tests start, in the build that they have anyway: another takes minutes.
fn guard_of_tests(args: &[String]) -> Result<(), Failure> {
    cargo(&["test", "--workspace", "--no-run", "--quiet"], &[])?;
    let built = target_dir().join("debug");
    let mut bench = Command::new(built.join("weir-bench"));
    bench.arg("guard").arg("--weir").arg(built.join("weir-under-test")).args(args);
    finish(bench, &format!("weir-bench guard {}", args.join(" ")))
}

fn of_tests(args: &[String]) -> bool {
    args.windows(2).any(|pair| pair == ["--build", "test"]) || args.iter().any(|arg| arg == "--build=test")
}

/// A part of the tests only on CI, and only where the tool is: it takes a minute, and no other test needs valgrind.
pub fn guard_on_ci() -> Result<(), Failure> {
    if std::env::var_os("CI").is_none() {
        return Ok(());
    }
    if output("valgrind", &["--version"]).is_none() {
        eprintln!(
            "instructions of a publish are not counted: valgrind is not installed (Debian: apt install valgrind)"
        );
        return Ok(());
    }
    guard_of_tests(&["--build".to_owned(), "test".to_owned()])
}
