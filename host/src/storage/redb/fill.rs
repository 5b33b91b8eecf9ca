//! The filler: moves the oldest chunk of the tail into redb, in one transaction, and lets its log segments go.
//!
//! Everything of a chunk (blocks, index, heads, how far redb is) is one durable transaction, so redb is always one
//! consistent prefix of the log. **Invariant:** readers get the new snapshot and lose the chunk in one step.

use redb::{ReadableTable, WriteTransaction};
use std::path::Path;
use std::sync::mpsc::Sender;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::block::{BlockBuilder, PAGE_SLACK_BYTES};
use super::chunk::{Chunk, Places};
use super::directory::{io_error, redb_error};
use super::faults::Step;
use super::keys::{self, BLOCKS, META, STREAM_POSTINGS, TOPIC_HEADS, TOPIC_POSTINGS};
use super::postings::{self, POSTINGS_MAX};
use super::prefix::Prefix;
use super::segments::Request;
use super::shared::{FailOnPanic, Shared};
use super::wal::WalEnd;
use crate::storage::StorageError;

/// How long the filler waits for room on a full disk before it looks again.
const FULL_WAIT: Duration = Duration::from_millis(500);

/// Works until the log is closed or fails.
pub fn run(shared: &Shared, segments: &Sender<Request>) {
    let _guard = FailOnPanic(shared);
    while let Some(chunk) = next_chunk(shared) {
        let wanted = chunk.bytes;
        if let Some(detail) = disk_full(shared, wanted) {
            wait_for_room(shared, detail);
            continue;
        }
        match fill(shared, &chunk) {
            Ok(prefix) => publish(shared, segments, &chunk, prefix),
            Err(error) => return shared.fail(format!("moving events into redb failed: {error}")),
        }
    }
}

