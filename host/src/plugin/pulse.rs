//! Keeps work beside the requests from holding a core that a request waits for.
//!
//! A thread that computes may keep its core until the kernel's next tick, 4 ms where there are 250 in a second, while a
//! request's thread waits for it. Neither niceness nor the class "idle" helps where a request's thread has just had its
//! share: then the kernel takes another, even an idle one, and looks again only at the tick. So, as long as such work goes
//! on, threads of ordinary priority wake up on its cores every `PULSE_US`; each time the kernel looks again, and the core
//! goes to whom it owes it. For this the work keeps to all cores but one. Which one it leaves alone changes every
//! `PULSE_TURN_MS`, so that it comes on where another program computes all the time.
//!
//! On two cores p99 of publishes beside hostile plugins is 0.8 to 1.6 of calm, and 1.8 to 2.6 without this (bench/README.md).

use std::cell::Cell;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, sleep};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_setaffinity, set_current_timer_slack};

use super::PluginsError;
use super::reporter::lock;
use super::workshop::cores;
use crate::model::limits::{PULSE_CORES_MAX, PULSE_TURN_MS, PULSE_US};

/// A pulse goes on for so many beats after the last work: short pieces of it that follow on each other share one.
const QUIET_BEATS: u32 = 5;

const THREAD: &str = "weir-pulse";

thread_local! {
    /// Whether this thread is counted among those that work.
    static WORKS: Cell<bool> = const { Cell::new(false) };
}

/// The pulse of one server. Threads join it when they start and leave it before they end.
/// The default is none: without effect.
#[derive(Debug, Default)]
pub struct Pulse {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The cores that this server may use; none if there is no pulse.
    cores: Vec<usize>,
    /// How long each of them is left alone.
    turns: Duration,
    /// The place in `cores` of the one that is left alone, counted on and on.
    turn: AtomicUsize,
    threads: Mutex<Vec<Pid>>,
    /// How many threads work now.
    working: AtomicUsize,
    /// How many pulses wait for work.
    resting: AtomicUsize,
    rest: Mutex<()>,
    work: Condvar,
    is_over: AtomicBool,
}

impl Pulse {
    /// Without effect where there is but one core, where there are so many that a request finds a free one, and where this
    /// server has a share of cores that others use too.
    pub fn start() -> Result<Self, PluginsError> {
        let mut own = own_cores();
        if own.len() != cores() || !(2..=PULSE_CORES_MAX).contains(&own.len()) {
            own.clear();
        }
        Self::on(own, Duration::from_millis(PULSE_TURN_MS))
    }

    fn on(cores: Vec<usize>, turns: Duration) -> Result<Self, PluginsError> {
        // Several servers on one machine need not all begin with the same core.
        let turn = AtomicUsize::new(std::process::id() as usize);
        // Dropped, and so ended, when one of its threads cannot start.
        let pulse = Self { shared: Arc::new(Shared { cores, turns, turn, ..Shared::default() }) };
        for nth in 1..pulse.shared.cores.len() {
            let shared = pulse.shared.clone();
            let thread = Builder::new().name(THREAD.into()).spawn(move || shared.beat(nth));
            thread.map_err(|source| PluginsError::Thread { name: THREAD, source })?;
        }
        Ok(pulse)
    }

    /// The calling thread works beside the requests from now on.
    pub fn join(&self) {
        if !self.shared.cores.is_empty() {
            let mut threads = lock(&self.shared.threads);
            threads.push(gettid());
            keep_to(None, &self.shared.beside());
        }
    }

    /// The calling thread ends.
    pub fn leave(&self) {
        self.rest();
        lock(&self.shared.threads).retain(|thread| *thread != gettid());
    }

    /// The calling thread has work.
    pub fn work(&self) {
        if WORKS.replace(true) {
            return;
        }
        self.shared.working.fetch_add(1, Ordering::SeqCst);
        if self.shared.resting.load(Ordering::SeqCst) > 0 {
            let _rest = lock(&self.shared.rest);
            self.shared.work.notify_all();
        }
    }

    /// The calling thread has no work for now.
    pub fn rest(&self) {
        if WORKS.replace(false) {
            self.shared.working.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        let _rest = lock(&self.shared.rest);
        self.shared.work.notify_all();
    }
}

impl Shared {
    /// The pulse on the `nth` core after the one that is left alone.
    fn beat(&self, nth: usize) {
        if let Err(error) = set_current_timer_slack(NonZero::new(1)) {
            tracing::debug!(%error, "a pulse is slower than it should be");
        }
        let mut place = None;
        while self.wait_for_work() {
            let (mut quiet, mut turned) = (0, Instant::now());
            while quiet < QUIET_BEATS && !self.is_over() {
                let turn = self.turn.load(Ordering::SeqCst);
                if place.replace(turn) != Some(turn) {
                    keep_to(None, &set_of([self.core(turn + nth)]));
                }
                sleep(Duration::from_micros(PULSE_US));
                quiet = if self.works() { 0 } else { quiet + 1 };
                if nth == 1 && turned.elapsed() >= self.turns {
                    self.leave_another_core();
                    turned = Instant::now();
                }
            }
        }
    }

