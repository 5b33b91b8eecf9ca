//! `weir-bench compare`: Weir beside other stores and beside what limits it, each started by itself in a fresh directory,
//! with the same load, in one run.

mod figures;
mod goals;
mod markdown;
mod nats;
mod own;
mod peer;
mod pictures;
mod postgres;
mod proto;
mod redis;
mod resp;
mod run;
mod s2;
mod sierradb;
mod umadb;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use weir_bench::Failure;
use weir_bench::machine::Machine;

use self::figures::{Figures, Settings};
use self::peer::{Peer, Programs};
use crate::child::Scratch;

const WEIR: &str = "Weir";
const WEIR_OPEN: &str = "Weir, open topic";
const BARE: &str = "bare HTTP handler";
const APPEND: &str = "append, preallocated";
const APPEND_GROWING: &str = "append, growing";

/// All that can be measured over connections, by the name on the command line. Weir first, then in the order of the table.
const PEERS: [(&str, &dyn Peer); 9] = [
    ("weir", &own::OwnWeir { schema: true }),
    ("weir-open", &own::OwnWeir { schema: false }),
    ("postgres", &postgres::Postgres),
    ("redis", &redis::Redis),
    ("umadb", &umadb::UmaDb),
    ("s2", &s2::S2Lite),
    ("sierradb", &sierradb::SierraDb),
    ("nats", &nats::Nats),
    ("bare", &own::Bare),
];
/// The name of the limit that is a file.
const FILE: &str = "append";

#[derive(Debug, clap::Args)]
pub struct CompareArgs {
    /// Seconds for each case in each round
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Rounds; medians are reported, with the lowest and the highest
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Connections
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64, 256])]
    connections: Vec<usize>,
    /// A second for each case, one round, 16 and 64 connections: tells that everything works, not how fast
    #[arg(long, conflicts_with_all = ["seconds", "rounds", "connections"])]
    short: bool,
    /// Measure only these
    #[arg(long, value_delimiter = ',', value_name = "NAME", value_parser = names())]
    only: Vec<String>,
    /// Where all figures are written
    #[arg(long, value_name = "FILE", default_value = "target/bench/compare.json")]
    json: PathBuf,
    /// Where the charts are written
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    charts: PathBuf,
    /// The server's binary
    #[arg(long, value_name = "PATH", default_value = "target/release/weir")]
    weir: PathBuf,
    /// Where `cargo install --root` put the peers that come from the Rust registry
    #[arg(long, value_name = "DIR", default_value = "target/bench/peers")]
    peers: PathBuf,
    /// Directory for the run's data, on the disk to measure; what is put there is removed again
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    data_dir: PathBuf,
}

fn names() -> clap::builder::PossibleValuesParser {
    PEERS.iter().map(|(name, _)| *name).chain([FILE]).collect::<Vec<_>>().into()
}

pub async fn run(args: CompareArgs) -> Result<(), Failure> {
    let settings = settings(&args)?;
    let programs = Programs { weir: absolute(args.weir)?, peers: absolute(args.peers)? };
    let chosen = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    let (mut peers, mut about): (Vec<&dyn Peer>, _) = (Vec::new(), Vec::new());
    for (_, peer) in PEERS.into_iter().filter(|(name, _)| chosen(name)) {
        let version = peer.version(&programs);
        if let Err(reason) = &version {
            eprintln!("\n*** MISSING: {} is not measured: {reason}\n", peer.name());
        } else {
            peers.push(peer);
        }
        about.push((peer.name(), peer.promise(), version.map_err(|reason| format!("is not there: {reason}"))));
    }
    let scratch = Scratch::new(&absolute(args.data_dir)?, "compare")?;
    let machine = Machine::look(scratch.path());
    eprintln!("{}", machine.line());
    let run = run::Run::new(&settings, &programs, scratch.path());
    let run::Done { cases, failed } = run.all(&peers, chosen(FILE)).await?;
    drop(scratch);
    for (name, reason) in &failed {
        about.iter_mut().filter(|(other, ..)| other == name).for_each(|(.., version)| *version = Err(reason.clone()));
    }
    let figures = Figures::new(machine, settings, about, cases);
    println!("{}", markdown::text(&figures));
    figures.write(&args.json)?;
    pictures::draw(&figures, &args.charts)?;
    println!("all figures: {}, charts: {}/compare-*.svg", args.json.display(), args.charts.display());
    let failed: Vec<&str> = failed.iter().map(|(name, _)| *name).collect();
    if failed.is_empty() { Ok(()) } else { Err(format!("{} failed; the reasons are above", failed.join(", ")).into()) }
}

fn settings(args: &CompareArgs) -> Result<Settings, Failure> {
    const CONNECTIONS_MAX: usize = 256;
    if !(0.01..=600.0).contains(&args.seconds) {
        return Err(format!("{} is not 0.01 to 600 seconds", args.seconds).into());
    }
    if !args.connections.iter().all(|count| (1..=CONNECTIONS_MAX).contains(count)) {
        return Err(format!("connections are 1 to {CONNECTIONS_MAX}").into());
    }
    Ok(if args.short {
        Settings { seconds: 1.0, rounds: 1, connections: vec![16, 64] }
    } else {
        Settings { seconds: args.seconds, rounds: args.rounds, connections: args.connections.clone() }
    })
}

/// Servers run in their own directories.
fn absolute(path: PathBuf) -> Result<PathBuf, Failure> {
    Ok(std::path::absolute(path)?)
}

impl Settings {
    fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}
