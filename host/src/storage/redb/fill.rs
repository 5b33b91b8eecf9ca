//! The filler: moves the oldest chunk of the tail into the index, in one transaction.
//!
//! **Invariant:** readers get the new snapshot and lose the chunk in one step.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::chunk::Chunk;
use super::prefix::Prefix;
use super::shared::{FailOnPanic, Shared};

/// How long the filler waits for room on a full disk before it looks again.
const FULL_WAIT: Duration = Duration::from_millis(500);

/// Works until the log is closed or fails.
pub fn run(shared: &Shared) {
    let _guard = FailOnPanic(shared);
    while let Some(chunk) = next_chunk(shared) {
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

fn next_chunk(shared: &Shared) -> Option<Arc<Chunk>> {
    let mut state = shared.state();
    loop {
        match state.tail.oldest().filter(|_| shared.fills()) {
            Some(chunk) => return Some(chunk),
            None if shared.is_over() => return None,
            None => state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
    }
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
