//! Segment files: made and zeroed by a thread in the background, so that the writer never waits for it, and cut to size when
//! they are full. They hold the events for good.
//!
//! **Invariant:** a segment has its final name only when its bytes are on disk, and the directory is synced after it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::blocks::{BLOCK, Blocks};
use super::disk::{Disk, DiskFile, FileRef, How};
use super::keys;
use super::stretch::Files;
use super::threads;
use super::wal::Segment;

/// Zeros of one write.
const ZEROS_BYTES: usize = 64 * BLOCK;

/// What the thread is asked for.
enum Request {
    Prepare(u64),
    /// Nothing is written behind so many bytes of this file any more.
    Cut(FileRef, u64),
}

/// The writer's end: asks for the next segment early, takes it late.
pub struct Segments {
    requests: Sender<Request>,
    ready: Receiver<io::Result<Segment>>,
    asked: bool,
}

impl Segments {
    /// Starts the thread. It ends when this is dropped.
    pub fn start(disk: Arc<dyn Disk>, dir: PathBuf, bytes: u64) -> io::Result<(Self, JoinHandle<()>)> {
        let (requests, asked) = channel();
        let (answers, ready) = channel();
        let thread = threads::background("weir-segments", move || {
            for request in asked {
                match request {
                    Request::Prepare(number) => drop(answers.send(prepare(&*disk, &dir, number, bytes))),
                    Request::Cut(file, length) => cut(&*file, length),
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
    pub fn cut(&self, file: FileRef, length: u64) {
        // The thread is gone only when the store is being closed.
        let _ = self.requests.send(Request::Cut(file, length));
    }

    /// Takes the segment that was asked for. One that could not be made a while ago is tried again now.
    pub fn take(&mut self, number: u64) -> io::Result<Segment> {
        let early = self.asked;
        match self.await_ready(number) {
            Err(_) if early => self.await_ready(number),
            ready => ready,
        }
    }

    fn await_ready(&mut self, number: u64) -> io::Result<Segment> {
        self.ask(number);
        self.asked = false;
        self.ready.recv().unwrap_or_else(|_| Err(io::Error::other("the thread that prepares segments is gone")))
    }
}

fn prepare(disk: &dyn Disk, dir: &Path, number: u64, bytes: u64) -> io::Result<Segment> {
    let path = keys::segment_file(dir, number);
    match disk.exists(&path)? {
        // One that was made before the last stop is as good as new; its name is perhaps not durable.
        true => disk.sync_dir(dir)?,
        false => {
            expect_room(disk, dir, bytes)?;
            create(disk, dir, &path, bytes)?;
        }
    }
    open(disk, &path, number)
}

/// To begin a file that will not fit takes what others still find, until it is given back.
fn expect_room(disk: &dyn Disk, dir: &Path, bytes: u64) -> io::Result<()> {
    match disk.free_bytes(dir) {
        Ok(free) if free < bytes => {
            let detail = format!("a segment of {bytes} bytes is not begun with {free} free");
            Err(io::Error::new(io::ErrorKind::StorageFull, detail))
        }
        _ => Ok(()),
    }
}

/// Takes away what nothing is written in. What is left over costs room, not correctness.
pub fn cut(file: &dyn DiskFile, length: u64) {
    if let Err(error) = file.set_len(length) {
        tracing::warn!(%error, "could not cut a log segment to its size");
    }
}

pub fn open(disk: &dyn Disk, path: &Path, number: u64) -> io::Result<Segment> {
    let file = disk.open(path, How::WriteBlocks)?;
    let bytes = file.size()?;
    Ok(Segment { number, file, bytes })
}

/// Makes a zeroed file under another name first.
pub fn create(disk: &dyn Disk, dir: &Path, path: &Path, bytes: u64) -> io::Result<()> {
    let aside = keys::new_file(&dir.join("prepared"));
    drop(disk.open(&aside, How::Empty)?);
    let file = disk.open(&aside, How::WriteBlocks)?;
    let zero = || -> io::Result<()> {
        file.allocate(bytes)?;
        let mut zeros = Blocks::new(ZEROS_BYTES);
        zeros.fill(&vec![0; ZEROS_BYTES]);
        let (zeros, mut at) = (zeros.padded(), 0);
        while at < bytes {
            let piece = zeros.len().min((bytes - at) as usize);
            file.write_blocks_at(&zeros[..piece], at)?;
            at += piece as u64;
        }
        file.sync_all()
    };
    // What came of it would else keep the room that others may still find on a full disk.
    zero().inspect_err(|_| cut(&*file, 0))?;
    disk.rename(&aside, path)?;
    disk.sync_dir(dir)
}

/// The segments that are there, each with the newest generation of its file.
pub fn generations(disk: &dyn Disk, dir: &Path) -> io::Result<BTreeMap<u64, u64>> {
    // In order, so that the newest one is the last.
    let found: BTreeSet<_> = disk.list(dir)?.iter().filter_map(|path| keys::segment_number(path)).collect();
    Ok(found.into_iter().collect())
}

/// Removes the files of segments that have another one: what a stop left behind.
pub fn tidy(files: &Files) -> io::Result<()> {
    for path in files.disk.list(&files.dir)? {
        if keys::segment_number(&path).is_some_and(|(number, generation)| generation != files.generation(number)) {
            tracing::info!(path = %path.display(), "removed a file of deleted events");
            files.disk.remove(&path)?;
        }
    }
    Ok(())
}
