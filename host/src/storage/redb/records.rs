//! Records in a small redb file of their own: whatever commits are queued share one durable transaction.
//!
//! **Invariant:** a commit that fails its expectations leaves no trace and does not disturb those it shares the
//! transaction with; nobody is answered before the transaction is durable.

use async_trait::async_trait;
use bytes::Bytes;
use redb::{Database, ReadableDatabase, ReadableTable, Table};
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

use super::database;
use super::directory::{Directory, io_error, redb_error};
use super::keys::{self, RECORDS};
use super::log::on_blocking_thread;
use super::threads;
use crate::model::limits::RECORDS_QUEUE_COMMITS;
use crate::storage::{Change, Record, Records, RecordsError, StorageError};

pub struct RedbRecords {
    file: Arc<RecordsFile>,
    /// `None` once the records are closed.
    queue: RwLock<Option<mpsc::Sender<Commit>>>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
}

struct RecordsFile {
    db: Database,
    path: PathBuf,
    /// The lock is let go only when the file is.
    directory: Arc<Directory>,
}

struct Commit {
    changes: Vec<Change>,
    answer: oneshot::Sender<Result<(), RecordsError>>,
}

impl RedbRecords {
    pub fn open(directory: Arc<Directory>, cache_bytes: usize) -> Result<Self, StorageError> {
        let path = keys::records_file(&directory.path);
        let db = database::open(&directory, &path, cache_bytes, |txn| {
            txn.open_table(RECORDS).map(drop).map_err(Into::into)
        })?;
        let file = Arc::new(RecordsFile { db, path, directory });
        let (queue, commits) = mpsc::channel(RECORDS_QUEUE_COMMITS);
        let for_writer = file.clone();
        let writer = threads::foreground("weir-records", move || write_all(&for_writer, commits))
            .map_err(io_error("cannot start the thread that writes", &file.path))?;
        Ok(Self { file, queue: RwLock::new(Some(queue)), writer: Arc::new(Mutex::new(Some(writer))) })
    }

    fn close_queue(&self) {
        drop(self.queue.write().unwrap_or_else(PoisonError::into_inner).take());
    }
}

fn join(writer: &Mutex<Option<JoinHandle<()>>>) {
    let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
    if writer.take().is_some_and(|writer| writer.join().is_err()) {
        tracing::error!("the thread that writes records had panicked");
    }
}

impl Drop for RedbRecords {
    fn drop(&mut self) {
        self.close_queue();
        join(&self.writer);
    }
}

fn write_all(file: &RecordsFile, mut commits: mpsc::Receiver<Commit>) {
    while let Some(first) = commits.blocking_recv() {
        let mut group = vec![first];
        while let Some(next) = (group.len() < RECORDS_QUEUE_COMMITS).then(|| commits.try_recv().ok()).flatten() {
            group.push(next);
        }
        let (changes, answers): (Vec<_>, Vec<_>) = group.into_iter().map(|c| (c.changes, c.answer)).unzip();
        match file.write_if_room(changes) {
            Ok(results) => answers.into_iter().zip(results).for_each(|(answer, result)| drop(answer.send(result))),
            Err(error) => {
                answers.into_iter().for_each(|answer| drop(answer.send(Err(error.clone()))));
            }
        }
    }
}

impl RecordsFile {
    fn write_if_room(&self, group: Vec<Vec<Change>>) -> Result<Vec<Result<(), RecordsError>>, RecordsError> {
        let changes = group.iter().flatten();
        let bytes = changes.map(|change| change.key.len() + change.value.as_ref().map_or(0, Bytes::len)).sum();
        if let Some(detail) = self.directory.lacks_room(bytes) {
            return Err(RecordsError::Full { detail });
        }
        self.write(group).map_err(|error| redb_error(&self.path, error).into())
    }

    fn write(&self, group: Vec<Vec<Change>>) -> Result<Vec<Result<(), RecordsError>>, redb::Error> {
        let mut txn = self.db.begin_write()?;
        txn.set_quick_repair(true);
        let mut table = txn.open_table(RECORDS)?;
        let results: Result<Vec<_>, _> = group.into_iter().map(|changes| apply(&mut table, changes)).collect();
        let results = results?;
        drop(table);
        match results.iter().any(Result::is_ok) {
            true => txn.commit()?,
            false => txn.abort()?,
        }
        Ok(results)
    }

