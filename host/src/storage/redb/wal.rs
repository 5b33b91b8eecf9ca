//! The log's files as the writer sees them: a place to put the next group, durably.
//!
//! Segments are preallocated and zeroed before they are used (see `segments.rs`), so that a sync has no file size or
//! extent to write. **Invariant:** `write` answers after `fdatasync`; after a failure nothing is written any more.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::faults::{Faults, Step};
use super::segments::Segments;

/// A place between two records: where the next group goes, if it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalEnd {
    pub segment: u64,
    pub offset: u64,
}

/// One open segment file.
pub struct Segment {
    pub number: u64,
    pub file: File,
    pub bytes: u64,
}

pub struct Wal {
    current: Segment,
    offset: u64,
    segments: Segments,
    faults: Faults,
}

impl Wal {
    pub fn new(current: Segment, offset: u64, mut segments: Segments, faults: Faults) -> Self {
        segments.ask(current.number + 1);
        Self { current, offset, segments, faults }
    }

    /// Makes sure that a record of this size has a place. Nothing of it is written yet, so a failure costs nothing.
    pub fn reserve(&mut self, bytes: usize) -> io::Result<()> {
        self.faults.meet(Step::Reserve)?;
        let bytes = bytes as u64;
        if self.offset > 0 && self.offset + bytes > self.current.bytes {
            let next = self.segments.take(self.current.number + 1)?;
            let full = std::mem::replace(&mut self.current, next);
            self.segments.cut(full.file, self.offset);
            self.offset = 0;
            self.segments.ask(self.current.number + 1);
        }
        if self.offset + bytes > self.current.bytes {
            extend(&self.current.file, self.offset + bytes)?;
            self.current.bytes = self.offset + bytes;
        }
        Ok(())
    }

    /// Where the next record goes, if it fits.
    pub fn end(&self) -> WalEnd {
        WalEnd { segment: self.current.number, offset: self.offset }
    }

    /// Writes a record that `reserve` made room for, and answers where the next one starts.
    pub fn write(&mut self, record: &[u8]) -> io::Result<WalEnd> {
        self.faults.meet(Step::Write)?;
        self.current.file.write_all_at(record, self.offset)?;
        self.faults.meet(Step::Sync)?;
        self.current.file.sync_data()?;
        self.offset += record.len() as u64;
        Ok(self.end())
    }
}

/// Gives a file its room on disk, so that a full disk is met here and not halfway through a record.
pub fn extend(file: &File, bytes: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
        // Not every file system can; there a full disk is met by whoever writes.
        Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(bytes),
        done => Ok(done?),
    }
}
