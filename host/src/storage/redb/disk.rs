//! The file system, as far as this adapter needs one. `OsDisk` is the real one; tests put another under the store, which
//! fails, tears and forgets on demand (`tests/sim`).
//!
//! **Invariant:** every call here is one of the operating system's, so that whatever can go wrong between two of them can be
//! tried. What is durable when is the callers' business: a file's bytes after `sync_data`, a name after `sync_dir`.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a file is opened. All but `Read` may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Read,
    Write,
    /// The same, and whole blocks go past the system's cache where the file system lets them.
    WriteBlocks,
    /// Made if it is missing, and emptied.
    Empty,
}

/// An open file. Reads and writes say where, so handles can be shared.
pub trait DiskFile: Debug + Send + Sync {
    fn size(&self) -> io::Result<u64>;
    fn read_exact_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()>;
    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Writes whole blocks, in memory and in the file where blocks start (see `Blocks`).
    fn write_blocks_at(&self, blocks: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(blocks, at)
    }
    /// Makes the file so long and gives it its room, so that a full disk is met here and not halfway through a record.
    fn allocate(&self, bytes: u64) -> io::Result<()>;
    fn set_len(&self, bytes: u64) -> io::Result<()>;
    fn sync_data(&self) -> io::Result<()>;
    fn sync_all(&self) -> io::Result<()>;
}

pub type FileRef = Arc<dyn DiskFile>;

pub trait Disk: Send + Sync + 'static {
    fn open(&self, path: &Path, how: How) -> io::Result<FileRef>;
    /// Makes the file if it is missing, and locks it against other processes until it is dropped.
    fn lock(&self, path: &Path) -> Result<FileRef, TryLockError>;
    fn exists(&self, path: &Path) -> io::Result<bool>;
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// The paths of what is in a directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// What anybody may still write where this directory lies.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;
}

/// All bytes of a file from an offset on.
pub fn read_from(file: &dyn DiskFile, at: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(file.size()?.saturating_sub(at)).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

/// The operating system's.
pub struct OsDisk;

#[derive(Debug)]
struct OsFile {
    file: File,
    /// The same file, for writes past the system's cache.
    direct: Option<File>,
}

impl DiskFile for OsFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_exact_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, at)
    }

    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, at)
    }

    fn write_blocks_at(&self, blocks: &[u8], at: u64) -> io::Result<()> {
        let Some(direct) = &self.direct else { return self.file.write_all_at(blocks, at) };
        match direct.write_all_at(blocks, at) {
            // Some devices have larger blocks.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.file.write_all_at(blocks, at),
            done => done,
        }
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
            // Not every file system can; there a full disk is met by whoever writes.
            Err(rustix::io::Errno::OPNOTSUPP) => self.file.set_len(bytes),
            done => Ok(done?),
        }
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

impl Disk for OsDisk {
    fn open(&self, path: &Path, how: How) -> io::Result<FileRef> {
        let mut options = OpenOptions::new();
        options.read(true).write(how != How::Read);
        options.create(how == How::Empty).truncate(how == How::Empty);
        let file = options.open(path)?;
        let direct = match how {
            How::WriteBlocks => options.custom_flags(rustix::fs::OFlags::DIRECT.bits() as i32).open(path).ok(),
            How::Read | How::Write | How::Empty => None,
        };
        Ok(Arc::new(OsFile { file, direct }))
    }

    fn lock(&self, path: &Path) -> Result<FileRef, TryLockError> {
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let file = open.map_err(TryLockError::Error)?;
        file.try_lock()?;
        Ok(Arc::new(OsFile { file, direct: None }))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let found = rustix::fs::statvfs(dir)?;
        Ok(found.f_bavail * found.f_frsize)
    }
}
