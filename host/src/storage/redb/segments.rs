//! Segment files: made, zeroed and used again by a thread in the background, so that the writer never waits for it.
//!
//! A used segment that redb has wholly passed is renamed to the next number and keeps its old bytes: a record counts
//! only if its group number is exactly the next, and old ones are lower. **Invariant:** a segment has its final name
//! only when its bytes are on disk, and the directory is synced after each change.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::directory::sync_dir;
use super::keys;
use super::threads;
use super::wal::{Segment, extend};
use crate::model::limits::SEGMENT_SPARES_MAX;

/// What the thread is asked for.
pub enum Request {
    Prepare(u64),
    /// Segments below this number are free to be used again.
    Recycle(u64),
}

/// The writer's end: asks for the next segment early, takes it late.
pub struct Segments {
    requests: Sender<Request>,
    ready: Receiver<io::Result<Segment>>,
    asked: bool,
}

impl Segments {
    /// Starts the thread. It ends when all senders of requests are gone.
    pub fn start(
        dir: PathBuf,
        bytes: u64,
        numbers: BTreeSet<u64>,
    ) -> io::Result<(Self, Sender<Request>, JoinHandle<()>)> {
        let (requests, asked) = channel();
        let (answers, ready) = channel();
        let mut shelf = Shelf { dir, bytes, used: numbers, spares: vec![] };
        let thread = threads::background("weir-segments", move || {
            for request in asked {
                match request {
                    Request::Prepare(number) => drop(answers.send(shelf.prepare(number))),
                    Request::Recycle(below) => shelf.recycle(below),
                }
            }
        })?;
        Ok((Self { requests: requests.clone(), ready, asked: false }, requests, thread))
    }

    /// Has the segment of this number made, unless one is being made already.
    pub fn ask(&mut self, number: u64) {
        if !self.asked {
            self.asked = self.requests.send(Request::Prepare(number)).is_ok();
        }
    }

    /// Takes the segment that was asked for. After a failure the next call asks again.
    pub fn take(&mut self, number: u64) -> io::Result<Segment> {
        self.ask(number);
        self.asked = false;
        self.ready.recv().unwrap_or_else(|_| Err(io::Error::other("the thread that prepares segments is gone")))
    }
}

/// What the thread knows: which files there are.
struct Shelf {
    dir: PathBuf,
    bytes: u64,
    used: BTreeSet<u64>,
    spares: Vec<u64>,
}

impl Shelf {
    fn prepare(&mut self, number: u64) -> io::Result<Segment> {
        let path = keys::segment_file(&self.dir, number);
        match self.spares.pop() {
            Some(spare) => fs::rename(keys::segment_file(&self.dir, spare), &path)?,
            None if path.exists() => {}
            None => create(&self.dir, &path, self.bytes)?,
        }
        sync_dir(&self.dir)?;
        self.used.insert(number);
        open(&path, number)
    }

    fn recycle(&mut self, below: u64) {
        let kept = self.used.split_off(&below);
        let free = std::mem::replace(&mut self.used, kept);
        self.spares.extend(free);
        while self.spares.len() > SEGMENT_SPARES_MAX {
            let Some(spare) = self.spares.pop() else { break };
            // A file that can't be removed costs room, not correctness: nobody reads below redb's own mark.
            if let Err(error) = fs::remove_file(keys::segment_file(&self.dir, spare)) {
                tracing::warn!(segment = spare, %error, "could not remove a used log segment");
            }
        }
    }
}

pub fn open(path: &Path, number: u64) -> io::Result<Segment> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let bytes = file.metadata()?.len();
    Ok(Segment { number, file, bytes })
}

/// Makes a zeroed file under another name first.
pub fn create(dir: &Path, path: &Path, bytes: u64) -> io::Result<()> {
    const ZEROS: &[u8] = &[0; 256 << 10];
    let aside = dir.join("prepared.new");
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(&aside)?;
    extend(&file, bytes)?;
    let mut at = 0;
    while at < bytes {
        let piece = ZEROS.len().min((bytes - at) as usize);
        file.write_all_at(&ZEROS[..piece], at)?;
        at += piece as u64;
    }
    file.sync_all()?;
    fs::rename(&aside, path)?;
    sync_dir(dir)
}

/// The numbers of the segments that are there.
pub fn numbers(dir: &Path) -> io::Result<BTreeSet<u64>> {
    let mut numbers = BTreeSet::new();
    for entry in fs::read_dir(dir)? {
        numbers.extend(keys::segment_number(&entry?.path()));
    }
    Ok(numbers)
}
