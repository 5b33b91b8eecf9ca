//! Segment files: made and zeroed by a thread in the background, so that the writer never waits for it, and cut to size when
//! they are full. They hold the events for good.
//!
//! **Invariant:** a segment has its final name only when its bytes are on disk, and the directory is synced after it.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::directory::sync_dir;
use super::keys;
use super::threads;
use super::wal::{Segment, extend};

/// What the thread is asked for.
enum Request {
    Prepare(u64),
    /// Nothing is written behind so many bytes of this file any more.
    Cut(File, u64),
}

/// The writer's end: asks for the next segment early, takes it late.
pub struct Segments {
    requests: Sender<Request>,
    ready: Receiver<io::Result<Segment>>,
    asked: bool,
}

impl Segments {
    /// Starts the thread. It ends when this is dropped.
    pub fn start(dir: PathBuf, bytes: u64) -> io::Result<(Self, JoinHandle<()>)> {
        let (requests, asked) = channel();
        let (answers, ready) = channel();
        let thread = threads::background("weir-segments", move || {
            for request in asked {
                match request {
                    Request::Prepare(number) => drop(answers.send(prepare(&dir, number, bytes))),
                    Request::Cut(file, length) => cut(&file, length),
                }
            }
        })?;
        Ok((Self { requests, ready, asked: false }, thread))
    }

    /// Has the segment of this number made, unless one is being made already.
    pub fn ask(&mut self, number: u64) {
        if !self.asked {
            self.asked = self.requests.send(Request::Prepare(number)).is_ok();
        }
    }

    /// Has a full segment cut to what was written of it.
    pub fn cut(&self, file: File, length: u64) {
        // The thread is gone only when the store is being closed.
        let _ = self.requests.send(Request::Cut(file, length));
    }

    /// Takes the segment that was asked for. After a failure the next call asks again.
    pub fn take(&mut self, number: u64) -> io::Result<Segment> {
        self.ask(number);
        self.asked = false;
        self.ready.recv().unwrap_or_else(|_| Err(io::Error::other("the thread that prepares segments is gone")))
    }
}

fn prepare(dir: &Path, number: u64, bytes: u64) -> io::Result<Segment> {
    let path = keys::segment_file(dir, number);
    // One that was made before the last stop is as good as new.
    if !path.exists() {
        create(dir, &path, bytes)?;
    }
    open(&path, number)
}

/// What is left over costs room, not correctness.
fn cut(file: &File, length: u64) {
    if let Err(error) = file.set_len(length) {
        tracing::warn!(%error, "could not cut a full log segment to its size");
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
