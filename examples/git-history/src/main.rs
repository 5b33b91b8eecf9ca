//! An example to read: a git repository's history becomes events of a Weir server, a webhook gets them, and what it
//! counts must be what git counts.
//!
//! `numstat.rs` reads git's output, `git.rs` runs git, `event.rs` gives events and schema their shape, `receiver.rs` is the
//! webhook, `totals.rs` counts, `client.rs` talks to the server, and `run.rs` puts all of it together.

mod client;
mod event;
mod git;
mod numstat;
mod receiver;
mod run;
mod totals;

use std::io::{BufWriter, ErrorKind, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// What a failing command prints: one sentence.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, Parser)]
#[command(name = "git-history", about = "A repository's history as events of a Weir server")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print one event a commit, one JSON object a line, for `weir import`
    Events {
        /// The repository
        #[arg(long, value_name = "DIR", default_value = ".")]
        repo: PathBuf,
    },
    /// Print the topic, for `POST /topics`
    Schema,
    /// Receive events as a webhook, and print their totals at the end
    Receive {
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8099")]
        listen: SocketAddr,
        /// End after so many events
        #[arg(long, value_name = "EVENTS")]
        exit_after: Option<u64>,
        /// End when nothing came for so long
        #[arg(long, value_name = "SECONDS")]
        idle_exit: Option<u64>,
    },
    /// Do all of it: make the topic, receive, publish the history, compare with git's own numbers
    Run {
        /// The server
        #[arg(long, env = "EVENT_STORE_BASE_URL", default_value = "http://127.0.0.1:8000")]
        url: String,
        /// The repository
        #[arg(long, value_name = "DIR", default_value = ".")]
        repo: PathBuf,
    },
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Events { repo } => print_events(&repo),
        Command::Schema => {
            println!("{:#}", event::topic());
            Ok(())
        }
        Command::Receive { listen, exit_after, idle_exit } => {
            block_on(receiver::serve(listen, exit_after, idle_exit.map(Duration::from_secs)))
        }
        Command::Run { url, repo } => block_on(run::run(&url, &repo)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("git-history: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print_events(repo: &Path) -> Result<(), Failure> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    for commit in git::history(repo)? {
        match writeln!(out, "{}", event::of(&commit?).to_json()?) {
            // The reader, `head` perhaps, has had enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
    Ok(out.flush()?)
}

/// Several threads: the webhook must answer while the history is read from git.
fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}
