//! Disk failures on demand, for tests; in the program this is nothing at all.

use std::io;

/// What the write-ahead log is about to ask of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Reserve,
    Write,
    Sync,
    Fill,
}

#[derive(Debug, Clone, Default)]
pub struct Faults {
    #[cfg(test)]
    planned: std::sync::Arc<std::sync::Mutex<Vec<(Step, io::ErrorKind)>>>,
    /// While a test holds this, the writer stands still before its sync, and the filler before it begins.
    #[cfg(test)]
    pub gate: std::sync::Arc<std::sync::Mutex<()>>,
}

#[cfg(not(test))]
impl Faults {
    #[inline(always)]
    pub fn meet(&self, _: Step) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
impl Faults {
    pub fn meet(&self, step: Step) -> io::Result<()> {
        if matches!(step, Step::Sync | Step::Fill) {
            drop(self.gate.lock());
        }
        let mut planned = self.planned.lock().expect("not poisoned");
        match planned.iter().position(|(at, _)| *at == step) {
            Some(index) => Err(planned.remove(index).1.into()),
            None => Ok(()),
        }
    }

    /// The next time the store comes to `step`, it fails.
    pub fn plan(&self, step: Step, kind: io::ErrorKind) {
        self.planned.lock().expect("not poisoned").push((step, kind));
    }

    /// What is planned will not happen.
    pub fn forget(&self) {
        self.planned.lock().expect("not poisoned").clear();
    }
}
