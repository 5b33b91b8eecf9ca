//! Threads of this adapter's own: the writer, and niced ones for work that can wait.
//!
//! The writer would profit from a short time slice (`sched_setattr`), but there is no safe call for it here; the
//! background threads' low priority does most of the same.

use std::io;
use std::thread::{Builder, JoinHandle};

/// A thread at ordinary priority.
pub fn foreground(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.into()).spawn(work)
}

/// A thread that yields to everything else. On Linux the nice value is the calling thread's own.
pub fn background(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    foreground(name, move || {
        if let Err(error) = rustix::process::nice(19) {
            tracing::debug!(%error, "a background thread keeps its ordinary priority");
        }
        work();
    })
}
