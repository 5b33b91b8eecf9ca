//! The log's files as the writer sees them: a place to put the next group, durably.
//!
//! Segments are preallocated and zeroed before they are used (see `segments.rs`), so that a sync has no file size or
//! extent to write. Records go past the system's cache: a copy there, to be written back page by page, costs twice the
//! processor's time, and who reads what is new finds it in the tail. So whole blocks are written, and the block in which a
//! record ends is written again with the next one, its first bytes unchanged.
//!
//! **Invariant:** `write` answers after `fdatasync`; after a failure nothing is written any more.

use std::io;

use super::blocks::{BLOCK, Blocks, block_start};
use super::disk::FileRef;
use super::segments::{Segments, cut};

/// Bytes of one write; longer records take several.
const WRITE_BYTES_MAX: usize = 256 * BLOCK;

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
    /// Begins with what the block holds already that the next record starts in.
    blocks: Blocks,
    segments: Segments,
}

impl Wal {
    pub fn new(current: Segment, offset: u64, mut segments: Segments) -> io::Result<Self> {
        segments.ask(current.number + 1);
        let start = block_start(offset);
        let mut begun = vec![0; (offset - start) as usize];
        current.file.read_exact_at(&mut begun, start)?;
        let mut blocks = Blocks::new(WRITE_BYTES_MAX);
        blocks.fill(&begun);
        Ok(Self { current, offset, blocks, segments })
    }

    /// Whether a record of this size goes where the last one went.
    pub fn has_room(&self, bytes: usize) -> bool {
        end_block(self.offset, bytes) <= self.current.bytes
    }

    /// Makes sure that a record of this size has a place. Nothing of it is written yet, so a failure costs nothing.
    pub fn reserve(&mut self, bytes: usize) -> io::Result<()> {
        if self.offset > 0 && !self.has_room(bytes) {
            let next = self.segments.take(self.current.number + 1)?;
            let full = std::mem::replace(&mut self.current, next);
            self.segments.cut(full.file, self.offset);
            self.offset = 0;
            self.blocks.clear();
            self.segments.ask(self.current.number + 1);
        }
        if !self.has_room(bytes) {
            let (file, end) = (&self.current.file, end_block(self.offset, bytes));
            // A part of it may have been given.
            file.allocate(end).inspect_err(|_| cut(&**file, self.current.bytes))?;
            self.current.bytes = end;
        }
        Ok(())
    }

    /// Where the next record goes, if it fits.
    pub fn end(&self) -> WalEnd {
        WalEnd { segment: self.current.number, offset: self.offset }
    }

    /// Writes a record that `reserve` made room for, and answers where the next one starts.
    pub fn write(&mut self, record: &[u8]) -> io::Result<WalEnd> {
        let mut left = record;
        while !left.is_empty() {
            let start = block_start(self.offset);
            let rest = self.blocks.fill(left);
            self.current.file.write_blocks_at(self.blocks.padded(), start)?;
            self.blocks.keep_rest();
            self.offset += (left.len() - rest.len()) as u64;
            left = rest;
        }
        self.current.file.sync_data()?;
        Ok(self.end())
    }
}

/// Where the last block ends that a record of this size touches.
fn end_block(offset: u64, bytes: usize) -> u64 {
    (offset + bytes as u64).next_multiple_of(BLOCK as u64)
}
