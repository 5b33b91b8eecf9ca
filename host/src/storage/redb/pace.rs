//! Whether the index answers quickly: from memory, the system's or redb's own, and not from a disk that lets one wait.
//!
//! A hop to a blocking thread costs several times what a lookup in memory does. So lookups that a publish waits for are done
//! where the request runs, until one had to wait; the next ones then hop, until many in a row did not wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::model::limits::LOOKUPS_WARY;

/// A read that took longer came from a disk.
const QUICK: Duration = Duration::from_micros(500);

/// How many lookups are still to hop.
#[derive(Debug, Clone, Default)]
pub struct Pace(Arc<AtomicU32>);

impl Pace {
    /// Reads a piece of the file, and notes whether that took long.
    pub fn note<T>(&self, read: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = read();
        if begun.elapsed() > QUICK {
            self.0.store(LOOKUPS_WARY, Ordering::Relaxed);
        }
        done
    }

    /// Whether the next lookup may be done where nothing should wait.
    pub fn is_quick(&self) -> bool {
        let one_less = |wary: u32| wary.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_read_that_waited_lookups_hop_until_enough_did_not() {
        let pace = Pace::default();
        assert_eq!(pace.note(|| 7), 7);
        assert!(pace.is_quick());
        pace.note(|| std::thread::sleep(QUICK * 2));
        for _ in 0..LOOKUPS_WARY {
            assert!(!pace.is_quick());
        }
        assert!(pace.is_quick());
    }
}
