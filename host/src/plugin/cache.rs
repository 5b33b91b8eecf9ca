//! Compiled components on disk, so that a restart does not compile. Not a cache of plugin files: those are read each time.
//!
//! An entry is found by the SHA-256 of the component and by everything of the engine that shapes the code (version, target,
//! settings). **Invariant:** only bytes that this server wrote are ever loaded: each entry carries a MAC over its name and
//! its content, made with a key that only this server's user can read. Whatever does not verify is compiled anew.
#![allow(unsafe_code)] // One call, in `load`; its argument stands there.

use hmac::{Hmac, KeyInit, Mac};
use rand::Rng;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions, Permissions};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::guest::one_line;
use super::{LoadError, PluginsError};
use crate::model::hex;
use crate::model::limits::COMPILED_ENTRIES_MAX;

const MAC_BYTES: usize = 32;
const KEY_BYTES: usize = 32;
const SUFFIX: &str = ".compiled";

pub(super) struct Cache {
    dir: PathBuf,
    key: [u8; KEY_BYTES],
}

impl Cache {
    /// Opens the directory, which becomes private to this user, and its key, which is made on first use.
    pub fn open(dir: &Path) -> Result<Self, PluginsError> {
        let open = || {
            fs::create_dir_all(dir)?;
            fs::set_permissions(dir, Permissions::from_mode(0o700))?;
            Ok(Self { dir: dir.to_owned(), key: key(&dir.join("key"))? })
        };
        open().map_err(|source| PluginsError::Directory { path: dir.to_owned(), source })
    }

    /// The compiled form of a component, and whether it was on disk already. Slow: only for the workshop.
    pub fn compiled(&self, engine: &Engine, component: &[u8]) -> Result<(Component, bool), LoadError> {
        let name = entry_name(engine, component);
        if let Some(ready) = self.load(engine, &name) {
            return Ok((ready, true));
        }
        let code = engine.precompile_component(component).map_err(|error| LoadError::Compile(one_line(&error)))?;
        let entry = [self.mac(&name, &code).finalize().into_bytes().as_slice(), &code].concat();
        let ready = self.restore(engine, &name, &entry);
        // Without a place on disk the plugin runs all the same; only the next start is slow.
        if let Err(error) = self.store(&name, &entry) {
            tracing::warn!(%error, dir = %self.dir.display(), "a compiled plugin could not be kept");
        }
        let ready = ready.ok_or_else(|| LoadError::Compile("the engine does not take what it compiled".into()))?;
        Ok((ready, false))
    }

    fn load(&self, engine: &Engine, name: &str) -> Option<Component> {
        let path = self.dir.join(name);
        let entry = fs::read(&path).ok()?;
        let ready = self.restore(engine, name, &entry);
        match &ready {
            // The time of the last use decides what is pruned.
            Some(_) => drop(File::open(&path).and_then(|file| file.set_modified(SystemTime::now()))),
            None => tracing::warn!(path = %path.display(), "a compiled plugin is broken or foreign, and is made anew"),
        }
        ready
    }

    /// Makes a component of an entry, if the entry is this server's own.
    fn restore(&self, engine: &Engine, name: &str, entry: &[u8]) -> Option<Component> {
        let (mac, code) = entry.split_at_checked(MAC_BYTES)?;
        self.mac(name, code).verify_slice(mac).ok()?;
        // SAFETY: `deserialize` runs whatever machine code the bytes hold, so they must come unchanged from
        // `precompile_component` of a wasmtime that is compatible with `engine`.
        // - Unchanged: the MAC just verified covers every byte of `code`, and these very bytes in memory are what is loaded,
        //   not the file again. The key was made here from the system's random numbers and stands in a file of mode 0600 in
        //   a directory of mode 0700; who can read it runs as this user and needs no trick to run code as this user.
        // - Compatible: the MAC also covers `name`, which is a hash of the component and of the engine's compatibility hash;
        //   and `deserialize` itself compares the version, target and settings in the header before it uses the rest.
        unsafe { Component::deserialize(engine, code) }.ok()
    }

    fn mac(&self, name: &str, code: &[u8]) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&self.padded_key().into());
        mac.update(name.as_bytes());
        mac.update(code);
        mac
    }

    /// HMAC's key is one block of its hash; a shorter one is filled up with zeros by definition.
    fn padded_key(&self) -> [u8; 64] {
        let mut block = [0; 64];
        block[..KEY_BYTES].copy_from_slice(&self.key);
        block
    }

    fn store(&self, name: &str, entry: &[u8]) -> io::Result<()> {
        let temporary = self.dir.join(format!(".{name}.{:016x}", rand::rng().next_u64()));
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            file.write_all(entry)?;
            fs::rename(&temporary, self.dir.join(name))
        };
        let written = write();
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        self.prune();
        written
    }

    /// Removes what was used longest ago, beyond the number that is kept, and what an interrupted write left.
    fn prune(&self) {
        let Ok(files) = fs::read_dir(&self.dir) else { return };
        let mut entries = Vec::new();
        for file in files.flatten() {
            let name = file.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(SUFFIX) {
                let used = file.metadata().and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
                entries.push((used, file.path()));
            } else if name.starts_with('.') && old(&file.path()) {
                let _ = fs::remove_file(file.path());
            }
        }
        entries.sort();
        let surplus = entries.len().saturating_sub(COMPILED_ENTRIES_MAX);
        for (_, path) in entries.into_iter().take(surplus) {
            let _ = fs::remove_file(path);
        }
    }
}

/// An interrupted write's file: another server may be writing a younger one this moment.
fn old(path: &Path) -> bool {
    let age = fs::metadata(path).and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
    age.is_some_and(|age| age.as_secs() > 600)
}

/// Reads the key, or makes it. A file of another length is nobody's key. Servers may share the directory and start at the
/// same moment: the key is written beside its place and linked to it, so that one of them wins and all read a whole key.
fn key(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    if let Some(key) = read_key(path)? {
        return Ok(key);
    }
    if fs::metadata(path).is_ok_and(|meta| meta.len() != KEY_BYTES as u64) {
        fs::remove_file(path)?;
    }
    let mut key = [0; KEY_BYTES];
    rand::rng().fill_bytes(&mut key);
    let temporary = path.with_extension(format!("{:016x}", rand::rng().next_u64()));
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?.write_all(&key)?;
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => read_key(path)?.ok_or_else(|| io::Error::other("the key of the compiled plugins cannot be read back")),
    }
}

fn read_key(path: &Path) -> io::Result<Option<[u8; KEY_BYTES]>> {
    let key = match fs::read(path) {
        Ok(bytes) => <[u8; KEY_BYTES]>::try_from(bytes).ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if key.is_some() {
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
    }
    Ok(key)
}

fn entry_name(engine: &Engine, component: &[u8]) -> String {
    let mut hasher = ShaHasher(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.update(Sha256::digest(component));
    format!("{}{SUFFIX}", hex(&hasher.0.finalize()))
}

/// Feeds what wasmtime hashes into SHA-256: two engines that differ must not meet in 64 bits.
struct ShaHasher(Sha256);

impl Hasher for ShaHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Never asked for: the whole digest is read instead.
    fn finish(&self) -> u64 {
        0
    }
}
