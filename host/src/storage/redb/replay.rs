//! Opening the log: what the index has not reached is read back into the tail, and from there into the index when it is much.
//!
//! The last record may be torn, as nobody was told of it: it is cut. **Invariant:** if a record is damaged and a later
//! one was begun, the damaged one was acknowledged; then the store does not open, and the place is named.

use bytes::Bytes;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, Scope, ScopedJoinHandle};

use super::chunk::{Group, KeyUse};
use super::directory::{Directory, io_error};
use super::disk::How;
use super::group::{self, Header};
use super::index::Index;
use super::prefix::{Prefix, Reached};
use super::reader::Reader;
use super::segments;
use super::stretch::Files;
use super::tail::Tail;
use super::wal::{Segment, WalEnd};
use crate::model::{EventType, Position, StreamName, Tag, TopicName};
use crate::storage::codec::{self, Damage, View, claims};
use crate::storage::gap::{self, Gap};
use crate::storage::{Place, Progress, ProgressSink, StorageError};

/// How much of an unused segment is looked at in one go.
const WINDOW_BYTES: usize = 1 << 20;

/// Where the log ends, and what its last group was.
pub struct Replayed {
    pub segment: Segment,
    pub reached: Reached,
}

/// What an opening reads back, and how.
pub struct Wanted<'a> {
    pub directory: &'a Directory,
    pub index: &'a Index,
    /// How far the index is.
    pub reached: Reached,
    pub segment_bytes: u64,
    pub fill_bytes: usize,
    pub progress: &'a ProgressSink,
}

/// Reads every group after `reached` into the tail, and makes what it found durable before anybody may see it.
pub fn replay(wanted: &Wanted, tail: &mut Tail) -> Result<Replayed, StorageError> {
    // Whatever ends it, nothing goes into the index any more when it is over.
    thread::scope(|scope| replay_beside(scope, wanted, tail))
}

fn replay_beside<'s>(scope: &'s Scope<'s, '_>, wanted: &'s Wanted, tail: &mut Tail) -> Result<Replayed, StorageError> {
    let Wanted { directory, index, reached, segment_bytes, fill_bytes, progress } = *wanted;
    let files = index.files();
    let numbers = segments::generations(&*directory.disk, &files.dir).map_err(io_error("cannot list", &files.dir))?;
    let mut numbers: BTreeSet<u64> = numbers.into_keys().collect();
    check_names(&files, &mut numbers, reached, segment_bytes)?;
    let here = open(&files, reached.wal)?;
    let ahead = Ahead::look(&files, numbers.range(reached.wal.segment..), reached)?;
    let mut replay = Replay {
        directory,
        index,
        files,
        tail,
        reached,
        here,
        last: None,
        full: false,
        gaps: false,
        fill_bytes,
        ahead,
        progress,
        scope,
        filling: None,
    };
    while replay.next()? {}
    replay.check_nothing_later(&numbers)?;
    let segment = replay.settle()?;
    replay.filled()?;
    if replay.gaps {
        // Reads find their way around deleted events in the index only.
        fill_all(index, replay.tail)?;
    }
    Ok(Replayed { segment, reached: replay.reached })
}

struct Replay<'a, 's, 'e> {
    directory: &'s Directory,
    index: &'s Index,
    files: Arc<Files>,
    tail: &'a mut Tail,
    reached: Reached,
    /// Stands in the segment at `reached.wal`.
    here: Reader,
    /// The group that was taken last, which is perhaps not durable: where it is, and its record.
    last: Option<(WalEnd, Bytes)>,
    /// The tail has a chunk for the index. It gets it when a later group is found, which nobody wrote before this one was
    /// durable: the index must never hold what the log may lose.
    full: bool,
    /// Some of what was read are gaps.
    gaps: bool,
    fill_bytes: usize,
    ahead: Ahead,
    progress: &'s ProgressSink,
    scope: &'s Scope<'s, 'e>,
    /// The index takes the oldest chunk, while the next one is read: each is half of the work.
    filling: Option<ScopedJoinHandle<'s, Result<Prefix, StorageError>>>,
}

/// How much there was to read, for those who wait for it.
struct Ahead {
    from: Position,
    bytes: u64,
    done: u64,
}

