//! What projections and process managers remember: one redb file a generation, so that letting go of one is deleting a file,
//! and no view ever waits for the writer of events.
//!
//! **Invariant:** entries, notes and checkpoint change together, in one transaction. A view follows from the events, so a
//! commit that is not durable may be lost with the power, but only together with everything after it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use redb::{
    Builder, Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};

use super::StorageError;
use super::redb::redb_error;
use crate::model::limits::VIEW_CACHE_BYTES;
use crate::model::{Payload, Position};

/// The guest's keys and values. The first byte of a value is its form.
const ENTRIES: TableDefinition<&str, &[u8]> = TableDefinition::new("entries");
/// What the host keeps beside them; their meaning is their writer's.
const NOTES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("notes");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const META_CHECKPOINT: &str = "checkpoint";
const META_BYTES: &str = "bytes";

const FORM_JSON: u8 = 0;
const FORM_BYTES: u8 = 1;

/// New values by key, in order; `None` deletes.
pub type Entries = BTreeMap<String, Option<Payload>>;

/// A key and a value of the host's own.
pub type Note = (Vec<u8>, Vec<u8>);

/// What changes as one.
#[derive(Debug, Clone, Default)]
pub struct ViewCommit {
    pub entries: Entries,
    pub notes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pub checkpoint: Position,
    /// It shall outlive a power failure, with all commits before it.
    pub durable: bool,
}

/// One generation's file.
pub struct View {
    database: Database,
    path: PathBuf,
    shown: RwLock<Arc<Shown>>,
}

/// A view as it was committed last: one consistent state, for as long as this is held.
pub struct Shown {
    entries: ReadOnlyTable<&'static str, &'static [u8]>,
    notes: ReadOnlyTable<&'static [u8], &'static [u8]>,
    path: Arc<Path>,
    pub checkpoint: Position,
    /// Of all keys and values.
    pub bytes: u64,
}

impl View {
    /// Opens a view, whole or as of its last durable commit, or makes an empty one.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let open = || -> Result<(Database, Shown), redb::Error> {
            let database = Builder::new().set_cache_size(VIEW_CACHE_BYTES).create(path)?;
            let mut txn = database.begin_write()?;
            txn.set_quick_repair(true);
            txn.open_table(ENTRIES)?;
            txn.open_table(NOTES)?;
            txn.open_table(META)?;
            txn.commit()?;
            let shown = shown(&database, path)?;
            Ok((database, shown))
        };
        let (database, shown) = open().map_err(|error| redb_error(path, error))?;
        Ok(Self { database, path: path.to_owned(), shown: RwLock::new(Arc::new(shown)) })
    }

    pub fn shown(&self) -> Arc<Shown> {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a commit; who asks for `shown` from then on sees it.
    pub fn commit(&self, commit: &ViewCommit) -> Result<Arc<Shown>, StorageError> {
        let shown = self.write(commit).map_err(|error| redb_error(&self.path, error))?;
        let shown = Arc::new(shown);
        // What it takes the place of is dropped outside the lock.
        let _before = {
            let mut place = self.shown.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *place, shown.clone())
        };
        Ok(shown)
    }

    fn write(&self, commit: &ViewCommit) -> Result<Shown, redb::Error> {
        let mut txn = self.database.begin_write()?;
        if commit.durable {
            txn.set_quick_repair(true);
        } else {
            txn.set_durability(Durability::None)?;
        }
        let grown = put_entries(&txn, &commit.entries)?;
        if !commit.notes.is_empty() {
            let mut notes = txn.open_table(NOTES)?;
            for (key, value) in &commit.notes {
                match value {
                    Some(value) => drop(notes.insert(key.as_slice(), value.as_slice())?),
                    None => drop(notes.remove(key.as_slice())?),
                }
            }
        }
        {
            let mut meta = txn.open_table(META)?;
            meta.insert(META_CHECKPOINT, commit.checkpoint)?;
            let bytes = meta.get(META_BYTES)?.map_or(0, |bytes| bytes.value());
            meta.insert(META_BYTES, bytes.saturating_add_signed(grown))?;
        }
        txn.commit()?;
        shown(&self.database, &self.path)
    }
}

/// Writes entries, and answers by how many bytes the view grew.
fn put_entries(txn: &WriteTransaction, entries: &Entries) -> Result<i64, redb::Error> {
    let (mut grown, mut value) = (0, Vec::new());
    if entries.is_empty() {
        return Ok(grown);
    }
    let mut table = txn.open_table(ENTRIES)?;
    for (key, payload) in entries {
        let before = match payload {
            Some(payload) => {
                value.clear();
                value.push(if matches!(payload, Payload::Json(_)) { FORM_JSON } else { FORM_BYTES });
                value.extend_from_slice(payload.as_bytes());
                grown += (key.len() + value.len()) as i64;
                table.insert(key.as_str(), value.as_slice())?
            }
            None => table.remove(key.as_str())?,
        };
        grown -= before.map_or(0, |before| (key.len() + before.value().len()) as i64);
    }
    Ok(grown)
}

