//! `weir-bench log`: what conditions cost a publish, on the real server. What a log that grows costs, `growth` measures.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use weir_bench::Failure;
use weir_bench::machine::Machine;

use crate::child::{Scratch, Server};
use crate::events::Batch;
use crate::fill;
use crate::load::{self, Load};
use crate::measured::settled;
use crate::site;
use crate::weir::{self, Weir};

#[derive(Debug, clap::Args)]
pub struct LogArgs {
    /// Seconds of each measurement
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Rounds of the comparison with conditions
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Connections
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Events in the log before
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// The server's binary
    #[arg(long, value_name = "PATH", default_value = "target/release/weir")]
    weir: PathBuf,
    /// Directory for the run's data, on the disk to measure; what is put there is removed again
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    data_dir: PathBuf,
}

struct Run {
    connections: usize,
    time: Duration,
    numbers: Arc<AtomicU64>,
}

pub async fn run(args: LogArgs) -> Result<(), Failure> {
    let scratch = Scratch::new(&args.data_dir, "log")?;
    println!("{}", Machine::look(scratch.path()).line());
    let run =
        Run { connections: args.connections, time: Duration::from_secs_f64(args.seconds), numbers: Arc::default() };
    let mut weir = Weir::start(&args.weir, scratch.path()).await?;
    let (server, _) = weir.parts();
    fill::run(
        server.address,
        &|events| Batch::request(weir::topic(false), events, "/events"),
        args.events,
        &run.numbers,
    )
    .await?;
    settled(server.pid()).await?;
    run.conditions(server, args.rounds).await
}

impl Run {
    /// Events a second.
    async fn rate(&self, server: &Server, request: Batch, time: Duration) -> Result<f64, Failure> {
        let load = Load { address: server.address, request, connections: self.connections, time };
        let done = load::run(load, &self.numbers).await?;
        Ok(done.events as f64 / done.took.as_secs_f64())
    }

    /// Tagged events without a condition, and with a query on a tag that no event has yet: after the start of the log, and
    /// after where the round began.
    async fn conditions(&self, server: &Server, rounds: u32) -> Result<(), Failure> {
        println!("\n| round | tagged, no condition, events/s | query after 0 | query after a recent position |");
        println!("| --- | --- | --- | --- |");
        let mut ratios = [vec![], vec![]];
        for round in 1..=rounds {
            let plain = self.rate(server, Batch::tagged(weir::topic(false), None), self.time).await?;
            let mut cells = vec![];
            let recent = site::head(server.address).await?;
            for (after, ratios) in [0, recent].into_iter().zip(&mut ratios) {
                let rate = self.rate(server, Batch::tagged(weir::topic(false), Some(after)), self.time).await?;
                ratios.push(rate / plain);
                cells.push(format!("{rate:.0} ({:.2})", rate / plain));
            }
            println!("| {round} | {plain:.0} | {} |", cells.join(" | "));
        }
        let [old, recent] = ratios.map(median);
        println!("| median | 1 | {old:.2} | {recent:.2} |");
        Ok(())
    }
}

fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
}
