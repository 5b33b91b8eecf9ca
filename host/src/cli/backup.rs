//! `weir backup`: a consistent copy of a running server's store, in one file. `weir restore`: a data directory from it.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;
use super::client::{Client, ServerArgs};
use super::verify::verify_shown;
use crate::server::{Progress, restore};

#[derive(Debug, clap::Args)]
pub struct BackupArgs {
    /// File to write; it must not exist yet
    file: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
pub struct RestoreArgs {
    /// File that `weir backup` wrote
    file: PathBuf,
    /// Directory of events and records to make; it must hold no store yet
    #[arg(long, value_name = "DIR", env = "DATA_DIR", default_value = "data")]
    data_dir: PathBuf,
    /// Look at every event, hash and index row of what was restored
    #[arg(long)]
    verify: bool,
}

/// The copy has its name only when it is whole and on disk.
pub async fn back_up(args: BackupArgs) -> Result<(), Failure> {
    let path = args.file.as_path();
    if path.exists() {
        return Err(format!("{} exists already; choose another name", path.display()).into());
    }
    let client = Client::new(args.server)?;
    let mut answer = client.post_stream(client.url(&["admin", "backup"])).await?;
    let aside = path.with_extension("part");
    let mut out = BufWriter::new(File::create(&aside)?);
    let bar = ProgressBar::new_spinner().with_style(style("{spinner} {binary_bytes}, {binary_bytes_per_sec}"));
    while let Some(piece) = answer.chunk().await? {
        out.write_all(&piece)?;
        bar.inc(piece.len() as u64);
    }
    out.into_inner().map_err(|error| error.into_error())?.sync_all()?;
    std::fs::rename(&aside, path)?;
    let bytes = bar.position();
    bar.finish_and_clear();
    println!("{}: {bytes} bytes; `weir restore --verify` makes a data directory of it", path.display());
    Ok(())
}

pub async fn restore_from(args: RestoreArgs) -> Result<(), Failure> {
    let RestoreArgs { file, data_dir, verify } = args;
    let from = File::open(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let bar = ProgressBar::new(from.metadata()?.len())
        .with_style(style("{wide_bar} {binary_bytes} of {binary_total_bytes}, {msg}"));
    let shown = bar.clone();
    let tell = move |progress: Progress| shown.set_message(format!("{} events", progress.position));
    let end = restore(&data_dir, BufReader::new(bar.wrap_read(from)), &tell).await?;
    bar.finish_and_clear();
    println!("{}: {} events and {} records restored", data_dir.display(), end.head, end.records);
    if verify { verify_shown(data_dir).await } else { Ok(()) }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
