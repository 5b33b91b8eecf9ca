//! The default adapter: a write-ahead log of group commits, and redb filled behind it.
//!
//! An append is durable in the log and readable from the tail in memory; a background thread moves the tail into redb
//! in big transactions, because a redb commit costs as much as a whole group. Down once: `log` → `batch` → `writer` →
//! `wal`. Behind it: `fill` → redb → `segments` used again. Reads: `log` merges `tail` and `prefix`.
//!
//! **Invariant:** redb is always one consistent prefix of the log; the rest is in the write-ahead log and in the tail.
//! The directory's lock is held until the last handle of the store is gone, because redb's file is open as long.

mod batch;
mod block;
mod chunk;
mod config;
mod directory;
mod faults;
mod fill;
mod group;
mod heads;
mod keys;
mod log;
mod postings;
mod prefix;
mod records;
mod replay;
mod segments;
mod shared;
mod tail;
#[cfg(test)]
mod tests;
mod threads;
mod wal;
mod writer;

pub use config::RedbConfig;

use redb::{Database, ReadableDatabase};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use self::directory::{Directory, io_error, redb_error};
use self::faults::Faults;
use self::heads::Heads;
use self::log::{RedbLog, Threads};
use self::prefix::Prefix;
use self::records::RedbRecords;
use self::segments::{Request, Segments};
use self::shared::Shared;
use self::tail::Tail;
use self::wal::Wal;
use self::writer::Writer;
use super::{Clock, StorageError, Store};

/// Opens the store in a directory, or makes a new one there. Takes back from the write-ahead log what redb has not
/// reached. Fails if another process has it open, if it is of another format, or if acknowledged events are damaged.
pub fn open(config: RedbConfig, clock: Clock) -> Result<Store, StorageError> {
    open_with(config, clock, Faults::default())
}

fn open_with(config: RedbConfig, clock: Clock, faults: Faults) -> Result<Store, StorageError> {
    let directory = Arc::new(Directory::open(&config.dir)?);
    let records = RedbRecords::open(directory.clone(), config.records_cache_bytes)?;
    let log = open_log(config, clock, faults, directory)?;
    Ok(Store { adapter: "redb", log: Arc::new(log), records: Arc::new(records) })
}

fn open_log(
    config: RedbConfig,
    clock: Clock,
    faults: Faults,
    directory: Arc<Directory>,
) -> Result<RedbLog, StorageError> {
    let path = keys::events_file(&directory.path);
    let db = records::open_database(&path, config.cache_bytes)?;
    create_tables(&db).map_err(|error| redb_error(&path, error))?;
    let (prefix, reached, topic_heads) = Prefix::open(&db, &path)?;
    let mut tail = Tail::new(Arc::new(prefix), topic_heads);
    let found = replay::replay(&directory, &mut tail, reached, config.segment_bytes, config.tail_fill_bytes)?;

    let wal_dir = keys::wal_dir(&directory.path);
    let failed = io_error("cannot start the threads of", &directory.path);
    let started = Segments::start(wal_dir, config.segment_bytes, found.numbers);
    let (segments, requests, segments_thread) = started.map_err(&failed)?;
    // What redb passed before the last stop; the thread is there, as we just started it.
    let _ = requests.send(Request::Recycle(reached.wal.segment));
    let wal = Wal::new(found.segment, found.reached.wal.offset, segments, faults.clone());

    let (heads, queue_batches) = (Heads::new(tail.topic_heads()), config.writer_queue_batches);
    let head = found.reached.position;
    let shared = Arc::new(Shared::new(tail, head, config, path, faults, db, directory.clone()));
    let (queue, batches) = sync_channel(queue_batches);
    let for_filler = shared.clone();
    let filler = threads::background("weir-filler", move || fill::run(&for_filler, &requests));
    let filler = filler.map_err(&failed)?;
    let writer = Writer { shared: shared.clone(), queue: batches, wal, heads, clock, last: found.reached };
    let writer = threads::foreground("weir-writer", move || writer.run()).map_err(failed)?;
    Ok(RedbLog::new(shared, queue, Threads { writer, filler, segments: segments_thread }))
}

/// A table is made by being opened for writing; a commit costs two syncs, so it is done for a new file only.
fn create_tables(db: &Database) -> Result<(), redb::Error> {
    if db.begin_read()?.list_tables()?.count() >= 5 {
        return Ok(());
    }
    let mut txn = db.begin_write()?;
    txn.set_quick_repair(true);
    txn.open_table(keys::BLOCKS)?;
    txn.open_table(keys::TOPIC_POSTINGS)?;
    txn.open_table(keys::STREAM_POSTINGS)?;
    txn.open_table(keys::TOPIC_HEADS)?;
    txn.open_table(keys::META)?;
    Ok(txn.commit()?)
}
