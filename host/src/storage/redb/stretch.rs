//! Events read back from the log's files: a stretch is what lies between two entries of the index.
//!
//! **Invariant:** only bytes below what the index has reached are looked at, and those never change. Checksums are the
//! reader's business; here an event is found by its length and its position alone.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::disk::{Disk, DiskFile, FileRef, How};
use super::group;
use super::keys;
use super::wal::WalEnd;
use crate::model::limits::{SEGMENT_FILES_OPEN, STRETCH_BYTES};
use crate::model::{Direction, Position};
use crate::storage::codec::{self, Damage, EVENT_FORMAT};
use crate::storage::gap::{self, GAP_FORMAT};

/// The log's files as they lie together, open to be read.
///
/// When a segment gets a new file there is a new `Files`. The old one is kept by whoever still reads by it; when it goes, so
/// do the files that only it needs.
pub struct Files {
    pub disk: Arc<dyn Disk>,
    pub dir: PathBuf,
    /// Of the segments that have another file than their first.
    pub generations: BTreeMap<u64, u64>,
    open: Mutex<HashMap<u64, FileRef>>,
    next: OnceLock<Successor>,
}

/// What came after, which is kept as long, because its files are read here too; and the file that nobody reads by it.
struct Successor {
    _files: Arc<Files>,
    obsolete: PathBuf,
}

impl Drop for Files {
    fn drop(&mut self) {
        let Some(Successor { obsolete, .. }) = self.next.get() else { return };
        if let Err(error) = self.disk.remove(obsolete) {
            tracing::warn!(path = %obsolete.display(), %error, "could not remove a file of deleted events; the next start does");
        }
    }
}

impl Files {
    pub fn new(disk: Arc<dyn Disk>, dir: PathBuf, generations: BTreeMap<u64, u64>) -> Self {
        Self { disk, dir, generations, open: Mutex::default(), next: OnceLock::new() }
    }

    /// The same, but for one segment that has a new file. **Invariant:** it is done once.
    pub fn replaced(&self, segment: u64, generation: u64) -> Arc<Self> {
        let mut generations = self.generations.clone();
        generations.insert(segment, generation);
        let files = Arc::new(Self::new(self.disk.clone(), self.dir.clone(), generations));
        let _ = self.next.set(Successor { _files: files.clone(), obsolete: self.path(segment) });
        files
    }

    pub fn generation(&self, segment: u64) -> u64 {
        self.generations.get(&segment).copied().unwrap_or(0)
    }

    pub fn path(&self, segment: u64) -> PathBuf {
        keys::generation_file(&self.dir, segment, self.generation(segment))
    }

    fn get(&self, segment: u64) -> io::Result<FileRef> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&segment) {
            return Ok(file.clone());
        }
        let file = self.disk.open(&self.path(segment), How::Read)?;
        if open.len() >= SEGMENT_FILES_OPEN {
            // Any one: who reads it still holds it.
            let gone = open.keys().next().copied();
            gone.and_then(|segment| open.remove(&segment));
        }
        open.insert(segment, file.clone());
        Ok(file)
    }
}

/// Neighbouring events' stored bytes. Of a gap, its last position has the gap's bytes, the others have none.
pub struct Stretch {
    pub positions: Range<Position>,
    bytes: Vec<u8>,
    events: Vec<Range<usize>>,
}

/// Why a stretch can't be read.
pub enum StretchError {
    Io(io::Error),
    Damage(Damage),
}

impl From<Damage> for StretchError {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

impl Stretch {
    /// Reads the events of `positions`, which start at `at`. `bytes` is how far apart the two entries are, if that is known.
    pub fn load(
        files: &Files,
        at: WalEnd,
        positions: Range<Position>,
        bytes: Option<u64>,
    ) -> Result<Self, StretchError> {
        let file = files.get(at.segment).map_err(StretchError::Io)?;
        let length = file.size().map_err(StretchError::Io)?;
        let mut window =
            Window { file: &*file, start: at.offset, left: length.saturating_sub(at.offset), bytes: vec![] };
        window.grow(bytes.unwrap_or(STRETCH_BYTES))?;
        let mut events = Vec::with_capacity((positions.end - positions.start).min(STRETCH_BYTES) as usize);
        let (mut here, mut position) = (0, positions.start);
        while position < positions.end {
            let (entry, last) = window.entry(here, position)?;
            here = entry.end;
            events.extend((position..last.min(positions.end)).map(|_| entry.start..entry.start));
            events.push(entry);
            position = last + 1;
        }
        Ok(Self { positions, bytes: window.bytes, events })
    }