    /// Answers false when it is over.
    fn wait_for_work(&self) -> bool {
        let rest = lock(&self.rest);
        self.resting.fetch_add(1, Ordering::SeqCst);
        let waited = self.work.wait_while(rest, |()| !self.works() && !self.is_over());
        self.resting.fetch_sub(1, Ordering::SeqCst);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        !self.is_over()
    }

    fn leave_another_core(&self) {
        // Whoever joins meanwhile comes after this, to the new place.
        let threads = lock(&self.threads);
        self.turn.fetch_add(1, Ordering::SeqCst);
        let beside = self.beside();
        threads.iter().for_each(|thread| keep_to(Some(*thread), &beside));
    }

    /// All cores but the one that is left alone.
    fn beside(&self) -> CpuSet {
        let turn = self.turn.load(Ordering::SeqCst);
        set_of((1..self.cores.len()).map(|nth| self.core(turn + nth)))
    }

    fn core(&self, place: usize) -> usize {
        self.cores[place % self.cores.len()]
    }

    fn works(&self) -> bool {
        self.working.load(Ordering::SeqCst) > 0
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }
}

/// The cores that the calling thread may run on.
fn own_cores() -> Vec<usize> {
    let allowed = sched_getaffinity(None).unwrap_or_default();
    (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect()
}

fn set_of(cores: impl IntoIterator<Item = usize>) -> CpuSet {
    let mut set = CpuSet::new();
    cores.into_iter().for_each(|core| set.set(core));
    set
}

fn keep_to(thread: Option<Pid>, cores: &CpuSet) {
    if let Err(error) = sched_setaffinity(thread, cores) {
        tracing::debug!(%error, "a thread beside the requests stays on its cores");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    /// Waits for what another thread will do.
    fn until(what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
            sleep(Duration::from_millis(1));
        }
    }

    /// A pulse over this machine's first cores, and how many these are.
    fn pulse() -> (Arc<Pulse>, usize) {
        let mut cores = own_cores();
        cores.truncate(PULSE_CORES_MAX);
        if cores.len() == 1 {
            // Two names of one core: all but the affinity goes as on two.
            cores.push(cores[0]);
        }
        let count = cores.len();
        (Arc::new(Pulse::on(cores, Duration::from_millis(50)).expect("threads")), count)
    }

    #[test]
    fn it_beats_while_a_thread_works_and_rests_else() {
        let (pulse, cores) = pulse();
        let resting = || pulse.shared.resting.load(Ordering::SeqCst);
        until("all pulses rest", || resting() == cores - 1);
        let (tell, told) = mpsc::channel::<()>();
        let working = thread::spawn({
            let pulse = pulse.clone();
            move || {
                pulse.join();
                pulse.work();
                pulse.work();
                told.recv().expect("told");
                pulse.rest();
                pulse.rest();
                told.recv().expect("told");
                pulse.work();
                pulse.leave();
            }
        });
        until("all beat", || resting() == 0);
        tell.send(()).expect("it waits");
        until("all rest again", || resting() == cores - 1);
        tell.send(()).expect("it waits");
        working.join().expect("the thread");
        until("who leaves works no more", || resting() == cores - 1);
        assert_eq!(pulse.shared.working.load(Ordering::SeqCst), 0);
        assert!(lock(&pulse.shared.threads).is_empty());
    }

    #[test]
    fn who_joins_leaves_each_core_alone_in_its_turn() {
        let (pulse, _) = pulse();
        let cores = &pulse.shared.cores;
        pulse.join();
        pulse.work();
        for core in cores.iter().cycle().take(7) {
            let others = cores.iter().copied().filter(|other| other != core || cores[0] == cores[1]);
            let others = set_of(others);
            until("the next core", || sched_getaffinity(None).is_ok_and(|own| own == others));
        }
        pulse.leave();
    }

    #[test]
    fn its_threads_end_with_it() {
        let (pulse, _) = pulse();
        pulse.work();
        let shared = pulse.shared.clone();
        drop(pulse);
        until("all have ended", || Arc::strong_count(&shared) == 1);
    }

    #[test]
    fn a_shared_core_or_a_single_one_has_none() {
        let pulse = Pulse::default();
        let before = own_cores();
        pulse.join();
        pulse.work();
        assert_eq!((own_cores(), Arc::strong_count(&pulse.shared)), (before, 1));
        pulse.leave();
    }
}
