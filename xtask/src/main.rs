//! The project's own commands, as `cargo xtask <command>`. Each is a short list of calls of cargo and its tools;
//! what they build and test is elsewhere. There is no state and no configuration here.

mod bench;
mod checks;
mod clients;
mod contract;
mod examples;
mod guests;
mod long;
mod run;
mod setup;
mod tools;

use std::process::ExitCode;

use run::{Failure, cargo};

const HELP: &str = "\
cargo xtask <command>

  setup                  add the WebAssembly target that plugins need
  plugins                build the plugins into plugins/dist and the test guests into tests/guests/dist
  examples               build the example plugins in TypeScript, Python and C into plugins/examples/dist (needs node, npm, python3)
  clients                install the public packages that tests use as clients into target/clients (needs node, npm, python3)
  contract               store the contract and components built against it, for the test that says when it moved
  serve [-- <args>]      build everything and run the server (weir serve <args>)
  test [-- <args>]       format, lints, licences and instruction counts (on CI), doc tests, then all tests (nextest <args> where it is installed)
  audit                  bans, licences and sources of the dependencies (cargo-deny)
  bench publish [<args>] measure publishing against a release build
  bench reads [<args>]   measure reading beside the HTTP stack and the log's files
  bench growth [<args>]  measure what 10 million events, 10,000 topics, a million streams cost (needs 17 GB of disk)
  bench log [<args>]     measure what conditions cost
  bench compare [<args>] measure publishing beside other stores, installing those that are missing (--short: only what is there)
  bench plugins [<args>] measure what plugins cost, in four languages
  bench guard [--build release|test] [--update] [--profile]
                         count the instructions of a publish, and compare them with bench/guard.json (needs valgrind)
  soak [<args>]          the long form of the heavy checks, e.g. soak openapi --cases 2000 --seconds 600
  soak histories [--seed N] [--count N]
                         random histories of a store on a disk that tears, forgets, fails and fills up
  fuzz [--seconds N] [--target NAME] [--seed N]
                         mutated bytes for everything that parses (see fuzz/README.md)
";

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let command = if args.is_empty() { String::new() } else { args.remove(0) };
    // `cargo xtask serve -- --listen …` hands over the separator as well.
    if args.first().is_some_and(|arg| arg == "--") {
        args.remove(0);
    }
    match dispatch(&command, &args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: &str, args: &[String]) -> Result<(), Failure> {
    match command {
        "setup" => setup::target(),
        "plugins" => plugins(),
        "examples" => examples::build(&examples::EXAMPLES).and_then(|()| examples::build(&examples::CONTRACT)),
        "clients" => clients::install(),
        "contract" => plugins()
            .and_then(|()| examples::build(&examples::EXAMPLES))
            .and_then(|()| examples::build(&examples::CONTRACT))
            .and_then(|()| contract::store()),
        "serve" => plugins().and_then(|()| serve(args)),
        "test" => plugins()
            .and_then(|()| examples::build(&examples::EXAMPLES))
            .and_then(|()| examples::build(&examples::CONTRACT))
            .and_then(|()| clients::install())
            .and_then(|()| checks::test(args)),
        "audit" => checks::audit(),
        "bench" => plugins().and_then(|()| bench::run(args)),
        "soak" if args.first().is_some_and(|check| check == "histories") => long::histories(&args[1..]),
        "soak" => plugins().and_then(|()| clients::install()).and_then(|()| soak(args)),
        "fuzz" => long::fuzz(args),
        "" | "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(Failure::new(format!("there is no command '{other}'\n\n{HELP}"))),
    }
}

/// Plugins come before anything that compiles the server, which has them inside.
fn plugins() -> Result<(), Failure> {
    setup::target()?;
    guests::build()
}

fn serve(args: &[String]) -> Result<(), Failure> {
    cargo(&["run", "--release", "-p", "weir", "--", "serve"], args)
}

fn soak(args: &[String]) -> Result<(), Failure> {
    cargo(&["build", "--release", "-p", "weir"], &[])?;
    cargo(&["run", "--release", "-p", "weir-tests", "--bin", "soak", "--"], args)
}
