//! What the server remembers of its plugins across restarts: who is paused, which files were rolled back, and the
//! components that served last. The directory is the operator's; this is the server's own.
//!
//! **Invariant:** a component that is listed as kept is there as a file with that digest, or is embedded.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use utoipa::ToSchema;

use super::load::digest;
use super::reporter::lock;
use super::{LoadError, PluginsError, directory};
use crate::model::limits::{PLUGIN_FILE_BYTES_MAX, PLUGIN_GENERATIONS_KEPT, PLUGIN_REFUSED_REMEMBERED};

/// What is remembered of one plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Memory {
    /// Switched off until somebody resumes it.
    pub paused: bool,
    /// Digests that were rolled back: not taken again unless somebody asks for it.
    pub refused: Vec<String>,
    /// How many generations there were.
    pub generations: u64,
    /// The last ones that served, oldest first; the last of them serves or served last.
    pub kept: Vec<Kept>,
}

/// A generation that served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    pub generation: u64,
    pub version: String,
    pub digest: String,
    pub since_ms: u64,
}

impl Memory {
    /// Notes what was rolled back. Of many the last are enough: nobody drops the others in again.
    pub fn refuse(&mut self, digest: String) {
        self.refused.retain(|known| *known != digest);
        self.refused.push(digest);
        let gone = self.refused.len().saturating_sub(PLUGIN_REFUSED_REMEMBERED);
        self.refused.drain(..gone);
    }

    pub fn allow(&mut self, digest: &str) {
        self.refused.retain(|known| known != digest);
    }

    /// Notes what serves from now on. The same digest again is the same generation in another side-car.
    pub fn keep(&mut self, kept: Kept) {
        self.kept.retain(|known| known.digest != kept.digest);
        self.kept.push(kept);
        // What was rolled back goes first: nobody goes back to it.
        while self.kept.len() > PLUGIN_GENERATIONS_KEPT {
            let older = &self.kept[..self.kept.len() - 1];
            let useless = older.iter().position(|known| self.refused.contains(&known.digest));
            self.kept.remove(useless.unwrap_or(0));
        }
    }

    /// The one that served last and was not rolled back.
    pub fn last_good(&self) -> Option<&Kept> {
        self.kept.iter().rev().find(|kept| !self.refused.contains(&kept.digest))
    }

    /// What a rollback goes back to.
    pub fn before(&self, digest: &str) -> Option<&Kept> {
        let now = self.kept.iter().position(|kept| kept.digest == digest).unwrap_or(self.kept.len());
        self.kept[..now].iter().rev().find(|kept| !self.refused.contains(&kept.digest))
    }
}

pub(super) struct Archive {
    dir: PathBuf,
    written: Mutex<Written>,
    puts: AtomicU64,
}

#[derive(Default)]
struct Written {
    /// Of the change that was written last.
    number: u64,
    memories: BTreeMap<String, Memory>,
    /// Components that are about to serve: not listed yet, and not to be forgotten either. One may be there twice.
    coming: Vec<String>,
    /// Names that were not looked at since the start: the first plugin that is must not make the others forgotten.
    unseen: BTreeSet<String>,
}

/// Until it is dropped, a component's file stays although it is not listed yet.
#[must_use]
pub(super) struct Keeping<'a> {
    archive: &'a Archive,
    digest: String,
}

impl Drop for Keeping<'_> {
    fn drop(&mut self) {
        let mut written = lock(&self.archive.written);
        if let Some(index) = written.coming.iter().position(|digest| *digest == self.digest) {
            written.coming.swap_remove(index);
        }
    }
}

const FILE: &str = "plugins.json";

