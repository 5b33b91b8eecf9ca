//! The index: where each event of the log lies, and which events a topic, stream, tag or type has, in redb.
//!
//! It holds nothing that the log does not: a missing index is made anew from the log's files when the store is opened.
//! **Invariant:** what a chunk adds (places, lists, tips, keys, how far the index is) is one durable transaction, so the
//! index always is one consistent prefix of the log.

use redb::{Database, ReadableDatabase, ReadableTable, WriteTransaction};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::chunk::{Chunk, Places};
use super::database;
use super::directory::{Directory, io_error, redb_error};
use super::forget::{self, Rewritten};
use super::keys::{self, KEYS_OLD, KEYS_YOUNG, META, STREAM_POSTINGS, STRETCHES, TAG_POSTINGS, TOPIC_POSTINGS};
use super::keys::{SEGMENTS, TOPIC_BYTES, TOPIC_TIPS, TYPE_POSTINGS};
use super::postings::{self, POSTINGS_MAX};
use super::prefix::{Prefix, Reached};
use super::segments;
use super::stretch::Files;
use super::wal::WalEnd;
use crate::model::Position;
use crate::model::limits::{IDEMPOTENCY_KEYS_KEPT_MS, STRETCH_BYTES};
use crate::storage::StorageError;

pub struct Index {
    pub db: Database,
    pub path: PathBuf,
    /// How the log's files lie together now. Held while that changes, so that a snapshot and its files belong together.
    files: Mutex<Arc<Files>>,
}

impl Index {
    /// Opens the index, or makes an empty one.
    pub fn open(directory: &Directory, cache_bytes: usize) -> Result<Self, StorageError> {
        let path = keys::index_file(&directory.path);
        let db = database::open(directory, &path, cache_bytes, create_tables)?;
        let dir = keys::log_dir(&directory.path);
        let generations = match generations(&db).map_err(|error| redb_error(&path, error))? {
            Some(generations) => generations,
            None => {
                // Made from the log anew: each file that has its name is whole, and the newest is what the store was last.
                let found = segments::generations(&*directory.disk, &dir).map_err(io_error("cannot list", &dir))?;
                let found = found.into_iter().filter(|(_, generation)| *generation > 0).collect();
                write_generations(&db, &found).map_err(|error| redb_error(&path, error))?;
                found
            }
        };
        let files = Files::new(directory.disk.clone(), dir, generations);
        Ok(Self { db, path, files: Mutex::new(Arc::new(files)) })
    }

    pub fn files(&self) -> Arc<Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn snapshot(&self) -> Result<(Prefix, Reached), StorageError> {
        Prefix::open(&self.db, &self.path, self.files())
    }

    /// Puts a segment's new file in the place of the one before, durably, and answers the snapshot that has it.
    /// **Invariant:** only the filler's thread calls this and `add`.
    pub fn replace(&self, new: &Rewritten) -> Result<Prefix, StorageError> {
        let write = || -> Result<(), redb::Error> {
            let mut txn = self.db.begin_write()?;
            txn.set_quick_repair(true);
            forget::apply(&txn, new)?;
            Ok(txn.commit()?)
        };
        write().map_err(|error| redb_error(&self.path, error))?;
        {
            let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            *files = files.replaced(new.segment, new.generation);
        }
        Ok(self.snapshot()?.0)
    }

    /// Adds a chunk, durably, and answers the snapshot that has it.
    pub fn add(&self, chunk: &Chunk) -> Result<Prefix, StorageError> {
        let write = || -> Result<(), redb::Error> {
            let mut txn = self.db.begin_write()?;
            // Costs a little at each commit, and makes opening after a crash independent of the file's size.
            txn.set_quick_repair(true);
            write_stretches(&txn, chunk)?;
            write_lists(&txn, chunk)?;
            write_keys(&txn, chunk)?;
            write_meta(&txn, chunk)?;
            Ok(txn.commit()?)
        };
        write().map_err(|error| redb_error(&self.path, error))?;
        let (prefix, reached) = self.snapshot()?;
        if chunk.last() != Some(reached.position) {
            let detail = format!("it says position {} after {:?} was written", reached.position, chunk.last());
            return Err(StorageError::Io { what: format!("wrong answer from {}", self.path.display()), detail });
        }
        Ok(prefix)
    }
}

/// The files that the index was made from; `None` if it holds nothing yet.
fn generations(db: &Database) -> Result<Option<BTreeMap<u64, u64>>, redb::Error> {
    let txn = db.begin_read()?;
    if txn.open_table(META)?.get(keys::META_POSITION)?.is_none() {
        return Ok(None);
    }
    let rows = txn.open_table(SEGMENTS)?;
    let rows = rows.range::<u64>(..)?.map(|row| row.map(|(number, generation)| (number.value(), generation.value())));
    Ok(Some(rows.collect::<Result<_, _>>()?))
}

fn write_generations(db: &Database, found: &BTreeMap<u64, u64>) -> Result<(), redb::Error> {
    if found.is_empty() {
        return Ok(());
    }
    let mut txn = db.begin_write()?;
    txn.set_quick_repair(true);
    for (number, generation) in found {
        txn.open_table(SEGMENTS)?.insert(number, generation)?;
    }
    Ok(txn.commit()?)
}

