//! The log as the engine sees it: queues batches, merges tail and redb into pages, and ends in order.

use async_trait::async_trait;
use bytes::Bytes;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use tokio::sync::{oneshot, watch};

use super::batch::Prepared;
use super::shared::Shared;
use crate::model::{Page, Position, Read, Scope, Sequence, StreamName, TopicName, Version};
use crate::storage::codec::{Damage, View};
use crate::storage::page::{PageBuilder, Span};
use crate::storage::{AppendError, Batch, EventLog, Place, StorageError};

/// How many handles on tail events are taken under its lock at once.
const SLICE_EVENTS: usize = 256;

pub struct RedbLog {
    shared: Arc<Shared>,
    /// `None` once the log is closed. The writer ends when it is dropped and what is queued is done.
    queue: RwLock<Option<SyncSender<Prepared>>>,
    threads: Arc<Mutex<Option<Threads>>>,
}

/// Joined in this order: each one works for the one before.
pub struct Threads {
    pub writer: JoinHandle<()>,
    pub filler: JoinHandle<()>,
    pub segments: JoinHandle<()>,
}

impl RedbLog {
    pub fn new(shared: Arc<Shared>, queue: SyncSender<Prepared>, threads: Threads) -> Self {
        Self { shared, queue: RwLock::new(Some(queue)), threads: Arc::new(Mutex::new(Some(threads))) }
    }

    fn stopped(&self) -> AppendError {
        AppendError::Stopped { reason: self.shared.failure().cloned().unwrap_or_else(|| "closed".into()) }
    }

    fn enqueue(&self, batch: Prepared) -> Result<(), AppendError> {
        let queue = self.queue.read().unwrap_or_else(PoisonError::into_inner);
        match queue.as_ref().map(|queue| queue.try_send(batch)) {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => {
                Err(AppendError::Busy { queue_batches: self.shared.config.writer_queue_batches })
            }
            Some(Err(TrySendError::Disconnected(_))) | None => Err(self.stopped()),
        }
    }

