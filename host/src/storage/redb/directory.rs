//! A store's directory: its lock, its format number, and the salt of its checksums.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::group::Salt;
use super::keys;
use crate::storage::StorageError;

/// A directory that no other process has open. Dropping it lets go of the lock.
pub struct Directory {
    pub path: PathBuf,
    pub salt: Salt,
    _lock: File,
}

impl Directory {
    /// Creates the directory if it is missing, locks it, and checks or writes its format number.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        fs::create_dir_all(keys::log_dir(path)).map_err(io_error("cannot create", path))?;
        let lock = lock(path)?;
        let salt = match fs::read_to_string(keys::format_file(path)) {
            Ok(text) => parse_format(path, &text)?,
            Err(error) if error.kind() == ErrorKind::NotFound => create_format(path)?,
            Err(error) => return Err(io_error("cannot read", &keys::format_file(path))(error)),
        };
        Ok(Self { path: path.to_owned(), salt, _lock: lock })
    }
}

fn lock(dir: &Path) -> Result<File, StorageError> {
    let path = keys::lock_file(dir);
    let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = open.map_err(io_error("cannot open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StorageError::Locked { path: dir.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(io_error("cannot lock", &path)(error)),
    }
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
fn create_format(dir: &Path) -> Result<Salt, StorageError> {
    let path = keys::format_file(dir);
    if keys::index_file(dir).exists() || fs::read_dir(keys::log_dir(dir)).is_ok_and(|mut files| files.next().is_some())
    {
        let detail = "the file is missing, but the directory holds events".into();
        return Err(StorageError::Corrupt { place: path.display().to_string(), detail });
    }
    // The standard library seeds its hashers from the operating system, which is all the randomness a salt needs.
    let salt = RandomState::new().build_hasher().finish() as u32;
    let aside = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&aside)?;
        file.write_all(format!("weir-redb {} {salt:08x}\n", keys::FORMAT).as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, &path)?;
        sync_dir(dir)
    };
    write().map_err(io_error("cannot write", &path))?;
    Ok(salt)
}

/// Makes created and renamed names in a directory durable.
pub fn sync_dir(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
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
