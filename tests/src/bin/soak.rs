//! The long form of the heavy checks, against the release build: `cargo xtask soak [crash|webhooks|hostile|projects|reload]`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use weir_tests::ServerOptions;
use weir_tests::scenarios::{CrashPlan, PROJECTS, crash, hostile, projects, reload, webhooks};

#[derive(Debug, Parser)]
struct Args {
    /// Which checks; all of them if none is named
    checks: Vec<Check>,
    /// The program under test
    #[arg(long, default_value = "target/release/weir")]
    program: PathBuf,
    /// How many times each check is done
    #[arg(long, default_value_t = 3)]
    repeat: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Check {
    Crash,
    Webhooks,
    Reload,
    Hostile,
    Projects,
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    let options = ServerOptions { program: args.program, args: Vec::new() };
    let wanted = |check| args.checks.is_empty() || args.checks.contains(&check);
    for n in 1..=args.repeat {
        if wanted(Check::Crash) {
            let plan = CrashPlan { publishers: 8, events: 50_000, kills: 50 };
            println!("crash {n}: {:?}", crash(options.clone(), plan).await);
        }
        if wanted(Check::Webhooks) {
            println!("webhooks {n}: {:#?}", webhooks(options.clone(), 2_000, 3).await);
        }
        if wanted(Check::Hostile) {
            println!("hostile {n}: {:#?}", hostile(options.clone(), 42, Duration::from_secs(20)).await);
        }
        if wanted(Check::Projects) {
            let target = std::path::absolute("target/projects").expect("a directory");
            println!("projects {n}: {:#?}", projects(options.clone(), &PROJECTS, &target).await);
        }
        if wanted(Check::Reload) {
            println!("reload {n}: {:?}", reload(options.clone(), 10).await);
        }
    }
}
