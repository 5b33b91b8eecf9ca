//! Threads for heavy work on components: parsing, componentising, compiling. Never the runtime's.
//!
//! **Invariant:** once the server is up, compiling takes no core from a request: its threads run when nobody else wants
//! their core, and are one less than there are cores. wasmtime compiles the functions of a component on the rayon pool
//! that it is called from, and that pool is ours.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::available_parallelism;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use thread_priority::ThreadPriority;
use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};
use tokio::sync::oneshot;

use super::reporter::lock;
use super::{LoadError, PluginsError, Pulse};

const THREAD: &str = "weir-compile";

pub(super) struct Workshop {
    pool: Mutex<ThreadPool>,
    pulse: Arc<Pulse>,
}

impl Workshop {
    /// Starts at normal priority on all cores: before the server is up nobody is waiting but for this.
    pub fn new(pulse: Arc<Pulse>) -> Result<Self, PluginsError> {
        let pool = pool(cores(), None)
            .map_err(|error| PluginsError::Thread { name: THREAD, source: std::io::Error::other(error) })?;
        Ok(Self { pool: Mutex::new(pool), pulse })
    }

    /// Goes on with threads that wait for everybody else. Those of before end with what they do.
    pub fn step_back(&self) {
        match pool(threads_beside_requests(), Some(self.pulse.clone())) {
            Ok(idle) => *lock(&self.pool) = idle,
            Err(error) => tracing::warn!(%error, "plugins are compiled at normal priority"),
        }
    }

    /// Runs a job and waits for its answer. A panic inside (a fault of the compiler) is an error like any other.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
    ) -> Result<T, LoadError> {
        let (answer, wait) = oneshot::channel();
        let pulse = self.pulse.clone();
        let job = move || {
            pulse.work();
            let done = catch_unwind(AssertUnwindSafe(job));
            let done = done.unwrap_or_else(|_| Err(LoadError::Compile("the compiler crashed on it".into())));
            pulse.rest();
            // Nobody waits any more when the server is stopping.
            let _ = answer.send(done);
        };
        lock(&self.pool).spawn_fifo(job);
        wait.await.map_err(|_| LoadError::Compile("the compiling threads have ended; restart the server".into()))?
    }
}

/// Asked for once, when the server starts: later on a thread may be one that keeps to some of them.
pub(super) fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| available_parallelism().map_or(1, NonZero::get))
}

/// Threads for what is not a request: one less than there are cores, so that one core is left to requests.
pub fn threads_beside_requests() -> usize {
    cores().saturating_sub(1).max(1)
}

/// Niceness would not do: a thread of any niceness keeps its core for some milliseconds from one that wakes up. One of
/// this class gives it up at once; what that leaves is the pulse's.
fn wait_for_others() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle) {
        tracing::warn!(?error, "plugins are compiled at normal priority");
    }
}

/// With a pulse its threads join that and wait for everybody else.
fn pool(threads: usize, beside: Option<Arc<Pulse>>) -> Result<ThreadPool, ThreadPoolBuildError> {
    let builder = ThreadPoolBuilder::new().num_threads(threads).thread_name(|_| THREAD.to_owned());
    let Some(pulse) = beside else {
        return builder.build();
    };
    let joined = pulse.clone();
    let join = move |_| {
        wait_for_others();
        joined.join();
    };
    builder.start_handler(join).exit_handler(move |_| pulse.leave()).build()
}

#[cfg(test)]
mod tests {
    use thread_priority::unix::thread_schedule_policy;

    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_job_is_an_error_and_the_next_job_runs() {
        let workshop = Workshop::new(Arc::default()).expect("a thread");
        let crashed = workshop.run(|| -> Result<(), LoadError> { panic!("on purpose") }).await;
        assert!(matches!(crashed, Err(LoadError::Compile(_))));
        assert_eq!(workshop.run(|| Ok(7)).await.expect("a number"), 7);
    }

    #[tokio::test]
    async fn jobs_wait_for_everybody_else_once_the_server_is_up() {
        let workshop = Workshop::new(Arc::default()).expect("threads");
        let policy =
            async || workshop.run(|| Ok(thread_schedule_policy().expect("a policy"))).await.expect("an answer");
        assert_eq!(policy().await, ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other));
        workshop.step_back();
        assert_eq!(policy().await, ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle));
    }
}
