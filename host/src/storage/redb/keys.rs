//! Every table and key layout of both redb files, and the names of all files in a store's directory.
//!
//! Composite keys are (length u8, topic), (length u8, stream), number as big-endian u64: order is byte order, and no
//! name's keys can lie between another's. **Invariant:** a change here is a new `FORMAT`.

use redb::TableDefinition;
use std::path::{Path, PathBuf};

use crate::model::{StreamName, TopicName};

/// The number of everything in a store's directory, together.
pub const FORMAT: u32 = 1;

/// First position → block (see `block.rs`).
pub const BLOCKS: TableDefinition<u64, &[u8]> = TableDefinition::new("blocks");
/// (topic, first sequence) → positions (see `postings.rs`).
pub const TOPIC_POSTINGS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("topic_postings");
/// (topic, stream, first version) → positions. A stream's head is where its last row ends.
pub const STREAM_POSTINGS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("stream_postings");
/// Topic → its last sequence.
pub const TOPIC_HEADS: TableDefinition<&str, u64> = TableDefinition::new("topic_heads");
/// How far redb is: one number a `META_…` key.
pub const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// The last position that redb holds.
pub const META_POSITION: &str = "position";
/// The commit time of that event.
pub const META_TIME_MS: &str = "time_ms";
/// The group that ended with it, and where in the write-ahead log the next one starts.
pub const META_GROUP: &str = "group";
pub const META_SEGMENT: &str = "segment";
pub const META_OFFSET: &str = "offset";

/// In the records file: key → revision as big-endian u64, then the value.
pub const RECORDS: TableDefinition<&str, &[u8]> = TableDefinition::new("records");

pub fn topic_key(topic: &TopicName, sequence: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(topic.as_str().len() + 9);
    put_name(topic.as_str(), &mut key);
    key.extend_from_slice(&sequence.to_be_bytes());
    key
}

pub fn stream_key(topic: &TopicName, stream: &StreamName, version: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(topic.as_str().len() + stream.as_str().len() + 10);
    put_name(topic.as_str(), &mut key);
    put_name(stream.as_str(), &mut key);
    key.extend_from_slice(&version.to_be_bytes());
    key
}

/// The number at the end of a composite key.
pub fn key_number(key: &[u8]) -> Option<u64> {
    key.last_chunk::<8>().map(|number| u64::from_be_bytes(*number))
}

/// **Invariant:** names are at most 200 bytes long, so one byte holds the length.
fn put_name(name: &str, key: &mut Vec<u8>) {
    key.push(name.len() as u8);
    key.extend_from_slice(name.as_bytes());
}

pub fn format_file(dir: &Path) -> PathBuf {
    dir.join("FORMAT")
}

pub fn lock_file(dir: &Path) -> PathBuf {
    dir.join("LOCK")
}

pub fn events_file(dir: &Path) -> PathBuf {
    dir.join("events.redb")
}

pub fn records_file(dir: &Path) -> PathBuf {
    dir.join("records.redb")
}

pub fn wal_dir(dir: &Path) -> PathBuf {
    dir.join("wal")
}

/// A segment's file; the number is padded so that a listing is in order.
pub fn segment_file(wal_dir: &Path, number: u64) -> PathBuf {
    wal_dir.join(format!("{number:020}.wal"))
}

/// The number in a segment's file name.
pub fn segment_number(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_suffix(".wal")?.parse().ok()
}
