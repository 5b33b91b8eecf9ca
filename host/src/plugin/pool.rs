//! The warm instances of one generation: a bounded number, handed out to the thread that used them last, with a
//! bounded queue before them.
//!
//! **Invariant:** an instance comes back only after a call that ended well. Whoever drops its seat otherwise (trap,
//! timeout, wrong answer, a request that was given up) leaves the instance to die, and a fresh one is made in its place.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Fault;
use super::instance::{Blueprint, Instance, StartError};
use super::reporter::lock;
use crate::model::limits::INSTANCE_CALLS_MAX;

pub(super) struct Pool {
    me: Weak<Pool>,
    pub blueprint: Blueprint,
    idle: Mutex<Idle>,
    turns: Semaphore,
    waiting: AtomicUsize,
}

#[derive(Default)]
struct Idle {
    /// Each with the thread that used it last: another core would first have to fetch its memory.
    instances: Vec<(ThreadId, Instance)>,
    /// The generation serves no more: nothing is kept in reserve.
    drained: bool,
}

impl Idle {
    /// One that this thread used, or else any.
    fn take(&mut self) -> Option<Instance> {
        let me = thread::current().id();
        let index = self.instances.iter().rposition(|(thread, _)| *thread == me);
        let last = self.instances.len().checked_sub(1)?;
        Some(self.instances.swap_remove(index.unwrap_or(last)).1)
    }
}

/// The right to use one instance. Give it back with `Seat::keep`; to drop it is to discard the instance.
pub(super) struct Seat<'p> {
    pool: &'p Pool,
    _turn: SemaphorePermit<'p>,
    kept: bool,
}

impl Pool {
    pub fn new(blueprint: Blueprint) -> Arc<Self> {
        let turns = Semaphore::new(blueprint.bounds.instances_max.min(Semaphore::MAX_PERMITS));
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            blueprint,
            idle: Mutex::default(),
            turns,
            waiting: AtomicUsize::new(0),
        })
    }

    /// A warm instance, or a new one, or a place in the queue.
    pub async fn checkout(&self) -> Result<(Instance, Seat<'_>), Fault> {
        self.blueprint.breaker.check()?;
        let turn = match self.turns.try_acquire() {
            Ok(turn) => turn,
            Err(_) => self.queue().await?,
        };
        let idle = lock(&self.idle).take();
        let mut seat = Seat { pool: self, _turn: turn, kept: false };
        let instance = match idle {
            Some(instance) => instance,
            None => {
                // If making one fails there is nothing to replace.
                seat.kept = true;
                let instance = self.blueprint.instance().await?;
                seat.kept = false;
                instance
            }
        };
        Ok((instance, seat))
    }

    async fn queue(&self) -> Result<SemaphorePermit<'_>, Fault> {
        struct Waits<'a>(&'a AtomicUsize);
        impl Drop for Waits<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let queue_max = self.blueprint.bounds.queue_calls_max;
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waits = Waits(&self.waiting);
        if before >= queue_max {
            return Err(Fault::Busy(before));
        }
        let wait = Duration::from_millis(self.blueprint.bounds.call_timeout_ms);
        let since = Instant::now();
        let turn = tokio::time::timeout(wait, self.turns.acquire()).await;
        self.blueprint.stats.waited(since.elapsed());
        match turn {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(Fault::Busy(self.waiting.load(Ordering::Relaxed))),
        }
    }

    /// Makes instances until so many are idle, or as many exist as may.
    pub async fn warm(&self, instances: usize) -> Result<(), StartError> {
        while lock(&self.idle).instances.len() < instances && self.add().await? {}
        Ok(())
    }

    /// Makes one more instance, if there may be one more. A turn is held meanwhile, so that it counts already.
    async fn add(&self) -> Result<bool, StartError> {
        let Ok(_turn) = self.turns.try_acquire() else { return Ok(false) };
        if self.alive() > self.blueprint.bounds.instances_max {
            return Ok(false);
        }
        let instance = self.blueprint.instance().await?;
        Ok(self.put(instance))
    }

    /// Puts an instance in reserve, or lets it go when nothing is kept any more.
    fn put(&self, instance: Instance) -> bool {
        let mut idle = lock(&self.idle);
        if idle.drained {
            // Not under the lock: to let go of an instance takes time.
            drop(idle);
            return false;
        }
        idle.instances.push((thread::current().id(), instance));
        true
    }

    /// Lets the idle ones go, and later those that are busy. Calls that come all the same make new ones.
    pub fn drain(&self) {
        *lock(&self.idle) = Idle { instances: Vec::new(), drained: true };
    }

    /// Its generation serves again.
    pub fn reopen(&self) {
        lock(&self.idle).drained = false;
    }

    /// Instances that exist now, idle or busy. One on its way between the two may count twice for a moment.
    pub fn alive(&self) -> usize {
        self.busy() + lock(&self.idle).instances.len()
    }

    fn busy(&self) -> usize {
        self.blueprint.bounds.instances_max.saturating_sub(self.turns.available_permits())
    }

    /// Replaces a discarded instance in the background, so that the next call finds a warm one.
    fn refill(&self) {
        if lock(&self.idle).drained {
            return;
        }
        let (Some(pool), Ok(runtime)) = (self.me.upgrade(), tokio::runtime::Handle::try_current()) else { return };
        runtime.spawn(async move {
            // The next call tries again, and reports it.
            if let Err(error) = pool.add().await {
                tracing::debug!(fault = %Fault::from(error), "no instance in reserve");
            }
        });
    }
}

impl Seat<'_> {
    /// Puts the instance back for the next call, or replaces it when it has served its time.
    pub fn keep(mut self, instance: Instance) {
        self.kept = instance.calls < INSTANCE_CALLS_MAX && self.pool.put(instance);
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.pool.refill();
        }
    }
}
