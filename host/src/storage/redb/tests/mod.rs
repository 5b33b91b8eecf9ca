//! The contract with ordinary and with tiny limits, and what only this adapter can get wrong.

mod kept {
    //! With the limits of a server: everything stays in the tail.
    crate::storage_contract!(super::opener(|_| ()));
}

mod tiny {
    //! With limits so small that segments roll and are used again, and redb is filled, all the time.
    crate::storage_contract!(super::opener(super::tiny));
}

mod damage;
mod disk;
mod histories;
mod power;
mod reopening;
mod scavenging;
mod sim;
mod verifying;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use super::*;

fn tiny(config: &mut RedbConfig) {
    config.segment_bytes = 64 << 10;
    config.tail_fill_bytes = 16 << 10;
    config.tail_bytes_max = 256 << 10;
    config.group_bytes_max = 8 << 10;
}

/// Segments that are full after a few groups, and groups that are bigger than a segment.
fn small_segments(config: &mut RedbConfig) {
    tiny(config);
    config.segment_bytes = 8 << 10;
    config.group_bytes_max = 2 << 10;
}

/// Every group goes into the index by itself.
fn at_once(config: &mut RedbConfig) {
    tiny(config);
    config.tail_fill_bytes = 1;
}

fn config(dir: &Path, tune: fn(&mut RedbConfig)) -> RedbConfig {
    let mut config = RedbConfig { dir: dir.to_owned(), ..RedbConfig::default() };
    tune(&mut config);
    config
}

/// Opens stores in directories of their own, which live as long as the test.
fn opener(tune: fn(&mut RedbConfig)) -> impl Fn(Clock) -> Store + Sync {
    let dirs = Mutex::new(vec![]);
    move |clock| {
        let dir = tempfile::tempdir().expect("a directory");
        let store = open(config(dir.path(), tune), clock).expect("opens");
        dirs.lock().expect("not poisoned").push(dir);
        store
    }
}

/// Small segments, and nothing ever moves into redb: what is read back comes from the write-ahead log.
fn log_only(config: &mut RedbConfig) {
    config.segment_bytes = 64 << 10;
}

fn open_at(dir: &Path, tune: fn(&mut RedbConfig)) -> Result<Store, StorageError> {
    open(config(dir, tune), crate::storage::contract::ticking())
}

fn open_on(disk: &sim::SimDisk, tune: fn(&mut RedbConfig)) -> Result<Store, StorageError> {
    open_with(config(Path::new("/sim/store"), tune), crate::storage::contract::ticking(), Arc::new(disk.clone()))
}

/// A clock that stands still until the test moves it.
fn standing(now: &Arc<AtomicU64>) -> Clock {
    let now = now.clone();
    Arc::new(move || now.load(std::sync::atomic::Ordering::Relaxed))
}