fn shown(database: &Database, path: &Path) -> Result<Shown, redb::Error> {
    let txn = database.begin_read()?;
    let meta = txn.open_table(META)?;
    let number = |key| Ok::<_, redb::Error>(meta.get(key)?.map_or(0, |number| number.value()));
    Ok(Shown {
        checkpoint: number(META_CHECKPOINT)?,
        bytes: number(META_BYTES)?,
        entries: txn.open_table(ENTRIES)?,
        notes: txn.open_table(NOTES)?,
        path: path.into(),
    })
}

impl Shown {
    pub fn get(&self, key: &str) -> Result<Option<Payload>, StorageError> {
        let found = self.entries.get(key).map_err(|error| self.failed(error))?;
        found.map(|value| self.payload(value.value())).transpose()
    }

    /// Entries whose keys start with `prefix` and come after `after`, in the keys' order; fewer than `limit` at the end only.
    pub fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Payload)>, StorageError> {
        let after = after.filter(|after| *after >= prefix);
        let start = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let range = self.entries.range::<&str>((start, Bound::Unbounded)).map_err(|error| self.failed(error))?;
        let mut found = Vec::new();
        for entry in range.take(limit) {
            let (key, value) = entry.map_err(|error| self.failed(error))?;
            if !key.value().starts_with(prefix) {
                break;
            }
            found.push((key.value().to_owned(), self.payload(value.value())?));
        }
        Ok(found)
    }

    pub fn note(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let found = self.notes.get(key).map_err(|error| self.failed(error))?;
        Ok(found.map(|value| value.value().to_vec()))
    }

    /// Notes whose keys start with `prefix` and are above `after`, in the keys' order.
    pub fn notes(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Note>, StorageError> {
        let start = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let range = self.notes.range::<&[u8]>((start, Bound::Unbounded)).map_err(|error| self.failed(error))?;
        let mut found = Vec::new();
        for note in range.take(limit) {
            let (key, value) = note.map_err(|error| self.failed(error))?;
            if !key.value().starts_with(prefix) {
                break;
            }
            found.push((key.value().to_vec(), value.value().to_vec()));
        }
        Ok(found)
    }

    fn payload(&self, value: &[u8]) -> Result<Payload, StorageError> {
        match value.split_first() {
            Some((&FORM_JSON, text)) => Ok(Payload::Json(text.to_vec().into())),
            Some((&FORM_BYTES, bytes)) => Ok(Payload::Bytes(bytes.to_vec().into())),
            _ => Err(StorageError::Corrupt {
                place: self.path.display().to_string(),
                detail: "a value of an unknown form".into(),
            }),
        }
    }

    fn failed(&self, error: redb::StorageError) -> StorageError {
        redb_error(&self.path, error)
    }
}

/// Lets go of a view. One that is not there is no failure.
pub fn remove(path: &Path) -> Result<(), StorageError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StorageError::Io { what: format!("cannot remove {}", path.display()), detail: error.to_string() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Option<Payload> {
        Some(Payload::Json(text.to_owned().into()))
    }

    fn commit(checkpoint: Position, entries: &[(&str, Option<Payload>)]) -> ViewCommit {
        let entries = entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        ViewCommit { entries, checkpoint, durable: true, ..ViewCommit::default() }
    }

    #[test]
    fn what_was_committed_is_there_after_a_restart() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("1.redb");
        let view = View::open(&path).expect("a view");
        assert_eq!(view.shown().checkpoint, 0);
        let first = view.commit(&commit(3, &[("a", json("1")), ("b", json("22"))])).expect("a commit");
        let before = view.shown();
        let mut second = commit(4, &[("a", None), ("c", Some(Payload::Bytes(vec![7].into())))]);
        second.notes = vec![(b"n1".to_vec(), Some(b"x".to_vec())), (b"o".to_vec(), Some(b"y".to_vec()))];
        view.commit(&second).expect("a commit");
        // A key and a value each, and a byte for the value's form.
        assert_eq!((first.bytes, before.get("a").expect("a look")), ((1 + 1 + 1) + (1 + 2 + 1), json("1")));
        drop((view, first, before));
        let shown = View::open(&path).expect("the view").shown();
        assert_eq!((shown.checkpoint, shown.get("a").expect("a look")), (4, None));
        let keys = |found: Vec<(String, Payload)>| found.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(keys(shown.scan("", None, 9).expect("a page")), ["b", "c"]);
        assert_eq!(keys(shown.scan("", Some("b"), 9).expect("a page")), ["c"]);
        assert_eq!(shown.notes(b"n", None, 9).expect("notes"), [(b"n1".to_vec(), b"x".to_vec())]);
        assert_eq!(shown.note(b"o").expect("a note"), Some(b"y".to_vec()));
        assert_eq!(shown.bytes, (1 + 2 + 1) + (1 + 1 + 1));
    }

    #[test]
    fn a_commit_that_is_not_durable_is_seen_at_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let view = View::open(&dir.path().join("1.redb")).expect("a view");
        view.commit(&ViewCommit { durable: false, ..commit(9, &[("k", json("true"))]) }).expect("a commit");
        assert_eq!((view.shown().checkpoint, view.shown().get("k").expect("a look")), (9, json("true")));
    }
}
