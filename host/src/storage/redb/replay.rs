//! Opening the log: what the index has not reached is read back into the tail, and from there into the index when it is much.
//!
//! The last record may be torn, as nobody was told of it: it is cut. **Invariant:** if a record is damaged and a later
//! one was begun, the damaged one was acknowledged; then the store does not open, and the place is named.

use bytes::Bytes;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::chunk::{Group, KeyUse};
use super::directory::{Directory, io_error};
use super::disk::{How, read_from};
use super::group::{self, Header};
use super::index::Index;
use super::keys;
use super::prefix::Reached;
use super::segments;
use super::tail::Tail;
use super::wal::{Segment, WalEnd};
use crate::model::{EventType, Position, StreamName, Tag, TopicName};
use crate::storage::codec::{self, Damage, View, claims};
use crate::storage::{Place, StorageError};

/// How much of an unused segment is looked at in one go.
const WINDOW_BYTES: usize = 1 << 20;

/// Where the log ends, and what its last group was.
pub struct Replayed {
    pub segment: Segment,
    pub reached: Reached,
}

/// Reads every group after `reached` into the tail, and makes what it found durable before anybody may see it.
pub fn replay(
    directory: &Directory,
    index: &Index,
    tail: &mut Tail,
    reached: Reached,
    segment_bytes: u64,
    fill_bytes: usize,
) -> Result<Replayed, StorageError> {
    let dir = keys::log_dir(&directory.path);
    let numbers = segments::numbers(&*directory.disk, &dir).map_err(io_error("cannot list", &dir))?;
    let (bytes, last, full) = (vec![], None, false);
    let mut replay = Replay { directory, index, dir, tail, reached, bytes, base: 0, last, full, fill_bytes };
    let numbers = replay.check_names(numbers, segment_bytes)?;
    replay.load_first()?;
    while replay.next()? {}
    replay.check_nothing_later(&numbers)?;
    let segment = replay.settle()?;
    Ok(Replayed { segment, reached: replay.reached })
}

struct Replay<'a> {
    directory: &'a Directory,
    index: &'a Index,
    dir: PathBuf,
    tail: &'a mut Tail,
    reached: Reached,
    /// The segment that `reached.wal` lies in, from the offset `base` on.
    bytes: Vec<u8>,
    base: u64,
    /// The group that was taken last, which is perhaps not durable: where it is, and its record.
    last: Option<(WalEnd, Bytes)>,
    /// The tail has a chunk for the index. It gets it when a later group is found, which nobody wrote before this one was
    /// durable: the index must never hold what the log may lose.
    full: bool,
    fill_bytes: usize,
}

