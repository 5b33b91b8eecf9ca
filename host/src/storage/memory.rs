//! The reference adapter: everything in one `Vec` and two maps. It promises no durability, and is the oracle in tests.
//!
//! **Invariant:** it stays simple enough to be seen to be right; speed is another adapter's business.

use async_trait::async_trait;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

use super::page::{PageBuilder, Span};
use super::{
    AppendError, Appended, Batch, Change, Clock, EventLog, Expect, Hash, Place, Progress, ProgressSink, Recalled,
    Record, Records, RecordsError, StorageError, Store, Stored, Tip, Verified, codec,
};
use crate::model::{
    Condition, Conflict, Event, IdempotencyKey, NewEvent, Page, Payload, Position, Read, Scope, Sequence, StreamName,
    TopicName, Version,
};

/// A store that forgets everything when it is dropped.
pub fn open(clock: Clock) -> Store {
    let log = MemoryLog { clock, state: Mutex::default(), head: watch::Sender::new(0) };
    Store { adapter: "memory", log: Arc::new(log), records: Arc::new(MemoryRecords::default()) }
}

struct MemoryLog {
    clock: Clock,
    state: Mutex<State>,
    head: watch::Sender<Position>,
}

#[derive(Default)]
struct State {
    /// The event at position n is `events[n - 1]`.
    events: Vec<Event>,
    topics: HashMap<TopicName, Vec<Position>>,
    hashes: HashMap<TopicName, Hash>,
    /// Never forgotten, as nothing else is.
    keys: HashMap<[u8; 16], Recalled>,
    streams: HashMap<(TopicName, StreamName), Vec<Position>>,
    /// How many of a topic's first events carry nothing any more.
    emptied: HashMap<TopicName, usize>,
    closed: bool,
}

impl State {
    fn version(&self, topic: &TopicName, stream: &StreamName) -> Version {
        self.streams.get(&(topic.clone(), stream.clone())).map_or(0, |positions| positions.len() as Version)
    }

    /// What a condition looks at. See `Conflict::actual`.
    fn actual(&self, condition: &Condition) -> u64 {
        match condition {
            Condition::Stream { topic, stream, .. } => self.version(topic, stream),
            Condition::Query { filter, .. } => {
                self.events.iter().rev().find(|event| filter.matches(event)).map_or(0, |event| event.position)
            }
            Condition::Head(_) => self.events.len() as u64,
        }
    }

    fn conflicts(&self, batch: &Batch) -> Vec<Conflict> {
        let conflict = |condition: &Condition| {
            let actual = self.actual(condition);
            (!condition.holds(actual)).then(|| Conflict { condition: condition.clone(), actual })
        };
        batch.conditions.iter().filter_map(conflict).collect()
    }

    /// The places that a batch with this key has already.
    fn before(&self, key: &IdempotencyKey) -> Result<Option<Vec<Place>>, AppendError> {
        match self.keys.get(&key.key) {
            Some(recalled) if recalled.request == key.request => Ok(Some(recalled.places.clone())),
            Some(_) => Err(AppendError::KeyReused),
            None => Ok(None),
        }
    }

    fn record(&mut self, new: NewEvent, time_ms: u64, keyed: Option<codec::Keyed>) -> Result<Place, StorageError> {
        let position = self.events.len() as Position + 1;
        let sequence = self.end(&Scope::Topic(new.topic.clone())) + 1;
        let version = new.stream.as_ref().map(|stream| self.version(&new.topic, stream) + 1);
        let place = Place { position, sequence, version, time_ms };
        // The hash is over the stored form, which this adapter makes for that only.
        let mut stored = vec![];
        let body = codec::encode(&new, keyed, &mut stored).map_err(|damage| StorageError::Io {
            what: "the event can't be stored".into(),
            detail: damage.to_string(),
        })?;
        let hash = self.hashes.entry(new.topic.clone()).or_default();
        *hash = codec::seal(&mut stored, &body, &place, hash);
        self.topics.entry(new.topic.clone()).or_default().push(position);
        if let Some(stream) = &new.stream {
            self.streams.entry((new.topic.clone(), stream.clone())).or_default().push(position);
        }
        self.events.push(place.record(new));
        Ok(place)
    }

    /// How many places a scope has, and the position of one of them.
    fn end(&self, scope: &Scope) -> u64 {
        match scope {
            Scope::Store => self.events.len() as u64,
            Scope::Topic(topic) => self.topics.get(topic).map_or(0, |positions| positions.len() as u64),
            Scope::Stream(topic, stream) => self.version(topic, stream),
        }
    }

    fn at(&self, scope: &Scope, place: u64) -> Option<&Event> {
        let index = place as usize - 1;
        let position = match scope {
            Scope::Store => place,
            Scope::Topic(topic) => *self.topics.get(topic)?.get(index)?,
            Scope::Stream(topic, stream) => *self.streams.get(&(topic.clone(), stream.clone()))?.get(index)?,
        };
        self.events.get(position as usize - 1)
    }
}

impl MemoryLog {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn append(&self, batch: Batch) -> Result<Appended, AppendError> {
        let mut state = self.state();
        if state.closed {
            return Err(AppendError::Stopped { reason: "closed".into() });
        }
        if let Some(key) = &batch.key
            && let Some(places) = state.before(key)?
        {
            return Ok(Appended { places, replayed: true });
        }
        let conflicts = state.conflicts(&batch);
        if !conflicts.is_empty() {
            return Err(AppendError::Conflict(conflicts));
        }
        let last_ms = state.events.last().map_or(0, |event| event.time_ms);
        let time_ms = (self.clock)().max(last_ms);
        let mut keyed = batch.key.map(|key| codec::Keyed { key, events: batch.events.len() as u32 });
        let mut places = Vec::with_capacity(batch.events.len());
        for event in batch.events {
            places.push(state.record(event, time_ms, keyed.take())?);
        }
        if let Some(IdempotencyKey { key, request }) = batch.key.filter(|_| !places.is_empty()) {
            state.keys.insert(key, Recalled { request, places: places.clone() });
        }
        let head = state.events.len() as Position;
        self.head.send_if_modified(|known| std::mem::replace(known, head) != head);
        Ok(Appended { places, replayed: false })
    }

