//! A piece of the log in memory, with its own index: what one fill moves into redb.
//!
//! The tail is a row of chunks; the last one grows, the others are sealed and shared. **Invariant:** positions,
//! sequences and versions in a chunk have no gaps, and its groups are whole.

use bytes::Bytes;
use std::collections::HashMap;

use super::batch::{Answer, Outcome};
use super::labels::{Labels, Lists};
use super::wal::WalEnd;
use crate::model::{Filter, IdempotencyKey, Position, Scope, StreamName, TopicName, Version};
use crate::storage::codec::{Damage, Keyed};
use crate::storage::gap::Left;
use crate::storage::{AppendError, Hash, Place};

/// One committed group: its record as written, and where in it each event ends. Of a gap, its last position has the gap's
/// bytes, the others have none.
pub struct Group {
    pub number: u64,
    pub first: Position,
    pub record: Bytes,
    pub start: usize,
    pub ends: Vec<u32>,
    pub time_ms: u64,
    /// Where in the log the record starts, and where the next one does.
    pub at: WalEnd,
    pub end: WalEnd,
}

impl Group {
    pub fn last(&self) -> Position {
        self.first + self.ends.len() as u64 - 1
    }

    fn range(&self, index: usize) -> std::ops::Range<usize> {
        let start = if index == 0 { self.start } else { self.ends[index - 1] as usize };
        start..self.ends[index] as usize
    }

    /// Positions, and where in the log the events are, in order.
    pub fn events(&self) -> impl Iterator<Item = (Position, WalEnd)> {
        let place = |start: usize| WalEnd { offset: self.at.offset + start as u64, ..self.at };
        (0..self.ends.len()).map(move |index| (self.first + index as u64, place(self.range(index).start)))
    }
}

/// Where a topic's or stream's events of a chunk are: place `first + n` is at `positions[n]`.
#[derive(Default)]
pub struct Places {
    pub first: u64,
    pub positions: Vec<Position>,
    /// Some places before `first` are those of events that were deleted, and read back as such here.
    pub skipped: bool,
}

impl Places {
    /// The last place; if there is none here, the last that was deleted.
    pub fn last(&self) -> u64 {
        (self.first + self.positions.len() as u64).saturating_sub(1)
    }

    pub fn push(&mut self, place: u64, position: Position) -> Result<(), Damage> {
        if self.positions.is_empty() && self.first == 0 {
            self.first = place;
        } else if place != self.last() + 1 {
            return Err(Damage("a gap in a topic's sequences or a stream's versions"));
        }
        self.positions.push(position);
        Ok(())
    }

    /// Notes that all places up to this one were deleted.
    pub fn skip(&mut self, place: u64) -> Result<(), Damage> {
        if !self.positions.is_empty() || place < self.first {
            return Err(Damage("deleted events behind ones that were kept"));
        }
        (self.first, self.skipped) = (place + 1, true);
        Ok(())
    }

    /// The place of a position that is here.
    pub fn place(&self, position: Position) -> Option<u64> {
        self.positions.binary_search(&position).ok().map(|index| self.first + index as u64)
    }

    fn position(&self, place: u64) -> Option<Position> {
        self.positions.get(usize::try_from(place.checked_sub(self.first)?).ok()?).copied()
    }
}

/// A topic's events in a chunk, and its streams'.
#[derive(Default)]
pub struct TopicChunk {
    pub places: Places,
    /// Stored bytes of the events.
    pub bytes: u64,
    /// Of the topic's last event here.
    pub hash: Hash,
    pub streams: HashMap<StreamName, Places>,
}

impl TopicChunk {
    /// Notes neighbouring events that are all of one stream, or all of none, their bytes, and the last one's hash.
    pub fn add(&mut self, stream: Option<&StreamName>, run: &[Place], bytes: usize, hash: Hash) -> Result<(), Damage> {
        self.hash = hash;
        self.bytes += bytes as u64;
        run.iter().try_for_each(|place| self.places.push(place.sequence, place.position))?;
        let Some(stream) = stream else { return Ok(()) };
        let places = match self.streams.get_mut(stream) {
            Some(places) => places,
            None => self.streams.entry(stream.clone()).or_default(),
        };
        run.iter().try_for_each(|place| places.push(place.version.unwrap_or(0), place.position))
    }
}

