//! Reading what the index has reached: one snapshot of redb, which holds exactly the positions up to `position`, and the
//! log's files behind it.
//!
//! **Invariant:** an event is handed up only if its checksum holds and its own place is the one that the index sent us
//! to; anything else is `Corrupt`, with the position or row named.

use redb::{Database, ReadOnlyTable, ReadableDatabase};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chunk::KeyUse;
use super::directory::redb_error;
use super::keys::{
    self, META, STREAM_POSTINGS, STRETCHES, TAG_POSTINGS, TOPIC_BYTES, TOPIC_POSTINGS, TOPIC_TIPS, TYPE_POSTINGS,
};
use super::postings;
use super::rows::{List, Row, Rows};
use super::stretch::{Files, Stretch, StretchError};
use super::verify::{Sums, entry};
use super::wal::WalEnd;
use crate::model::{Direction, Position, Scope, Sequence, StreamName, TopicName, Version};
use crate::storage::codec::Damage;
use crate::storage::page::Span;
use crate::storage::{Damaged, StorageError, Tip};

type Keys = ReadOnlyTable<[u8; 16], ([u8; 16], u64, u32)>;

/// How far the index is, and what has to be known to go on behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    pub position: Position,
    pub time_ms: u64,
    pub group: u64,
    /// Where in the log the next group starts.
    pub wal: WalEnd,
}

pub struct Prefix {
    pub position: Position,
    pub path: PathBuf,
    pub files: Arc<Files>,
    /// Some events were deleted from the log.
    gaps: bool,
    /// The segment that the next group goes into: all before it are full.
    pub segment: u64,
    stretches: ReadOnlyTable<u64, (u64, u64)>,
    pub topics: Rows,
    pub streams: Rows,
    pub tags: Rows,
    pub types: Rows,
    bytes: ReadOnlyTable<&'static [u8], u64>,
    /// The younger generation first.
    keys: [Keys; 2],
    /// Of topics that have events here; how many.
    pub tips: HashMap<TopicName, Tip>,
}

impl Prefix {
    /// Takes a snapshot, and reads how far it goes.
    pub fn open(db: &Database, path: &Path, files: Arc<Files>) -> Result<(Self, Reached), StorageError> {
        let open = || -> Result<_, redb::Error> {
            let txn = db.begin_read()?;
            let meta = txn.open_table(META)?;
            let number = |key| Ok::<_, redb::Error>(meta.get(key)?.map_or(0, |guard| guard.value()));
            let reached = Reached {
                position: number(keys::META_POSITION)?,
                time_ms: number(keys::META_TIME_MS)?,
                group: number(keys::META_GROUP)?,
                wal: WalEnd { segment: number(keys::META_SEGMENT)?.max(1), offset: number(keys::META_OFFSET)? },
            };
            let mut tips = vec![];
            for row in txn.open_table(TOPIC_TIPS)?.range::<&str>(..)? {
                let (topic, tip) = row?;
                let (sequence, hash) = tip.value();
                tips.push((topic.value().to_owned(), Tip { sequence, hash }));
            }
            let prefix = Self {
                position: reached.position,
                gaps: number(keys::META_GAPS)? > 0,
                segment: reached.wal.segment,
                path: path.to_owned(),
                files,
                stretches: txn.open_table(STRETCHES)?,
                topics: txn.open_table(TOPIC_POSTINGS)?,
                streams: txn.open_table(STREAM_POSTINGS)?,
                tags: txn.open_table(TAG_POSTINGS)?,
                types: txn.open_table(TYPE_POSTINGS)?,
                bytes: txn.open_table(TOPIC_BYTES)?,
                keys: [txn.open_table(keys::KEYS_YOUNG)?, txn.open_table(keys::KEYS_OLD)?],
                tips: HashMap::new(),
            };
            Ok((prefix, reached, tips))
        };
        let (mut prefix, reached, tips) = open().map_err(|error| redb_error(path, error))?;
        let name = |(topic, tip): (String, Tip)| TopicName::parse(&topic).map(|topic| (topic, tip));
        let tips = tips.into_iter().map(name).collect::<Result<_, _>>();
        prefix.tips = tips.map_err(|_| prefix.corrupt("topic_tips", Damage("a name that is none")))?;
        Ok((prefix, reached))
    }

