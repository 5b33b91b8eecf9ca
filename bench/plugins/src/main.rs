//! `weir-bench-plugins`: what a plugin costs, in four languages, and for Rust beside what WebAssembly itself costs: the same
//! component called by wasmtime alone with the same events, in the same run and taking turns.

mod raw;
mod reload;
mod report;
mod sample;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use clap::Parser;
use weir::model::NewEvent;
use weir::plugin::{
    HttpClient, HttpError, HttpGrant, HttpRequest, HttpResponse, MemoryView, Sidecar, Workbench, Workpiece,
};
use weir_bench::Failure;
use weir_bench::machine::Machine;

use crate::raw::Raw;
use crate::report::{Batch, Cost, Report};

#[derive(Debug, Parser)]
#[command(name = "weir-bench-plugins", about = "Measures what plugins cost, in four languages")]
struct Args {
    /// Seconds for each plugin and batch size in each round
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Rounds; medians are reported
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// A twentieth of a second each, one round: tells that everything works, not how fast
    #[arg(long, conflicts_with_all = ["seconds", "rounds"])]
    short: bool,
    /// Measure only plugins whose name contains this, like `rust` or `validator`
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Where all figures are written
    #[arg(long, value_name = "FILE", default_value = "target/bench/plugins.json")]
    json: PathBuf,
    /// Where the example plugins are
    #[arg(long, value_name = "DIR", default_value = "plugins/examples/dist")]
    plugins: PathBuf,
}

const LANGUAGES: [&str; 4] = ["rust", "c", "ts", "python"];
const KINDS: [&str; 2] = ["validator", "projection"];
/// Events in one call.
const BATCHES: [usize; 3] = [1, 16, 256];
/// Fresh instances a round, and reloads in all.
const INSTANCES: usize = 20;
const LOADS: usize = 5;
const RELOADS: usize = 3;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(Failure::from).and_then(|runtime| runtime.block_on(run(Args::parse()))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir-bench-plugins: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Validators and projections have no network.
struct NoNetwork;

#[async_trait]
impl HttpClient for NoNetwork {
    async fn send(&self, _: &HttpGrant, _: HttpRequest) -> Result<HttpResponse, HttpError> {
        std::future::pending().await
    }
}

/// One plugin, loaded by the host, and by wasmtime alone if it is compared.
struct Subject {
    cost: Cost,
    piece: Workpiece,
    raw: Option<Raw>,
}

async fn run(args: Args) -> Result<(), Failure> {
    let (seconds, rounds) = if args.short { (0.05, 1) } else { (args.seconds, args.rounds) };
    if !(0.01..=600.0).contains(&seconds) {
        return Err(format!("{seconds} is not 0.01 to 600 seconds").into());
    }
    let dir = tempfile::tempdir()?;
    let machine = Machine::look(dir.path());
    println!("{}", machine.line());
    let mut subjects = Vec::new();
    for (name, bytes) in found(&args)? {
        eprintln!("{name}: compiling");
        subjects.push(load(&name, bytes, &dir.path().join("cache")).await?);
    }
    let time = Duration::from_secs_f64(seconds);
    for round in 1..=rounds {
        for subject in &mut subjects {
            eprintln!("round {round} of {rounds}: {}", subject.cost.name);
            subject.round(time).await?;
        }
    }
    for subject in &mut subjects {
        eprintln!("{}: reloading", subject.cost.name);
        let stats = subject.piece.stats();
        (subject.cost.memory_bytes, subject.cost.fuel_per_event) = (stats.memory_bytes_peak, stats.fuel_per_event);
        let file = args.plugins.join(format!("{}.wasm", subject.cost.name));
        subject.cost.reloads = reload::measure(&subject.cost.name, std::fs::read(file)?, RELOADS).await?;
    }
    let costs = subjects.into_iter().map(|subject| subject.cost).collect();
    let report = Report { machine, seconds, rounds, event_bytes: sample::PAYLOAD.len(), costs };
    print!("{report}");
    report.write(&args.json)?;
    println!("\nall figures: {}", args.json.display());
    Ok(())
}

/// The files that are there. What is missing is said loudly, because a table with a gap looks like a full one.
fn found(args: &Args) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let (mut files, mut missing) = (Vec::new(), Vec::new());
    for language in LANGUAGES {
        for kind in KINDS {
            let name = format!("{language}-{kind}");
            if !name.contains(&args.only) {
                continue;
            }
            match std::fs::read(args.plugins.join(format!("{name}.wasm"))) {
                Ok(bytes) => files.push((name, bytes)),
                Err(_) => missing.push(name),
            }
        }
    }
    for name in &missing {
        let command = if name.starts_with("rust") { "cargo xtask plugins" } else { "cargo xtask examples" };
        eprintln!("*** MISSING: {}/{name}.wasm is not measured; `{command}` builds it", args.plugins.display());
    }
    if files.is_empty() {
        return Err(format!("there is nothing to measure in {}", args.plugins.display()).into());
    }
    Ok(files)
}

