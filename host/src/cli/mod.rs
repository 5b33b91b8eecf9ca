//! The commands of the `weir` program. All but `serve`, those of a data directory, and those of `plugin` that work on a
//! file, are clients of the HTTP API, as any other.

mod backup;
mod client;
mod events_bar;
mod export;
mod fetch;
mod import;
mod plugin;
mod projections;
mod publish;
mod reindex;
mod tail;
mod verify;

use std::future::Future;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{self, ExitCode};

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::config::{Config, ServeArgs, TraceFormat};
use crate::server::{self, Ended};

#[derive(Debug, Parser)]
#[command(name = "weir", version, about = "An event store that teams extend with WebAssembly")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(Box<ServeArgs>),
    /// Publish one event
    Publish(publish::PublishArgs),
    /// Print a topic's events as they come, one JSON object a line
    Tail(tail::TailArgs),
    /// Publish the events of a file, one JSON object a line
    Import(import::ImportArgs),
    /// Write events into a file, one JSON object a line
    Export(export::ExportArgs),
    /// Copy a running server's store into one file
    Backup(backup::BackupArgs),
    /// Make a data directory from a backup
    Restore(backup::RestoreArgs),
    /// Look at every event, hash and index row of a data directory that no server has open
    Verify(verify::VerifyArgs),
    /// Make the index of a data directory that no server has open anew from its log
    Reindex(reindex::ReindexArgs),
    /// Fetch the files that artifacts.toml names, as an image is built
    Fetch(fetch::FetchArgs),
    /// List views, build them anew, go back
    #[command(subcommand)]
    Projections(projections::ProjectionsCommand),
    /// Write, try and install plugins
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
}

/// What every failing command prints: one sentence.
type Failure = Box<dyn std::error::Error>;

/// Runs a command; failures go to stderr in one line.
pub fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Serve(args) => serve(*args),
        Command::Publish(args) => block_on(publish::run(args)),
        Command::Tail(args) => block_on(tail::run(args)),
        Command::Export(args) => block_on(export::run(args)),
        Command::Import(args) => block_on(import::run(args)),
        Command::Backup(args) => block_on(backup::back_up(args)),
        Command::Restore(args) => block_on(backup::restore_from(args)),
        Command::Verify(args) => block_on(verify::run(args)),
        Command::Reindex(args) => block_on(reindex::run(args)),
        Command::Fetch(args) => block_on(fetch::run(args)),
        Command::Projections(command) => block_on(projections::run(command)),
        Command::Plugin(command) => block_on(plugin::run(command)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: ServeArgs) -> Result<(), Failure> {
    let config = Config::load(args)?;
    start_tracing(config.trace_format);
    let (listen, runtime) = (config.listen, tokio::runtime::Builder::new_multi_thread().enable_all().build()?);
    match runtime.block_on(server::run(config))? {
        Ended::Told => Ok(()),
        Ended::Heals(address) => Err(start_anew((listen != address).then_some(address)).into()),
    }
}

/// Puts a new process of this program in the place of this one, which leaves nothing behind: no thread, no lock, no byte of
/// what had stopped. Answers only if that failed.
fn start_anew(address: Option<SocketAddr>) -> std::io::Error {
    // It may have been replaced by a newer one, which then starts, or removed.
    let program = std::env::current_exe().ok().filter(|path| path.exists());
    let mut command = process::Command::new(program.unwrap_or_else(|| "/proc/self/exe".into()));
    command.args(std::env::args_os().skip(1));
    // Whoever had any port given finds the server where it was.
    command.args(address.iter().flat_map(|address| ["--listen".to_owned(), address.to_string()]));
    tracing::info!("starting anew, as there is room on the disk");
    command.exec()
}

fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}

/// Tracing goes to stderr; `RUST_LOG` chooses what.
fn start_tracing(format: TraceFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        TraceFormat::Human => builder.with_ansi(std::io::stderr().is_terminal()).init(),
        TraceFormat::Json => builder.json().init(),
    }
}

/// For the commands that run plugins here: what a plugin writes to its log goes to stderr.
fn show_plugin_lines() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("weir::plugin::reporter=trace"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // It was started already when a command loads twice.
    let _ = lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).without_time().try_init();
}
