//! Giving the room of deleted events back: a segment that holds some gets a new file, in which gaps are where they were.
//!
//! Segments are done from the oldest on, each whole before the next: so the deleted events of a topic are always its first
//! ones, wherever a stop comes between. **Invariant:** the old file is there until the index says that the new one is the
//! segment's, durably, and until nobody reads by the old one any more.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::sync::mpsc::sync_channel;

use super::directory::io_error;
use super::disk::{FileRef, How};
use super::forget::Rewritten;
use super::group::{self, Header};
use super::keys;
use super::labels::Labels;
use super::prefix::Prefix;
use super::reader::Reader;
use super::segments;
use super::shared::{Replacement, Shared};
use crate::model::limits::{SEGMENTS_SCAVENGED, STRETCH_BYTES};
use crate::model::{Direction, EventType, Position, Scope, Sequence, Tag, TopicName};
use crate::storage::StorageError;
use crate::storage::codec::{Damage, View, claims};
use crate::storage::gap::{self, Gap};

pub type Cuts = HashMap<TopicName, Sequence>;

pub const NO_ROOM: &str = "no room to give room back";

/// Of all bytes of the log, the share that is worth the work of letting go of it.
const WORTH_SHARE: u64 = 8;

/// Does the first segments that are worth it; answers the bytes that were given back.
pub fn run(shared: &Shared, cuts: &Cuts) -> Result<u64, StorageError> {
    let mut saved = 0;
    let by_name = cuts.iter().map(|(topic, through)| (topic.as_str(), *through)).collect();
    for segment in worth(shared, cuts)?.take(SEGMENTS_SCAVENGED) {
        let prefix = shared.state().tail.prefix.clone();
        match Rewrite::segment(shared, &prefix, &by_name, segment)? {
            Done::Rewritten(new) => {
                saved += new.saved;
                drop(prefix);
                install(shared, new)?;
            }
            Done::Nothing => {}
            Done::NotYet => break,
        }
    }
    Ok(saved)
}

/// The full segments that deleted events lie in, if there are enough of them.
fn worth(shared: &Shared, cuts: &Cuts) -> Result<Range<u64>, StorageError> {
    let prefix = shared.state().tail.prefix.clone();
    let (mut first, mut last, mut deleted) = (Position::MAX, 0, 0);
    for (topic, through) in cuts {
        let bytes = prefix.bytes_through(topic, *through)?;
        if let (1.., Some(position)) = (bytes, prefix.first_position(topic)?) {
            let end = prefix.position_of(&Scope::Topic(topic.clone()), *through, Direction::Forward)?;
            (first, last) = (first.min(position), last.max(end.unwrap_or(prefix.position)));
            deleted += bytes;
        }
    }
    if deleted < shared.config.segment_bytes || deleted < prefix.all_bytes()? / WORTH_SHARE {
        return Ok(0..0);
    }
    let (first, last) = (prefix.segment_of(first)?, prefix.segment_of(last)?);
    Ok(first.map_or(0..0, |first| first..last.map_or(first, |last| last + 1).min(prefix.segment)))
}

/// Has the filler put the new file in the old one's place, as nobody else may write the index.
fn install(shared: &Shared, new: Rewritten) -> Result<(), StorageError> {
    let over = || StorageError::Io { what: "deleted events".into(), detail: "the log was closed".into() };
    let (done, answer) = sync_channel(1);
    {
        let mut state = shared.state();
        // The filler looks under the same lock, and for the last time when it is over.
        if shared.is_over() {
            return Err(over());
        }
        state.replacement = Some(Replacement { new, done });
        shared.work.notify_all();
    }
    answer.recv().map_err(|_| over())?
}

enum Done {
    Rewritten(Rewritten),
    /// The segment has no deleted events.
    Nothing,
    /// An idempotency key that is known still was used for an event that would go, or the log is being closed.
    NotYet,
}