    async fn recall(&self, key: &[u8; 16]) -> Result<Option<Recalled>, StorageError> {
        Ok(self.state().keys.get(key).cloned())
    }

    async fn read(&self, read: &Read) -> Result<Page, StorageError> {
        let state = self.state();
        let mut page = PageBuilder::new(read);
        let mut span = Span::new(read, state.end(&read.scope));
        while let Some(event) = span.next().and_then(|place| state.at(&read.scope, place)) {
            if page.is_full() {
                break;
            }
            page.look();
            if read.filter.matches(event) {
                page.push(event.clone());
            }
            span.step();
        }
        Ok(page.finish(span.next()))
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    fn tip(&self, topic: &TopicName) -> Tip {
        let state = self.state();
        let sequence: Sequence = state.end(&Scope::Topic(topic.clone()));
        Tip { sequence, hash: state.hashes.get(topic).copied().unwrap_or_default() }
    }

    async fn stream_head(&self, topic: &TopicName, stream: &StreamName) -> Result<Version, StorageError> {
        Ok(self.state().version(topic, stream))
    }

    /// Payloads stand for stored bytes here.
    async fn beyond(&self, topic: &TopicName, bytes: u64) -> Result<Sequence, StorageError> {
        let state = self.state();
        let positions = state.topics.get(topic).map_or(&[][..], Vec::as_slice);
        let mut behind = 0;
        for (index, position) in positions.iter().enumerate().rev() {
            behind += state.events[*position as usize - 1].payload.as_bytes().len() as u64;
            if behind >= bytes {
                return Ok(index as Sequence);
            }
        }
        Ok(0)
    }

    /// What an event carried goes; that there was one stays.
    async fn scavenge(&self, cuts: HashMap<TopicName, Sequence>) -> Result<u64, StorageError> {
        let (mut state, mut bytes) = (self.state(), 0);
        let State { events, topics, emptied, .. } = &mut *state;
        for (topic, through) in cuts {
            let positions = topics.get(&topic).map_or(&[][..], Vec::as_slice);
            let emptied = emptied.entry(topic).or_default();
            for position in positions.iter().take(through as usize).skip(*emptied) {
                let event = &mut events[*position as usize - 1];
                bytes += event.payload.as_bytes().len() as u64;
                (event.payload, event.tags, event.metadata) = (Payload::Bytes(Bytes::new()), vec![], vec![]);
            }
            *emptied = (through as usize).max(*emptied);
        }
        Ok(bytes)
    }

    async fn stored(&self, _: Position, _: Position, _: usize) -> Result<Stored, StorageError> {
        Err(StorageError::Io { what: "a backup".into(), detail: "the memory adapter stores nothing".into() })
    }

    /// There is nothing here that could be damaged without the process being so.
    async fn verify(&self, progress: Arc<ProgressSink>) -> Result<Verified, StorageError> {
        let state = self.state();
        let events = state.events.len() as u64;
        progress(Progress { position: events, head: events });
        let tip = |(topic, hash): (&TopicName, &Hash)| {
            let sequence = state.end(&Scope::Topic(topic.clone()));
            (topic.clone(), Tip { sequence, hash: *hash })
        };
        let mut topics: Vec<_> = state.hashes.iter().map(tip).collect();
        topics.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Verified { events, topics, damage: None })
    }

    fn failure(&self) -> Option<String> {
        None
    }

    async fn close(&self) {
        self.state().closed = true;
    }
}

#[derive(Default)]
struct MemoryRecords {
    records: Mutex<BTreeMap<String, Record>>,
}

impl MemoryRecords {
    fn records(&self) -> MutexGuard<'_, BTreeMap<String, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Records for MemoryRecords {
    async fn get(&self, key: &str) -> Result<Option<Record>, StorageError> {
        Ok(self.records().get(key).cloned())
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), RecordsError> {
        let mut records = self.records();
        // Changes of one commit see each other, so they are tried on a copy of what they touch.
        let mut touched: BTreeMap<String, Option<Record>> = BTreeMap::new();
        for Change { key, value, expect } in changes {
            let current = touched.get(&key).cloned().unwrap_or_else(|| records.get(&key).cloned());
            let actual = current.map_or(0, |record| record.revision);
            if !expect.holds(actual) {
                return Err(RecordsError::Changed { key, actual });
            }
            touched.insert(key, value.map(|value| Record { value, revision: actual + 1 }));
        }
        for (key, record) in touched {
            match record {
                Some(record) => records.insert(key, record),
                None => records.remove(&key),
            };
        }
        Ok(())
    }

    async fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, StorageError> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let records = self.records();
        let found = records.range::<str, _>((start, Bound::Unbounded)).take_while(|(key, _)| key.starts_with(prefix));
        Ok(found.take(limit).map(|(key, record)| (key.clone(), record.clone())).collect())
    }

    async fn close(&self) {}
}

impl Expect {
    /// Whether a key at this revision (0 = absent) is as expected.
    pub(super) fn holds(self, actual: u64) -> bool {
        match self {
            Expect::Any => true,
            Expect::Absent => actual == 0,
            Expect::Revision(revision) => actual == revision,
        }
    }
}

#[cfg(test)]
mod tests {
    crate::storage_contract!(super::open);
}