    fn get(&self, key: &str) -> Result<Option<Record>, StorageError> {
        let get = || -> Result<Option<Vec<u8>>, redb::Error> {
            let table = self.db.begin_read()?.open_table(RECORDS)?;
            Ok(table.get(key)?.map(|guard| guard.value().to_vec()))
        };
        let stored = get().map_err(|error| redb_error(&self.path, error))?;
        stored.map(|stored| self.record(key, stored)).transpose()
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Record)>, StorageError> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let scan = || -> Result<Vec<(String, Vec<u8>)>, redb::Error> {
            let table = self.db.begin_read()?.open_table(RECORDS)?;
            let mut found = vec![];
            for row in table.range::<&str>((start, Bound::Unbounded))? {
                let (key, value) = row?;
                if found.len() >= limit || !key.value().starts_with(prefix) {
                    break;
                }
                found.push((key.value().to_owned(), value.value().to_vec()));
            }
            Ok(found)
        };
        let found = scan().map_err(|error| redb_error(&self.path, error))?;
        found.into_iter().map(|(key, stored)| self.record(&key, stored).map(|record| (key, record))).collect()
    }

    fn record(&self, key: &str, stored: Vec<u8>) -> Result<Record, StorageError> {
        let corrupt = || StorageError::Corrupt {
            place: format!("{}, record '{key}'", self.path.display()),
            detail: "shorter than its revision".into(),
        };
        let revision = revision(&stored).ok_or_else(corrupt)?;
        Ok(Record { value: Bytes::from(stored).slice(8..), revision })
    }
}

fn revision(stored: &[u8]) -> Option<u64> {
    stored.first_chunk::<8>().map(|revision| u64::from_be_bytes(*revision))
}

type RecordsTable<'txn> = Table<'txn, &'static str, &'static [u8]>;

/// Makes the changes one by one, and takes them back if one of them does not find what it expects.
fn apply(table: &mut RecordsTable, changes: Vec<Change>) -> Result<Result<(), RecordsError>, redb::Error> {
    let mut before: Vec<(String, Option<Vec<u8>>)> = vec![];
    for Change { key, value, expect } in changes {
        let stored = table.get(key.as_str())?.map(|guard| guard.value().to_vec());
        let actual = stored.as_deref().and_then(revision).unwrap_or(0);
        if !expect.holds(actual) {
            for (key, stored) in before.into_iter().rev() {
                put(table, &key, stored.as_deref())?;
            }
            return Ok(Err(RecordsError::Changed { key, actual }));
        }
        let next = value.map(|value| [&(actual + 1).to_be_bytes(), &*value].concat());
        put(table, &key, next.as_deref())?;
        before.push((key, stored));
    }
    Ok(Ok(()))
}

fn put(table: &mut RecordsTable, key: &str, stored: Option<&[u8]>) -> Result<(), redb::Error> {
    match stored {
        Some(stored) => drop(table.insert(key, stored)?),
        None => drop(table.remove(key)?),
    }
    Ok(())
}

#[async_trait]
impl Records for RedbRecords {
    async fn get(&self, key: &str) -> Result<Option<Record>, StorageError> {
        let (file, key) = (self.file.clone(), key.to_owned());
        on_blocking_thread(move || file.get(&key)).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), RecordsError> {
        let failed = |detail: &str| StorageError::Io { what: "the records".into(), detail: detail.into() };
        let queue = self.queue.read().unwrap_or_else(PoisonError::into_inner).clone();
        let queue = queue.ok_or_else(|| failed("they are closed"))?;
        let (answer, answered) = oneshot::channel();
        queue.send(Commit { changes, answer }).await.map_err(|_| failed("their writer is gone"))?;
        answered.await.unwrap_or_else(|_| Err(failed("their writer ended before it answered").into()))
    }

    async fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, StorageError> {
        let (file, prefix, after) = (self.file.clone(), prefix.to_owned(), after.map(str::to_owned));
        on_blocking_thread(move || file.scan(&prefix, after.as_deref(), limit)).await
    }

    async fn close(&self) {
        self.close_queue();
        let writer = self.writer.clone();
        let _ = tokio::task::spawn_blocking(move || join(&writer)).await;
    }
}
