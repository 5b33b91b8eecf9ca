//! The log as the engine sees it: queues batches, reads pages (`page.rs`), and ends in order.

use async_trait::async_trait;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use tokio::sync::{oneshot, watch};

use super::batch::{Checked, Outcome, Prepared};
use super::chunk::KeyUse;
use super::lookup::{self, Effort, Looked};
use super::paging::{Allowed, page, stored};
use super::shared::Shared;
use super::writer::Writer;
use super::{scavenge, threads, verify};
use crate::model::limits::{PAGE_BYTES_MAX, PAGE_EVENTS_MAX};
use crate::model::{Direction, Filter, Page, Position, Read, Scope, Sequence, StreamName, TopicName, Version};
use crate::storage::{
    AppendError, Appended, Batch, EventLog, Place, ProgressSink, Recalled, StorageError, Stored, Tip, Verified,
};

pub struct RedbLog {
    shared: Arc<Shared>,
    /// `None` once the log is closed. The writer ends when it is dropped and what is queued is done.
    door: RwLock<Option<Door>>,
    /// Batches that somebody waits for.
    waiting: AtomicUsize,
    threads: Arc<Mutex<Option<Threads>>>,
    scavenger: Scavenger,
}

/// The ways to the writer: through its queue, or, if one comes alone, to the desk itself.
pub struct Door {
    pub queue: SyncSender<Prepared>,
    pub writer: Arc<Mutex<Writer>>,
}

/// Gives room back, now and then; there is one at a time.
type Scavenger = Arc<Mutex<Option<JoinHandle<()>>>>;

/// Joined in this order: each one works for the one before.
pub struct Threads {
    pub writer: JoinHandle<()>,
    pub filler: JoinHandle<()>,
    pub segments: JoinHandle<()>,
}

impl RedbLog {
    pub fn new(shared: Arc<Shared>, door: Door, threads: Threads) -> Self {
        Self {
            shared,
            door: RwLock::new(Some(door)),
            waiting: AtomicUsize::new(0),
            threads: Arc::new(Mutex::new(Some(threads))),
            scavenger: Scavenger::default(),
        }
    }

