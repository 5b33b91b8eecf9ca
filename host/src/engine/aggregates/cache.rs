//! The states of the aggregates that were asked for last, within a bound of entries and of bytes, and the turn of each: commands
//! on one aggregate wait for each other, so that they do not decide in vain.
//!
//! There are two halves. What is asked for moves to the young one; when that is full it becomes the old one, and what was not asked
//! for since then is forgotten. **Invariant:** an entry that somebody holds is never forgotten, or there would be two turns.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Mutex as Turn;

use super::{Held, MadeBy};
use crate::engine::EngineError;
use crate::model::limits::AGGREGATE_COMMANDS_WAITING;
use crate::model::{StreamName, TopicName};

pub(super) type Key = (TopicName, StreamName);

/// What an entry costs besides its state and its names.
const ENTRY_BYTES: usize = 340;

pub(super) struct Cache {
    halves: Mutex<Halves>,
    entries_max: usize,
    bytes_max: usize,
}

#[derive(Default)]
struct Halves {
    young: HashMap<Key, Arc<Entry>>,
    old: HashMap<Key, Arc<Entry>>,
    young_bytes: usize,
}

/// One aggregate.
pub(super) struct Entry {
    turn: Turn<()>,
    waiting: AtomicUsize,
    held: Mutex<Option<(MadeBy, Held)>>,
    /// What it costs without its state.
    own_bytes: usize,
    /// What it counts for in its half, and whether that is the young one; changed only while the halves are locked.
    bytes: AtomicUsize,
    young: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cache {
    pub fn new(entries_max: usize, bytes_max: usize) -> Self {
        Self { halves: Mutex::default(), entries_max, bytes_max }
    }

    /// The entry of an aggregate, made if there is none.
    pub fn entry(&self, key: Key) -> Arc<Entry> {
        let mut halves = lock(&self.halves);
        if let Some(entry) = halves.find(&key) {
            return entry;
        }
        let entry = Arc::new(Entry::new(&key));
        halves.insert(key, entry.clone());
        halves.age(self.entries_max / 2, self.bytes_max / 2);
        entry
    }

    /// Keeps a state, unless a later one of the same decider is there. One that is larger than a half is not kept.
    pub fn put(&self, entry: &Entry, made_by: &MadeBy, new: &Held) {
        let mut halves = lock(&self.halves);
        let mut held = lock(&entry.held);
        let is_old = held.as_ref().is_some_and(|(maker, held)| maker == made_by && held.version > new.version);
        if is_old {
            return;
        }
        let fits = new.bytes() < self.bytes_max / 2;
        *held = fits.then(|| (made_by.clone(), new.clone()));
        drop(held);
        let bytes = entry.own_bytes + if fits { new.bytes() } else { 0 };
        let before = entry.bytes.swap(bytes, Ordering::Relaxed);
        // It was asked for just now, and so is young, unless others made it age in between.
        if entry.young.load(Ordering::Relaxed) {
            halves.young_bytes = (halves.young_bytes + bytes).saturating_sub(before);
        }
        halves.age(self.entries_max / 2, self.bytes_max / 2);
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        let halves = lock(&self.halves);
        halves.young.len() + halves.old.len()
    }

    #[cfg(test)]
    pub fn clear(&self) {
        *lock(&self.halves) = Halves::default();
    }
}

impl Halves {
    fn find(&mut self, key: &Key) -> Option<Arc<Entry>> {
        if let Some(entry) = self.young.get(key) {
            return Some(entry.clone());
        }
        let (key, entry) = self.old.remove_entry(key)?;
        self.insert(key, entry.clone());
        Some(entry)
    }

    fn insert(&mut self, key: Key, entry: Arc<Entry>) {
        entry.young.store(true, Ordering::Relaxed);
        self.young_bytes += entry.bytes.load(Ordering::Relaxed);
        self.young.insert(key, entry);
    }

