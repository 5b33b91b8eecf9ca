//! Live events: one task a store reads what is committed, once for all, hands it to the channels of topics that somebody
//! follows, and wakes those who wait there. Nothing waits for a follower: a channel keeps the last few events at hand, and
//! whoever is further behind reads the log. Topics that nobody follows cost nothing, and a store without followers is not read.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::channel::{Batch, Channel, Look, Signal};
use super::{Engine, EngineError, Target};
use crate::model::{Direction, Event, Filter, Page, Position, Read, Scope, TopicName, limits};
use crate::storage::EventLog;

/// The feeds of all stores. They end when this is dropped, or when the server stops.
pub struct Live {
    pub(super) engine: Arc<Engine>,
    feeds: HashMap<&'static str, Arc<Feed>>,
    followers: Arc<AtomicUsize>,
    stop: watch::Receiver<bool>,
    _tasks: JoinSet<()>,
}

/// A topic's channel, or the one of the whole store.
type Key = Option<TopicName>;

struct Feed {
    log: Arc<dyn EventLog>,
    state: Mutex<State>,
    /// Tells the task that there is a channel again.
    wake: Notify,
    /// Every event up to here was handed out.
    reached: AtomicU64,
}

#[derive(Default)]
struct State {
    channels: HashMap<Key, Entry>,
    /// The last position that was handed out; it means something while there are channels.
    at: Position,
    /// Bytes that all channels keep at hand.
    bytes: usize,
    closed: bool,
}

struct Entry {
    channel: Arc<Channel>,
    followers: usize,
}

impl Live {
    /// Starts the feeds. They end, and all followers with them, when `stop` becomes true.
    pub fn start(engine: Arc<Engine>, stop: watch::Receiver<bool>) -> Arc<Self> {
        let (mut feeds, mut tasks) = (HashMap::new(), JoinSet::new());
        for store in engine.stores() {
            let feed = Arc::new(Feed {
                log: store.log.clone(),
                state: Mutex::default(),
                wake: Notify::new(),
                reached: AtomicU64::new(0),
            });
            tasks.spawn(Running(feed.clone()).run(stop.clone()));
            feeds.insert(store.adapter, feed);
        }
        Arc::new(Self { engine, feeds, followers: Arc::default(), stop, _tasks: tasks })
    }

    /// Waits until the server stops.
    pub async fn stopped(&self) {
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }

    /// The last position of the store that is followed when no other is named.
    pub fn head(&self) -> Position {
        *self.engine.default_store().log.head().borrow()
    }

    /// How many followers there are now.
    pub fn followers(&self) -> usize {
        self.followers.load(Ordering::Relaxed)
    }

    /// Listens for what is committed to a target, from now on.
    pub fn subscribe(&self, target: &Target) -> Result<Subscription, EngineError> {
        let (store, key) = match target {
            Target::Store(adapter) => (self.engine.store(adapter.as_deref())?.adapter, None),
            Target::Topic(topic, _) | Target::Stream(topic, _) => {
                (self.engine.topic(topic)?.store.adapter, Some(topic.clone()))
            }
        };
        let feed = self.feeds.get(store).ok_or_else(|| EngineError::AdapterUnknown {
            given: store.to_owned(),
            known: self.feeds.keys().copied().collect(),
        })?;
        if self.followers.fetch_add(1, Ordering::Relaxed) >= limits::FOLLOWERS_MAX {
            self.followers.fetch_sub(1, Ordering::Relaxed);
            return Err(EngineError::FollowersFull { limit: limits::FOLLOWERS_MAX });
        }
        let channel = feed.enter(&key);
        let signal = channel.signal();
        Ok(Subscription { feed: feed.clone(), key, channel, signal, followers: self.followers.clone() })
    }
}

/// One who listens to a channel, until it is dropped.
pub struct Subscription {
    feed: Arc<Feed>,
    key: Key,
    channel: Arc<Channel>,
    signal: watch::Receiver<Signal>,
    followers: Arc<AtomicUsize>,
}

impl Subscription {
    /// From here on `changed` tells of what comes after this moment.
    pub fn mark_seen(&mut self) {
        self.signal.mark_unchanged();
    }

    /// Waits until the channel has something new. False when the server stops.
    pub async fn changed(&mut self) -> bool {
        !self.is_closed() && self.signal.changed().await.is_ok() && !self.is_closed()
    }

    pub fn is_closed(&self) -> bool {
        self.signal.borrow().closed
    }