    pub fn corrupt(&self, place: impl std::fmt::Display, damage: Damage) -> StorageError {
        StorageError::Corrupt { place: format!("{}, {place}", self.path.display()), detail: damage.to_string() }
    }

    fn failed(&self, error: impl Into<redb::Error>) -> StorageError {
        redb_error(&self.path, error)
    }

    /// How many events a stream has in this snapshot: where its last row ends.
    pub fn stream_head(&self, topic: &TopicName, stream: &StreamName) -> Result<Version, StorageError> {
        if self.position == 0 {
            return Ok(0);
        }
        let (low, high) = (keys::stream_key(topic, stream, 0), keys::stream_key(topic, stream, u64::MAX));
        let rows = self.streams.range(low.as_slice()..=high.as_slice());
        let Some(row) = rows.map_err(|error| self.failed(error))?.next_back() else { return Ok(0) };
        let (key, row) = row.map_err(|error| self.failed(error))?;
        let first = keys::key_number(key.value()).unwrap_or(0);
        let count = postings::count(key.value(), row.value()).ok();
        let head = count.and_then(|count| first.checked_add(count)?.checked_sub(1));
        head.ok_or_else(|| self.corrupt(format_args!("stream '{topic}/{stream}'"), Damage("a row that has no end")))
    }

    /// See `EventLog::beyond`; `behind` are the bytes that lie behind this snapshot.
    pub fn beyond(&self, topic: &TopicName, mut behind: u64, bytes: u64) -> Result<Sequence, StorageError> {
        let (low, high) = (keys::topic_key(topic, 0), keys::topic_key(topic, u64::MAX));
        let rows = self.bytes.range(low.as_slice()..=high.as_slice()).map_err(|error| self.failed(error))?;
        for row in rows.rev() {
            let (key, of_row) = row.map_err(|error| self.failed(error))?;
            behind = behind.saturating_add(of_row.value());
            if behind >= bytes {
                return Ok(keys::key_number(key.value()).unwrap_or(0).saturating_sub(1));
            }
        }
        Ok(0)
    }

    /// Stored bytes of a topic's events up to a sequence, as far as they are here, about.
    pub fn bytes_through(&self, topic: &TopicName, through: Sequence) -> Result<u64, StorageError> {
        let (low, high) = (keys::topic_key(topic, 0), keys::topic_key(topic, through.saturating_add(1)));
        let rows = self.bytes.range(low.as_slice()..=high.as_slice()).map_err(|error| self.failed(error))?;
        // Of the last row, some may be kept: the others end where it starts.
        let mut bytes = 0;
        let mut last = 0;
        for row in rows {
            bytes += std::mem::replace(&mut last, row.map_err(|error| self.failed(error))?.1.value());
        }
        Ok(bytes)
    }

    /// Stored bytes of all events that are here, about.
    pub fn all_bytes(&self) -> Result<u64, StorageError> {
        let rows = self.bytes.range::<&[u8]>(..).map_err(|error| self.failed(error))?;
        rows.map(|row| Ok(row.map_err(|error| self.failed(error))?.1.value())).sum()
    }

    /// The position of a topic's first event that is here.
    pub fn first_position(&self, topic: &TopicName) -> Result<Option<Position>, StorageError> {
        let row = self.list(&self.topics, |number| keys::topic_key(topic, number)).first_row()?;
        Ok(row.and_then(|row| row.positions.first().copied()))
    }

