//! The log's files as the writer sees them: a place to put the next group, durably.
//!
//! Segments are preallocated and zeroed before they are used (see `segments.rs`), so that a sync has no file size or
//! extent to write. **Invariant:** `write` answers after `fdatasync`; after a failure nothing is written any more.

use std::io;

use super::disk::FileRef;
use super::segments::{Segments, cut};

/// A place between two records: where the next group goes, if it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalEnd {
    pub segment: u64,
    pub offset: u64,
}

/// One open segment file.
pub struct Segment {
    pub number: u64,
    pub file: FileRef,
    pub bytes: u64,
}

pub struct Wal {
    current: Segment,
    offset: u64,
    segments: Segments,
}

impl Wal {
    pub fn new(current: Segment, offset: u64, mut segments: Segments) -> Self {
        segments.ask(current.number + 1);
        Self { current, offset, segments }
    }

    /// Makes sure that a record of this size has a place. Nothing of it is written yet, so a failure costs nothing.
    pub fn reserve(&mut self, bytes: usize) -> io::Result<()> {
        let bytes = bytes as u64;
        if self.offset > 0 && self.offset + bytes > self.current.bytes {
            let next = self.segments.take(self.current.number + 1)?;
            let full = std::mem::replace(&mut self.current, next);
            self.segments.cut(full.file, self.offset);
            self.offset = 0;
            self.segments.ask(self.current.number + 1);
        }
        if self.offset + bytes > self.current.bytes {
            let file = &self.current.file;
            // A part of it may have been given.
            file.allocate(self.offset + bytes).inspect_err(|_| cut(&**file, self.current.bytes))?;
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
        self.current.file.write_all_at(record, self.offset)?;
        self.current.file.sync_data()?;
        self.offset += record.len() as u64;
        Ok(self.end())
    }
}
