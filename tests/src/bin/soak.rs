//! The long form of the heavy checks, against the release build: `cargo xtask soak [CHECK …]`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use weir_tests::ServerOptions;
use weir_tests::scenarios::{
    CrashPlan, FollowersPlan, OpenApiPlan, PROJECTS, ReloadsPlan, Steady, TransfersPlan, ViewsPlan, crash, followers,
    hostile, openapi, projects, reload, reloads, transfers, views, webhooks,
};

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
    /// The first seed of `reloads`; each repetition takes the next [default: any]
    #[arg(long)]
    seed: Option<u64>,
    /// How many seconds long `followers` publishes and `openapi` asks [default: 20, 600]
    #[arg(long)]
    seconds: Option<u64>,
    /// How many requests `openapi` makes of each operation at most
    #[arg(long, default_value_t = 2_000)]
    cases: u32,
    /// How many transfers `transfers` asks for
    #[arg(long, default_value_t = 100_000)]
    transfers: usize,
    /// How many events `views` builds a view of
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// How many rounds of half a minute `hostile` has
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How many files `reloads` changes
    #[arg(long, default_value_t = 2_000)]
    reloads: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Check {
    Crash,
    Followers,
    Webhooks,
    Reload,
    Reloads,
    Hostile,
    Projects,
    Transfers,
    Views,
    #[value(name = "openapi")]
    OpenApi,
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    let options = ServerOptions { program: args.program, ..ServerOptions::default() };
    let wanted = |check| args.checks.is_empty() || args.checks.contains(&check);
    for n in 1..=args.repeat {
        if wanted(Check::Crash) {
            let plan = CrashPlan { publishers: 8, events: 50_000, kills: 50 };
            println!("crash {n}: {:?}", crash(options.clone(), plan).await);
        }
        if wanted(Check::Followers) {
            let plan = FollowersPlan {
                followers: 1_000,
                events_per_second: 100,
                seconds: args.seconds.unwrap_or(20),
                idle: 5_000,
            };
            println!("followers {n}: {:?}", followers(options.clone(), plan).await);
        }
        if wanted(Check::Webhooks) {
            println!("webhooks {n}: {:#?}", webhooks(options.clone(), 2_000, 3).await);
        }
        if wanted(Check::Hostile) {
            println!("hostile {n}: {:?}", hostile(options.clone(), args.rounds, Duration::from_secs(6)).await);
        }
        if wanted(Check::Transfers) {
            let seed = args.seed.unwrap_or_else(rand::random) + u64::from(n);
            let plan = TransfersPlan { accounts: 1_000, transfers: args.transfers, clients: 32, kills: 20, seed };
            println!("transfers {n}: {plan:?} {:?}", transfers(options.clone(), plan).await);
        }
        if wanted(Check::Views) {
            let plan =
                ViewsPlan { events: args.events, events_per_second: 2_000, readers: 2, pairs: 10_000, clients: 8 };
            println!("views {n}: {:?}", views(options.clone(), plan).await);
        }
        if wanted(Check::Projects) {
            let target = std::path::absolute("target/projects").expect("a directory");
            println!("projects {n}: {:#?}", projects(options.clone(), &PROJECTS, &target).await);
        }
        if wanted(Check::OpenApi) {
            let plan = OpenApiPlan { cases: args.cases, seconds: Some(args.seconds.unwrap_or(600)) };
            println!("openapi {n}: {}", openapi(options.clone(), plan).await);
        }
        if wanted(Check::Reload) {
            println!("reload {n}: {:?}", reload(options.clone(), 10).await);
        }
        if wanted(Check::Reloads) {
            let seed = args.seed.map_or_else(rand::random, |seed| seed + u64::from(n) - 1);
            let steady = Steady { after_reloads: args.reloads / 4, growth_max: 1.1 };
            let plan = ReloadsPlan { seed, reloads: args.reloads, rules: 8, fill_mib: 256, steady: Some(steady) };
            println!("reloads {n}: {:#?}", reloads(options.clone(), plan).await);
        }
    }
}
