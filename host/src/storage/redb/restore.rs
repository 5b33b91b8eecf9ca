//! A store made from a backup: the log's files are written from its events, and the index is made when the store is opened.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::config::RedbConfig;
use super::directory::{Directory, io_error};
use super::disk::{Disk, OsDisk};
use super::group;
use super::keys;
use crate::model::Position;
use crate::model::limits::SEGMENT_BYTES;
use crate::storage::archive::{self, ArchiveError, End, Frame};
use crate::storage::codec::claims;
use crate::storage::gap;
use crate::storage::{Change, Clock, Progress, ProgressSink, RecordsError, StorageError};

/// Records that are committed together.
const RECORDS_AT_ONCE: usize = 1_000;

#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("the backup cannot be used: {0}")]
    Archive(#[from] ArchiveError),
    #[error("{0} exists already; move it away, or restore into another data directory")]
    Exists(String),
    #[error("the backup says that it has {said} events, but {found} came")]
    Missing { said: Position, found: Position },
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Records(#[from] RecordsError),
}

/// Makes the store `dir` from a backup. It is made under another name first, so that it is there whole or not at all.
pub async fn restore(dir: &Path, from: impl Read, progress: &ProgressSink) -> Result<End, RestoreError> {
    if dir.exists() {
        return Err(RestoreError::Exists(dir.display().to_string()));
    }
    let aside = dir.with_extension("restoring");
    if aside.exists() {
        fs::remove_dir_all(&aside).map_err(io_error("cannot remove what is left of an earlier restore,", &aside))?;
    }
    let end = fill(&aside, archive::Reader::new(from)?, progress).await?;
    let rename = || -> std::io::Result<()> {
        fs::rename(&aside, dir)?;
        OsDisk.sync_dir(dir.parent().unwrap_or(Path::new(".")))
    };
    rename().map_err(io_error("cannot rename", &aside))?;
    Ok(end)
}

async fn fill(
    dir: &Path,
    mut archive: archive::Reader<impl Read>,
    progress: &ProgressSink,
) -> Result<End, RestoreError> {
    let mut segments = Segments::create(dir)?;
    let mut records = vec![];
    let end = loop {
        match archive.frame()? {
            Some(Frame::Record { key, value }) => records.push(Change::put(key, value)),
            Some(Frame::Events(stored)) => {
                segments.write(&stored).map_err(|detail| match detail {
                    Failed::Archive(detail) => ArchiveError::Damaged { at: archive.at(), detail }.into(),
                    Failed::Disk(error) => RestoreError::Storage(error),
                })?;
                progress(Progress { position: segments.last, head: segments.last });
            }
            Some(Frame::End(end)) => break end,
            None => return Err(ArchiveError::Cut { at: archive.at() }.into()),
        }
    };
    if segments.last != end.head {
        return Err(RestoreError::Missing { said: end.head, found: segments.last });
    }
    segments.finish()?;
    // The store is only read back here, so nobody asks its clock.
    let clock: Clock = std::sync::Arc::new(|| 0);
    let store = super::open(RedbConfig { dir: dir.to_owned(), ..RedbConfig::default() }, clock)?;
    for some in records.chunks(RECORDS_AT_ONCE) {
        store.records.commit(some.to_vec()).await?;
    }
    let head = *store.log.head().borrow();
    store.log.close().await;
    store.records.close().await;
    if head != end.head {
        return Err(RestoreError::Missing { said: end.head, found: head });
    }
    Ok(end)
}

enum Failed {
    Archive(&'static str),
    Disk(StorageError),
}

/// The log's files as they are written.
struct Segments {
    directory: Directory,
    dir: PathBuf,
    file: File,
    number: u64,
    offset: u64,
    group: u64,
    last: Position,
}

impl Segments {
    fn create(dir: &Path) -> Result<Self, StorageError> {
        let directory = Directory::open(std::sync::Arc::new(OsDisk), dir)?;
        let (dir, number) = (keys::log_dir(dir), 1);
        let file = segment(&dir, number)?;
        Ok(Self { directory, dir, file, number, offset: 0, group: 0, last: 0 })
    }

    /// Writes stored events as one group.
    fn write(&mut self, stored: &[u8]) -> Result<(), Failed> {
        let first = self.last + 1;
        let mut at = 0;
        while at < stored.len() {
            let (length, _) = claims(&stored[at..]).ok_or(Failed::Archive("an event that is cut off"))?;
            let entry = stored.get(at..at + length).filter(|_| length > 0);
            let entry = entry.ok_or(Failed::Archive("an event that is longer than its frame"))?;
            let positions = gap::positions(entry);
            if *positions.start() != self.last + 1 {
                return Err(Failed::Archive("an event that does not go on from the one before"));
            }
            (at, self.last) = (at + length, *positions.end());
        }
        if self.last < first {
            return Ok(());
        }
        let mut record = group::begin(stored.len());
        record.extend_from_slice(stored);
        self.group += 1;
        let positions = (self.last - first + 1) as usize;
        group::seal(&mut record, self.group, first, positions, self.directory.salt);
        self.put(&record).map_err(Failed::Disk)
    }

    fn put(&mut self, record: &[u8]) -> Result<(), StorageError> {
        if self.offset > 0 && self.offset + record.len() as u64 > SEGMENT_BYTES {
            self.sync()?;
            self.number += 1;
            (self.file, self.offset) = (segment(&self.dir, self.number)?, 0);
        }
        let written = self.file.write_all_at(record, self.offset);
        written.map_err(io_error("cannot write", &keys::segment_file(&self.dir, self.number)))?;
        self.offset += record.len() as u64;
        Ok(())
    }

    fn sync(&self) -> Result<(), StorageError> {
        self.file.sync_all().map_err(io_error("cannot sync", &keys::segment_file(&self.dir, self.number)))
    }

    fn finish(self) -> Result<(), StorageError> {
        self.sync()?;
        OsDisk.sync_dir(&self.dir).map_err(io_error("cannot sync", &self.dir))
    }
}

fn segment(dir: &Path, number: u64) -> Result<File, StorageError> {
    let path = keys::segment_file(dir, number);
    File::options().read(true).write(true).create_new(true).open(&path).map_err(io_error("cannot create", &path))
}
