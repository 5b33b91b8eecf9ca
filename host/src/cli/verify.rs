//! `weir verify`: looks at everything in a data directory that no server has open. (`GET /verify` asks a running server.)

use std::path::PathBuf;

use super::Failure;
use super::events_bar::EventsBar;
use crate::model::hex;
use crate::server::{Verified, verify};

#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// Directory of events and records
    #[arg(long, value_name = "DIR", env = "DATA_DIR", default_value = "data")]
    data_dir: PathBuf,
}

pub async fn run(args: VerifyArgs) -> Result<(), Failure> {
    verify_shown(args.data_dir).await
}

/// Verifies with a progress bar, and prints what was found.
pub async fn verify_shown(data_dir: PathBuf) -> Result<(), Failure> {
    let bar = EventsBar::new();
    let tell = bar.sink();
    let verified = tokio::task::spawn_blocking(move || verify(&data_dir, &tell));
    let Verified { events, topics, damage } = verified.await??;
    bar.end();
    for (topic, tip) in &topics {
        println!("{topic}\t{}\t{}", tip.sequence, hex(&tip.hash));
    }
    match damage {
        None => {
            println!("{events} events, {} topics: all is as it was written", topics.len());
            Ok(())
        }
        Some(damage) => {
            let at = damage.position.map_or(String::new(), |position| format!("position {position}: "));
            Err(format!("{at}{}: {} ({events} events before it are sound)", damage.place, damage.detail).into())
        }
    }
}