    /// Every event of the store up to this position is in its channel.
    pub(super) fn reached(&self) -> Position {
        self.feed.reached.load(Ordering::Acquire)
    }

    pub(super) fn look(&self, at: u64) -> Look {
        self.channel.look(at)
    }

    /// The place of an event among those of the channel.
    pub(super) fn place(&self, event: &Event) -> u64 {
        place(&self.key, event)
    }

    /// The store's last position and the channel's last place, as the log has them: all up to there can be read.
    pub(super) fn heads(&self) -> (Position, u64) {
        let position = *self.feed.log.head().borrow();
        (position, self.key.as_ref().map_or(position, |topic| self.feed.log.topic_head(topic)))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.feed.leave(&self.key);
        self.followers.fetch_sub(1, Ordering::Relaxed);
    }
}

fn place(key: &Key, event: &Event) -> u64 {
    if key.is_some() { event.sequence } else { event.position }
}

/// A feed's task. However it ends, also when it never ran again after it was told to, followers are let go of.
struct Running(Arc<Feed>);

impl Running {
    async fn run(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.0.hand_out_all() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.closed = true;
        state.channels.values().for_each(|entry| entry.channel.close());
    }
}

impl Feed {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, key: &Key) -> Arc<Channel> {
        let mut state = self.state();
        if state.channels.is_empty() {
            // Whoever comes first reads the log up to here or further; the feed hands out what comes after.
            state.at = *self.log.head().borrow();
            self.reached.store(state.at, Ordering::Release);
            self.wake.notify_one();
        }
        let closed = state.closed;
        let entry =
            state.channels.entry(key.clone()).or_insert_with(|| Entry { channel: Arc::default(), followers: 0 });
        entry.followers += 1;
        if closed {
            entry.channel.close();
        }
        entry.channel.clone()
    }

    fn leave(&self, key: &Key) {
        let mut state = self.state();
        let Some(entry) = state.channels.get_mut(key) else { return };
        entry.followers -= 1;
        if entry.followers == 0 {
            let bytes = entry.channel.clear();
            state.bytes -= bytes;
            state.channels.remove(key);
        }
    }

    async fn hand_out_all(&self) {
        let mut head = self.log.head();
        loop {
            let at = {
                let state = self.state();
                (!state.channels.is_empty()).then_some(state.at)
            };
            let known = *head.borrow_and_update();
            match at {
                None => self.wake.notified().await,
                Some(at) if known > at => self.step(at, known).await,
                // A log that has ended commits nothing more; the server stops soon.
                Some(_) if head.changed().await.is_err() => return,
                Some(_) => {}
            }
        }
    }

    /// Hands out one page.
    async fn step(&self, at: Position, known: Position) {
        let (scope, direction, filter) = (Scope::Store, Direction::Forward, Filter::default());
        let (events_max, bytes_max) = (limits::LIVE_EVENTS_MAX, limits::LIVE_BYTES_MAX);
        match self.log.read(&Read { scope, direction, from: at + 1, filter, events_max, bytes_max }).await {
            Ok(Page { events, next }) => {
                let last = events.last().map_or(known, |event| event.position);
                self.hand_out(events, next.map_or(last.max(known), |next| next - 1));
            }
            Err(error) => {
                tracing::error!(%error, "what was committed cannot be read; followers wait");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }

    fn hand_out(&self, events: Vec<Event>, reached: Position) {
        let mut state = self.state();
        let State { channels, bytes, .. } = &mut *state;
        let mut by_topic: HashMap<Key, Vec<Event>> = HashMap::new();
        for event in &events {
            let key = Some(event.topic.clone());
            if channels.contains_key(&key) {
                by_topic.entry(key).or_default().push(event.clone());
            }
        }
        if channels.contains_key(&None) {
            by_topic.insert(None, events);
        }
        for (key, events) in by_topic {
            if let (Some(entry), Some(first)) = (channels.get(&key), events.first()) {
                let first = place(&key, first);
                *bytes = entry.channel.push(Batch::new(first, events), *bytes);
            }
        }
        if *bytes > limits::LIVE_BYTES_ALL_MAX {
            // What is at hand is a copy of the log's; those who need it read it there.
            *bytes -= channels.values().map(|entry| entry.channel.clear()).sum::<usize>();
        }
        state.at = reached;
        drop(state);
        self.reached.store(reached, Ordering::Release);
    }
}
