//! `weir-bench commands`: commands on many aggregates beside plain publishes of the same events to the same number of streams,
//! on one server, taking turns.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use weir_bench::Failure;
use weir_bench::machine::Machine;

use crate::child::{Scratch, Server};
use crate::connection::Connection;
use crate::load::drive_all;
use crate::measured::{Measured, median, settled};
use crate::publisher::Publisher;
use crate::weir::Weir;

#[derive(Debug, clap::Args)]
pub struct CommandsArgs {
    /// Seconds of each measurement
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Rounds; the median is reported
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Connections, each case with each of them
    #[arg(long, value_delimiter = ',', default_value = "1,16,64")]
    connections: Vec<usize>,
    /// Accounts that commands are for, and streams that are published to
    #[arg(long, default_value_t = 10_000)]
    accounts: u64,
    /// The decider: the bank's accounts
    #[arg(long, value_name = "PATH", default_value = "plugins/bank/dist/bank-account.wasm")]
    decider: PathBuf,
    /// The server's binary
    #[arg(long, value_name = "PATH", default_value = "target/release/weir")]
    weir: PathBuf,
    /// Directory for the run's data, on the disk to measure; what is put there is removed again
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    data_dir: PathBuf,
}

/// The share of plain publishes that commands shall reach.
const GOAL: f64 = 0.5;

/// How an event comes to be.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Published to a stream of an open topic.
    Publish,
    /// A command on the aggregate's own path.
    Path,
    /// The same as one JSON.
    Envelope,
}

impl Way {
    const ALL: [Self; 3] = [Self::Publish, Self::Path, Self::Envelope];

    fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Path => "command by path",
            Self::Envelope => "POST /commands",
        }
    }

    fn status(self) -> u16 {
        if matches!(self, Self::Publish) { 201 } else { 200 }
    }

    fn request(self, account: u64) -> (String, Value) {
        let id = format!("account-{account}");
        match self {
            Self::Publish => {
                let payload = json!({ "amount": 1, "balance": 1_000_000 });
                let event = json!({ "topic": "orders-open", "type": "deposited", "stream": id, "payload": payload });
                ("/events".to_owned(), json!([event]))
            }
            Self::Path => (format!("/aggregates/accounts/{id}/commands/deposit"), json!({ "amount": 1 })),
            Self::Envelope => {
                let command = json!({
                    "name": "deposit", "type": "logic", "tenant": "bench", "targetName": "accounts", "targetId": id,
                    "body": { "amount": 1 }
                });
                ("/commands".to_owned(), command)
            }
        }
    }
}

/// Asks again and again, each time for another account.
struct Asking {
    connection: Connection,
    way: Way,
    accounts: u64,
    request: Vec<u8>,
}