    fn age(&mut self, entries_max: usize, bytes_max: usize) {
        if self.young.len() < entries_max && self.young_bytes < bytes_max {
            return;
        }
        self.young_bytes = 0;
        self.young.values().for_each(|entry| entry.young.store(false, Ordering::Relaxed));
        let forgotten = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
        for (key, entry) in forgotten {
            if Arc::strong_count(&entry) > 1 {
                self.insert(key, entry);
            }
        }
    }
}

impl Entry {
    fn new((topic, stream): &Key) -> Self {
        let own_bytes = ENTRY_BYTES + topic.as_str().len() + stream.as_str().len();
        let (turn, waiting, held, bytes) = (Turn::default(), AtomicUsize::new(0), Mutex::default(), own_bytes.into());
        Self { turn, waiting, held, own_bytes, bytes, young: AtomicBool::new(false) }
    }

    /// The state at hand, if this decider made it.
    pub fn held(&self, made_by: &MadeBy) -> Option<Held> {
        let held = lock(&self.held);
        held.as_ref().filter(|(maker, _)| maker == made_by).map(|(_, held)| held.clone())
    }

    /// Waits until no other command is at this aggregate.
    pub async fn turn(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, EngineError> {
        let _place = Place::take(&self.waiting)?;
        Ok(self.turn.lock().await)
    }
}

/// A place in the queue for a turn.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Result<Self, EngineError> {
        let place = Self(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) >= AGGREGATE_COMMANDS_WAITING {
            return Err(EngineError::CommandsWaiting { limit: AGGREGATE_COMMANDS_WAITING });
        }
        Ok(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Payload;

    fn key(n: usize) -> Key {
        (TopicName::default_topic(), StreamName::parse(&format!("s{n}")).expect("a name"))
    }

    fn made_by(state_version: u32) -> MadeBy {
        MadeBy { plugin: "counter".to_owned(), state_version }
    }

    fn held(version: u64, bytes: usize) -> Held {
        Held { version, payload: Some(Payload::Bytes(vec![0; bytes].into())), snapshot: 0 }
    }

    fn put(cache: &Cache, n: usize, made_by: &MadeBy, new: &Held) {
        cache.put(&cache.entry(key(n)), made_by, new);
    }

    fn at_hand(cache: &Cache, n: usize, made_by: &MadeBy) -> Option<Held> {
        cache.entry(key(n)).held(made_by)
    }

    #[test]
    fn it_holds_no_more_than_it_may_and_keeps_what_is_asked_for() {
        let cache = Cache::new(100, 1 << 20);
        for n in 0..10_000 {
            put(&cache, n, &made_by(1), &held(1, 10));
            assert!(at_hand(&cache, 0, &made_by(1)).is_some(), "{n}: it is asked for all the time");
            assert!(cache.len() <= 100);
        }
        assert!(at_hand(&cache, 9_999, &made_by(1)).is_some() && at_hand(&cache, 5_000, &made_by(1)).is_none());
    }

    #[test]
    fn bytes_are_bounded_as_entries_are() {
        let cache = Cache::new(100_000, 1 << 20);
        for n in 0..1_000 {
            put(&cache, n, &made_by(1), &held(1, 64 << 10));
            let halves = lock(&cache.halves);
            let all: usize =
                halves.young.values().chain(halves.old.values()).map(|e| e.bytes.load(Ordering::Relaxed)).sum();
            assert!(all <= (1 << 20) + (66 << 10), "{all}");
        }
        put(&cache, 0, &made_by(1), &held(1, 1 << 20));
        assert!(at_hand(&cache, 0, &made_by(1)).is_none(), "larger than a half");
    }

    #[test]
    fn a_state_grows_older_only_with_its_decider() {
        let cache = Cache::new(10, 1 << 20);
        put(&cache, 1, &made_by(1), &held(5, 1));
        put(&cache, 1, &made_by(1), &held(4, 1));
        assert_eq!(at_hand(&cache, 1, &made_by(1)).map(|held| held.version), Some(5));
        assert_eq!(at_hand(&cache, 1, &made_by(2)), None);
        put(&cache, 1, &made_by(2), &held(4, 1));
        assert_eq!(at_hand(&cache, 1, &made_by(2)).map(|held| held.version), Some(4));
    }

    #[tokio::test]
    async fn an_entry_that_is_in_use_is_not_forgotten() {
        let cache = Cache::new(10, 1 << 20);
        let entry = cache.entry(key(1));
        let turn = entry.turn().await.expect("a turn");
        for n in 100..200 {
            cache.entry(key(n));
        }
        assert!(Arc::ptr_eq(&cache.entry(key(1)), &entry));
        drop(turn);
    }
}
