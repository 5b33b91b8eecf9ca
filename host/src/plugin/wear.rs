//! When an instance has served its time. A guest may leak, and its memory is limited; so one whose memory still grows is
//! replaced early. To replace one that does not grow is only work: making an instance of the schema plugin, with its schemas
//! compiled, takes as many instructions as a thousand calls.

use crate::model::limits::{INSTANCE_CALLS_MAX, INSTANCE_GROWN_CALLS_MAX, INSTANCE_WARM_CALLS};

/// What is known of one instance.
#[derive(Debug)]
pub(super) struct Wear {
    calls: u32,
    /// Its memory is looked at after so many.
    look: u32,
    /// What it had at the last look.
    bytes: usize,
}

impl Wear {
    pub fn new() -> Self {
        Self { calls: 0, look: INSTANCE_WARM_CALLS, bytes: 0 }
    }

    /// One more call begins.
    pub fn call(&mut self) {
        self.calls += 1;
    }

    /// Whether a fresh instance takes its place after this call, with so much memory in use.
    pub fn is_worn(&mut self, bytes: usize) -> bool {
        if self.calls < self.look {
            return false;
        }
        let grown = bytes > self.bytes && self.look != INSTANCE_WARM_CALLS;
        self.look = (self.calls / INSTANCE_GROWN_CALLS_MAX + 1) * INSTANCE_GROWN_CALLS_MAX;
        self.bytes = bytes;
        grown || self.calls >= INSTANCE_CALLS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many calls it is replaced, with this much memory in use after each.
    fn served(memory: impl Fn(u32) -> usize) -> u32 {
        served_by(1, memory)
    }

    /// The same when so many calls are made before it is put back.
    fn served_by(calls: u32, memory: impl Fn(u32) -> usize) -> u32 {
        let mut wear = Wear::new();
        let worn = (1..=2 * INSTANCE_CALLS_MAX).map(|turn| turn * calls).find(|call| {
            (0..calls).for_each(|_| wear.call());
            wear.is_worn(memory(*call))
        });
        worn.expect("nothing lasts")
    }

    #[test]
    fn one_that_stays_as_it_is_serves_long_and_not_for_ever() {
        assert_eq!(served(|_| 2 << 20), INSTANCE_CALLS_MAX);
        assert_eq!(served(|_| 0), INSTANCE_CALLS_MAX);
    }

    #[test]
    fn one_that_takes_what_it_needs_when_it_begins_serves_as_long() {
        assert_eq!(served(|call| (call.min(900) as usize) << 10), INSTANCE_CALLS_MAX);
    }

    #[test]
    fn one_that_grows_is_replaced_early_whenever_it_begins() {
        assert_eq!(served(|call| call as usize * 100), INSTANCE_GROWN_CALLS_MAX);
        assert_eq!(served_by(3, |call| call as usize * 100), INSTANCE_GROWN_CALLS_MAX + 2);
        assert_eq!(served(|call| usize::from(call > 5 * INSTANCE_GROWN_CALLS_MAX)), 6 * INSTANCE_GROWN_CALLS_MAX);
    }
}