/// A segment as it is written anew.
struct Rewrite<'a> {
    shared: &'a Shared,
    prefix: &'a Prefix,
    cuts: &'a HashMap<&'a str, Sequence>,
    file: FileRef,
    salt: group::Salt,
    /// Where the record that grows is to be written, the groups in it, its first position, and how many it has.
    offset: u64,
    record: Vec<u8>,
    groups: Option<(u64, u64)>,
    first: Position,
    positions: usize,
    gap: Option<Gap>,
    /// The last position that a known idempotency key protects.
    in_use: Position,
    stretches: Vec<(Position, u64)>,
    left: BTreeMap<TopicName, gap::Left>,
    labels: Labels,
    deleted: u64,
}

/// Why a segment is not written anew.
enum Stop {
    Disk(io::Error),
    Damage(Damage),
    Storage(StorageError),
    NotYet,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<Damage> for Stop {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

impl<'a> Rewrite<'a> {
    fn segment(
        shared: &'a Shared,
        prefix: &'a Prefix,
        cuts: &'a HashMap<&'a str, Sequence>,
        segment: u64,
    ) -> Result<Done, StorageError> {
        let files = &prefix.files;
        let (path, generation) = (files.path(segment), files.generation(segment) + 1);
        let aside = keys::new_file(&files.dir.join("scavenged"));
        let failed = io_error("cannot let go of the deleted events in", &path);
        let old = files.disk.open(&path, How::Read).map_err(&failed)?;
        let size = old.size().map_err(&failed)?;
        // What the filler may write meanwhile needs its room too.
        if let Some(detail) = shared.directory.lacks_room(size as usize + shared.config.tail_bytes_max) {
            return Err(StorageError::Io { what: NO_ROOM.into(), detail });
        }
        let file = files.disk.open(&aside, How::Empty).map_err(&failed)?;
        let mut rewrite = Self {
            shared,
            prefix,
            cuts,
            file,
            salt: shared.directory.salt,
            offset: 0,
            record: group::begin(0),
            groups: None,
            first: 0,
            positions: 0,
            gap: None,
            in_use: 0,
            stretches: vec![],
            left: BTreeMap::new(),
            labels: Labels::default(),
            deleted: 0,
        };
        let done = rewrite.run(old);
        if done.is_err() || rewrite.deleted == 0 {
            segments::cut(&*rewrite.file, 0);
        }
        let positions = match done {
            Ok(positions) => positions,
            Err(Stop::NotYet) => return Ok(Done::NotYet),
            Err(Stop::Disk(error)) => return Err(failed(error)),
            Err(Stop::Storage(error)) => return Err(error),
            Err(Stop::Damage(Damage(detail))) => {
                return Err(StorageError::Corrupt { place: path.display().to_string(), detail: detail.into() });
            }
        };
        if rewrite.deleted == 0 {
            return Ok(Done::Nothing);
        }
        let finish = || -> io::Result<()> {
            rewrite.file.sync_all()?;
            files.disk.rename(&aside, &keys::generation_file(&files.dir, segment, generation))?;
            files.disk.sync_dir(&files.dir)
        };
        finish().map_err(failed)?;
        let Self { stretches, left, labels, offset, .. } = rewrite;
        let saved = size.saturating_sub(offset);
        Ok(Done::Rewritten(Rewritten { segment, generation, positions, stretches, left, labels, saved }))
    }

    /// Goes through the old file's groups; answers the positions that they have.
    fn run(&mut self, old: FileRef) -> Result<std::ops::RangeInclusive<Position>, Stop> {
        let mut reader = Reader::new(old, 0)?;
        let (mut first, mut last) = (0, 0);
        while let Some(header) = reader.peek(group::HEADER_BYTES)?.and_then(|bytes| group::header(bytes, self.salt)) {
            let record = reader.peek(group::HEADER_BYTES + header.body_bytes)?.unwrap_or_default();
            if group::record(record, self.salt).is_none() || (last > 0 && header.first != last + 1) {
                return Err(Damage("a group whose checksum or position does not match").into());
            }
            first = if first == 0 { header.first } else { first };
            last = header.first + header.events as u64 - 1;
            self.group(&header, &record[group::HEADER_BYTES..])?;
            let bytes = header.record_bytes().min(reader.left());
            reader.skip(bytes);
        }
        self.write()?;
        if last == 0 { Err(Damage("a segment without a group").into()) } else { Ok(first..=last) }
    }

    fn group(&mut self, header: &Header, body: &[u8]) -> Result<(), Stop> {
        if self.shared.is_over() {
            return Err(Stop::NotYet);
        }
        if self.record.len() as u64 >= STRETCH_BYTES {
            self.write()?;
        }
        self.first = if self.positions == 0 { header.first } else { self.first };
        self.groups = Some((self.groups.map_or(header.number, |groups| groups.0), header.last));
        self.positions += header.events;
        let mut at = 0;
        while at < body.len() {
            let length = claims(&body[at..]).map_or(0, |(length, _)| length);
            let entry = body.get(at..at + length).filter(|_| length > 0);
            self.entry(entry.ok_or(Damage("an event whose length does not fit its group"))?)?;
            at += length;
        }
        Ok(())
    }

    fn entry(&mut self, stored: &[u8]) -> Result<(), Stop> {
        if gap::is_gap(stored) {
            return Ok(self.widen(Gap::parse(stored)?)?);
        }
        let view = View::parse(stored)?;
        if let Some(keyed) = &view.keyed
            && self.prefix.key(&keyed.key.key).map_err(Stop::Storage)?.is_some()
        {
            self.in_use = view.place.position + u64::from(keyed.events) - 1;
        }
        if self.cuts.get(view.topic).is_some_and(|through| view.place.sequence <= *through) {
            if view.place.position <= self.in_use {
                return Err(Stop::NotYet);
            }
            return self.delete(&view);
        }
        self.close_gap()?;
        self.note_stretch(view.place.position);
        self.record.extend_from_slice(stored);
        Ok(())
    }

    fn delete(&mut self, view: &View<'_>) -> Result<(), Stop> {
        self.deleted += 1;
        let event_type = EventType::parse(view.event_type).map_err(|_| Damage("an event type that is no name"))?;
        let tags = view.tags().map(Tag::parse).collect::<Result<Vec<_>, _>>();
        let tags = tags.map_err(|_| Damage("a tag that is none"))?;
        self.labels.add(&event_type, &tags, view.place.position);
        let gap = Gap::of(view)?;
        gap::add_left(&mut self.left, gap.topics.clone());
        Ok(self.widen(gap)?)
    }

    fn widen(&mut self, next: Gap) -> Result<(), Damage> {
        match &mut self.gap {
            Some(gap) => gap.join(next),
            None => {
                self.gap = Some(next);
                Ok(())
            }
        }
    }

    /// Writes what was deleted since the last event that is kept.
    fn close_gap(&mut self) -> Result<(), Damage> {
        let Some(gap) = self.gap.take() else { return Ok(()) };
        self.note_stretch(gap.first);
        gap.encode(&mut self.record)
    }

    /// Notes where what comes next lies, now and then.
    fn note_stretch(&mut self, position: Position) {
        let at = self.offset + self.record.len() as u64;
        if self.stretches.last().is_none_or(|(_, last)| at - last >= STRETCH_BYTES) {
            self.stretches.push((position, at));
        }
    }

    /// Writes the record that grew.
    fn write(&mut self) -> Result<(), Stop> {
        self.close_gap()?;
        let Some((number, last)) = self.groups.take() else { return Ok(()) };
        let mut record = std::mem::replace(&mut self.record, group::begin(STRETCH_BYTES as usize));
        group::seal_all(&mut record, number..=last, self.first, std::mem::take(&mut self.positions), self.salt);
        self.file.write_all_at(&record, self.offset)?;
        self.offset += record.len() as u64;
        Ok(())
    }
}