fn next_chunk(shared: &Shared) -> Option<Arc<Chunk>> {
    let mut state = shared.state();
    while !shared.is_over() {
        match state.tail.oldest() {
            Some(chunk) => return Some(chunk),
            None => state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
    }
    None
}

/// redb can't go on after a failed write, so it is better not begun: the events stay in the log and in memory.
fn disk_full(shared: &Shared, chunk_bytes: usize) -> Option<String> {
    let free = rustix::fs::statvfs(&shared.directory.path).ok().map(|fs| fs.f_bavail * fs.f_frsize);
    let (needed, faulty) = (chunk_bytes as u64 * 2 + (16 << 20), shared.faults.meet(Step::Fill).is_err());
    let short = free.filter(|free| *free < needed || faulty)?;
    Some(format!("redb needs {needed} bytes for the next events, {short} are free"))
}

fn wait_for_room(shared: &Shared, detail: String) {
    tracing::warn!(%detail, "the disk is full; events stay in the write-ahead log");
    let mut state = shared.state();
    state.fill_full = Some(detail);
    shared.room.notify_all();
    if !shared.is_over() {
        drop(shared.work.wait_timeout(state, FULL_WAIT));
    }
}

fn publish(shared: &Shared, segments: &Sender<Request>, chunk: &Chunk, prefix: Prefix) {
    let mut state = shared.state();
    let gone = state.tail.filled(Arc::new(prefix));
    state.fill_full = None;
    shared.room.notify_all();
    drop(state);
    // A chunk is a lot of small things to free; nobody waits for that.
    drop(gone);
    if let Some(WalEnd { segment, .. }) = chunk.groups.last().map(|group| group.end) {
        // The thread is gone only when the store is being closed.
        let _ = segments.send(Request::Recycle(segment));
    }
}

fn fill(shared: &Shared, chunk: &Chunk) -> Result<Prefix, StorageError> {
    let path = shared.events_file.as_path();
    let mut txn = shared.db.begin_write().map_err(|error| redb_error(path, error))?;
    // Costs a little at each commit, and makes opening after a crash independent of the file's size.
    txn.set_quick_repair(true);
    let write = || -> Result<(), redb::Error> {
        write_blocks(&txn, chunk, shared.config.block_bytes)?;
        write_index(&txn, chunk)?;
        write_meta(&txn, chunk)
    };
    write().map_err(|error| redb_error(path, error))?;
    txn.commit().map_err(|error| redb_error(path, error))?;
    let (prefix, reached, _) = Prefix::open(&shared.db, path)?;
    assert_reached(chunk, reached.position, path)?;
    Ok(prefix)
}

fn assert_reached(chunk: &Chunk, position: u64, path: &Path) -> Result<(), StorageError> {
    if chunk.last() == Some(position) {
        return Ok(());
    }
    let error = std::io::Error::other(format!("it says position {position} after {:?} was written", chunk.last()));
    Err(io_error("wrong answer from", path)(error))
}

fn write_blocks(txn: &WriteTransaction, chunk: &Chunk, block_bytes: usize) -> Result<(), redb::Error> {
    let mut table = txn.open_table(BLOCKS)?;
    let mut block = BlockBuilder::default();
    let block_bytes = block_bytes.saturating_sub(PAGE_SLACK_BYTES);
    for (position, event) in chunk.groups.iter().flat_map(|group| group.events()) {
        if !block.is_empty() && block.bytes_with(event) > block_bytes {
            let (first, bytes) = block.take();
            table.insert(first, bytes)?;
        }
        block.push(position, event);
    }
    if !block.is_empty() {
        let (first, bytes) = block.take();
        table.insert(first, bytes)?;
    }
    Ok(())
}

fn write_index(txn: &WriteTransaction, chunk: &Chunk) -> Result<(), redb::Error> {
    let mut heads = txn.open_table(TOPIC_HEADS)?;
    let (mut topic_rows, mut stream_rows) = (vec![], vec![]);
    for (topic, events) in &chunk.topics {
        heads.insert(topic.as_str(), events.places.last())?;
        rows(&events.places, |first| keys::topic_key(topic, first), &mut topic_rows);
        for (stream, places) in &events.streams {
            rows(places, |first| keys::stream_key(topic, stream, first), &mut stream_rows);
        }
    }
    insert_in_order(txn.open_table(TOPIC_POSTINGS)?, topic_rows)?;
    insert_in_order(txn.open_table(STREAM_POSTINGS)?, stream_rows)
}

type Row = (Vec<u8>, Vec<u8>);

fn rows(places: &Places, key: impl Fn(u64) -> Vec<u8>, out: &mut Vec<Row>) {
    for (index, positions) in places.positions.chunks(POSTINGS_MAX).enumerate() {
        out.push((key(places.first + (index * POSTINGS_MAX) as u64), postings::encode(positions)));
    }
}

/// In key order a B-tree's pages are touched once each.
fn insert_in_order(
    mut table: redb::Table<&'static [u8], &'static [u8]>,
    mut rows: Vec<Row>,
) -> Result<(), redb::Error> {
    rows.sort_unstable();
    for (key, row) in rows {
        table.insert(key.as_slice(), row.as_slice())?;
    }
    Ok(())
}

fn write_meta(txn: &WriteTransaction, chunk: &Chunk) -> Result<(), redb::Error> {
    let Some(last) = chunk.groups.last() else { return Ok(()) };
    let mut meta = txn.open_table(META)?;
    let reached = meta.get(keys::META_POSITION)?.map_or(0, |guard| guard.value());
    if chunk.first() != Some(reached + 1) {
        return Err(redb::Error::Corrupted(format!(
            "it ends at {reached}, the next events are from {:?}",
            chunk.first()
        )));
    }
    meta.insert(keys::META_POSITION, last.last())?;
    meta.insert(keys::META_TIME_MS, last.time_ms)?;
    meta.insert(keys::META_GROUP, last.number)?;
    meta.insert(keys::META_SEGMENT, last.end.segment)?;
    meta.insert(keys::META_OFFSET, last.end.offset)?;
    Ok(())
}
