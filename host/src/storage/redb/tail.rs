//! The events that the index does not hold yet, beside the snapshot of the index that holds all before them.
//!
//! **Invariant:** prefix, chunks and heads change together under one lock, so whoever holds it sees every event exactly
//! once: up to `prefix.position` in the prefix, after it in the chunks, without a gap, up to `head`. Nothing slow happens
//! under that lock.

use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::chunk::{Chunk, KeyUse};
use super::labels;
use super::prefix::Prefix;
use crate::model::{Direction, Filter, Position, Scope, Sequence, StreamName, TopicName, Version};
use crate::storage::page::Span;
use crate::storage::{Hash, Tip};

pub struct Tail {
    pub prefix: Arc<Prefix>,
    sealed: VecDeque<Arc<Chunk>>,
    active: Chunk,
    head: Position,
    tips: HashMap<TopicName, Tip>,
    sealed_bytes: usize,
}

impl Tail {
    pub fn new(prefix: Prefix) -> Self {
        let (head, tips, prefix) = (prefix.position, prefix.tips.clone(), Arc::new(prefix));
        Self { prefix, sealed: VecDeque::new(), active: Chunk::default(), head, tips, sealed_bytes: 0 }
    }

    pub fn tip(&self, topic: &TopicName) -> Tip {
        self.tips.get(topic).copied().unwrap_or_default()
    }

    pub fn tips(&self) -> &HashMap<TopicName, Tip> {
        &self.tips
    }

    pub fn head(&self) -> Position {
        self.head
    }

    pub fn bytes(&self) -> usize {
        self.sealed_bytes + self.active.bytes
    }

    /// Memory holds too much, and the filler can do something about it.
    pub fn is_behind(&self, bytes_max: usize) -> bool {
        self.bytes() >= bytes_max && !self.sealed.is_empty()
    }

    /// The chunk that grows. Who adds to it tells `advance` afterwards, under the same lock.
    pub fn active(&mut self) -> &mut Chunk {
        &mut self.active
    }

    pub fn set_tip(&mut self, topic: &TopicName, sequence: Sequence, hash: Hash) {
        let tip = Tip { sequence, hash };
        match self.tips.get_mut(topic) {
            Some(known) => *known = tip,
            None => drop(self.tips.insert(topic.clone(), tip)),
        }
    }

    /// Makes what was added readable; answers whether a chunk was sealed for the filler.
    pub fn advance(&mut self, fill_bytes: usize) -> bool {
        self.head = self.active.last().unwrap_or(self.head);
        let full = self.active.bytes >= fill_bytes;
        if full {
            self.seal();
        }
        full
    }

    /// Hands the active chunk to the filler, full or not.
    pub fn seal(&mut self) {
        let chunk = std::mem::take(&mut self.active);
        if chunk.last().is_some() {
            self.sealed_bytes += chunk.bytes;
            self.sealed.push_back(Arc::new(chunk));
        }
    }

    /// The oldest sealed chunk, the next that redb gets.
    pub fn oldest(&self) -> Option<Arc<Chunk>> {
        self.sealed.front().cloned()
    }

    /// Lets go of the oldest sealed chunk, as redb holds it now. What is answered may be dropped outside the lock.
    pub fn filled(&mut self, prefix: Arc<Prefix>) -> (Option<Arc<Chunk>>, Arc<Prefix>) {
        let chunk = self.sealed.pop_front();
        self.sealed_bytes -= chunk.as_ref().map_or(0, |chunk| chunk.bytes);
        (chunk, std::mem::replace(&mut self.prefix, prefix))
    }

    fn chunks(&self) -> impl DoubleEndedIterator<Item = &Chunk> {
        self.sealed.iter().map(AsRef::as_ref).chain([&self.active])
    }

    /// A stream's head, if the tail knows it; otherwise it is in redb, or there is none.
    pub fn version(&self, topic: &TopicName, stream: &StreamName) -> Option<Version> {
        self.chunks().rev().find_map(|chunk| chunk.version(topic, stream))
    }

