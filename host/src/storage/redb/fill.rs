//! The filler: moves the oldest chunk of the tail into the index, in one transaction.
//!
//! **Invariant:** readers get the new snapshot and lose the chunk in one step.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::chunk::Chunk;
use super::prefix::Prefix;
use super::scavenge;
use super::shared::{FailOnPanic, Replacement, Shared};
use crate::storage::StorageError;

/// How long the filler waits for room on a full disk before it looks again.
const FULL_WAIT: Duration = Duration::from_millis(500);

/// Works until the log is closed or fails.
pub fn run(shared: &Shared) {
    // Dropped after the other: what is asked for from then on is refused.
    let _last = LetGo(shared);
    let _guard = FailOnPanic(shared);
    while let Some(work) = next(shared) {
        let chunk = match work {
            Work::Chunk(chunk) => chunk,
            Work::Replacement(replacement) => {
                replace(shared, replacement);
                continue;
            }
        };
        // The events stay in the log and in memory.
        if let Some(detail) = shared.directory.lacks_room(chunk.bytes) {
            if shared.is_over() {
                return;
            }
            wait_for_room(shared, detail);
            continue;
        }
        match shared.index.add(&chunk) {
            Ok(prefix) => publish(shared, prefix),
            Err(error) => return shared.fail(format!("moving events into the index failed: {error}")),
        }
    }
}

/// Tells whoever waits for the filler that it has ended. **Invariant:** the log is over then.
struct LetGo<'a>(&'a Shared);

impl Drop for LetGo<'_> {
    fn drop(&mut self) {
        drop(self.0.state().replacement.take());
    }
}

enum Work {
    Chunk(Arc<Chunk>),
    Replacement(Replacement),
}

fn next(shared: &Shared) -> Option<Work> {
    let mut state = shared.state();
    loop {
        if let Some(replacement) = state.replacement.take().filter(|_| !shared.is_over()) {
            return Some(Work::Replacement(replacement));
        }
        match state.tail.oldest().filter(|_| shared.fills()) {
            Some(chunk) => return Some(Work::Chunk(chunk)),
            None if shared.is_over() => return None,
            None => state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

fn replace(shared: &Shared, Replacement { new, done }: Replacement) {
    if let Some(detail) = shared.directory.lacks_room(new.saved as usize) {
        drop(done.send(Err(StorageError::Io { what: scavenge::NO_ROOM.into(), detail })));
        return;
    }
    let replaced = shared.index.replace(&new).map(|prefix| {
        let mut state = shared.state();
        let before = std::mem::replace(&mut state.tail.prefix, Arc::new(prefix));
        drop(state);
        drop(before);
    });
    if let Err(error) = &replaced {
        shared.fail(format!("taking deleted events out of the index failed: {error}"));
    }
    // Nobody waits any more when the log is being closed.
    let _ = done.send(replaced);
}

fn wait_for_room(shared: &Shared, detail: String) {
    tracing::warn!(%detail, "the index waits for room; events stay in memory too");
    let mut state = shared.state();
    state.fill_full = Some(detail);
    shared.room.notify_all();
    if !shared.is_over() {
        drop(shared.work.wait_timeout(state, FULL_WAIT));
    }
}

fn publish(shared: &Shared, prefix: Prefix) {
    let mut state = shared.state();
    let gone = state.tail.filled(Arc::new(prefix));
    state.fill_full = None;
    shared.room.notify_all();
    drop(state);
    // A chunk is a lot of small things to free; nobody waits for that.
    drop(gone);
}
