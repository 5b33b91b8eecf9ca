//! Threads for heavy work on components: parsing, componentising, compiling. Never the runtime's.
//!
//! **Invariant:** once the server is up, compiling takes no core from a request: the threads have the lowest priority there
//! is. wasmtime compiles the functions of a component on rayon's global threads. On Linux a thread inherits name and
//! priority from the one that starts it, and rayon starts its threads on first use: that use is here, so they are ours.

use rustix::process::{Pid, setpriority_process};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use tokio::sync::oneshot;

use super::{LoadError, PluginsError};

type Job = Box<dyn FnOnce() + Send>;

/// `nice` of the threads while the server answers requests.
const NICENESS: i32 = 19;
const THREAD: &str = "weir-compile";

pub(super) struct Workshop {
    jobs: mpsc::Sender<Job>,
}

impl Workshop {
    /// Starts at normal priority: before the server is up nobody is waiting but for this.
    pub fn new() -> Result<Self, PluginsError> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let work = move || queue.into_iter().for_each(|job| job());
        let thread = thread::Builder::new().name(THREAD.into()).spawn(work);
        thread.map_err(|source| PluginsError::Thread { name: THREAD, source })?;
        Ok(Self { jobs })
    }

    /// Lowers the priority of the threads, for good: the system lets nobody raise it again.
    pub fn step_back(&self) {
        // As a job, because a thread has its name only once it runs.
        let lower = || {
            if let Err(error) = lower_all() {
                tracing::warn!(%error, "plugins are compiled at normal priority");
            }
        };
        // It fails only if the thread has ended; then there is nothing to lower.
        let _ = self.jobs.send(Box::new(lower));
    }

    /// Runs a job and waits for its answer. A panic inside (a fault of the compiler) is an error like any other.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
    ) -> Result<T, LoadError> {
        let (answer, wait) = oneshot::channel();
        let job = move || {
            let done = catch_unwind(AssertUnwindSafe(job));
            let done = done.unwrap_or_else(|_| Err(LoadError::Compile("the compiler crashed on it".into())));
            // Nobody waits any more when the server is stopping.
            let _ = answer.send(done);
        };
        let stopped = || LoadError::Compile("the compiling thread has ended; restart the server".into());
        self.jobs.send(Box::new(job)).map_err(|_| stopped())?;
        wait.await.map_err(|_| stopped())?
    }
}

/// Lowers every thread of this process that has our name: our own, and those that rayon started from it. Those that it
/// starts later inherit the priority.
fn lower_all() -> std::io::Result<()> {
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?;
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        let id = task.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
        if let Some(id) = id.filter(|_| name.trim_end() == THREAD) {
            setpriority_process(Some(id), NICENESS)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_job_is_an_error_and_the_next_job_runs() {
        let workshop = Workshop::new().expect("a thread");
        let crashed = workshop.run(|| -> Result<(), LoadError> { panic!("on purpose") }).await;
        assert!(matches!(crashed, Err(LoadError::Compile(_))));
        assert_eq!(workshop.run(|| Ok(7)).await.expect("a number"), 7);
    }

    #[tokio::test]
    async fn jobs_run_at_the_lowest_priority_once_the_server_is_up() {
        let workshop = Workshop::new().expect("a thread");
        workshop.step_back();
        let nice = workshop.run(|| Ok(rustix::process::getpriority_process(None).expect("a priority"))).await;
        assert_eq!(nice.expect("a number"), NICENESS);
    }
}
