//! A generation's fault budget: one that faults too often is left alone for a while, so that it cannot burn the server's
//! cores with calls that fail anyway. Only if most calls fail: one client's poison must not shut a validator for all.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::Fault;
use super::reporter::lock;
use crate::model::limits::{FAULT_WINDOW_MS, SUSPENSION_MS};

pub(super) struct Breaker {
    /// Faults in one window that suspend; 0 = never.
    budget: u32,
    /// So that calls of a healthy plugin look at nothing else.
    open: AtomicBool,
    /// Calls of the window.
    calls: AtomicU32,
    window: Mutex<Window>,
}

struct Window {
    start: Instant,
    faults: u32,
    until: Option<Instant>,
}

impl Breaker {
    pub fn new(budget: u32) -> Self {
        let window = Window { start: Instant::now(), faults: 0, until: None };
        Self { budget, open: AtomicBool::new(false), calls: AtomicU32::new(0), window: Mutex::new(window) }
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
        let left = window.until.and_then(|until| until.checked_duration_since(Instant::now()));
        if left.is_none() {
            self.begin(&mut window);
            self.open.store(false, Ordering::Relaxed);
        }
        left
    }

    /// Counts a call; `fault` says that it failed by the guest's fault.
    pub fn called(&self, fault: bool) {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if !fault || self.budget == 0 {
            return;
        }
        let mut window = lock(&self.window);
        if window.start.elapsed() > Duration::from_millis(FAULT_WINDOW_MS) {
            self.begin(&mut window);
        }
        window.faults += 1;
        if window.faults >= self.budget && window.faults > calls / 2 && window.until.is_none() {
            window.until = Some(Instant::now() + Duration::from_millis(SUSPENSION_MS));
            self.open.store(true, Ordering::Relaxed);
        }
    }

    fn begin(&self, window: &mut Window) {
        *window = Window { start: Instant::now(), faults: 0, until: None };
        self.calls.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_faults_suspend_and_time_heals() {
        let breaker = Breaker::new(3);
        (0..2).for_each(|_| breaker.called(true));
        assert_eq!(breaker.check(), Ok(()));
        breaker.called(true);
        assert!(
            matches!(breaker.check(), Err(Fault::Suspended { faults: 3, seconds }) if seconds <= SUSPENSION_MS / 1_000)
        );
        lock(&breaker.window).until = Some(Instant::now());
        assert_eq!(breaker.check(), Ok(()));
        breaker.called(true);
        assert_eq!(breaker.check(), Ok(()), "it begins anew");
        // Old faults do not count.
        lock(&breaker.window).start -= Duration::from_millis(FAULT_WINDOW_MS + 1);
        (0..2).for_each(|_| breaker.called(true));
        assert_eq!(breaker.check(), Ok(()));
        // A plugin that serves most calls well goes on.
        let useful = Breaker::new(3);
        (0..100).for_each(|call| useful.called(call % 3 == 0));
        assert_eq!(useful.check(), Ok(()));
        let never = Breaker::new(0);
        (0..1_000).for_each(|_| never.called(true));
        assert_eq!(never.check(), Ok(()));
    }
}
