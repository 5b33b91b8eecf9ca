//! The default adapter: a log of group commits in plain files, and an index of it in redb, filled behind.
//!
//! An append is durable in the log and readable from the tail in memory; a background thread moves what the tail knows into
//! the index in big transactions, because a redb commit costs as much as a whole group. Down once: `log` → `batch` →
//! `writer` → `plan` → `wal`. Behind it: `fill` → `index`. Reads: `log` merges `tail` and `prefix`.
//!
//! **Invariant:** the log's files are the truth. The index is always one consistent prefix of it and can be made anew; what
//! it does not hold yet is in the tail.
//! The directory's lock is held until the last handle of the store is gone, because redb's file is open as long.

mod batch;
mod blocks;
mod chunk;
mod config;
mod database;
mod directory;
mod disk;
mod fill;
mod finding;
mod forget;
pub(super) mod fuzzing;
mod group;
mod heads;
mod index;
mod keys;
mod labels;
mod log;
mod lookup;
mod pace;
mod paging;
mod plan;
mod postings;
mod prefix;
mod reader;
mod records;
mod replay;
mod restore;
mod rows;
mod scavenge;
mod search;
mod segments;
mod shared;
mod stretch;
mod tail;
#[cfg(test)]
mod tests;
mod threads;
mod verify;
mod wal;
mod writer;

pub use config::RedbConfig;
pub(super) use directory::redb_error;
pub use restore::{RestoreError, restore};
pub use verify::verify;

use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

use self::directory::{Directory, io_error};
use self::disk::{Disk, OsDisk};
use self::heads::Heads;
use self::index::Index;
use self::log::{Door, RedbLog, Threads};
use self::records::RedbRecords;
use self::replay::{Replayed, Wanted};
use self::segments::Segments;
use self::shared::Shared;
use self::tail::Tail;
use self::wal::Wal;
use self::writer::Writer;
use super::{Clock, Progress, ProgressSink, StorageError, Store};
use crate::model::Position;

/// Opens the store in a directory, or makes a new one there. Takes back from the log what the index has not
/// reached. Fails if another process has it open, if it is of another format, or if acknowledged events are damaged.
pub fn open(config: RedbConfig, clock: Clock) -> Result<Store, StorageError> {
    open_with(config, clock, Arc::new(OsDisk))
}

/// Makes the index of a store that nobody has open anew, from its log. When this is stopped halfway, the next opening goes on
/// where it was. Answers the last position.
pub fn reindex(config: RedbConfig, progress: &ProgressSink) -> Result<Position, StorageError> {
    verify::expect_store(&config.dir)?;
    let directory = Directory::open(Arc::new(OsDisk), &config.dir)?;
    let path = keys::index_file(&directory.path);
    let removed = match directory.disk.exists(&path) {
        Ok(true) => directory.disk.remove(&path).and_then(|()| directory.disk.sync_dir(&directory.path)),
        looked => looked.map(|_| ()),
    };
    removed.map_err(io_error("cannot remove", &path))?;
    let index = Index::open(&directory, config.cache_bytes)?;
    let (mut tail, found) = read_back(&config, &directory, &index, progress)?;
    replay::fill_all(&index, &mut tail)?;
    let position = found.reached.position;
    progress(Progress { position, head: position });
    Ok(position)
}

/// Why a store that is to be opened in this directory may not be able to for now: there is little room on the disk.
pub fn lacks_room(dir: &Path) -> Option<String> {
    directory::lacks_room(&OsDisk, dir, 0)
}

fn open_with(config: RedbConfig, clock: Clock, disk: Arc<dyn Disk>) -> Result<Store, StorageError> {
    let directory = Arc::new(Directory::open(disk, &config.dir)?);
    let records = RedbRecords::open(directory.clone(), config.records_cache_bytes)?;
    let log = open_log(config, clock, directory)?;
    Ok(Store { adapter: "redb", log: Arc::new(log), records: Arc::new(records) })
}

/// The tail as the log says that it is, and where the log ends.
fn read_back(
    config: &RedbConfig,
    directory: &Directory,
    index: &Index,
    progress: &ProgressSink,
) -> Result<(Tail, Replayed), StorageError> {
    let (prefix, reached) = index.snapshot()?;
    let mut tail = Tail::new(prefix);
    let RedbConfig { segment_bytes, tail_fill_bytes: fill_bytes, .. } = *config;
    let found = replay::replay(&Wanted { directory, index, reached, segment_bytes, fill_bytes, progress }, &mut tail)?;
    Ok((tail, found))
}

fn open_log(config: RedbConfig, clock: Clock, directory: Arc<Directory>) -> Result<RedbLog, StorageError> {
    let index = Index::open(&directory, config.cache_bytes)?;
    segments::tidy(&index.files()).map_err(io_error("cannot tidy", &keys::log_dir(&directory.path)))?;
    let tell = |Progress { position, head }: Progress| {
        tracing::info!(position, about = head, "making the index from the log");
    };
    let (tail, found) = read_back(&config, &directory, &index, &tell)?;

    let failed = io_error("cannot start the threads of", &directory.path);
    let started = Segments::start(directory.disk.clone(), keys::log_dir(&directory.path), config.segment_bytes);
    let (segments, segments_thread) = started.map_err(&failed)?;
    let wal = Wal::new(found.segment, found.reached.wal.offset, segments);
    let wal = wal.map_err(io_error("cannot read the end of", &keys::log_dir(&directory.path)))?;

    let (heads, queue_batches) = (Heads::new(tail.tips()), config.writer_queue_batches);
    let head = found.reached.position;
    let shared = Arc::new(Shared::new(tail, head, config, index, directory.clone()));
    let (queue, batches) = sync_channel(queue_batches);
    let for_filler = shared.clone();
    let filler = threads::background("weir-filler", move || fill::run(&for_filler));
    let filler = filler.map_err(&failed)?;
    let writer = Writer { shared: shared.clone(), wal, heads, clock, last: found.reached, alone: 0 };
    let writer = Arc::new(Mutex::new(writer));
    let door = Door { queue, writer: writer.clone() };
    let for_writer = shared.clone();
    let writer = threads::foreground("weir-writer", move || writer::run(&writer, &for_writer, &batches));
    let threads = Threads { writer: writer.map_err(failed)?, filler, segments: segments_thread };
    Ok(RedbLog::new(shared, door, threads))
}
