//! Measurements: builds what is measured and what measures, each by itself, so that neither changes the features of the
//! other's dependencies; and installs the stores that Weir is compared with.

use std::process::Command;
use std::{fs, path::PathBuf};

use crate::run::{Failure, cargo, cargo_command, finish, output, root, target_dir};

/// A store from Debian: its name on the command line, a program of it, and its package.
const DEBIAN: [(&str, &str, &str); 3] = [
    ("postgres", "/usr/lib/postgresql/15/bin/postgres", "postgresql-15"),
    ("redis", "redis-server", "redis-server"),
    ("nats", "nats-server", "nats-server"),
];

/// A store from the Rust registry: its name on the command line, its program, crate and version.
const BUILT: [(&str, &str, &str, &str); 3] = [
    ("umadb", "umadb", "umadb", "0.7.8"),
    ("s2", "s2", "s2-cli", "0.43.4"),
    ("sierradb", "sierradb", "sierradb-server", "0.3.1"),
];

pub fn run(args: &[String]) -> Result<(), Failure> {
    match args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some(("plugins", rest)) => return cargo(&["run", "--release", "-p", "weir-bench-plugins", "--"], rest),
        Some(("guard", rest)) if of_tests(rest) => return guard_of_tests(rest),
        // What is not there is not waited for in a short run, which names it.
        Some(("compare", rest)) if !rest.iter().any(|arg| arg == "--short") => install(rest),
        _ => {}
    }
    cargo(&["build", "--release", "-p", "weir"], &[])?;
    cargo(&["run", "--release", "-p", "weir-bench", "--"], args)
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

/// Installs what is missing. Whatever can't be had is left to the comparison to name; the others are measured all the same.
fn install(args: &[String]) {
    let only = only(args);
    let chosen = |name: &str| only.is_empty() || only.contains(&name);
    let missing = |program: &str| output(program, &["--version"]).is_none();
    let packages = DEBIAN.iter().filter(|(name, program, _)| chosen(name) && missing(program));
    let mut packages: Vec<&str> = packages.map(|(_, _, package)| *package).collect();
    let crates: Vec<_> = BUILT.iter().filter(|(name, program, ..)| chosen(name) && missing(&built(program))).collect();
    // UmaDB's build reads its protocol with protoc.
    if crates.iter().any(|(name, ..)| *name == "umadb") && missing("protoc") {
        packages.push("protobuf-compiler");
    }
    if !packages.is_empty() {
        tell(debian(&packages));
    }
    for (_, program, package, version) in crates {
        tell(build(program, package, version));
    }
}

/// The names behind `--only`, in both its forms.
fn only(args: &[String]) -> Vec<&str> {
    let values = args.iter().enumerate().filter_map(|(at, arg)| match arg.strip_prefix("--only") {
        Some("") => args.get(at + 1).map(String::as_str),
        Some(rest) => rest.strip_prefix('='),
        None => None,
    });
    values.flat_map(|value| value.split(',')).collect()
}

fn tell(done: Result<(), Failure>) {
    if let Err(failure) = done {
        eprintln!("\n*** {failure}\n");
    }
}

fn debian(packages: &[&str]) -> Result<(), Failure> {
    let shown = format!("apt-get install {}", packages.join(" "));
    let is_root = output("id", &["-u"]).is_some_and(|id| id.trim() == "0");
    if !is_root || output("apt-get", &["--version"]).is_none() {
        return Err(Failure::new(format!("`{shown}` needs root on Debian; what it would bring is not measured")));
    }
    let mut update = Command::new("apt-get");
    update.args(["update", "-q"]);
    finish(update, "apt-get update")?;
    let mut install = Command::new("apt-get");
    install.args(["install", "-yq", "--no-install-recommends"]).args(packages).env("DEBIAN_FRONTEND", "noninteractive");
    finish(install, &shown)
}

/// Below `target`, and nowhere else. Why it could not be built is written beside, for the comparison to say.
fn build(program: &str, package: &str, version: &str) -> Result<(), Failure> {
    let shown = format!("cargo install --locked {package} --version {version}");
    let mut cargo = cargo_command();
    cargo.args(["install", "--locked", package, "--version", version, "--root"]).arg(peers());
    let (done, failed) = (finish(cargo, &shown), peers().join(format!("{program}.failed")));
    // Also when that fails, the comparison goes on without the reason.
    let _ = match &done {
        Ok(()) => fs::remove_file(failed),
        Err(failure) => fs::create_dir_all(peers()).and_then(|()| fs::write(failed, failure.to_string())),
    };
    done
}

fn peers() -> PathBuf {
    root().join("target/bench/peers")
}

fn built(program: &str) -> String {
    peers().join("bin").join(program).to_string_lossy().into_owned()
}