fn workbench(cache: &Path) -> Result<Workbench, Failure> {
    Ok(Workbench::new(cache, cache.with_file_name("secrets"), Arc::new(NoNetwork))?)
}

/// Loads it once with an empty cache, then some times from there.
async fn load(name: &str, bytes: Vec<u8>, cache: &Path) -> Result<Subject, Failure> {
    let mut cost = Cost::new(name, bytes.len());
    let bench = workbench(cache)?;
    let started = Instant::now();
    let mut piece = bench.load(name, bytes.clone(), Sidecar::default()).await?;
    cost.compile_ms = started.elapsed().as_secs_f64() * 1e3;
    if piece.cached {
        return Err(format!("{name} was compiled before; the cold figure would be none").into());
    }
    for _ in 0..LOADS {
        let started = Instant::now();
        piece = bench.load(name, bytes.clone(), Sidecar::default()).await?;
        cost.load_ms.push(started.elapsed().as_secs_f64() * 1e3);
    }
    let raw = if name.starts_with("rust") { Some(Raw::load(&bytes).await?) } else { None };
    Ok(Subject { cost, piece, raw })
}

impl Subject {
    async fn round(&mut self, time: Duration) -> Result<(), Failure> {
        let mut instances = Vec::new();
        for _ in 0..INSTANCES {
            instances.push(self.piece.start_instance().await?.as_secs_f64() * 1e6);
        }
        self.cost.instance_us.extend(report::median(&instances));
        if let Some(raw) = &self.raw {
            let mut instances = Vec::new();
            for _ in 0..INSTANCES {
                instances.push(raw.start_instance().await?.as_secs_f64() * 1e6);
            }
            self.cost.raw_instance_us.extend(report::median(&instances));
        }
        for (index, events) in BATCHES.into_iter().enumerate() {
            // In short turns, so that whatever else the machine does meets both alike.
            const TURNS: u32 = 10;
            let (mut host, mut raw) = ((0, Duration::ZERO), (0, Duration::ZERO));
            for _ in 0..TURNS {
                add(&mut host, self.calls(events, time / TURNS).await?);
                if let Some(alone) = &mut self.raw {
                    add(&mut raw, alone.calls(events, time / TURNS).await?);
                }
            }
            let us = |(calls, took): (u64, Duration)| (calls > 0).then(|| took.as_secs_f64() * 1e6 / calls as f64);
            let batch = &mut self.cost.batches[index];
            batch.call_us.extend(us(host));
            batch.raw_call_us.extend(us(raw));
        }
        Ok(())
    }

    /// Calls it for so long; how many times, and how long it took.
    async fn calls(&self, events: usize, time: Duration) -> Result<(u64, Duration), Failure> {
        let (mut calls, started) = (0, Instant::now());
        if let Some(validator) = self.piece.validator() {
            let batch = sample::new_events(events)?;
            let batch: Vec<&NewEvent> = batch.iter().collect();
            while started.elapsed() < time {
                validator.validate(&[], &batch).await?;
                calls += 1;
            }
        } else if let Some(projection) = self.piece.projection() {
            let batch = sample::events(events)?;
            let view = Arc::new(MemoryView::default());
            while started.elapsed() < time {
                let written = projection.apply(view.clone(), &batch).await?;
                written.map_err(|refusal| format!("refused: {}", refusal.message))?;
                calls += 1;
            }
        }
        Ok((calls, started.elapsed()))
    }
}

fn add(sum: &mut (u64, Duration), more: (u64, Duration)) {
    *sum = (sum.0 + more.0, sum.1 + more.1);
}

impl Cost {
    fn new(name: &str, wasm_bytes: usize) -> Self {
        let batches = BATCHES.map(|events| Batch { events, call_us: Vec::new(), raw_call_us: Vec::new() });
        Self { name: name.to_owned(), wasm_bytes, batches: batches.into(), ..Self::default() }
    }
}
