//! A generation's fault budget: one that faults too often is left alone for a while, so that it cannot burn the server's
//! cores with calls that fail anyway. Only if most calls fail: one client's poison must not shut a validator for all.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Fault;
use super::reporter::lock;
use crate::model::limits::{FAULT_WINDOW_MS, SUSPENSION_MS};

pub(super) struct Breaker {
    /// Faults in one window that suspend; 0 = never.
    budget: u32,
    /// So that calls of a healthy plugin look at nothing else.
    open: AtomicBool,
    /// Begins with a fault.
    window: Mutex<Option<Window>>,
}

struct Window {
    start: Instant,
    /// Calls before it.
    before: u64,
    faults: u32,
    until: Option<Instant>,
}

impl Breaker {
    pub fn new(budget: u32) -> Self {
        Self { budget, open: AtomicBool::new(false), window: Mutex::default() }
    }

    /// Refuses a call while the plugin is suspended.
    pub fn check(&self) -> Result<(), Fault> {
        match self.suspended() {
            Some(left) => Err(Fault::Suspended { faults: self.budget, seconds: left.as_secs() + 1 }),
            None => Ok(()),
        }
    }

    /// For how much longer nobody calls it.
    pub fn suspended(&self) -> Option<Duration> {
        if !self.open.load(Ordering::Relaxed) {
            return None;
        }
        let mut window = lock(&self.window);
        let until = window.as_ref().and_then(|window| window.until);
        let left = until.and_then(|until| until.checked_duration_since(Instant::now()));
        if left.is_none() {
            *window = None;
            self.open.store(false, Ordering::Relaxed);
        }
        left
    }

    /// Notes that a call failed by the guest's fault; `calls` are all there were so far, with this one.
    pub fn failed(&self, calls: u64) {
        if self.budget == 0 {
            return;
        }
        let mut window = lock(&self.window);
        let fresh = |window: &Window| window.start.elapsed() <= Duration::from_millis(FAULT_WINDOW_MS);
        let before = calls.saturating_sub(1);
        let new = || Window { start: Instant::now(), before, faults: 0, until: None };
        let known = window.take().filter(fresh);
        let window = window.insert(known.unwrap_or_else(new));
        window.faults += 1;
        let mostly = u64::from(window.faults) > calls.saturating_sub(window.before) / 2;
        if window.faults >= self.budget && mostly && window.until.is_none() {
            window.until = Some(Instant::now() + Duration::from_millis(SUSPENSION_MS));
            self.open.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_faults_suspend_and_time_heals() {
        let breaker = Breaker::new(3);
        let mut calls = 0;
        let mut fail = |times: u64| {
            for _ in 0..times {
                calls += 1;
                breaker.failed(calls);
            }
        };
        fail(2);
        assert_eq!(breaker.check(), Ok(()));
        fail(1);
        assert!(
            matches!(breaker.check(), Err(Fault::Suspended { faults: 3, seconds }) if seconds <= SUSPENSION_MS / 1_000)
        );
        lock(&breaker.window).as_mut().expect("a window").until = Some(Instant::now());
        assert_eq!(breaker.check(), Ok(()));
        fail(1);
        assert_eq!(breaker.check(), Ok(()), "it begins anew");
        // Old faults do not count.
        lock(&breaker.window).as_mut().expect("a window").start -= Duration::from_millis(FAULT_WINDOW_MS + 1);
        fail(2);
        assert_eq!(breaker.check(), Ok(()));
    }

    #[test]
    fn a_plugin_that_serves_most_calls_well_goes_on() {
        let useful = Breaker::new(3);
        (1..=100).filter(|call| call % 3 == 0).for_each(|call| useful.failed(call));
        assert_eq!(useful.check(), Ok(()));
        let never = Breaker::new(0);
        (1..=1_000).for_each(|call| never.failed(call));
        assert_eq!(never.check(), Ok(()));
    }
}
