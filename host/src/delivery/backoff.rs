//! When to try again: exponential back-off with jitter, bounded. Pure: the dice come in as an argument.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::limits::{RETRY_ATTEMPTS_MAX, RETRY_DELAY_MS_MAX};

/// How often and how fast a delivery is tried again before its event is dead-lettered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// Attempts for one event, the first included. Default 12: about five minutes with the other defaults.
    pub max_attempts: u32,
    /// Wait after the first failure, in milliseconds; doubled after each further one. Default 200.
    pub initial_delay_ms: u64,
    /// Longest wait, in milliseconds. Default 60,000.
    pub max_delay_ms: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_attempts: 12, initial_delay_ms: 200, max_delay_ms: 60_000 }
    }
}

impl RetryPolicy {
    /// What is wrong with a policy that a client sent.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=RETRY_ATTEMPTS_MAX).contains(&self.max_attempts) {
            return Err(format!("retry.maxAttempts must be 1 to {RETRY_ATTEMPTS_MAX}"));
        }
        let is_delay = (1..=RETRY_DELAY_MS_MAX).contains(&self.max_delay_ms);
        if !is_delay || !(1..=self.max_delay_ms).contains(&self.initial_delay_ms) {
            return Err(format!("retry needs 1 <= initialDelayMs <= maxDelayMs <= {RETRY_DELAY_MS_MAX}"));
        }
        Ok(())
    }

    /// The wait after `failures` failed attempts in a row (from 1). `dice` is uniform in 0..1: half of the wait is
    /// jitter, so that consumers that failed together do not come back together. A receiver's own wish wins.
    pub fn delay(&self, failures: u32, after_ms: Option<u64>, dice: f64) -> Duration {
        if let Some(wish) = after_ms {
            return Duration::from_millis(wish.min(RETRY_DELAY_MS_MAX));
        }
        let doubled = self.initial_delay_ms.saturating_mul(1 << failures.saturating_sub(1).min(32));
        let full = doubled.min(self.max_delay_ms) as f64;
        Duration::from_millis((full * (0.5 + 0.5 * dice)) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_half_is_jitter() {
        let policy = RetryPolicy { max_attempts: 9, initial_delay_ms: 100, max_delay_ms: 1_000 };
        let longest: Vec<u128> = (1..=6).map(|n| policy.delay(n, None, 1.0).as_millis()).collect();
        assert_eq!(longest, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(policy.delay(3, None, 0.0).as_millis(), 200);
        assert_eq!(policy.delay(u32::MAX, None, 1.0).as_millis(), 1_000);
    }

    #[test]
    fn a_receivers_wish_wins_but_is_bounded() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.delay(1, Some(7_000), 0.3).as_millis(), 7_000);
        assert_eq!(policy.delay(1, Some(u64::MAX), 0.3).as_millis(), u128::from(RETRY_DELAY_MS_MAX));
    }

    #[test]
    fn a_policy_that_never_tries_or_never_waits_is_refused() {
        assert!(RetryPolicy::default().check().is_ok());
        assert!(RetryPolicy { max_attempts: 0, ..RetryPolicy::default() }.check().is_err());
        assert!(RetryPolicy { initial_delay_ms: 0, ..RetryPolicy::default() }.check().is_err());
        assert!(RetryPolicy { max_delay_ms: 10, ..RetryPolicy::default() }.check().is_err());
    }
}