#[async_trait]
impl Publisher for Asking {
    fn prepare(&mut self, first: u64) -> Result<(), Failure> {
        // Numbers of a run are even over the accounts, and neighbours are far from each other.
        let account = first.wrapping_mul(0x9e37_79b9_7f4a_7c15) % self.accounts;
        let (path, body) = self.way.request(account);
        let (body, head) = (body.to_string(), "host: bench\r\ncontent-type: application/json");
        let text = format!("POST {path} HTTP/1.1\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        self.request = text.into_bytes();
        Ok(())
    }

    async fn publish(&mut self) -> Result<(), Failure> {
        let answer = self.connection.exchange(&self.request).await?;
        if answer.status != self.way.status() {
            let body = String::from_utf8_lossy(answer.body);
            return Err(format!("{}: the answer was {}: {body:.500}", self.way.name(), answer.status).into());
        }
        Ok(())
    }
}

pub async fn run(args: CommandsArgs) -> Result<(), Failure> {
    let scratch = Scratch::new(&args.data_dir, "commands")?;
    println!("{}", Machine::look(scratch.path()).line());
    let plugins = scratch.path().join("config/plugins");
    std::fs::create_dir_all(&plugins)?;
    std::fs::copy(&args.decider, plugins.join("bank-account.wasm")).map_err(|error| {
        format!("no decider at {} ({error}); cargo xtask plugins builds it", args.decider.display())
    })?;
    let mut weir = Weir::start(&args.weir, scratch.path()).await?;
    let (server, _) = weir.parts();
    open_all(server.address, args.accounts).await?;
    let numbers = Arc::new(AtomicU64::new(1));
    let time = Duration::from_secs_f64(args.seconds);
    println!("\n{} accounts, {} rounds, medians\n", args.accounts, args.rounds);
    println!("| connections | way | events/s | p50 µs | p99 µs | CPU µs/event | of publishes (rounds) |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut recorded = args.accounts;
    for connections in args.connections {
        let mut all: Vec<Vec<Measured>> = vec![Vec::new(); Way::ALL.len()];
        for round in 0..args.rounds {
            // Another one is first in each round: what one leaves to be indexed, the next one pays.
            for turn in 0..Way::ALL.len() {
                let which = (round + turn) % Way::ALL.len();
                let way = Way::ALL[which];
                let one = measure(server, way, args.accounts, connections, time, &numbers).await?;
                recorded += if matches!(way, Way::Publish) { 0 } else { one.events };
                all[which].push(one);
            }
        }
        show(connections, &all);
    }
    let mut connection = Connection::open(server.address).await?;
    let answer = connection.call("GET", "/topics/accounts", "").await?;
    let body: Value = serde_json::from_slice(answer.body)?;
    if body["sequence"].as_u64() != Some(recorded) {
        return Err(format!("{recorded} events were acknowledged, but the topic is {body}").into());
    }
    println!("\nevery event that was acknowledged is there: {recorded}; the goal is {GOAL} of publishes");
    Ok(())
}

async fn measure(
    server: &Server,
    way: Way,
    accounts: u64,
    connections: usize,
    time: Duration,
    numbers: &Arc<AtomicU64>,
) -> Result<Measured, Failure> {
    let mut all: Vec<Box<dyn Publisher>> = Vec::with_capacity(connections);
    for _ in 0..connections {
        let connection = Connection::open(server.address).await?;
        all.push(Box::new(Asking { connection, way, accounts, request: Vec::new() }));
    }
    let (before, _) = settled(server.pid()).await?;
    let done = drive_all(all, 1, time, numbers).await?;
    let (after, settle) = settled(server.pid()).await?;
    Ok(Measured::new(done.events, done.took, done.latencies_ns, after.saturating_sub(before), settle))
}

fn show(connections: usize, all: &[Vec<Measured>]) {
    let publishes = &all[0];
    for (way, measured) in Way::ALL.into_iter().zip(all) {
        let rate = |one: &Measured| one.events_per_second;
        let Some(middle) = median(measured, rate) else { continue };
        let mut ratios: Vec<f64> = measured.iter().zip(publishes).map(|(one, plain)| rate(one) / rate(plain)).collect();
        ratios.sort_by(f64::total_cmp);
        let share = median(&ratios, |ratio| *ratio).copied().unwrap_or(f64::NAN);
        let (low, high) = (ratios.first().copied().unwrap_or(share), ratios.last().copied().unwrap_or(share));
        println!(
            "| {connections} | {} | {:.0} | {:.0} | {:.0} | {:.1} | {share:.2} ({low:.2} to {high:.2}) |",
            way.name(),
            middle.events_per_second,
            middle.p50_us,
            middle.p99_us,
            middle.cpu_us_per_event
        );
    }
}

/// Opens every account, by several connections.
async fn open_all(address: SocketAddr, accounts: u64) -> Result<(), Failure> {
    const CONNECTIONS: u64 = 16;
    let mut connection = Connection::open(address).await?;
    let topic = json!({ "name": "accounts", "decider": "bank-account" });
    let answer = connection.call("POST", "/topics", &topic.to_string()).await?;
    if answer.status != 201 {
        return Err(format!("the topic was not made: {}", String::from_utf8_lossy(answer.body)).into());
    }
    let mut tasks = JoinSet::new();
    for first in 0..CONNECTIONS {
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            for account in (first..accounts).step_by(CONNECTIONS as usize) {
                let path = format!("/aggregates/accounts/account-{account}/commands/open");
                let answer = connection.call("POST", &path, r#"{"owner":"Ann"}"#).await?;
                if answer.status != 200 {
                    return Err(format!("not opened: {}", String::from_utf8_lossy(answer.body)).into());
                }
            }
            Ok::<(), Failure>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}