/// A table is made by being opened for writing.
fn create_tables(txn: &WriteTransaction) -> Result<(), redb::Error> {
    txn.open_table(STRETCHES)?;
    for lists in [TOPIC_POSTINGS, STREAM_POSTINGS, TAG_POSTINGS, TYPE_POSTINGS] {
        txn.open_table(lists)?;
    }
    txn.open_table(TOPIC_BYTES)?;
    txn.open_table(TOPIC_TIPS)?;
    txn.open_table(KEYS_YOUNG)?;
    txn.open_table(KEYS_OLD)?;
    txn.open_table(SEGMENTS)?;
    txn.open_table(META)?;
    Ok(())
}

/// An entry where the chunk starts, where a segment starts, and when enough bytes have passed.
fn write_stretches(txn: &WriteTransaction, chunk: &Chunk) -> Result<(), redb::Error> {
    let mut table = txn.open_table(STRETCHES)?;
    let mut last: Option<WalEnd> = None;
    for (position, at) in chunk.groups.iter().flat_map(|group| group.events()) {
        let near = |last: WalEnd| last.segment == at.segment && at.offset - last.offset < STRETCH_BYTES;
        if !last.is_some_and(near) {
            table.insert(position, (at.segment, at.offset))?;
            last = Some(at);
        }
    }
    Ok(())
}

fn write_lists(txn: &WriteTransaction, chunk: &Chunk) -> Result<(), redb::Error> {
    let (mut tips, mut bytes) = (txn.open_table(TOPIC_TIPS)?, txn.open_table(TOPIC_BYTES)?);
    let (mut topics, mut streams, mut tags, mut types, mut emptied) = (vec![], vec![], vec![], vec![], vec![]);
    for (topic, events) in &chunk.topics {
        tips.insert(topic.as_str(), (events.places.last(), events.hash))?;
        bytes.insert(keys::topic_key(topic, events.places.first).as_slice(), events.bytes)?;
        place_rows(&events.places, |first| keys::topic_key(topic, first), &mut topics);
        for (stream, places) in &events.streams {
            let key = |first| keys::stream_key(topic, stream, first);
            if places.skipped {
                emptied.push((key(0), key(places.first)));
                // All before was deleted. If nothing follows yet, an empty row says where the next one will be.
                streams.extend(places.positions.is_empty().then(|| row(key(places.first), &[])));
            }
            place_rows(places, key, &mut streams);
        }
    }
    for (tag, positions) in &chunk.labels.tags {
        label_rows(positions, |first| keys::tag_key(tag, first), &mut tags);
    }
    for (event_type, positions) in &chunk.labels.types {
        label_rows(positions, |first| keys::type_key(event_type, first), &mut types);
    }
    for (low, high) in emptied {
        txn.open_table(STREAM_POSTINGS)?.retain_in(low.as_slice()..high.as_slice(), |_, _| false)?;
    }
    for (table, rows) in
        [(TOPIC_POSTINGS, topics), (STREAM_POSTINGS, streams), (TAG_POSTINGS, tags), (TYPE_POSTINGS, types)]
    {
        insert_in_order(txn.open_table(table)?, rows)?;
    }
    Ok(())
}

type Row = (Vec<u8>, Vec<u8>);

pub fn row(key: Vec<u8>, positions: &[Position]) -> Row {
    let row = postings::encode(&key, positions);
    (key, row)
}

/// Rows keyed by their first place.
fn place_rows(places: &Places, key: impl Fn(u64) -> Vec<u8>, out: &mut Vec<Row>) {
    let firsts = (places.first..).step_by(POSTINGS_MAX);
    out.extend(firsts.zip(places.positions.chunks(POSTINGS_MAX)).map(|(first, positions)| row(key(first), positions)));
}

/// Rows keyed by their first position.
fn label_rows(positions: &[Position], key: impl Fn(u64) -> Vec<u8>, out: &mut Vec<Row>) {
    out.extend(positions.chunks(POSTINGS_MAX).map(|positions| row(key(positions[0]), positions)));
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

/// When the young generation of keys is as old as keys are kept, the old one is dropped and the young one becomes it.
fn write_keys(txn: &WriteTransaction, chunk: &Chunk) -> Result<(), redb::Error> {
    let now_ms = chunk.groups.last().map_or(0, |group| group.time_ms);
    let since = txn.open_table(META)?.get(keys::META_KEYS_SINCE)?.map_or(0, |guard| guard.value());
    if now_ms.saturating_sub(since) >= IDEMPOTENCY_KEYS_KEPT_MS {
        txn.delete_table(KEYS_OLD)?;
        txn.rename_table(KEYS_YOUNG, KEYS_OLD)?;
        txn.open_table(META)?.insert(keys::META_KEYS_SINCE, now_ms)?;
    }
    let mut young = txn.open_table(KEYS_YOUNG)?;
    let mut sorted: Vec<_> = chunk.keys.iter().collect();
    sorted.sort_unstable_by_key(|(key, _)| **key);
    for (key, used) in sorted {
        young.insert(key, (used.request, used.first, used.events))?;
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
    if chunk.topics.values().any(|events| events.places.skipped) {
        meta.insert(keys::META_GAPS, 1)?;
    }
    meta.insert(keys::META_POSITION, last.last())?;
    meta.insert(keys::META_TIME_MS, last.time_ms)?;
    meta.insert(keys::META_GROUP, last.number)?;
    meta.insert(keys::META_SEGMENT, last.end.segment)?;
    meta.insert(keys::META_OFFSET, last.end.offset)?;
    Ok(())
}