    /// The segment that a position lies in.
    pub fn segment_of(&self, position: Position) -> Result<Option<u64>, StorageError> {
        let floor = self.stretches.range(..=position).map_err(|error| self.failed(error))?.next_back();
        Ok(floor.transpose().map_err(|error| self.failed(error))?.map(|(_, at)| at.value().0))
    }

    /// Shows the events of a span, as long as they are in this snapshot and `visit` wants more.
    /// Answers what is left of the span.
    pub fn visit(
        &self,
        scope: &Scope,
        mut span: Span,
        mut visit: impl FnMut(u64, Position, &[u8]) -> Result<bool, Damage>,
    ) -> Result<Span, StorageError> {
        let mut events = Events::new(self);
        while let Some(place) = span.next() {
            let Some(run) = self.run(scope, span.direction, place)? else {
                match self.kept_from(scope)?.filter(|first| *first > place) {
                    Some(first) => span.skip_to(first),
                    None => break,
                }
                continue;
            };
            // A run holds all places from `run.first` on; those that the span wants are looked at in its order.
            while let Some(position) = span.next().and_then(|place| run.position(place)) {
                let event = events.event(position)?;
                if event.is_empty() {
                    // Only the store has places of deleted events: they need not be counted one by one.
                    span.at = events.end_of_gap(position, span.direction);
                    if span.direction == Direction::Backward {
                        span.step();
                    }
                    continue;
                }
                let more = visit(span.at, position, event).map_err(|damage| self.damaged(position, damage))?;
                span.step();
                if !more {
                    return Ok(span);
                }
            }
        }
        Ok(span)
    }

    fn damaged_at(&self, position: Position, at: WalEnd, damage: Damage) -> StorageError {
        let path = self.files.path(at.segment);
        let place = format!("position {position}, {} from offset {} on", path.display(), at.offset);
        StorageError::Corrupt { place, detail: damage.to_string() }
    }

    /// A place that nobody has, though it is not behind the head.
    pub fn lacks(&self, scope: &Scope, place: u64) -> StorageError {
        self.corrupt(format_args!("{scope:?} at {place}"), Damage("a place that the index does not have"))
    }

    pub fn damaged(&self, position: Position, damage: Damage) -> StorageError {
        self.corrupt(format_args!("position {position}"), damage)
    }

    /// The run of known positions that holds `place`; `None` when this snapshot does not hold it.
    fn run(&self, scope: &Scope, direction: Direction, place: u64) -> Result<Option<Run>, StorageError> {
        let row = match scope {
            Scope::Store => return Ok((place <= self.position).then(|| Run::store(direction, place, self.position))),
            Scope::Topic(topic) => self.list(&self.topics, |number| keys::topic_key(topic, number)).row_from(place)?,
            Scope::Stream(topic, stream) => {
                self.list(&self.streams, |number| keys::stream_key(topic, stream, number)).row_from(place)?
            }
        };
        let Some(row) = row else { return Ok(None) };
        if row.positions.last().is_some_and(|last| *last > self.position) {
            let place = format_args!("index row {} of {scope:?}", row.first);
            return Err(self.corrupt(place, Damage("a position that the index has not reached")));
        }
        Ok(row.position(place).is_some().then_some(Run::Listed(row)))
    }

    /// The first place of a topic or stream that was not deleted, as far as this snapshot knows.
    fn kept_from(&self, scope: &Scope) -> Result<Option<u64>, StorageError> {
        if !self.gaps {
            // Nothing ever left this log: what is not here is missing.
            return Ok(None);
        }
        let row = match scope {
            Scope::Store => return Ok(None),
            Scope::Topic(topic) => self.list(&self.topics, |number| keys::topic_key(topic, number)).first_row()?,
            Scope::Stream(topic, stream) => {
                self.list(&self.streams, |number| keys::stream_key(topic, stream, number)).first_row()?
            }
        };
        // Of a topic that has nothing here, all was deleted.
        let tip = |topic| self.tips.get(topic).map(|tip| tip.sequence + 1);
        let behind = if let Scope::Topic(topic) = scope { tip(topic) } else { None };
        Ok(row.map(|row| row.first).or(behind))
    }