    /// See `EventLog::beyond`: a sequence, or how many bytes the tail has if they are fewer.
    pub fn beyond(&self, topic: &TopicName, bytes: u64) -> Result<Sequence, u64> {
        let mut behind = 0;
        for events in self.chunks().rev().filter_map(|chunk| chunk.topics.get(topic)) {
            behind += events.bytes;
            if behind >= bytes {
                return Ok(events.places.first - 1);
            }
        }
        Err(behind)
    }

    /// The last place of a scope, if that can be told without redb.
    pub fn end(&self, scope: &Scope) -> Option<u64> {
        match scope {
            Scope::Store => Some(self.head),
            Scope::Topic(topic) => Some(self.tip(topic).sequence),
            Scope::Stream(topic, stream) => self.version(topic, stream).or((self.prefix.position == 0).then_some(0)),
        }
    }

    /// The position of a place, if the tail has it.
    pub fn position_of(&self, scope: &Scope, place: u64) -> Option<Position> {
        self.chunks().find_map(|chunk| chunk.position(scope, place))
    }

    /// What a key was used for, if the tail knows it.
    pub fn key(&self, key: &[u8; 16]) -> Option<KeyUse> {
        self.chunks().rev().find_map(|chunk| chunk.keys.get(key)).copied()
    }

    /// The last position after `after` whose event matches; 0 if there is none in the tail.
    pub fn newest(&self, filter: &Filter, after: Position) -> Position {
        // The active chunk may be empty.
        let later = self.chunks().rev().take_while(|chunk| chunk.last().is_none_or(|last| last > after));
        let mut found = later.filter_map(|chunk| {
            let last = chunk.last()?;
            labels::nearest(&mut chunk.labels.lists(filter)?, last, Direction::Backward, after.saturating_add(1))
        });
        found.next().unwrap_or(0)
    }

    /// Matching events from `at` on in a direction, as places of the scope and handles, as far as the tail has them.
    /// **Invariant:** the scope is no stream.
    pub fn find(
        &self,
        scope: &Scope,
        filter: &Filter,
        at: Position,
        direction: Direction,
        count: usize,
    ) -> Vec<(u64, Position, Bytes)> {
        let mut found = Vec::new();
        let mut chunks: Vec<&Chunk> = self.chunks().filter(|chunk| !chunk.groups.is_empty()).collect();
        if direction == Direction::Backward {
            chunks.reverse();
        }
        for chunk in chunks {
            let Some(mut lists) = chunk.lists(scope, filter) else { continue };
            let (Some(first), Some(last)) = (chunk.first(), chunk.last()) else { continue };
            let (start, limit) = match direction {
                Direction::Forward => (at.max(first), last),
                Direction::Backward => (at.min(last), first),
            };
            let mut next = Some(start);
            while let Some(position) = next.and_then(|from| labels::nearest(&mut lists, from, direction, limit)) {
                let Some(hit) = chunk.hit(scope, position) else { break };
                found.push(hit);
                if found.len() >= count {
                    return found;
                }
                next = labels::beyond(position, direction);
            }
        }
        found
    }

    /// Places of a span and handles on their events, in the span's direction, for as long as the tail has them: empty
    /// means that redb has the next one.
    pub fn slice(&self, scope: &Scope, mut span: Span, count: usize) -> Vec<(u64, Bytes)> {
        let mut found = Vec::new();
        let mut chunk = None;
        while let Some(place) = span.next().filter(|_| found.len() < count) {
            // Neighbours mostly share a chunk, so the search starts where the last one ended.
            let hit = chunk.and_then(|chunk: &Chunk| chunk.position(scope, place)).or_else(|| {
                chunk = self.chunks().find(|chunk| chunk.position(scope, place).is_some());
                chunk.and_then(|chunk| chunk.position(scope, place))
            });
            let Some(event) = hit.zip(chunk).and_then(|(position, chunk)| chunk.event(position)) else { break };
            found.push((place, event));
            span.step();
        }
        found
    }
}
