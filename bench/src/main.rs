//! `weir-bench`: measures a real server, started as a child process, beside the two things that limit it: what the disk
//! can make durable (`append`) and what the HTTP stack can answer (`echo`). All in one run and taking turns, because
//! figures of two runs on a shared machine say nothing about each other.

mod append;
mod bare;
mod body;
mod case;
mod charts;
mod child;
mod commands;
mod compare;
mod connection;
mod cpu;
mod dice;
mod echo;
mod events;
mod fill;
mod footprint;
mod goal;
mod growth;
mod guard;
mod load;
mod log;
mod measured;
mod publish;
mod publisher;
mod reader;
mod reads;
mod report;
mod site;
mod weir;

use std::future::Future;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use weir_bench::Failure;

#[derive(Debug, Parser)]
#[command(name = "weir-bench", version, about = "Measures a Weir server beside the limits of disk and HTTP stack")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure publishing events
    Publish(publish::PublishArgs),
    /// Measure publishing beside other stores, each by itself
    Compare(compare::CompareArgs),
    /// Measure reading beside the disk and the HTTP stack
    Reads(reads::ReadsArgs),
    /// Measure what a store's size costs: events, topics, streams
    Growth(growth::GrowthArgs),
    /// Measure commands on many aggregates beside publishing
    Commands(commands::CommandsArgs),
    /// Measure conditions
    Log(log::LogArgs),
    /// Count instructions of publishing, and compare them with the committed ones
    Guard(guard::GuardArgs),
    /// Measure all about publishing; the same as `publish`
    All(publish::PublishArgs),
    /// The HTTP stack alone, as a process of its own
    #[command(hide = true)]
    Echo,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Publish(args) | Command::All(args) => measure(publish::run(args)),
        Command::Compare(args) => measure(compare::run(args)),
        Command::Reads(args) => measure(reads::run(args)),
        Command::Growth(args) => measure(growth::run(args)),
        Command::Commands(args) => measure(commands::run(args)),
        Command::Log(args) => measure(log::run(args)),
        Command::Guard(args) => measure(guard::run(args)),
        Command::Echo => echo::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One thread for all load: it shares the machine with the server that it measures. A signal ends the run like an error,
/// so that child processes and temporary files go whatever happens.
fn measure(run: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            done = run => done,
            _ = interrupt.recv() => Err("interrupted".into()),
            _ = terminate.recv() => Err("terminated".into()),
        }
    })
}
