//! How commands ended, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Executed;
use crate::engine::{Engine, EngineError};
use crate::storage::AppendError;

/// How a command can end.
pub const OUTCOMES: [&str; 7] = ["executed", "nothing", "replayed", "refused", "unknown", "conflict", "failed"];

#[derive(Default)]
pub(super) struct Counts {
    outcomes: [AtomicU64; OUTCOMES.len()],
    retries: AtomicU64,
}

/// Numbers since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandCounts {
    /// One for each of `OUTCOMES`.
    pub outcomes: [u64; OUTCOMES.len()],
    /// Commands that were decided again because somebody else wrote to their stream.
    pub retries: u64,
    pub snapshots: u64,
    /// Aggregates at hand now.
    pub cached: usize,
}

impl Counts {
    pub fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub fn ended(&self, outcome: &Result<Executed, EngineError>) {
        self.outcomes[place(outcome)].fetch_add(1, Ordering::Relaxed);
    }
}

fn place(outcome: &Result<Executed, EngineError>) -> usize {
    match outcome {
        Ok(Executed { replayed: true, .. }) => 2,
        Ok(Executed { events, .. }) if events.is_empty() => 1,
        Ok(_) => 0,
        Err(EngineError::CommandRefused { .. } | EngineError::StateRefused { .. } | EngineError::Refused { .. }) => 3,
        Err(EngineError::CommandUnknown { .. }) => 4,
        Err(EngineError::CommandLost { .. } | EngineError::Append(AppendError::Conflict(_))) => 5,
        Err(_) => 6,
    }
}

impl Engine {
    /// What became of commands.
    pub fn command_counts(&self) -> CommandCounts {
        let counts = &self.aggregates.counts;
        CommandCounts {
            outcomes: std::array::from_fn(|i| counts.outcomes[i].load(Ordering::Relaxed)),
            retries: counts.retries.load(Ordering::Relaxed),
            snapshots: self.aggregates.snapshots.written(),
            cached: self.aggregates.cache.len(),
        }
    }
}