    pub fn event(&self, position: Position) -> Result<&[u8], Damage> {
        let index = position.checked_sub(self.positions.start).map(|index| index as usize);
        let range = index.and_then(|index| self.events.get(index)).ok_or(Damage("no such event in its stretch"))?;
        Ok(&self.bytes[range.clone()])
    }

    /// The last position of the gap that a position without bytes is in, or the first. **Invariant:** it is one of these.
    pub fn end_of_gap(&self, position: Position, direction: Direction) -> Position {
        let (before, behind) = self.events.split_at((position - self.positions.start) as usize);
        match direction {
            Direction::Forward => position + behind.iter().take_while(|range| range.is_empty()).count() as u64,
            Direction::Backward => position - before.iter().rev().take_while(|range| range.is_empty()).count() as u64,
        }
    }
}

/// A piece of a file that grows while it is walked.
struct Window<'f> {
    file: &'f dyn DiskFile,
    start: u64,
    /// Bytes of the file that were not read yet: what a damaged length can ask for at most.
    left: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    fn grow(&mut self, by: u64) -> Result<(), StretchError> {
        match self.read(by) {
            // A full segment is cut to what was written of it, and that may have been just now.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let read = self.start + self.bytes.len() as u64;
                self.left = self.file.size().map_err(StretchError::Io)?.saturating_sub(read);
                self.read(by)
            }
            done => done,
        }
        .map_err(StretchError::Io)
    }

    fn read(&mut self, by: u64) -> io::Result<()> {
        let (from, by) = (self.bytes.len(), by.min(self.left));
        self.bytes.resize(from + by as usize, 0);
        let read = self.file.read_exact_at(&mut self.bytes[from..], self.start + from as u64);
        match &read {
            Ok(()) => self.left -= by,
            Err(_) => self.bytes.truncate(from),
        }
        read
    }

    /// Makes sure that the bytes up to `end` are there.
    fn hold(&mut self, end: usize) -> Result<(), StretchError> {
        if self.bytes.len() >= end {
            return Ok(());
        }
        self.grow(STRETCH_BYTES.max((end - self.bytes.len()) as u64))?;
        if self.bytes.len() < end { Err(Damage("the segment ends before the event").into()) } else { Ok(()) }
    }

    /// Where the event or gap of this position is, which must be the next one after `here`, across a group's end if need be;
    /// and the last position that it has.
    fn entry(&mut self, mut here: usize, position: Position) -> Result<(Range<usize>, Position), StretchError> {
        loop {
            self.hold(here + 1)?;
            let aligned = (self.start + here as u64).is_multiple_of(group::ALIGN);
            match self.bytes[here] {
                EVENT_FORMAT | GAP_FORMAT => break,
                0 if !aligned => here += 1,
                _ => here = self.past_header(here)?,
            }
        }
        self.hold(here + codec::EVENT_HEADER_BYTES)?;
        let (length, _) = codec::claims(&self.bytes[here..]).ok_or(Damage("an event without a header"))?;
        let found = gap::positions(&self.bytes[here..]);
        if !found.contains(&position) || length < codec::EVENT_HEADER_BYTES {
            return Err(Damage("another event than the index says").into());
        }
        self.hold(here + length)?;
        Ok((here..here + length, *found.end()))
    }

    /// Behind the header of the group that starts here.
    fn past_header(&mut self, here: usize) -> Result<usize, StretchError> {
        self.hold(here + group::HEADER_BYTES)?;
        if group::has_magic(&self.bytes[here..]) {
            return Ok(here + group::HEADER_BYTES);
        }
        Err(Damage("neither an event nor a group where the index says one").into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk::{Disk, How, OsDisk};
    use super::*;

    #[test]
    fn of_a_file_that_is_cut_while_it_is_looked_at_the_rest_is_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = OsDisk.open(&dir.path().join("file"), How::Empty).expect("a file");
        file.write_all_at(&[7; 100], 0).expect("writes");
        // As its length was before it was cut.
        let mut window = Window { file: &*file, start: 20, left: 500, bytes: vec![] };
        assert!(window.hold(60).is_ok_and(|()| window.bytes == [7; 80]));
        assert!(matches!(window.hold(81), Err(StretchError::Damage(_))));
    }
}