    pub fn list<'p, K: Fn(u64) -> Vec<u8>>(&'p self, rows: &'p Rows, key: K) -> List<'p, K> {
        List { rows, path: &self.path, key, current: None }
    }

    /// The position of a place, if this snapshot holds it. Of one that was deleted: where a walk in this direction goes on.
    pub fn position_of(
        &self,
        scope: &Scope,
        place: u64,
        direction: Direction,
    ) -> Result<Option<Position>, StorageError> {
        let run = self.run(scope, Direction::Forward, place)?;
        if let Some(position) = run.and_then(|run| run.position(place)) {
            return Ok(Some(position));
        }
        let Some(first) = self.kept_from(scope)?.filter(|first| *first > place) else { return Ok(None) };
        if direction == Direction::Backward {
            return Ok(Some(0));
        }
        // Nothing of it is here any more: what follows is behind this snapshot.
        let run = self.run(scope, Direction::Forward, first)?;
        Ok(Some(run.and_then(|run| run.position(first)).unwrap_or(self.position + 1)))
    }

    /// The entries that say where events lie, in order.
    pub fn stretch_rows(&self) -> Result<StretchRows<'_>, StorageError> {
        let rows = self.stretches.range::<u64>(..).map_err(|error| self.failed(error))?;
        Ok(StretchRows { rows, next: None, of: std::marker::PhantomData })
    }

    /// Holds every row of every list against what the log says. `None` when they are the same.
    pub fn compare(&self, log: &Sums) -> Result<Option<Damaged>, StorageError> {
        let mut found = Sums::default();
        for (name, rows, sum, places) in [
            ("topic_postings", &self.topics, &mut found.topics, true),
            ("stream_postings", &self.streams, &mut found.streams, true),
            ("tag_postings", &self.tags, &mut found.tags, false),
            ("type_postings", &self.types, &mut found.types, false),
        ] {
            if let Err((key, Damage(detail))) = self.sum(rows, places, sum)? {
                let place = format!("{}, {name} '{}'", self.path.display(), key.escape_ascii());
                let position = if places { None } else { keys::key_number(&key) };
                return Ok(Some(Damaged { position, place, detail: detail.to_owned() }));
            }
        }
        let detail = "an index that is not that of the log; without the file it is made anew when the store is opened";
        let place = self.path.display().to_string();
        Ok((found != *log).then(|| Damaged { position: None, place, detail: detail.to_owned() }))
    }

    /// Adds up a list's rows; the inner error is the row that is damaged.
    fn sum(&self, rows: &Rows, places: bool, sum: &mut u64) -> Result<Result<(), (Vec<u8>, Damage)>, StorageError> {
        for row in rows.range::<&[u8]>(..).map_err(|error| self.failed(error))? {
            let (key, row) = row.map_err(|error| self.failed(error))?;
            let key = key.value();
            let positions = match postings::decode(key, row.value()) {
                Ok(positions) => positions,
                Err(damage) => return Ok(Err((key.to_vec(), damage))),
            };
            let first = keys::key_number(key).unwrap_or(0);
            let name = &key[..key.len().saturating_sub(8)];
            for (index, position) in positions.into_iter().enumerate() {
                let place = if places { first + index as u64 } else { position };
                *sum = sum.wrapping_add(entry(name, place, position));
            }
        }
        Ok(Ok(()))
    }

    /// What an idempotency key was used for, if this snapshot knows it.
    pub fn key(&self, key: &[u8; 16]) -> Result<Option<KeyUse>, StorageError> {
        for table in &self.keys {
            if let Some(guard) = table.get(key).map_err(|error| self.failed(error))? {
                let (request, first, events) = guard.value();
                return Ok(Some(KeyUse { request, first, events }));
            }
        }
        Ok(None)
    }
}

