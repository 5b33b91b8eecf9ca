//! A redb database in a file of this adapter's disk.
//!
//! **Invariant:** a file that has a database's name is a whole one, and its name is durable: it is made under another name
//! first, because redb takes no file that it had not yet finished when it was stopped.
//! redb's own locks on the file are not used: the store's directory is locked.

use redb::{Builder, Database, StorageBackend, WriteTransaction};
use std::io;
use std::path::Path;

use super::directory::{Directory, Starved, io_error, redb_error};
use super::disk::{Disk, FileRef, How};
use super::keys;
use super::pace::Pace;
use crate::storage::StorageError;

/// Opens a database, whole or repaired, or makes one with its tables.
pub fn open(
    directory: &Directory,
    path: &Path,
    cache_bytes: usize,
    create_tables: fn(&WriteTransaction) -> Result<(), redb::Error>,
) -> Result<Database, StorageError> {
    let disk = &*directory.disk;
    if !disk.exists(path).map_err(io_error("cannot look for", path))? {
        create(disk, path, cache_bytes, create_tables)?;
        disk.sync_dir(&directory.path).map_err(io_error("cannot sync", &directory.path))?;
    }
    let file = disk.open(path, How::Write).map_err(io_error("cannot open", path))?;
    let (starved, pace) = (directory.starved.clone(), directory.pace.clone());
    database(Backend { file, starved, pace }, cache_bytes).map_err(|error| redb_error(path, error))
}

fn create(
    disk: &dyn Disk,
    path: &Path,
    cache_bytes: usize,
    create_tables: fn(&WriteTransaction) -> Result<(), redb::Error>,
) -> Result<(), StorageError> {
    let aside = keys::new_file(path);
    let failed = io_error("cannot create", path);
    let file = disk.open(&aside, How::Empty).map_err(&failed)?;
    let fill = || -> Result<(), redb::Error> {
        let mut txn =
            database(Backend { file: file.clone(), starved: Starved::default(), pace: Pace::default() }, cache_bytes)?
                .begin_write()?;
        txn.set_quick_repair(true);
        create_tables(&txn)?;
        Ok(txn.commit()?)
    };
    fill().map_err(|error| redb_error(&aside, error))?;
    file.sync_all().and_then(|()| disk.rename(&aside, path)).map_err(failed)
}

fn database(backend: Backend, cache_bytes: usize) -> Result<Database, redb::DatabaseError> {
    Builder::new().set_cache_size(cache_bytes).create_with_backend(backend)
}

#[derive(Debug)]
struct Backend {
    file: FileRef,
    starved: Starved,
    pace: Pace,
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.pace.note(|| self.file.read_exact_at(out, offset))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.starved.note(self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.starved.note(self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.starved.note(self.file.write_all_at(data, offset))
    }
}
