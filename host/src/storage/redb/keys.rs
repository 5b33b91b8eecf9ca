//! Every table and key layout of both redb files, and the names of all files in a store's directory.
//!
//! Composite keys are (length u8, name) once or twice, then a number as big-endian u64: order is byte order, and no name's
//! keys can lie between another's. **Invariant:** a change here is a new `FORMAT`.

use redb::TableDefinition;
use std::path::{Path, PathBuf};

use crate::model::{EventType, StreamName, Tag, TopicName};

/// The number of everything in a store's directory, together.
pub const FORMAT: u32 = 4;

/// Position → where in the log its event lies: segment, offset. One entry for a stretch of events (see `stretch.rs`).
pub const STRETCHES: TableDefinition<u64, (u64, u64)> = TableDefinition::new("stretches");
/// (topic, first sequence) → positions (see `postings.rs`).
pub const TOPIC_POSTINGS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("topic_postings");
/// (topic, stream, first version) → positions. A stream's head is where its last row ends.
pub const STREAM_POSTINGS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("stream_postings");
/// (tag, first position) → positions, and (event type, first position) → positions.
pub const TAG_POSTINGS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("tag_postings");
pub const TYPE_POSTINGS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("type_postings");
/// (topic, first sequence) → stored bytes of the topic's events from there up to the next entry.
pub const TOPIC_BYTES: TableDefinition<&[u8], u64> = TableDefinition::new("topic_bytes");
/// Topic → its last sequence and that event's hash.
pub const TOPIC_TIPS: TableDefinition<&str, (u64, [u8; 32])> = TableDefinition::new("topic_tips");
/// Idempotency key → (its request, first position, events). Two generations, so that forgetting is dropping a table.
pub const KEYS_YOUNG: KeysTable = TableDefinition::new("keys_young");
pub const KEYS_OLD: KeysTable = TableDefinition::new("keys_old");
pub type KeysTable = TableDefinition<'static, [u8; 16], ([u8; 16], u64, u32)>;
/// Segment → the generation of its file, if it is not the one that was written first.
pub const SEGMENTS: TableDefinition<u64, u64> = TableDefinition::new("segments");
/// How far the index is: one number a `META_…` key.
pub const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// The last position that the index holds.
pub const META_POSITION: &str = "position";
/// The commit time of that event.
pub const META_TIME_MS: &str = "time_ms";
/// The group that ended with it, and where in the log the next one starts.
pub const META_GROUP: &str = "group";
pub const META_SEGMENT: &str = "segment";
pub const META_OFFSET: &str = "offset";
/// 1 once deleted events have left the log.
pub const META_GAPS: &str = "gaps";
/// When the young generation of idempotency keys was begun.
pub const META_KEYS_SINCE: &str = "keys_since";

/// In the records file: key → revision as big-endian u64, then the value.
pub const RECORDS: TableDefinition<&str, &[u8]> = TableDefinition::new("records");

pub fn topic_key(topic: &TopicName, sequence: u64) -> Vec<u8> {
    name_key(topic.as_str(), sequence)
}

pub fn stream_key(topic: &TopicName, stream: &StreamName, version: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(topic.as_str().len() + stream.as_str().len() + 10);
    put_name(topic.as_str(), &mut key);
    put_name(stream.as_str(), &mut key);
    key.extend_from_slice(&version.to_be_bytes());
    key
}

pub fn tag_key(tag: &Tag, position: u64) -> Vec<u8> {
    name_key(tag.as_str(), position)
}

pub fn type_key(event_type: &EventType, position: u64) -> Vec<u8> {
    name_key(event_type.as_str(), position)
}

fn name_key(name: &str, number: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len() + 9);
    put_name(name, &mut key);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// The number at the end of a composite key.
pub fn key_number(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>().map(|number| u64::from_be_bytes(*number))
}

/// **Invariant:** names are at most 200 bytes long, so one byte holds the length.
pub fn put_name(name: &str, key: &mut Vec<u8>) {
    key.push(name.len() as u8);
    key.extend_from_slice(name.as_bytes());
}

pub fn format_file(dir: &Path) -> PathBuf {
    dir.join("FORMAT")
}

pub fn lock_file(dir: &Path) -> PathBuf {
    dir.join("LOCK")
}

pub fn index_file(dir: &Path) -> PathBuf {
    dir.join("index.redb")
}

pub fn records_file(dir: &Path) -> PathBuf {
    dir.join("records.redb")
}

/// What is to become this file and is not whole yet.
pub fn new_file(path: &Path) -> PathBuf {
    path.with_extension("new")
}

pub fn log_dir(dir: &Path) -> PathBuf {
    dir.join("log")
}

/// A segment's file as it was written first; the number is padded so that a listing is in order.
pub fn segment_file(log_dir: &Path, number: u64) -> PathBuf {
    generation_file(log_dir, number, 0)
}

/// A segment's file; each time that deleted events were let go of there is a new one.
pub fn generation_file(log_dir: &Path, number: u64, generation: u64) -> PathBuf {
    log_dir.join(match generation {
        0 => format!("{number:020}.seg"),
        generation => format!("{number:020}.{generation}.seg"),
    })
}

/// The number and generation in a segment's file name.
pub fn segment_number(path: &Path) -> Option<(u64, u64)> {
    let name = path.file_name()?.to_str()?.strip_suffix(".seg")?;
    match name.split_once('.') {
        None => Some((name.parse().ok()?, 0)),
        Some((number, generation)) => Some((number.parse().ok()?, generation.parse().ok().filter(|g| *g > 0)?)),
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