impl Replay<'_> {
    fn corrupt(&self, at: WalEnd, detail: impl Into<String>) -> StorageError {
        let place = format!("{} at offset {}", self.path(at.segment).display(), at.offset);
        StorageError::Corrupt { place, detail: detail.into() }
    }

    fn path(&self, segment: u64) -> PathBuf {
        keys::segment_file(&self.dir, segment)
    }

    /// No segment may be missing. A new store gets its first one here.
    fn check_names(&self, mut numbers: BTreeSet<u64>, segment_bytes: u64) -> Result<BTreeSet<u64>, StorageError> {
        const FIRST: u64 = 1;
        if numbers.is_empty() && self.reached.position == 0 {
            let path = self.path(FIRST);
            let created = segments::create(&*self.directory.disk, &self.dir, &path, segment_bytes);
            created.map_err(io_error("cannot create", &path))?;
            numbers.insert(FIRST);
            return Ok(numbers);
        }
        let last = numbers.last().copied().unwrap_or(FIRST).max(self.reached.wal.segment);
        if let Some(missing) = (FIRST..=last).find(|number| !numbers.contains(number)) {
            return Err(self.corrupt(WalEnd { segment: missing, offset: 0 }, "the segment file is missing"));
        }
        Ok(numbers)
    }

    /// A segment's bytes from an offset on; what redb has is not read again.
    fn load(&self, at: WalEnd) -> Result<Vec<u8>, StorageError> {
        let path = self.path(at.segment);
        let file = self.directory.disk.open(&path, How::Read);
        file.and_then(|file| read_from(&*file, at.offset)).map_err(io_error("cannot read", &path))
    }

    fn load_first(&mut self) -> Result<(), StorageError> {
        let at = self.reached.wal;
        let path = self.path(at.segment);
        let length = self.directory.disk.open(&path, How::Read).and_then(|file| file.size());
        let length = length.map_err(io_error("cannot read", &path))?;
        if at.offset > length {
            return Err(self.corrupt(at, "the segment file is shorter than what was read from it before"));
        }
        (self.bytes, self.base) = (self.load(at)?, at.offset);
        Ok(())
    }

    /// What is left of the loaded segment from an offset on.
    fn rest(&self, offset: u64) -> &[u8] {
        self.bytes.get((offset - self.base) as usize..).unwrap_or_default()
    }

    fn is_next(&self, header: &Header) -> bool {
        header.number == self.reached.group + 1
    }

    /// The next group, here or at the start of the next segment; `false` at the end of the log.
    fn next(&mut self) -> Result<bool, StorageError> {
        let at = self.reached.wal;
        if let Some(header) = self.following(at.offset) {
            return self.take(header, at).map(|()| true);
        }
        let at = WalEnd { segment: at.segment + 1, offset: 0 };
        if !self.exists(at.segment)? || !self.begins_with_next(at.segment)? {
            return Ok(false);
        }
        let next = self.load(at)?;
        let here = (std::mem::replace(&mut self.bytes, next), std::mem::replace(&mut self.base, 0));
        match self.following(0) {
            Some(header) => self.take(header, at).map(|()| true),
            None => {
                (self.bytes, self.base) = here;
                Ok(false)
            }
        }
    }

    fn exists(&self, segment: u64) -> Result<bool, StorageError> {
        let path = self.path(segment);
        self.directory.disk.exists(&path).map_err(io_error("cannot look for", &path))
    }

    /// The record that goes on from where we are, if it is whole.
    fn following(&self, offset: u64) -> Option<Header> {
        group::record(self.rest(offset), self.directory.salt).filter(|header| self.is_next(header))
    }

    /// Spares reading a whole segment that was prepared and not used.
    fn begins_with_next(&self, segment: u64) -> Result<bool, StorageError> {
        let path = self.path(segment);
        let read = || -> io::Result<Vec<u8>> {
            let file = self.directory.disk.open(&path, How::Read)?;
            let mut start = vec![0; file.size()?.min(group::HEADER_BYTES as u64) as usize];
            file.read_exact_at(&mut start, 0)?;
            Ok(start)
        };
        let start = read().map_err(io_error("cannot read", &path))?;
        Ok(group::header(&start, self.directory.salt).is_some_and(|header| self.is_next(&header)))
    }

    fn take(&mut self, header: Header, at: WalEnd) -> Result<(), StorageError> {
        if self.full {
            self.fill()?;
        }
        // A copy, so that the tail keeps this group and not the whole segment.
        let record = Bytes::copy_from_slice(&self.rest(at.offset)[..group::HEADER_BYTES + header.body_bytes]);
        let end = WalEnd { offset: at.offset + header.record_bytes() as u64, ..at };
        self.last = Some((at, record.clone()));
        let group = Group {
            number: header.number,
            first: header.first,
            start: group::HEADER_BYTES,
            ends: Vec::with_capacity(header.events.min(record.len() / 32)),
            record,
            time_ms: 0,
            at,
            end,
        };
        let group = self.note_group(group).map_err(|damage| self.corrupt(at, damage.to_string()))?;
        if group.ends.len() != header.events {
            return Err(self.corrupt(at, "a group's count is not that of its events"));
        }
        self.reached = Reached { position: group.last(), time_ms: group.time_ms, group: group.number, wal: end };
        self.tail.active().push(group);
        self.full = self.tail.advance(self.fill_bytes);
        Ok(())
    }

    /// Keeps memory bounded, however much the index lacks.
    fn fill(&mut self) -> Result<(), StorageError> {
        if let Some(chunk) = self.tail.oldest() {
            let prefix = self.index.add(&chunk)?;
            tracing::info!(position = prefix.position, "made the index from the log");
            self.tail.filled(Arc::new(prefix));
        }
        Ok(())
    }

    /// Notes every event of a group in the tail's index, and holds its place against the one before.
    fn note_group(&mut self, mut group: Group) -> Result<Group, Damage> {
        let record = group.record.clone();
        let mut at = group.start;
        group.time_ms = self.reached.time_ms;
        while at < record.len() {
            let (length, position) = claims(&record[at..]).ok_or(Damage("a group that ends within an event"))?;
            let end = at.checked_add(length).filter(|end| *end <= record.len() && length > 0);
            let end = end.ok_or(Damage("an event that ends after its group"))?;
            let view = View::parse(&record[at..end])?;
            let expected = self.reached.position + 1 + group.ends.len() as Position;
            if position != expected || view.time_ms < group.time_ms {
                return Err(Damage("positions or times that do not go on from the event before"));
            }
            self.note(&view, &record[at..end])?;
            group.time_ms = view.time_ms;
            group.ends.push(end as u32);
            at = end;
        }
        Ok(group)
    }

    fn note(&mut self, view: &View, stored: &[u8]) -> Result<(), Damage> {
        let topic = TopicName::parse(view.topic).map_err(|_| Damage("a topic that is no name"))?;
        let stream = view.stream.map(StreamName::parse).transpose();
        let stream = stream.map_err(|_| Damage("a stream that is no name"))?;
        let Place { sequence, position, .. } = view.place;
        let tip = self.tail.tip(&topic);
        if sequence != tip.sequence + 1 {
            return Err(Damage("a sequence that does not go on from its topic's last"));
        }
        if !codec::follows(stored, &tip.hash) {
            return Err(Damage("a hash that does not go on from its topic's last"));
        }
        let known = stream.as_ref().and_then(|stream| self.tail.version(&topic, stream));
        if known.is_some_and(|version| view.place.version != Some(version + 1)) {
            return Err(Damage("a version that does not go on from its stream's last"));
        }
        self.tail.active().topic(&topic).add(stream.as_ref(), &[view.place], stored.len(), view.hash)?;
        self.tail.set_tip(&topic, sequence, view.hash);
        let event_type = EventType::parse(view.event_type).map_err(|_| Damage("an event type that is no name"))?;
        let tags = view.tags().map(Tag::parse).collect::<Result<Vec<_>, _>>();
        let tags = tags.map_err(|_| Damage("a tag that is none"))?;
        let chunk = self.tail.active();
        chunk.labels.add(&event_type, &tags, position);
        chunk.keys.extend(view.keyed.map(|keyed| KeyUse::of(&keyed, position)));
        Ok(())
    }

    /// A torn last record is nobody's loss; a record begun after it says that it was not the last.
    fn check_nothing_later(&self, numbers: &BTreeSet<u64>) -> Result<(), StorageError> {
        let end = self.reached.wal;
        self.check_bytes(self.rest(end.offset), end)?;
        let mut window = vec![0; WINDOW_BYTES + group::HEADER_BYTES];
        for &segment in numbers.range(end.segment + 1..) {
            self.check_segment(segment, &mut window)?;
        }
        Ok(())
    }

    /// Looks through a segment window by window; windows overlap by a header.
    fn check_segment(&self, segment: u64, window: &mut [u8]) -> Result<(), StorageError> {
        let path = self.path(segment);
        let failed = io_error("cannot read", &path);
        let file = self.directory.disk.open(&path, How::Read).map_err(&failed)?;
        let length = file.size().map_err(&failed)?;
        for offset in (0..length).step_by(WINDOW_BYTES) {
            let bytes = window.len().min((length - offset) as usize);
            file.read_exact_at(&mut window[..bytes], offset).map_err(&failed)?;
            self.check_bytes(&window[..bytes], WalEnd { segment, offset })?;
        }
        Ok(())
    }

    fn check_bytes(&self, bytes: &[u8], at: WalEnd) -> Result<(), StorageError> {
        let damaged = self.reached.group + 1;
        for offset in group::candidates(bytes, 0) {
            let Some(header) = group::header(&bytes[offset..], self.directory.salt) else { continue };
            if header.number > damaged {
                let place = at.offset + offset as u64;
                let later = format!("group {} in segment {} at offset {place}", header.number, at.segment);
                let detail = format!("group {damaged} is damaged or missing, though {later} was written after it");
                return Err(self.corrupt(self.reached.wal, detail));
            }
        }
        Ok(())
    }

    /// Takes away what is left of a torn record, and makes the last group durable. It is written again for that: if it was
    /// its sync that failed before, the system takes its pages for written, and another sync would say nothing of them.
    fn settle(&self) -> Result<Segment, StorageError> {
        let at = self.reached.wal;
        let path = self.path(at.segment);
        let segment =
            segments::open(&*self.directory.disk, &path, at.segment).map_err(io_error("cannot open", &path))?;
        let rest = self.rest(at.offset);
        if group::header(rest, self.directory.salt).is_some_and(|header| header.number == self.reached.group + 1) {
            tracing::warn!(segment = %path.display(), offset = at.offset, "cut a torn group that was never acknowledged");
        }
        let zeros = [0; group::HEADER_BYTES];
        let room = rest.len().min(zeros.len());
        let write = || {
            if let Some((start, record)) = &self.last {
                segment.file.write_all_at(record, start.offset)?;
            }
            segment.file.write_all_at(&zeros[..room], at.offset)?;
            segment.file.sync_data()
        };
        write().map_err(io_error("cannot settle the end of", &path))?;
        Ok(segment)
    }
}
