//! What the writer, the filler and the readers of one log share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::watch;

use super::chunk::KeyUse;
use super::config::RedbConfig;
use super::directory::Directory;
use super::forget::Rewritten;
use super::index::Index;
use super::labels::Walked;
use super::tail::Tail;
use crate::model::{Filter, Position, Sequence, StreamName, TopicName, Version};
use crate::storage::{AppendError, StorageError};

pub struct Shared {
    pub state: Mutex<State>,
    /// A chunk was sealed, or the filler shall end.
    pub work: Condvar,
    /// The tail became smaller, or can't any more.
    pub room: Condvar,
    pub head: watch::Sender<Position>,
    pub config: RedbConfig,
    /// Why the log stopped by itself; set once, for ever.
    failure: OnceLock<String>,
    closing: AtomicBool,
    /// While closing: what is in the tail goes into the index first, so that the next start has nothing to read back.
    draining: AtomicBool,
    // Dropped last, in this order: the snapshots above refer to the index, and the lock guards it.
    pub index: Index,
    pub directory: Arc<Directory>,
}

pub struct State {
    pub tail: Tail,
    /// Why the index can take no more for now: the disk is full.
    pub fill_full: Option<String>,
    /// What the filler shall do before it goes on.
    pub replacement: Option<Replacement>,
}

/// A segment's new file for the index, and whom to tell.
pub struct Replacement {
    pub new: Rewritten,
    pub done: SyncSender<Result<(), StorageError>>,
}

impl Shared {
    pub fn new(tail: Tail, head: Position, config: RedbConfig, index: Index, directory: Arc<Directory>) -> Self {
        Self {
            state: Mutex::new(State { tail, fill_full: None, replacement: None }),
            work: Condvar::new(),
            room: Condvar::new(),
            head: watch::Sender::new(head),
            config,
            failure: OnceLock::new(),
            closing: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            index,
            directory,
        }
    }

    /// Nobody panics while holding the lock; if somebody did, the state is whole, as changes are made at the end.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the log for good: what the disk holds can't be known any more.
    pub fn fail(&self, reason: String) {
        tracing::error!(%reason, "the log stopped; restart to read back what is durable");
        // The first reason is the one that matters.
        let _ = self.failure.set(reason);
        // Under the lock, so that nobody misses it between looking and waiting.
        let _state = self.state();
        self.room.notify_all();
        self.work.notify_all();
    }

    pub fn failure(&self) -> Option<&String> {
        self.failure.get()
    }

    /// Why nothing is appended any more.
    pub fn stopped(&self) -> AppendError {
        AppendError::Stopped { reason: self.failure().cloned().unwrap_or_else(|| "closed".into()) }
    }

    /// Tells the filler to end after what it is doing, or, if it shall `drain` the tail, after all that there is.
    pub fn stop_filling(&self, drain: bool) {
        let mut state = self.state();
        if drain {
            state.tail.seal();
        }
        self.draining.store(drain, Ordering::Release);
        self.closing.store(true, Ordering::Release);
        self.work.notify_all();
    }

    /// Whether the filler still takes chunks.
    pub fn fills(&self) -> bool {
        !self.is_over() || (self.failure.get().is_none() && self.draining.load(Ordering::Acquire))
    }

    pub fn is_over(&self) -> bool {
        self.closing.load(Ordering::Acquire) || self.failure.get().is_some()
    }

    /// The last position after `after` whose event matches; 0 if there is none.
    pub fn newest(&self, filter: &Filter, after: Position) -> Result<Position, StorageError> {
        let (newest, prefix) = {
            let state = self.state();
            (state.tail.newest(filter, after), state.tail.prefix.clone())
        };
        if newest > 0 || prefix.position <= after {
            return Ok(newest);
        }
        match prefix.newest(filter, after, usize::MAX)? {
            Walked::Found(position) => Ok(position),
            Walked::End | Walked::Tired(_) => Ok(0),
        }
    }

    /// What an idempotency key was used for.
    pub fn key(&self, key: &[u8; 16]) -> Result<Option<KeyUse>, StorageError> {
        let (known, prefix) = {
            let state = self.state();
            (state.tail.key(key), state.tail.prefix.clone())
        };
        if known.is_some() { Ok(known) } else { prefix.key(key) }
    }

    /// See `EventLog::beyond`.
    pub fn beyond(&self, topic: &TopicName, bytes: u64) -> Result<Sequence, StorageError> {
        let (found, prefix) = {
            let state = self.state();
            (state.tail.beyond(topic, bytes), state.tail.prefix.clone())
        };
        found.or_else(|behind| prefix.beyond(topic, behind, bytes))
    }

    /// A stream's head, from redb if need be. The tail is asked first: what left it since is in the newer snapshot.
    pub fn stream_head(&self, topic: &TopicName, stream: &StreamName) -> Result<Version, StorageError> {
        let prefix = {
            let state = self.state();
            if let Some(version) = state.tail.version(topic, stream) {
                return Ok(version);
            }
            state.tail.prefix.clone()
        };
        prefix.stream_head(topic, stream)
    }
}

/// Held by a thread that the log can't do without: if it panics, the log stops instead of waiting for it for ever.
pub struct FailOnPanic<'a>(pub &'a Shared);

impl Drop for FailOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let thread = std::thread::current();
            self.0.fail(format!("the thread {} panicked", thread.name().unwrap_or("of the log")));
        }
    }
}
