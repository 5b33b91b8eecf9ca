//! The plugin directory as it is now: which components and side-cars it has, and by which stamps to know that one changed.
//!
//! It reads names and metadata only. **Invariant:** editors' temporary files, dot files and half-done downloads are never
//! taken for plugins, and a directory that cannot be read is not an empty one.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::LoadError;

/// Changes whenever a file does. Symbolic links are followed, as Kubernetes makes its mounted files of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub bytes: u64,
    modified: (i64, i64),
    /// Cannot be set by `cp -p` or `touch`, unlike the time before.
    changed: (i64, i64),
    inode: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let meta = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some(Self {
            bytes: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
            inode: meta.ino(),
        })
    }

    /// Whether nothing wrote to the file for so long, as its times tell.
    pub fn is_older_than(&self, age: Duration) -> bool {
        let Ok(now) = SystemTime::now().duration_since(UNIX_EPOCH) else { return false };
        let newest = self.modified.max(self.changed);
        let (Ok(seconds), Ok(nanos)) = (u64::try_from(newest.0), u32::try_from(newest.1)) else { return false };
        now.checked_sub(Duration::new(seconds, nanos)).is_some_and(|passed| passed > age)
    }
}

/// The files of one plugin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Files {
    pub component: Option<Stamp>,
    pub sidecar: Option<Stamp>,
    pub signature: Option<Stamp>,
    pub config: Option<Stamp>,
}

impl Files {
    pub fn is_older_than(&self, age: Duration) -> bool {
        [self.component, self.sidecar, self.signature, self.config]
            .iter()
            .flatten()
            .all(|stamp| stamp.is_older_than(age))
    }
}

/// Every plugin of the directory, by the stem of its files.
pub(super) fn scan(dir: &Path) -> io::Result<BTreeMap<String, Files>> {
    let mut found: BTreeMap<String, Files> = BTreeMap::new();
    for file in fs::read_dir(dir)? {
        let path = file?.path();
        let (Some(stem), Some(extension)) = (path.file_stem(), path.extension()) else { continue };
        let stem = stem.to_string_lossy();
        if stem.starts_with(['.', '#', '~']) {
            continue;
        }
        // Only these endings count: `x.wasm~`, `x.wasm.swp`, `x.wasm.tmp` and `x.wasm.part` end otherwise.
        let (stem, file): (&str, fn(&mut Files) -> &mut Option<Stamp>) = match extension.to_str() {
            Some("wasm") => (&stem, |files| &mut files.component),
            Some("toml") => (&stem, |files| &mut files.sidecar),
            Some("sig") => match stem.strip_suffix(".wasm") {
                Some(stem) => (stem, |files| &mut files.signature),
                None => continue,
            },
            Some("json") => match stem.strip_suffix(".config") {
                Some(stem) => (stem, |files| &mut files.config),
                None => continue,
            },
            _ => continue,
        };
        let Some(stamp) = Stamp::of(&path) else { continue };
        *file(found.entry(stem.to_owned()).or_default()) = Some(stamp);
    }
    // A signature or a config alone is no plugin: it may be there before its component.
    found.retain(|_, files| files.component.is_some() || files.sidecar.is_some());
    Ok(found)
}

/// Which directory it is: another inode means that it was made anew, and that a watch on the old one sees nothing.
pub(super) fn identity(dir: &Path) -> Option<(u64, u64)> {
    fs::metadata(dir).ok().map(|meta| (meta.dev(), meta.ino()))
}

pub(super) fn component_path(dir: &Path, stem: &str) -> PathBuf {
    dir.join(format!("{stem}.wasm"))
}

pub(super) fn sidecar_path(dir: &Path, stem: &str) -> PathBuf {
    dir.join(format!("{stem}.toml"))
}

pub(super) fn signature_path(dir: &Path, stem: &str) -> PathBuf {
    dir.join(format!("{stem}.wasm.sig"))
}

pub(super) fn config_path(dir: &Path, stem: &str) -> PathBuf {
    dir.join(format!("{stem}.config.json"))
}

/// Reads a whole file, but never more than `bytes_max`.
pub(super) fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, LoadError> {
    let read = || {
        let mut bytes = Vec::new();
        fs::File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let failed = |error: io::Error| LoadError::Io { path: path.display().to_string(), error: error.to_string() };
    let bytes = read().map_err(failed)?;
    if bytes.len() as u64 > bytes_max {
        let bytes = fs::metadata(path).map_or(bytes.len() as u64, |meta| meta.len());
        return Err(LoadError::TooLarge { bytes, max: bytes_max });
    }
    Ok(bytes)
}
