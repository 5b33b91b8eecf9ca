//! A store's directory: its lock, its format number, and the salt of its checksums.

use std::fs::TryLockError;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::disk::{Disk, FileRef, How, read_from};
use super::group::Salt;
use super::keys;
use super::pace::Pace;
use crate::model::limits::REDB_ROOM_BYTES;
use crate::storage::StorageError;

/// A directory that no other process has open. Dropping it lets go of the lock.
pub struct Directory {
    pub path: PathBuf,
    pub disk: Arc<dyn Disk>,
    pub salt: Salt,
    pub starved: Starved,
    pub pace: Pace,
    _lock: FileRef,
}

impl Directory {
    /// Creates the directory if it is missing, locks it, and checks or writes its format number.
    pub fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, StorageError> {
        create_dirs(&*disk, &keys::log_dir(path)).map_err(io_error("cannot create", path))?;
        let lock = lock(&*disk, path)?;
        let file = keys::format_file(path);
        let salt = match disk.open(&file, How::Read).and_then(|file| read_from(&*file, 0)) {
            Ok(bytes) => parse_format(path, &String::from_utf8_lossy(&bytes))?,
            Err(error) if error.kind() == ErrorKind::NotFound => create_format(&*disk, path)?,
            Err(error) => return Err(io_error("cannot read", &file)(error)),
        };
        // Whoever made the names that are here may have been stopped before they were durable.
        let names = disk.sync_dir(path).and_then(|()| disk.sync_dir(&keys::log_dir(path)));
        names.map_err(io_error("cannot sync", path))?;
        Ok(Self { path: path.to_owned(), disk, salt, starved: Starved::default(), pace: Pace::default(), _lock: lock })
    }

    /// Why redb must not be asked to write so many bytes now. It can't go on after a write that failed, so one that may fail
    /// for want of room is better not begun.
    pub fn lacks_room(&self, bytes: usize) -> Option<String> {
        lacks_room(&*self.disk, &self.path, bytes)
    }

    /// Whether a write failed for want of room, so that something stopped here, and there is room by now.
    pub fn heals(&self, bytes: usize) -> bool {
        self.starved.is() && self.lacks_room(bytes).is_none()
    }
}

/// Why so many bytes had better not be written to where a directory lies.
pub fn lacks_room(disk: &dyn Disk, dir: &Path, bytes: usize) -> Option<String> {
    let (free, needed) = (disk.free_bytes(dir).ok()?, bytes as u64 + REDB_ROOM_BYTES);
    (free < needed).then(|| format!("{needed} bytes must be free to write {bytes}, {free} are"))
}

/// Notes whether a write failed for want of room, though there seemed to be enough. What wrote there is of no use until the
/// store is opened again; for any other failure that would say nothing of what the disk holds.
#[derive(Debug, Clone, Default)]
pub struct Starved(Arc<AtomicBool>);

impl Starved {
    pub fn note<T>(&self, done: io::Result<T>) -> io::Result<T> {
        done.inspect_err(|error| {
            if error.kind() == ErrorKind::StorageFull {
                self.0.store(true, Ordering::Release);
            }
        })
    }

    fn is(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Makes a directory, and those that it lies in, durably.
fn create_dirs(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    if disk.exists(dir)? {
        return Ok(());
    }
    create_dirs(disk, parent(dir))?;
    match disk.create_dir(dir) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => disk.sync_dir(parent(dir)),
    }
}

fn parent(dir: &Path) -> &Path {
    dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn lock(disk: &dyn Disk, dir: &Path) -> Result<FileRef, StorageError> {
    let path = keys::lock_file(dir);
    disk.lock(&path).map_err(|error| match error {
        TryLockError::WouldBlock => StorageError::Locked { path: dir.display().to_string() },
        TryLockError::Error(error) => io_error("cannot lock", &path)(error),
    })
}

/// `weir-redb <format> <salt>` on one line.
fn parse_format(dir: &Path, text: &str) -> Result<Salt, StorageError> {
    let path = keys::format_file(dir).display().to_string();
    let corrupt = || StorageError::Corrupt { place: path.clone(), detail: format!("not a format line: {text:.60?}") };
    let mut words = text.strip_prefix("weir-redb ").ok_or_else(corrupt)?.split_whitespace();
    let found = words.next().and_then(|word| word.parse().ok()).ok_or_else(corrupt)?;
    if found != keys::FORMAT {
        return Err(StorageError::Format { path, found, known: keys::FORMAT });
    }
    words.next().and_then(|word| u32::from_str_radix(word, 16).ok()).ok_or_else(corrupt)
}

/// Written aside and renamed, so that it is there whole or not at all. A store that has data but no number is no new one.
fn create_format(disk: &dyn Disk, dir: &Path) -> Result<Salt, StorageError> {
    let path = keys::format_file(dir);
    if holds_events(disk, dir).map_err(io_error("cannot look into", dir))? {
        let detail = "the file is missing, but the directory holds events".into();
        return Err(StorageError::Corrupt { place: path.display().to_string(), detail });
    }
    // The directory may have been made by somebody who was stopped before its name was durable.
    match disk.sync_dir(parent(dir)) {
        Err(error) if error.kind() != ErrorKind::PermissionDenied => {
            return Err(io_error("cannot sync", parent(dir))(error));
        }
        _ => {}
    }
    // The standard library seeds its hashers from the operating system, which is all the randomness a salt needs.
    let salt = RandomState::new().build_hasher().finish() as u32;
    let aside = keys::new_file(&path);
    let write = || -> io::Result<()> {
        let file = disk.open(&aside, How::Empty)?;
        file.write_all_at(format!("weir-redb {} {salt:08x}\n", keys::FORMAT).as_bytes(), 0)?;
        file.sync_all()?;
        disk.rename(&aside, &path)?;
        disk.sync_dir(dir)
    };
    write().map_err(io_error("cannot write", &path))?;
    Ok(salt)
}

fn holds_events(disk: &dyn Disk, dir: &Path) -> io::Result<bool> {
    Ok(disk.exists(&keys::index_file(dir))? || !disk.list(&keys::log_dir(dir))?.is_empty())
}

/// Names the file in an I/O error.
pub fn io_error(what: &'static str, path: &Path) -> impl Fn(std::io::Error) -> StorageError {
    let what = format!("{what} {}", path.display());
    move |error| StorageError::Io { what: what.clone(), detail: error.to_string() }
}

/// Says what redb's error means for the file it came from.
pub fn redb_error(path: &Path, error: impl Into<redb::Error>) -> StorageError {
    let place = path.display().to_string();
    match error.into() {
        redb::Error::DatabaseAlreadyOpen => StorageError::Locked { path: place },
        redb::Error::Corrupted(detail) => StorageError::Corrupt { place, detail },
        redb::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            StorageError::Corrupt { place, detail: error.to_string() }
        }
        other => StorageError::Io { what: place, detail: other.to_string() },
    }
}
