//! A redb database in a file of this adapter's disk.
//!
//! redb's own locks on the file are not used: the store's directory is locked.

use redb::{Builder, Database, StorageBackend};
use std::io;
use std::path::Path;

use super::directory::{Directory, io_error, redb_error};
use super::disk::{FileRef, How};
use crate::storage::StorageError;

/// Opens a database, whole or repaired, or makes an empty one.
pub fn open(directory: &Directory, path: &Path, cache_bytes: usize) -> Result<Database, StorageError> {
    let file = directory.disk.open(path, How::Create).map_err(io_error("cannot open", path))?;
    let opened = Builder::new().set_cache_size(cache_bytes).create_with_backend(Backend { file });
    opened.map_err(|error| redb_error(path, error))
}

#[derive(Debug)]
struct Backend {
    file: FileRef,
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }
}
