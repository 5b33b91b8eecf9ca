//! `weir-bench reads`: what clients read most, beside the same bytes out of the HTTP stack alone and out of the log's files,
//! in rounds of one run.

mod cases;
mod figures;
mod raw;
mod store;

use std::path::PathBuf;
use std::time::Duration;

use weir_bench::Failure;
use weir_bench::machine::Machine;

use self::cases::Rounds;
use self::figures::{Figures, Settings};
use self::store::Store;
use crate::child::Scratch;
use crate::echo;

#[derive(Debug, clap::Args)]
pub struct ReadsArgs {
    /// Events in the store
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(store::EVENTS_MIN..=100_000_000))]
    events: u64,
    /// Rounds; medians are reported, with the lowest and the highest
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds for each read in each round; a scan is finished
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Full scans that are begun at each size of the store, for the time to their first byte
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    first_bytes: u32,
    /// Where all figures are written
    #[arg(long, value_name = "FILE", default_value = "target/bench/reads.json")]
    json: PathBuf,
    /// The server's binary
    #[arg(long, value_name = "PATH", default_value = "target/release/weir")]
    weir: PathBuf,
    /// Directory for the run's data, on the disk to measure; what is put there is removed again
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    data_dir: PathBuf,
}

pub async fn run(args: ReadsArgs) -> Result<(), Failure> {
    if !(0.01..=600.0).contains(&args.seconds) {
        return Err(format!("{} is not 0.01 to 600 seconds", args.seconds).into());
    }
    let settings = Settings { events: args.events, rounds: args.rounds, seconds: args.seconds };
    let scratch = Scratch::new(&args.data_dir, "reads")?;
    let machine = Machine::look(scratch.path());
    println!("{}\n", machine.line());
    let echo = echo::start().await?;
    let mut store = Store::open(&args.weir, scratch.path()).await?;
    let first_bytes = store.fill(args.events, args.first_bytes, &echo).await?;
    let rounds = Rounds { store: &store, echo: &echo, time: Duration::from_secs_f64(args.seconds) };
    let cases = rounds.all(args.rounds).await?;
    let figures = Figures::new(machine, settings, cases, first_bytes);
    print!("{figures}");
    figures.write(&args.json)?;
    println!("\nall figures: {}", args.json.display());
    Ok(())
}
