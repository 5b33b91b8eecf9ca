//! `weir-bench log`: what conditions cost a publish, and whether a log that grows gets slower, on the real server.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use serde_json::Value;
use weir_bench::Failure;
use weir_bench::machine::Machine;

use crate::child::{Scratch, Server};
use crate::connection::Connection;
use crate::events::Batch;
use crate::load::{self, Load};
use crate::measured::settled;
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
    /// Sizes of the log, in events, at which appending is measured
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000])]
    sizes: Vec<u64>,
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

/// Requests whose events are only there to make the log longer.
const FILL_EVENTS: usize = 200;
const FILL_TIME: Duration = Duration::from_millis(500);

pub async fn run(args: LogArgs) -> Result<(), Failure> {
    let scratch = Scratch::new(&args.data_dir, "log")?;
    println!("{}", Machine::look(scratch.path()).line());
    let run =
        Run { connections: args.connections, time: Duration::from_secs_f64(args.seconds), numbers: Arc::default() };
    let mut weir = Weir::start(&args.weir, scratch.path()).await?;
    let (server, _) = weir.parts();
    run.growth(server, &args.sizes, scratch.path()).await?;
    run.conditions(server, args.rounds).await
}

impl Run {
    /// Events a second.
    async fn rate(&self, server: &Server, request: Batch, time: Duration) -> Result<f64, Failure> {
        let load = Load { address: server.address, request, connections: self.connections, time };
        let done = load::run(load, &self.numbers).await?;
        Ok(done.events as f64 / done.took.as_secs_f64())
    }

    /// The same load at each size of the log, with the server's memory and the bytes on disk.
    async fn growth(&self, server: &Server, sizes: &[u64], dir: &std::path::Path) -> Result<(), Failure> {
        println!(
            "\n| events before | single events/s | of the first | server's memory, MB | peak, MB | bytes on disk an event |"
        );
        println!("| --- | --- | --- | --- | --- | --- |");
        let mut first = None;
        for size in sizes {
            while head(server).await? < *size {
                self.rate(server, Batch::request(weir::topic(false), FILL_EVENTS, "/events"), FILL_TIME).await?;
            }
            settled(server.pid()).await?;
            let before = head(server).await?;
            let rate = self.rate(server, Batch::request(weir::topic(false), 1, "/events"), self.time).await?;
            let of_first = rate / *first.get_or_insert(rate);
            settled(server.pid()).await?;
            let (now, peak) = memory_mb(server.pid())?;
            let each = bytes_in(dir)? as f64 / head(server).await? as f64;
            println!("| {before} | {rate:.0} | {of_first:.2} | {now} | {peak} | {each:.0} |");
        }
        Ok(())
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
            let recent = head(server).await?;
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

/// The store's last position.
async fn head(server: &Server) -> Result<u64, Failure> {
    let mut connection = Connection::open(server.address).await?;
    let answer = connection.call("GET", "/events?direction=backward&limit=1", "").await?;
    let body: Value = serde_json::from_slice(answer.body)?;
    Ok(body["events"][0]["position"].as_u64().unwrap_or(0))
}

/// Resident memory now, and the most it was.
fn memory_mb(pid: u32) -> Result<(u64, u64), Failure> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes.map(|kilobytes| kilobytes / 1_000).ok_or_else(|| format!("no {name} in the status of {pid}"))
    };
    Ok((field("VmRSS:")?, field("VmHWM:")?))
}

/// Bytes of all files in a directory and those in it, as the disk holds them.
fn bytes_in(dir: &std::path::Path) -> Result<u64, Failure> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        bytes += if path.is_dir() { bytes_in(&path)? } else { path.metadata()?.blocks() * 512 };
    }
    Ok(bytes)
}