impl Archive {
    /// Opens the directory, made when it is missing. A file that cannot be read is an error: to forget who is paused is
    /// worse than to stop.
    pub fn open(dir: &Path) -> Result<Self, PluginsError> {
        let failed = |source| PluginsError::Directory { path: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(failed)?;
        let memories: BTreeMap<String, Memory> = match fs::read(dir.join(FILE)) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| {
                failed(io::Error::other(format!("{FILE} is not what this server wrote: {error}; move it away")))
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(failed(error)),
        };
        // What a crash left half written.
        for path in fs::read_dir(dir).map_err(failed)?.flatten().map(|file| file.path()) {
            if path.extension().is_some_and(|extension| extension == "new") {
                let _ = fs::remove_file(path);
            }
        }
        let unseen = memories.keys().cloned().collect();
        Ok(Self {
            dir: dir.to_owned(),
            written: Mutex::new(Written { memories, unseen, ..Written::default() }),
            puts: AtomicU64::new(0),
        })
    }

    /// What was remembered of a plugin.
    pub fn recall(&self, name: &str) -> Memory {
        lock(&self.written).memories.get(name).cloned().unwrap_or_default()
    }

    /// Writes down what is remembered after a change, and forgets components that nobody keeps. Changes are numbered, because
    /// several may come here at once, and the older one last.
    pub fn remember(&self, number: u64, mut memories: BTreeMap<String, Memory>) {
        let mut written = lock(&self.written);
        written.unseen.retain(|name| !memories.contains_key(name));
        if number < written.number {
            return;
        }
        for name in &written.unseen {
            memories.insert(name.clone(), written.memories.get(name).cloned().unwrap_or_default());
        }
        if written.memories == memories {
            written.number = number;
            return;
        }
        if let Err(error) = self.write(&memories) {
            tracing::error!(%error, dir = %self.dir.display(), "what plugins did could not be written down");
            return;
        }
        (written.number, written.memories) = (number, memories);
        let listed = written.memories.values().flat_map(|memory| &memory.kept).map(|kept| kept.digest.as_str());
        let kept: BTreeSet<&str> = listed.chain(written.coming.iter().map(String::as_str)).collect();
        let Ok(files) = fs::read_dir(&self.dir) else { return };
        for path in files.flatten().map(|file| file.path()) {
            let component = path.extension().is_some_and(|extension| extension == "wasm");
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            if component && !kept.contains(stem.as_str()) {
                let _ = fs::remove_file(path);
            }
        }
    }

    fn write(&self, memories: &BTreeMap<String, Memory>) -> io::Result<()> {
        self.put(FILE, &serde_json::to_vec_pretty(memories)?)
    }

    /// All that is there was looked at once: what is remembered of other names may be forgotten.
    pub fn all_seen(&self) {
        lock(&self.written).unseen.clear();
    }

    /// Keeps a component's bytes under its digest. Hold what comes back until the component is listed.
    pub fn keep(&self, digest: &str, bytes: &[u8]) -> Keeping<'_> {
        // Noted first: from here on nobody takes the file away, whether it is there or comes now.
        lock(&self.written).coming.push(digest.to_owned());
        let keeping = Keeping { archive: self, digest: digest.to_owned() };
        let file = format!("{digest}.wasm");
        if self.dir.join(&file).exists() {
            return keeping;
        }
        if let Err(error) = self.put(&file, bytes) {
            tracing::error!(%error, digest, "a component could not be kept; a restart cannot go back to it");
        }
        keeping
    }

    /// A kept component. What is damaged is not taken.
    pub fn fetch(&self, wanted: &str) -> Result<Vec<u8>, LoadError> {
        let path = self.dir.join(format!("{wanted}.wasm"));
        let bytes = directory::read(&path, PLUGIN_FILE_BYTES_MAX)?;
        match digest(&bytes) {
            found if found == wanted => Ok(bytes),
            found => Err(LoadError::Pin { found, pinned: wanted.to_owned() }),
        }
    }