    fn close_queue(&self) {
        drop(self.queue.write().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Waits for the threads to end, each when its work is done. A second call waits for the first.
fn join(shared: &Shared, threads: &Mutex<Option<Threads>>) {
    let mut threads = threads.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(Threads { writer, filler, segments }) = threads.take() else { return };
    let writer = writer.join();
    shared.stop_filling();
    let (filler, segments) = (filler.join(), segments.join());
    if writer.is_err() || filler.is_err() || segments.is_err() {
        tracing::error!("a thread of the log had panicked");
    }
}

impl Drop for RedbLog {
    fn drop(&mut self) {
        self.close_queue();
        join(&self.shared, &self.threads);
    }
}

#[async_trait]
impl EventLog for RedbLog {
    async fn append(&self, batch: Batch) -> Result<Vec<Place>, AppendError> {
        if self.shared.failure().is_some() {
            return Err(self.stopped());
        }
        let (answer, answered) = oneshot::channel();
        self.enqueue(Prepared::new(batch, answer)?)?;
        let lost = || AppendError::Unknown { detail: "the writer ended before it answered".into() };
        answered.await.unwrap_or_else(|_| Err(lost()))
    }

    async fn read(&self, read: &Read) -> Result<Page, StorageError> {
        if let Some(page) = page(&self.shared, read, Allowed::Memory)? {
            return Ok(page);
        }
        let (shared, read) = (self.shared.clone(), read.clone());
        let page = on_blocking_thread(move || page(&shared, &read, Allowed::Disk)).await?;
        page.ok_or_else(|| StorageError::Io { what: "read".into(), detail: "redb was not asked".into() })
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.shared.head.subscribe()
    }

    fn topic_head(&self, topic: &TopicName) -> Sequence {
        self.shared.state().tail.topic_head(topic)
    }

    async fn stream_head(&self, topic: &TopicName, stream: &StreamName) -> Result<Version, StorageError> {
        let scope = Scope::Stream(topic.clone(), stream.clone());
        if let Some(version) = self.shared.state().tail.end(&scope) {
            return Ok(version);
        }
        let (shared, topic, stream) = (self.shared.clone(), topic.clone(), stream.clone());
        on_blocking_thread(move || shared.stream_head(&topic, &stream)).await
    }

    fn failure(&self) -> Option<String> {
        self.shared.failure().cloned()
    }

    async fn close(&self) {
        self.close_queue();
        let (shared, threads) = (self.shared.clone(), self.threads.clone());
        // Nothing in it can fail; a panic of a thread is reported there.
        let _ = tokio::task::spawn_blocking(move || join(&shared, &threads)).await;
    }
}

/// Runs what may touch the disk where it does not hold up the runtime.
pub async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    let failed = |error: tokio::task::JoinError| StorageError::Io { what: "read".into(), detail: error.to_string() };
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

/// What a read may touch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Memory,
    Disk,
}

/// Reads a page; `None` if that needs redb and only memory is allowed.
///
/// The boundary between tail and redb moves while we read, but only ever up, and in one step with the snapshot: so each
/// round looks under the lock who has the next place, and no event is in neither.
fn page(shared: &Shared, read: &Read, allowed: Allowed) -> Result<Option<Page>, StorageError> {
    let Some(end) = end(shared, &read.scope, allowed)? else { return Ok(None) };
    let mut span = Span::new(read, end);
    let mut page = PageBuilder::new(read);
    while span.next().is_some() && !page.is_full() {
        let (events, prefix) = {
            let state = shared.state();
            let count = if read.filter == Default::default() { page.room().min(SLICE_EVENTS) } else { SLICE_EVENTS };
            (state.tail.slice(&read.scope, span, count), state.tail.prefix.clone())
        };
        if !events.is_empty() {
            take_from_memory(&mut page, &mut span, read, events)?;
            continue;
        }
        if allowed == Allowed::Memory {
            return Ok(None);
        }
        let before = span.at;
        span = prefix.visit(&read.scope, span, |place, position, stored| {
            look(&mut page, read, place, Some(position), stored, |view| {
                Bytes::copy_from_slice(&stored[view.payload_at..])
            })?;
            Ok(!page.is_full())
        })?;
        if span.at == before && !page.is_full() {
            return Err(
                prefix.corrupt(format_args!("{:?}", read.scope), Damage("a place that the index does not have"))
            );
        }
    }
    Ok(Some(page.finish(span.next())))
}

fn end(shared: &Shared, scope: &Scope, allowed: Allowed) -> Result<Option<u64>, StorageError> {
    let known = shared.state().tail.end(scope);
    match (known, scope) {
        (None, Scope::Stream(topic, stream)) if allowed == Allowed::Disk => shared.stream_head(topic, stream).map(Some),
        (known, _) => Ok(known),
    }
}

fn take_from_memory(
    page: &mut PageBuilder,
    span: &mut Span,
    read: &Read,
    events: Vec<(u64, Bytes)>,
) -> Result<(), StorageError> {
    for (place, stored) in events {
        if page.is_full() {
            break;
        }
        let corrupt = |Damage(detail)| StorageError::Corrupt {
            place: format!("the tail in memory, place {place} of {:?}", read.scope),
            detail: detail.into(),
        };
        look(page, read, place, None, &stored, |view| stored.slice(view.payload_at..)).map_err(corrupt)?;
        span.step();
    }
    Ok(())
}

/// Looks at one event: is it the one that the index promised, is it wanted, and then into the page.
fn look<'a>(
    page: &mut PageBuilder,
    read: &Read,
    place: u64,
    position: Option<Position>,
    stored: &'a [u8],
    payload: impl FnOnce(&View<'a>) -> Bytes,
) -> Result<(), Damage> {
    let view = View::parse(stored)?;
    let promised = match &read.scope {
        Scope::Store => view.place.position == place,
        Scope::Topic(topic) => view.place.sequence == place && view.topic == topic.as_str(),
        Scope::Stream(topic, stream) => {
            view.place.version == Some(place) && view.topic == topic.as_str() && view.stream == Some(stream.as_str())
        }
    };
    if !promised || position.is_some_and(|position| position != view.place.position) {
        return Err(Damage("another event than the index says"));
    }
    page.look();
    if view.matches(&read.filter) {
        page.push(view.event(payload(&view))?);
    }
    Ok(())
}
