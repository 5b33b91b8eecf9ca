//! The events that redb does not hold yet, beside the snapshot of redb that holds all before them.
//!
//! **Invariant:** prefix, chunks and heads change together under one lock, so whoever holds it sees every event exactly
//! once: up to `prefix.position` in redb, after it in the chunks, without a gap, up to `head`. Nothing slow happens
//! under that lock.

use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::chunk::Chunk;
use super::prefix::Prefix;
use crate::model::{Position, Scope, Sequence, StreamName, TopicName, Version};
use crate::storage::page::Span;

pub struct Tail {
    pub prefix: Arc<Prefix>,
    sealed: VecDeque<Arc<Chunk>>,
    active: Chunk,
    head: Position,
    topic_heads: HashMap<TopicName, Sequence>,
    sealed_bytes: usize,
}

impl Tail {
    pub fn new(prefix: Arc<Prefix>, topic_heads: HashMap<TopicName, Sequence>) -> Self {
        let head = prefix.position;
        Self { prefix, sealed: VecDeque::new(), active: Chunk::default(), head, topic_heads, sealed_bytes: 0 }
    }

    pub fn topic_head(&self, topic: &TopicName) -> Sequence {
        self.topic_heads.get(topic).copied().unwrap_or(0)
    }

    pub fn topic_heads(&self) -> &HashMap<TopicName, Sequence> {
        &self.topic_heads
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

    pub fn set_topic_head(&mut self, topic: &TopicName, sequence: Sequence) {
        match self.topic_heads.get_mut(topic) {
            Some(head) => *head = sequence,
            None => drop(self.topic_heads.insert(topic.clone(), sequence)),
        }
    }

    /// Makes what was added readable; answers whether a chunk was sealed for the filler.
    pub fn advance(&mut self, fill_bytes: usize) -> bool {
        self.head = self.active.last().unwrap_or(self.head);
        let full = self.active.bytes >= fill_bytes;
        if full {
            let chunk = std::mem::take(&mut self.active);
            self.sealed_bytes += chunk.bytes;
            self.sealed.push_back(Arc::new(chunk));
        }
        full
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

    /// The last place of a scope, if that can be told without redb.
    pub fn end(&self, scope: &Scope) -> Option<u64> {
        match scope {
            Scope::Store => Some(self.head),
            Scope::Topic(topic) => Some(self.topic_head(topic)),
            Scope::Stream(topic, stream) => self.version(topic, stream).or((self.prefix.position == 0).then_some(0)),
        }
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