impl TopicChunk {
    /// Notes that events were deleted here.
    pub fn skip(&mut self, left: &Left) -> Result<(), Damage> {
        self.hash = left.tip.hash;
        self.places.skip(left.tip.sequence)?;
        left.streams
            .iter()
            .try_for_each(|(stream, version)| self.streams.entry(stream.clone()).or_default().skip(*version))
    }
}

/// What an idempotency key was used for: a request, and the events that it appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUse {
    pub request: [u8; 16],
    pub first: Position,
    pub events: u32,
}

impl KeyUse {
    /// The key that the event at `first` came with, and what it was used for.
    pub fn of(keyed: &Keyed, first: Position) -> ([u8; 16], Self) {
        (keyed.key.key, Self { request: keyed.key.request, first, events: keyed.events })
    }

    /// What a request with this key is told.
    pub fn answer(self, key: &IdempotencyKey) -> Answer {
        if self.request == key.request { Ok(Outcome::Known(self)) } else { Err(AppendError::KeyReused) }
    }
}

#[derive(Default)]
pub struct Chunk {
    pub groups: Vec<Group>,
    pub topics: HashMap<TopicName, TopicChunk>,
    pub labels: Labels,
    pub keys: HashMap<[u8; 16], KeyUse>,
    /// What the chunk holds in memory, about: events and their index.
    pub bytes: usize,
}

/// What an event costs in memory besides its stored bytes: an offset, its index entries and their share of maps.
const EVENT_OVERHEAD_BYTES: usize = 72;

impl Chunk {
    pub fn first(&self) -> Option<Position> {
        self.groups.first().map(|group| group.first)
    }

    pub fn last(&self) -> Option<Position> {
        self.groups.last().map(Group::last)
    }

    pub fn topic(&mut self, topic: &TopicName) -> &mut TopicChunk {
        self.topics.entry(topic.clone()).or_default()
    }

    /// Takes a group whose events are indexed already.
    pub fn push(&mut self, group: Group) {
        self.bytes += group.record.len() + group.ends.len() * EVENT_OVERHEAD_BYTES;
        self.groups.push(group);
    }

    pub fn version(&self, topic: &TopicName, stream: &StreamName) -> Option<Version> {
        self.topics.get(topic)?.streams.get(stream).map(Places::last)
    }

    /// The position of a place, if this chunk holds it.
    pub fn position(&self, scope: &Scope, place: u64) -> Option<Position> {
        match scope {
            Scope::Store => (self.first()? <= place && place <= self.last()?).then_some(place),
            Scope::Topic(topic) => self.topics.get(topic)?.places.position(place),
            Scope::Stream(topic, stream) => self.topics.get(topic)?.streams.get(stream)?.position(place),
        }
    }

    /// The lists that a scope and a filter ask for; `None` when nothing here can match. **Invariant:** no stream is asked for.
    pub fn lists(&self, scope: &Scope, filter: &Filter) -> Option<Lists<&[Position]>> {
        let mut lists = self.labels.lists(filter)?;
        if let Scope::Topic(topic) = scope {
            lists.all.push(self.topics.get(topic)?.places.positions.as_slice());
        }
        Some(lists)
    }

    /// An event's place in a scope that it is of, its position, and its stored bytes.
    pub fn hit(&self, scope: &Scope, position: Position) -> Option<(u64, Position, Bytes)> {
        let place = match scope {
            Scope::Store => position,
            Scope::Topic(topic) | Scope::Stream(topic, _) => self.topics.get(topic)?.places.place(position)?,
        };
        Some((place, position, self.event(position)?))
    }

    /// An event's stored bytes, as a handle on its group's.
    pub fn event(&self, position: Position) -> Option<Bytes> {
        let after = self.groups.partition_point(|group| group.first <= position);
        let group = self.groups.get(after.checked_sub(1)?)?;
        let index = usize::try_from(position - group.first).ok()?;
        (index < group.ends.len()).then(|| group.record.slice(group.range(index)))
    }
}
