//! `weir-bench publish`: all cases take turns for some rounds, each round on a fresh server.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use weir_bench::Failure;
use weir_bench::machine::Machine;

use crate::append::{self, Checksum};
use crate::case::{Case, Kind};
use crate::child::{Scratch, Server};
use crate::cpu::cpu_time;
use crate::echo;
use crate::events::Batch;
use crate::load::{self, Acknowledged, Load};
use crate::measured::{Measured, settled};
use crate::report::{Report, Settings};
use crate::weir::{self, Weir};

#[derive(Debug, clap::Args)]
pub struct PublishArgs {
    /// Seconds for each case in each round
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    seconds: f64,
    /// Rounds; the median round is reported
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// One second for each case, one round: tells that everything works, not how fast
    #[arg(long, conflicts_with_all = ["seconds", "rounds"])]
    short: bool,
    /// Run every request case for up to half a second before it is measured
    #[arg(long)]
    warmup: bool,
    /// Measure only these
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    only: Vec<Kind>,
    /// Where all figures are written
    #[arg(long, value_name = "FILE", default_value = "target/bench/publish.json")]
    json: PathBuf,
    /// The server's binary
    #[arg(long, value_name = "PATH", default_value = "target/release/weir")]
    weir: PathBuf,
    /// Directory for the run's data, on the disk to measure; what is put there is removed again
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    data_dir: PathBuf,
}

fn seconds(text: &str) -> Result<f64, String> {
    let refuse = || format!("'{text}' is not 0.01 to 600 seconds");
    text.parse().ok().filter(|seconds| (0.01..=600.0).contains(seconds)).ok_or_else(refuse)
}

/// What all cases of a run share.
struct Run {
    time: Duration,
    warmup: bool,
    scratch: Scratch,
    numbers: Arc<AtomicU64>,
}

const WARMUP: Duration = Duration::from_millis(500);

pub async fn run(args: PublishArgs) -> Result<(), Failure> {
    let (seconds, rounds) = if args.short { (1.0, 1) } else { (args.seconds, args.rounds) };
    let chosen = |kind| args.only.is_empty() || args.only.contains(&kind);
    let cases: Vec<Case> = Case::all().into_iter().filter(|case| chosen(case.kind())).collect();
    let scratch = Scratch::new(&args.data_dir, "run")?;
    let machine = Machine::look(scratch.path());
    println!("{}", machine.line());
    let run = Run { time: Duration::from_secs_f64(seconds), warmup: args.warmup, scratch, numbers: Arc::default() };
    let echo = if chosen(Kind::Echo) { Some(echo::start().await?) } else { None };
    let mut results: Vec<(Case, Vec<Measured>)> = cases.into_iter().map(|case| (case, Vec::new())).collect();
    for round in 1..=rounds {
        let home = Scratch::new(run.scratch.path(), &format!("round-{round}"))?;
        // Dropped before its directory, as it was made after it.
        let mut weir = if chosen(Kind::Weir) { Some(Weir::start(&args.weir, home.path()).await?) } else { None };
        let count = results.len();
        for (i, (case, measured)) in results.iter_mut().enumerate() {
            let name = case.words().join(" · ");
            eprintln!("round {round} of {rounds}, case {} of {count}: {name}", i + 1);
            let one = run.measure(*case, echo.as_ref(), weir.as_mut()).await;
            measured.push(one.map_err(|error| format!("{name}: {error}"))?);
        }
    }
    let settings = Settings { seconds, rounds, warmup: args.warmup };
    let report = Report::new(machine, settings, results);
    print!("{report}");
    report.write(&args.json)?;
    println!("\nall figures: {}", args.json.display());
    Ok(())
}

impl Run {
    async fn measure(&self, case: Case, echo: Option<&Server>, weir: Option<&mut Weir>) -> Result<Measured, Failure> {
        match (case, echo, weir) {
            (Case::Append { space, events }, ..) => {
                let (dir, time) = (self.scratch.path().to_owned(), self.time);
                tokio::task::spawn_blocking(move || append::run(&dir, space, Checksum::No, events, time)).await?
            }
            (Case::Echo { connections, events }, Some(echo), _) => {
                let request = Batch::request(weir::topic(true), events, &echo::path(events));
                let mut parsed = async |done: &Acknowledged| echo::check_answer(&done.sample, events);
                self.measure_server(echo, &request, connections, &mut parsed).await
            }
            (Case::Weir { schema, connections, events }, _, Some(weir)) => {
                let request = Batch::request(weir::topic(schema), events, "/events");
                let (server, tally) = weir.parts();
                let mut checked = async |done: &Acknowledged| tally.check(server.address, schema, done, events).await;
                self.measure_server(server, &request, connections, &mut checked).await
            }
            (_, None, _) | (_, _, None) => Err("its server was not started".into()),
        }
    }

    /// Load, then the CPU time of the server until it rests again, then `check`, which looks at the server itself.
    async fn measure_server(
        &self,
        server: &Server,
        request: &Batch,
        connections: usize,
        check: &mut impl AsyncFnMut(&Acknowledged) -> Result<(), Failure>,
    ) -> Result<Measured, Failure> {
        let load = |time| Load { address: server.address, request: request.clone(), connections, time };
        if self.warmup {
            check(&load::run(load(WARMUP.min(self.time)), &self.numbers).await?).await?;
            settled(server.pid()).await?;
        }
        let before = cpu_time(server.pid())?;
        let done = load::run(load(self.time), &self.numbers).await?;
        let (after, settle) = settled(server.pid()).await?;
        check(&done).await?;
        let cpu = after.saturating_sub(before);
        Ok(Measured::new(done.events, done.took, done.latencies_ns, cpu, settle))
    }
}
