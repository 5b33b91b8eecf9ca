//! `weir reindex`: makes the index of a data directory that no server has open anew, from its log.

use std::path::PathBuf;

use super::Failure;
use super::events_bar::EventsBar;
use crate::server::reindex;

#[derive(Debug, clap::Args)]
pub struct ReindexArgs {
    /// Directory of events and records
    #[arg(long, value_name = "DIR", env = "DATA_DIR", default_value = "data")]
    data_dir: PathBuf,
}

pub async fn run(args: ReindexArgs) -> Result<(), Failure> {
    let bar = EventsBar::new();
    let tell = bar.sink();
    let events = tokio::task::spawn_blocking(move || reindex(&args.data_dir, &tell)).await??;
    bar.end();
    println!("{events} events, indexed anew");
    Ok(())
}