impl Ahead {
    fn look<'n>(files: &Files, numbers: impl Iterator<Item = &'n u64>, reached: Reached) -> Result<Self, StorageError> {
        let mut bytes = 0;
        for &number in numbers {
            let path = files.path(number);
            let size = files.disk.open(&path, How::Read).and_then(|file| file.size());
            bytes += size.map_err(io_error("cannot read", &path))?;
        }
        Ok(Self { from: reached.position, bytes: bytes.saturating_sub(reached.wal.offset), done: 0 })
    }

    /// Where the log ends, going by what was read so far and the bytes that are left.
    fn head(&self, read: Position) -> Position {
        let events = u128::from(read - self.from) * u128::from(self.bytes) / u128::from(self.done.max(1));
        self.from.saturating_add(Position::try_from(events).unwrap_or(Position::MAX))
    }
}

/// Moves all of a tail into the index.
pub fn fill_all(index: &Index, tail: &mut Tail) -> Result<(), StorageError> {
    tail.seal();
    while let Some(chunk) = tail.oldest() {
        tail.filled(Arc::new(index.add(&chunk)?));
    }
    Ok(())
}

impl Replay<'_, '_, '_> {
    fn corrupt(&self, at: WalEnd, detail: impl Into<String>) -> StorageError {
        corrupt(&self.files, at, detail)
    }

    fn path(&self, segment: u64) -> PathBuf {
        self.files.path(segment)
    }

    fn is_next(&self, header: &Header) -> bool {
        header.number == self.reached.group + 1
    }

    /// The next group, here or at the start of the next segment; `false` at the end of the log.
    fn next(&mut self) -> Result<bool, StorageError> {
        let at = self.reached.wal;
        if let Some(header) = self.following(at.segment)? {
            return self.take(header, at).map(|()| true);
        }
        let at = WalEnd { segment: at.segment + 1, offset: 0 };
        if !self.exists(at.segment)? {
            return Ok(false);
        }
        let next = open(&self.files, at)?;
        let here = std::mem::replace(&mut self.here, next);
        match self.following(at.segment)? {
            Some(header) => self.take(header, at).map(|()| true),
            None => {
                self.here = here;
                Ok(false)
            }
        }
    }

    fn exists(&self, segment: u64) -> Result<bool, StorageError> {
        let path = self.path(segment);
        self.directory.disk.exists(&path).map_err(io_error("cannot look for", &path))
    }

    /// The next bytes of the segment that is being read, if it has so many.
    fn peek(&mut self, segment: u64, count: usize) -> Result<Option<&[u8]>, StorageError> {
        let path = self.path(segment);
        self.here.peek(count).map_err(io_error("cannot read", &path))
    }

    /// The record that goes on from where we are, if it is whole.
    fn following(&mut self, segment: u64) -> Result<Option<Header>, StorageError> {
        let salt = self.directory.salt;
        let header = self.peek(segment, group::HEADER_BYTES)?.and_then(|bytes| group::header(bytes, salt));
        let Some(header) = header.filter(|header| self.is_next(header)) else { return Ok(None) };
        let record = self.peek(segment, group::HEADER_BYTES + header.body_bytes)?;
        Ok(record.and_then(|record| group::record(record, salt)))
    }

    fn take(&mut self, header: Header, at: WalEnd) -> Result<(), StorageError> {
        if self.full {
            self.fill()?;
        }
        // A copy, so that the tail keeps this group and not the whole segment.
        let record = self.peek(at.segment, group::HEADER_BYTES + header.body_bytes)?.map(Bytes::copy_from_slice);
        let record = record.unwrap_or_default();
        self.here.skip(header.record_bytes().min(self.here.left()));
        let end = WalEnd { offset: at.offset + header.record_bytes() as u64, ..at };
        self.ahead.done += header.record_bytes() as u64;
        self.last = Some((at, record.clone()));
        let group = Group {
            number: header.last,
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
        self.filled()?;
        if let Some(chunk) = self.tail.oldest() {
            let index = self.index;
            self.filling = Some(self.scope.spawn(move || index.add(&chunk)));
        }
        Ok(())
    }

    /// Waits until the index has what it was given.
    fn filled(&mut self) -> Result<(), StorageError> {
        let Some(filling) = self.filling.take() else { return Ok(()) };
        let lost = |_| StorageError::Io { what: "making the index".into(), detail: "its thread panicked".into() };
        let prefix = filling.join().map_err(lost)??;
        (self.progress)(Progress { position: prefix.position, head: self.ahead.head(self.reached.position) });
        self.tail.filled(Arc::new(prefix));
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
            let expected = self.reached.position + 1 + group.ends.len() as Position;
            if position != expected {
                return Err(Damage("a position that does not go on from the event before"));
            }
            let time_ms = if gap::is_gap(&record[at..end]) {
                let gap = Gap::parse(&record[at..end])?;
                self.note_gap(&gap)?;
                group.ends.extend((gap.first..gap.last).map(|_| at as u32));
                gap.time_ms
            } else {
                let view = View::parse(&record[at..end])?;
                self.note(&view, &record[at..end])?;
                view.place.time_ms
            };
            if time_ms < group.time_ms {
                return Err(Damage("a time before that of the event before"));
            }
            group.time_ms = time_ms;
            group.ends.push(end as u32);
            at = end;
        }
        Ok(group)
    }

    fn note_gap(&mut self, gap: &Gap) -> Result<(), Damage> {
        self.gaps = true;
        for (topic, left) in &gap.topics {
            self.tail.active().topic(topic).skip(left)?;
            self.tail.set_tip(topic, left.tip.sequence, left.tip.hash);
        }
        Ok(())
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
        let mut window = vec![0; WINDOW_BYTES + group::HEADER_BYTES];
        self.check_segment(self.reached.wal, &mut window)?;
        for &segment in numbers.range(self.reached.wal.segment + 1..) {
            self.check_segment(WalEnd { segment, offset: 0 }, &mut window)?;
        }
        Ok(())
    }

    /// Looks through a segment window by window; windows overlap by a header.
    fn check_segment(&self, from: WalEnd, window: &mut [u8]) -> Result<(), StorageError> {
        let path = self.path(from.segment);
        let failed = io_error("cannot read", &path);
        let file = self.directory.disk.open(&path, How::Read).map_err(&failed)?;
        let length = file.size().map_err(&failed)?;
        for offset in (from.offset..length).step_by(WINDOW_BYTES) {
            let bytes = window.len().min((length - offset) as usize);
            file.read_exact_at(&mut window[..bytes], offset).map_err(&failed)?;
            self.check_bytes(&window[..bytes], WalEnd { offset, ..from })?;
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
    fn settle(&mut self) -> Result<Segment, StorageError> {
        let at = self.reached.wal;
        let path = self.path(at.segment);
        let segment =
            segments::open(&*self.directory.disk, &path, at.segment).map_err(io_error("cannot open", &path))?;
        let salt = self.directory.salt;
        let torn = self.peek(at.segment, group::HEADER_BYTES)?.and_then(|bytes| group::header(bytes, salt));
        if torn.is_some_and(|header| self.is_next(&header)) {
            tracing::warn!(segment = %path.display(), offset = at.offset, "cut a torn group that was never acknowledged");
        }
        let zeros = [0; group::HEADER_BYTES];
        let room = self.here.left().min(zeros.len());
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

/// No segment may be missing. A new store gets its first one here.
fn check_names(
    files: &Files,
    numbers: &mut BTreeSet<u64>,
    reached: Reached,
    segment_bytes: u64,
) -> Result<(), StorageError> {
    const FIRST: u64 = 1;
    if numbers.is_empty() && reached.position == 0 {
        let path = files.path(FIRST);
        let created = segments::create(&*files.disk, &files.dir, &path, segment_bytes);
        created.map_err(io_error("cannot create", &path))?;
        numbers.insert(FIRST);
        return Ok(());
    }
    let last = numbers.last().copied().unwrap_or(FIRST).max(reached.wal.segment);
    match (FIRST..=last).find(|number| !numbers.contains(number)) {
        Some(missing) => Err(corrupt(files, WalEnd { segment: missing, offset: 0 }, "the segment file is missing")),
        None => Ok(()),
    }
}

/// A segment to be read from a place on.
fn open(files: &Files, at: WalEnd) -> Result<Reader, StorageError> {
    let path = files.path(at.segment);
    let file = files.disk.open(&path, How::Read);
    let reader = file.and_then(|file| Reader::new(file, at.offset)).map_err(io_error("cannot read", &path))?;
    if reader.offset() < at.offset {
        return Err(corrupt(files, at, "the segment file is shorter than what was read from it before"));
    }
    Ok(reader)
}

fn corrupt(files: &Files, at: WalEnd, detail: impl Into<String>) -> StorageError {
    let place = format!("{} at offset {}", files.path(at.segment).display(), at.offset);
    StorageError::Corrupt { place, detail: detail.into() }
}