    fn put(&self, file: &str, bytes: &[u8]) -> io::Result<()> {
        // A name of its own: two plugins may have the same component, and come at the same time.
        let beside = self.dir.join(format!("{file}.{}.new", self.puts.fetch_add(1, Ordering::Relaxed)));
        let mut out = File::create(&beside)?;
        out.write_all(bytes)?;
        out.sync_all()?;
        fs::rename(&beside, self.dir.join(file))?;
        File::open(&self.dir)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(generation: u64, digest: &str) -> Kept {
        Kept { generation, version: format!("{generation}.0.0"), digest: digest.into(), since_ms: 1 }
    }

    #[test]
    fn a_rollback_goes_to_the_last_one_that_was_not_refused() {
        let mut memory = Memory::default();
        ["a", "b", "c"].iter().zip(1..).for_each(|(digest, number)| memory.keep(kept(number, digest)));
        assert_eq!(memory.before("c").map(|kept| kept.digest.as_str()), Some("b"));
        memory.refuse("b".into());
        assert_eq!(memory.before("c").map(|kept| kept.digest.as_str()), Some("a"));
        assert_eq!(memory.before("a"), None);
        memory.refuse("c".into());
        assert_eq!(memory.last_good().map(|kept| kept.digest.as_str()), Some("a"));
        memory.keep(kept(4, "a"));
        assert_eq!(memory.kept.iter().map(|kept| kept.generation).collect::<Vec<_>>(), [2, 3, 4]);
    }

    #[test]
    fn a_refused_generation_makes_room_before_one_that_can_be_gone_back_to() {
        let mut memory = Memory::default();
        ["a", "b", "c"].iter().zip(1..).for_each(|(digest, number)| memory.keep(kept(number, digest)));
        memory.refuse("c".into());
        memory.keep(kept(2, "b"));
        memory.keep(kept(4, "d"));
        assert_eq!(memory.kept.iter().map(|kept| kept.digest.as_str()).collect::<Vec<_>>(), ["a", "b", "d"]);
    }

    #[test]
    fn a_component_that_is_about_to_serve_outlives_what_others_remember_meanwhile() {
        let dir = tempfile::tempdir().expect("a directory");
        let archive = Archive::open(dir.path()).expect("an archive");
        let (bytes, mut memory) = (b"a component", Memory::default());
        let (name, other) = (digest(bytes), Memory { generations: 1, ..Memory::default() });
        let keeping = archive.keep(&name, bytes);
        archive.remember(1, [("other".to_owned(), other.clone())].into());
        memory.keep(kept(1, &name));
        archive.remember(2, [("other".to_owned(), other.clone()), ("p".to_owned(), memory)].into());
        drop(keeping);
        assert_eq!(archive.fetch(&name).expect("the bytes"), bytes);
        archive.remember(3, [("other".to_owned(), other)].into());
        assert!(archive.fetch(&name).is_err(), "nobody keeps it any more");
    }

    #[test]
    fn at_the_start_what_was_not_looked_at_yet_is_remembered() {
        let dir = tempfile::tempdir().expect("a directory");
        let memory = || Memory { paused: true, ..Memory::default() };
        let both: BTreeMap<_, _> = [("p".to_owned(), memory()), ("q".to_owned(), memory())].into();
        Archive::open(dir.path()).expect("an archive").remember(1, both.clone());
        let archive = Archive::open(dir.path()).expect("an archive");
        let only = |name: &str| BTreeMap::from([(name.to_owned(), Memory::default())]);
        archive.remember(1, only("q"));
        assert_eq!((archive.recall("p"), archive.recall("q")), (memory(), Memory::default()));
        archive.all_seen();
        archive.remember(2, BTreeMap::new());
        assert_eq!(archive.recall("p"), Memory::default(), "its file went away while nobody looked");
    }

    #[test]
    fn what_is_older_does_not_take_the_place_of_what_is_newer() {
        let dir = tempfile::tempdir().expect("a directory");
        let archive = Archive::open(dir.path()).expect("an archive");
        let paused = Memory { paused: true, ..Memory::default() };
        archive.remember(2, [("p".to_owned(), paused.clone())].into());
        archive.remember(1, BTreeMap::new());
        assert_eq!(Archive::open(dir.path()).expect("an archive").recall("p"), paused);
    }

    #[test]
    fn what_is_remembered_survives_and_components_are_kept_as_long_as_they_are_listed() {
        let dir = tempfile::tempdir().expect("a directory");
        let bytes = b"a component";
        let name = digest(bytes);
        let mut memory = Memory { paused: true, ..Memory::default() };
        memory.keep(kept(1, &name));
        let archive = Archive::open(dir.path()).expect("an archive");
        drop(archive.keep(&name, bytes));
        archive.remember(1, [("p".to_owned(), memory.clone())].into());
        let half = dir.path().join(format!("{name}.wasm.0.new"));
        fs::write(&half, b"a comp").expect("a file");
        let archive = Archive::open(dir.path()).expect("an archive");
        assert!(!half.exists());
        assert_eq!((archive.recall("p"), archive.recall("q")), (memory, Memory::default()));
        assert_eq!(archive.fetch(&name).expect("the bytes"), bytes);
        fs::write(dir.path().join(format!("{name}.wasm")), b"damaged").expect("a file");
        assert!(matches!(archive.fetch(&name), Err(LoadError::Pin { .. })));
        archive.all_seen();
        archive.remember(1, BTreeMap::new());
        assert!(matches!(archive.fetch(&name), Err(LoadError::Io { .. })));
        fs::write(dir.path().join(FILE), "{").expect("a file");
        assert!(Archive::open(dir.path()).err().expect("refused").to_string().contains("move it away"));
    }
}