    fn hand_over(&self, batch: Prepared) -> Result<(), AppendError> {
        // Held to the end: whoever closes the log waits for a batch that is committed here.
        let door = self.door.read().unwrap_or_else(PoisonError::into_inner);
        let Some(Door { queue, writer }) = door.as_ref() else { return Err(self.shared.stopped()) };
        if self.waiting.load(Ordering::Relaxed) == 1
            && let Ok(mut writer) = writer.try_lock()
            && writer.is_free_for(&batch)
        {
            writer.commit_alone(batch);
            return Ok(());
        }
        match queue.try_send(batch) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                Err(AppendError::Busy { queue_batches: self.shared.config.writer_queue_batches })
            }
            Err(TrySendError::Disconnected(_)) => Err(self.shared.stopped()),
        }
    }

    async fn look(&self, batch: &Batch) -> Result<Looked, StorageError> {
        let effort = if self.shared.directory.pace.is_quick() { Effort::Brief } else { Effort::Memory };
        if let Some(looked) = lookup::look(&self.shared, batch.key.as_ref(), &batch.conditions, effort)? {
            return Ok(looked);
        }
        let (shared, key, conditions) = (self.shared.clone(), batch.key, batch.conditions.clone());
        let whole = move || lookup::look(&shared, key.as_ref(), &conditions, Effort::Whole);
        let looked = on_blocking_thread(whole).await?;
        looked.ok_or_else(unasked)
    }

    /// The places that a key's batch was given.
    async fn places(&self, used: KeyUse) -> Result<Vec<Place>, StorageError> {
        let end = used.first + Position::from(used.events);
        let mut places = Vec::with_capacity(used.events.min(PAGE_EVENTS_MAX as u32) as usize);
        let mut read = Read {
            scope: Scope::Store,
            direction: Direction::Forward,
            from: used.first,
            filter: Filter::default(),
            events_max: PAGE_EVENTS_MAX,
            bytes_max: PAGE_BYTES_MAX,
        };
        while read.from < end {
            read.events_max = (end - read.from).min(PAGE_EVENTS_MAX as u64) as usize;
            let page = self.read(&read).await?;
            let place = |event: &crate::model::Event| {
                let version = event.stream.as_ref().map(|(_, version)| *version);
                Place { position: event.position, sequence: event.sequence, version, time_ms: event.time_ms }
            };
            places.extend(page.events.iter().map(place));
            match page.next {
                Some(next) => read.from = next,
                None => break,
            }
        }
        Ok(places)
    }

    async fn told(&self, outcome: Outcome) -> Result<Appended, AppendError> {
        match outcome {
            Outcome::Placed(places, spent) => {
                drop(spent);
                Ok(Appended { places, replayed: false })
            }
            Outcome::Known(used) => {
                let places = Box::pin(self.places(used)).await?;
                Ok(Appended { places, replayed: true })
            }
        }
    }

    fn close_door(&self) {
        drop(self.door.write().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Counted for as long as somebody waits for a batch.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn one_more(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits for the threads to end, each when its work is done. A second call waits for the first.
fn join(shared: &Shared, threads: &Mutex<Option<Threads>>, scavenger: &Scavenger, drain: bool) {
    let mut threads = threads.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(Threads { writer, filler, segments }) = threads.take() else { return };
    let writer = writer.join();
    shared.stop_filling(drain);
    let scavenger = scavenger.lock().unwrap_or_else(PoisonError::into_inner).take().map(JoinHandle::join);
    let (filler, segments) = (filler.join(), segments.join());
    if writer.is_err() || filler.is_err() || segments.is_err() || scavenger.is_some_and(|ended| ended.is_err()) {
        tracing::error!("a thread of the log had panicked");
    }
}

impl Drop for RedbLog {
    fn drop(&mut self) {
        self.close_door();
        join(&self.shared, &self.threads, &self.scavenger, false);
    }
}

#[async_trait]
impl EventLog for RedbLog {
    async fn append(&self, mut batch: Batch) -> Result<Appended, AppendError> {
        if self.shared.failure().is_some() {
            return Err(self.shared.stopped());
        }
        batch.key = batch.key.filter(|_| !batch.events.is_empty());
        let mut checked = Checked::default();
        if lookup::asks(batch.key.as_ref(), &batch.conditions) {
            // In a box of its own, or every append would set room aside for it.
            let looked = Box::pin(self.look(&batch)).await?;
            if let (Some(key), Some(used)) = (&batch.key, looked.used) {
                return self.told(used.answer(key)?).await;
            }
            checked = looked.checked;
        }
        let (answer, answered) = oneshot::channel();
        let batch = Prepared::new(batch, checked, answer)?;
        let _waiting = Waiting::one_more(&self.waiting);
        self.hand_over(batch)?;
        let lost = || AppendError::Unknown { detail: "the writer ended before it answered".into() };
        self.told(answered.await.unwrap_or_else(|_| Err(lost()))?).await
    }

    async fn recall(&self, key: &[u8; 16]) -> Result<Option<Recalled>, StorageError> {
        let (shared, key) = (self.shared.clone(), *key);
        match on_blocking_thread(move || shared.key(&key)).await? {
            Some(used) => Ok(Some(Recalled { request: used.request, places: self.places(used).await? })),
            None => Ok(None),
        }
    }

    async fn read(&self, read: &Read) -> Result<Page, StorageError> {
        if let Some(page) = page(&self.shared, read, Allowed::Memory)? {
            return Ok(page);
        }
        let (shared, read) = (self.shared.clone(), read.clone());
        let page = on_blocking_thread(move || page(&shared, &read, Allowed::Disk)).await?;
        page.ok_or_else(unasked)
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.shared.head.subscribe()
    }

    fn tip(&self, topic: &TopicName) -> Tip {
        self.shared.state().tail.tip(topic)
    }

    async fn stream_head(&self, topic: &TopicName, stream: &StreamName) -> Result<Version, StorageError> {
        let scope = Scope::Stream(topic.clone(), stream.clone());
        if let Some(version) = self.shared.state().tail.end(&scope) {
            return Ok(version);
        }
        let (shared, topic, stream) = (self.shared.clone(), topic.clone(), stream.clone());
        on_blocking_thread(move || shared.stream_head(&topic, &stream)).await
    }

    async fn beyond(&self, topic: &TopicName, bytes: u64) -> Result<Sequence, StorageError> {
        let (shared, topic) = (self.shared.clone(), topic.clone());
        on_blocking_thread(move || shared.beyond(&topic, bytes)).await
    }

    async fn scavenge(&self, cuts: HashMap<TopicName, Sequence>) -> Result<u64, StorageError> {
        let answered = {
            let mut scavenger = self.scavenger.lock().unwrap_or_else(PoisonError::into_inner);
            if scavenger.as_ref().is_some_and(|thread| !thread.is_finished()) {
                return Ok(0);
            }
            let (shared, (answer, answered)) = (self.shared.clone(), oneshot::channel());
            let started = threads::background("weir-scavenge", move || {
                let done = scavenge::run(&shared, &cuts);
                drop(shared);
                // Nobody waits any more if this fails.
                let _ = answer.send(done);
            });
            let failed = |error: io::Error| StorageError::Io { what: "scavenge".into(), detail: error.to_string() };
            *scavenger = Some(started.map_err(failed)?);
            answered
        };
        let lost = |_| StorageError::Io { what: "scavenge".into(), detail: "it ended before it answered".into() };
        answered.await.map_err(lost)?
    }

    async fn stored(&self, from: Position, end: Position, bytes_max: usize) -> Result<Stored, StorageError> {
        let shared = self.shared.clone();
        on_blocking_thread(move || stored(&shared, from, end, bytes_max)).await
    }

    async fn verify(&self, progress: Arc<ProgressSink>) -> Result<Verified, StorageError> {
        let (prefix, head) = {
            let state = self.shared.state();
            (state.tail.prefix.clone(), state.tail.head())
        };
        let (shared, (answer, answered)) = (self.shared.clone(), oneshot::channel());
        let work = move || {
            let (files, salt) = (&prefix.files, shared.directory.salt);
            let walked = verify::walk(files, salt, Some(&prefix), Some(head), &*progress);
            // Whoever gets the answer may close the store and open it again.
            drop((prefix, shared));
            // Nobody waits any more if this fails.
            let _ = answer.send(walked);
        };
        let started = threads::background("weir-verify", work);
        started.map_err(|error| StorageError::Io { what: "verify".into(), detail: error.to_string() })?;
        let lost = |_| StorageError::Io { what: "verify".into(), detail: "it ended before it answered".into() };
        answered.await.map_err(lost)?
    }

    fn failure(&self) -> Option<String> {
        self.shared.failure().cloned()
    }

    fn heals(&self) -> bool {
        self.shared.directory.heals(self.shared.config.group_bytes_max)
    }

    async fn close(&self) {
        self.close_door();
        let (shared, threads, scavenger) = (self.shared.clone(), self.threads.clone(), self.scavenger.clone());
        // Nothing in it can fail; a panic of a thread is reported there.
        let _ = tokio::task::spawn_blocking(move || join(&shared, &threads, &scavenger, true)).await;
    }
}

fn unasked() -> StorageError {
    StorageError::Io { what: "read".into(), detail: "redb was not asked".into() }
}

/// Runs what may touch the disk where it does not hold up the runtime.
pub async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    let failed = |error: tokio::task::JoinError| StorageError::Io { what: "read".into(), detail: error.to_string() };
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}
