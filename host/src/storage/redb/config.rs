//! What an operator may tune of this adapter. The defaults are the measured ones, from `model::limits`.

use std::path::PathBuf;

use crate::model::limits;

/// Where a store lies, and its bounds.
#[derive(Debug, Clone)]
pub struct RedbConfig {
    /// The store's own directory; created when missing. Default: `data`.
    pub dir: PathBuf,
    /// Batches that wait for the writer; one more is answered `Busy`. Default: 4,096.
    pub writer_queue_batches: usize,
    /// Bytes of one committed group, unless one batch needs more. Default: 8 MiB.
    pub group_bytes_max: usize,
    /// Bytes of a log segment file, unless one group needs more. Default: 64 MiB.
    pub segment_bytes: u64,
    /// Bytes of events in memory at which the background thread moves them into the index. Default: 16 MiB.
    pub tail_fill_bytes: usize,
    /// Bytes of events in memory at which the writer waits for that thread. Default: 40 MiB.
    pub tail_bytes_max: usize,
    /// Bytes of redb's page cache for the index. Default: 48 MiB.
    pub cache_bytes: usize,
    /// Bytes of redb's page cache for records. Default: 8 MiB.
    pub records_cache_bytes: usize,
}

impl Default for RedbConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("data"),
            writer_queue_batches: limits::WRITER_QUEUE_BATCHES,
            group_bytes_max: limits::GROUP_BYTES_MAX,
            segment_bytes: limits::SEGMENT_BYTES,
            tail_fill_bytes: limits::TAIL_FILL_BYTES,
            tail_bytes_max: limits::TAIL_BYTES_MAX,
            cache_bytes: limits::REDB_CACHE_BYTES,
            records_cache_bytes: limits::RECORDS_CACHE_BYTES,
        }
    }
}