/// The entries of the index that say where events lie, as a walk comes by.
pub struct StretchRows<'p> {
    rows: redb::Range<'static, u64, (u64, u64)>,
    next: Option<(Position, WalEnd)>,
    of: std::marker::PhantomData<&'p ()>,
}

impl StretchRows<'_> {
    /// Whether an entry for this position, if there is one, says where the event is.
    pub fn check(&mut self, position: Position, at: WalEnd) -> Result<(), Damage> {
        while self.next.is_none_or(|(next, _)| next < position) {
            let Some(row) = self.rows.next() else { return Ok(()) };
            let (next, place) = row.map_err(|_| Damage("the index of where it lies can't be read"))?;
            let (segment, offset) = place.value();
            self.next = Some((next.value(), WalEnd { segment, offset }));
        }
        match self.next {
            Some((next, place)) if next == position && place != at => Err(Damage("the index has another place for it")),
            _ => Ok(()),
        }
    }
}

/// Places that follow each other, and their positions. For the store's own order the list is not spelt out.
enum Run {
    Store(std::ops::RangeInclusive<u64>),
    Listed(Row),
}

impl Run {
    fn store(direction: Direction, place: u64, last: Position) -> Self {
        match direction {
            Direction::Forward => Self::Store(place..=last),
            Direction::Backward => Self::Store(1..=place),
        }
    }

    fn position(&self, place: u64) -> Option<Position> {
        match self {
            Self::Store(places) => places.contains(&place).then_some(place),
            Self::Listed(row) => row.position(place),
        }
    }
}

/// Events by position. The stretch that was read last is kept, as neighbours mostly share one.
pub struct Events<'p> {
    prefix: &'p Prefix,
    current: Option<Stretch>,
}

impl<'p> Events<'p> {
    pub fn new(prefix: &'p Prefix) -> Self {
        Self { prefix, current: None }
    }

    pub fn event(&mut self, position: Position) -> Result<&[u8], StorageError> {
        if !self.current.as_ref().is_some_and(|stretch| stretch.positions.contains(&position)) {
            self.current = Some(self.load(position)?);
        }
        let event = self.current.as_ref().ok_or(Damage("no stretch")).and_then(|stretch| stretch.event(position));
        event.map_err(|damage| self.prefix.damaged(position, damage))
    }

    /// The last position of the gap that a position without bytes is in, or the first, as far as the stretch goes.
    fn end_of_gap(&self, position: Position, direction: Direction) -> Position {
        self.current.as_ref().map_or(position, |stretch| stretch.end_of_gap(position, direction))
    }

    fn load(&self, position: Position) -> Result<Stretch, StorageError> {
        let prefix = self.prefix;
        let failed = |error: redb::StorageError| prefix.failed(error);
        let floor = prefix.stretches.range(..=position).map_err(failed)?.next_back();
        let (first, at) =
            floor.ok_or_else(|| prefix.damaged(position, Damage("no stretch holds it")))?.map_err(failed)?;
        let next = prefix.stretches.range(position + 1..).map_err(failed)?.next().transpose().map_err(failed)?;
        let (segment, offset) = at.value();
        let end = next.as_ref().map_or(prefix.position + 1, |(end, _)| end.value());
        let bytes = next.map(|(_, end)| end.value()).filter(|end| end.0 == segment);
        let bytes = bytes.and_then(|end| end.1.checked_sub(offset));
        let at = WalEnd { segment, offset };
        Stretch::load(&prefix.files, at, first.value()..end, bytes).map_err(|error| match error {
            StretchError::Damage(damage) => prefix.damaged_at(position, at, damage),
            StretchError::Io(error) => StorageError::Io {
                what: format!("cannot read {} for position {position}", prefix.files.path(segment).display()),
                detail: error.to_string(),
            },
        })
    }
}
