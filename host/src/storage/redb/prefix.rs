//! Reading from redb: one snapshot, which holds exactly the positions up to `position`.
//!
//! **Invariant:** an event is handed up only if its checksum holds and its own place is the one that the index sent us
//! to; anything else is `Corrupt`, with the block or row named.

use redb::{AccessGuard, Database, ReadOnlyTable, ReadableDatabase};
use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::block;
use super::directory::redb_error;
use super::keys::{self, BLOCKS, META, STREAM_POSTINGS, TOPIC_HEADS, TOPIC_POSTINGS};
use super::postings;
use super::wal::WalEnd;
use crate::model::{Direction, Position, Scope, Sequence, StreamName, TopicName, Version};
use crate::storage::StorageError;
use crate::storage::codec::Damage;
use crate::storage::page::Span;

type Rows = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// How far redb is, and what has to be known to go on behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    pub position: Position,
    pub time_ms: u64,
    pub group: u64,
    /// Where in the write-ahead log the next group starts.
    pub wal: WalEnd,
}

pub struct Prefix {
    pub position: Position,
    path: PathBuf,
    blocks: ReadOnlyTable<u64, &'static [u8]>,
    topics: Rows,
    streams: Rows,
}

impl Prefix {
    /// Takes a snapshot, and reads how far it goes and where the topics are.
    pub fn open(db: &Database, path: &Path) -> Result<(Self, Reached, HashMap<TopicName, Sequence>), StorageError> {
        let failed = |error: redb::Error| redb_error(path, error);
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
            let mut heads = vec![];
            for row in txn.open_table(TOPIC_HEADS)?.range::<&str>(..)? {
                let (topic, head) = row?;
                heads.push((topic.value().to_owned(), head.value()));
            }
            let (blocks, topics) = (txn.open_table(BLOCKS)?, txn.open_table(TOPIC_POSTINGS)?);
            Ok((reached, heads, blocks, topics, txn.open_table(STREAM_POSTINGS)?))
        };
        let (reached, heads, blocks, topics, streams) = open().map_err(failed)?;
        let name = |(topic, head): (String, u64)| TopicName::parse(&topic).map(|topic| (topic, head));
        let heads = heads.into_iter().map(name).collect::<Result<_, _>>();
        let prefix = Self { position: reached.position, path: path.to_owned(), blocks, topics, streams };
        let heads = heads.map_err(|_| prefix.corrupt("topic_heads", Damage("a name that is none")))?;
        Ok((prefix, reached, heads))
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
        let count = postings::count(row.value()).ok().filter(|count| *count > 0 && first > 0);
        let head = count.and_then(|count| first.checked_add(count - 1));
        head.ok_or_else(|| self.corrupt(format_args!("stream '{topic}/{stream}'"), Damage("a row that has no end")))
    }

    /// Shows the events of a span, as long as they are in this snapshot and `visit` wants more.
    /// Answers what is left of the span.
    pub fn visit(
        &self,
        scope: &Scope,
        mut span: Span,
        mut visit: impl FnMut(u64, Position, &[u8]) -> Result<bool, Damage>,
    ) -> Result<Span, StorageError> {
        let mut blocks = Blocks { prefix: self, current: None };
        while let Some(place) = span.next() {
            let Some(run) = self.run(scope, span.direction, place)? else { break };
            // A run holds all places from `run.first` on; those that the span wants are looked at in its order.
            while let Some(position) = span.next().and_then(|place| run.position(place)) {
                let event = blocks.event(position)?;
                let more = visit(span.at, position, event).map_err(|damage| self.damaged(position, damage))?;
                span.step();
                if !more {
                    return Ok(span);
                }
            }
        }
        Ok(span)
    }

    pub fn damaged(&self, position: Position, damage: Damage) -> StorageError {
        self.corrupt(format_args!("the block of position {position}"), damage)
    }

    /// The stretch of known positions that holds `place`; `None` when this snapshot does not hold it.
    fn run(&self, scope: &Scope, direction: Direction, place: u64) -> Result<Option<Run>, StorageError> {
        let (rows, low, high) = match scope {
            Scope::Store => return Ok((place <= self.position).then(|| Run::store(direction, place, self.position))),
            Scope::Topic(topic) => (&self.topics, keys::topic_key(topic, 0), keys::topic_key(topic, place)),
            Scope::Stream(topic, stream) => {
                (&self.streams, keys::stream_key(topic, stream, 0), keys::stream_key(topic, stream, place))
            }
        };
        let rows = rows.range(low.as_slice()..=high.as_slice()).map_err(|error| self.failed(error))?;
        let Some(row) = { rows }.next_back() else { return Ok(None) };
        let (key, row) = row.map_err(|error| self.failed(error))?;
        let first = keys::key_number(key.value()).unwrap_or(0);
        let damaged = |damage| self.corrupt(format_args!("index row {first} of {scope:?}"), damage);
        let run = Run { first, positions: postings::decode(row.value()).map_err(damaged)?, count: 0 };
        if run.positions.last().is_some_and(|last| *last > self.position) {
            return Err(damaged(Damage("a position that redb has not reached")));
        }
        Ok(run.position(place).is_some().then_some(run))
    }
}

/// Places that follow each other, and their positions. For the store's own order the list is not spelt out.
struct Run {
    first: u64,
    positions: Vec<Position>,
    count: u64,
}

impl Run {
    fn store(direction: Direction, place: u64, last: Position) -> Self {
        match direction {
            Direction::Forward => Self { first: place, positions: vec![], count: last - place + 1 },
            Direction::Backward => Self { first: 1, positions: vec![], count: place },
        }
    }

    fn position(&self, place: u64) -> Option<Position> {
        let index = place.checked_sub(self.first)?;
        if index < self.count {
            return Some(place);
        }
        self.positions.get(usize::try_from(index).ok()?).copied()
    }
}

/// The block that was read last, as neighbours mostly share one.
struct Blocks<'p> {
    prefix: &'p Prefix,
    current: Option<(Range<Position>, AccessGuard<'static, &'static [u8]>)>,
}

impl Blocks<'_> {
    fn event(&mut self, position: Position) -> Result<&[u8], StorageError> {
        let damaged = |damage| self.prefix.damaged(position, damage);
        if !self.current.as_ref().is_some_and(|(positions, _)| positions.contains(&position)) {
            self.current = Some(self.load(position)?);
        }
        let Some((positions, block)) = &self.current else { return Err(damaged(Damage("no block"))) };
        block::event(block.value(), (position - positions.start) as usize).map_err(damaged)
    }

    fn load(&self, position: Position) -> Result<(Range<Position>, AccessGuard<'static, &'static [u8]>), StorageError> {
        let damaged = |damage| self.prefix.damaged(position, damage);
        let failed = |error| self.prefix.failed(error);
        let found = self.prefix.blocks.range(..=position).map_err(failed)?.next_back();
        let (first, block) = found.ok_or_else(|| damaged(Damage("no block holds it")))?.map_err(failed)?;
        let positions = block::positions(first.value(), block.value()).map_err(damaged)?;
        if positions.contains(&position) { Ok((positions, block)) } else { Err(damaged(Damage("no block holds it"))) }
    }
}
