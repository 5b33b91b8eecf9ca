//! `weir-bench growth`: what a store's size costs. Three stores grow, by events, by topics and by streams; at each size
//! appending takes turns with a fresh server beside it, so that a neighbour meets both alike.

mod axis;
mod figures;
mod look;
mod pictures;
mod rates;
mod store;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use weir_bench::Failure;
use weir_bench::machine::Machine;

use self::axis::Axis;
use self::figures::{Figures, Grown};
use self::store::Run;
use crate::child::Scratch;
use crate::events::PAYLOAD_BYTES;
use crate::footprint;

#[derive(Debug, clap::Args)]
pub struct GrowthArgs {
    /// Events that the store by events grows to, by powers of ten
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(100..=1_000_000_000))]
    events: u64,
    /// Numbers of topics, growing; a server keeps 10,000, of which `default` is one
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 100, 1_000, 9_999, 100_000])]
    topics: Vec<u64>,
    /// Streams of one event each that the store by streams grows to, by powers of ten
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(100..=1_000_000_000))]
    streams: u64,
    /// The smallest power of ten at which events and streams are measured, and the size of the fresh servers beside them
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..=1_000_000))]
    smallest: u64,
    /// Let only these grow
    #[arg(long, value_delimiter = ',', value_name = "AXIS")]
    only: Vec<Axis>,
    /// Most seconds of appending to each of the two servers, in each round; less where that makes them much larger
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Rounds at each size
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Where all figures are written
    #[arg(long, value_name = "FILE", default_value = "target/bench/growth.json")]
    json: PathBuf,
    /// Where the charts are written
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    charts: PathBuf,
    /// The server's binary
    #[arg(long, value_name = "PATH", default_value = "target/release/weir")]
    weir: PathBuf,
    /// Directory for the run's data, on the disk to measure; what is put there is removed again
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    data_dir: PathBuf,
}

/// What stores besides the one by events need, and what is left to others.
const ROOM_BYTES: u64 = 2 << 30;

pub async fn run(args: GrowthArgs) -> Result<(), Failure> {
    if !(0.01..=60.0).contains(&args.seconds) {
        return Err(format!("{} is not 0.01 to 60 seconds", args.seconds).into());
    }
    let chosen = |axis| args.only.is_empty() || args.only.contains(&axis);
    let scratch = Scratch::new(&args.data_dir, "growth")?;
    let most = [(Axis::Events, args.events), (Axis::Streams, args.streams)];
    let most = most.into_iter().filter(|(axis, _)| chosen(*axis)).map(|(_, size)| size).max().unwrap_or(0);
    check_room(footprint::free_bytes(scratch.path())?, most)?;
    let machine = Machine::look(scratch.path());
    println!("{}\n", machine.line());
    let run = Run {
        binary: args.weir,
        dir: scratch.path().to_owned(),
        window: Duration::from_secs_f64(args.seconds),
        rounds: args.rounds,
        fresh_events: args.smallest,
        numbers: Arc::<AtomicU64>::default(),
    };
    let mut all: Vec<Grown> = Vec::new();
    for axis in [Axis::Events, Axis::Topics, Axis::Streams].into_iter().filter(|axis| chosen(*axis)) {
        let sizes = match axis {
            Axis::Events => powers(args.smallest, args.events),
            Axis::Topics => args.topics.clone(),
            Axis::Streams => powers(args.smallest, args.streams),
        };
        let grown = run.grow(axis, &sizes).await?;
        print!("{grown}");
        all.push(grown);
    }
    let figures = Figures::new(machine, all);
    print!("{figures}");
    figures.write(&args.json)?;
    pictures::draw(&figures, &args.charts)?;
    println!("\nall figures: {}, charts: {}/growth-*.svg", args.json.display(), args.charts.display());
    Ok(())
}

/// What a store of so many events may take at most, by its goal.
pub fn goal_bytes() -> f64 {
    PAYLOAD_BYTES as f64 * 1.3 + 100.0
}

fn check_room(free: u64, events: u64) -> Result<(), Failure> {
    let needed = (events as f64 * goal_bytes()) as u64 + ROOM_BYTES;
    if free >= needed {
        return Ok(());
    }
    let fits = (free.saturating_sub(ROOM_BYTES) as f64 / goal_bytes()) as u64;
    let [free, needed] = [free, needed].map(|bytes| bytes as f64 / 1e9);
    Err(format!(
        "{events} events need {needed:.1} GB of disk, and {free:.1} GB are free: \
         make room, or say `--events` with at most {fits}"
    )
    .into())
}

/// The powers of ten from the one to the other, which is the last whatever it is.
fn powers(smallest: u64, most: u64) -> Vec<u64> {
    let powers = std::iter::successors(Some(smallest), |size| size.checked_mul(10));
    powers.take_while(|size| *size < most).chain([most]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_grow_by_ten_up_to_the_last() {
        assert_eq!(powers(10_000, 1_000_000), [10_000, 100_000, 1_000_000]);
        assert_eq!(powers(10_000, 250_000), [10_000, 100_000, 250_000]);
        assert_eq!(powers(10_000, 500), [500]);
    }

    #[test]
    fn too_little_room_is_named_with_what_would_fit() {
        assert!(check_room(20_000_000_000, 10_000_000).is_ok());
        let words = check_room(10_000_000_000, 10_000_000).expect_err("too little").to_string();
        assert!(words.contains("10000000 events need 16.5 GB of disk, and 10.0 GB are free"), "{words}");
        assert!(words.contains("at most 5"), "{words}");
    }
}
