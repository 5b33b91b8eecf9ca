//! A backup of a store, taken while everything goes on.
//!
//! Records are copied first and events after them, so no checkpoint is ahead of the events; topics are copied once more at
//! the end, so that no event is without its topic.

use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use super::topics::KEY_PREFIX;
use super::{Engine, EngineError};
use crate::model::Position;
use crate::storage::archive::Writer;
use crate::storage::{Store, Stored};

/// Bytes of events in one piece, about.
const PIECE_BYTES: usize = 1 << 20;
/// Records in one piece.
const PIECE_RECORDS: usize = 500;

/// A backup as it is taken, piece by piece.
pub struct Backup {
    store: Store,
    writer: Writer,
    stage: Stage,
    copying: Arc<RwLock<()>>,
    /// Held until it is done.
    alone: Option<OwnedRwLockReadGuard<()>>,
}

enum Stage {
    Records { after: Option<String> },
    Topics { after: Option<String>, head: Position },
    Events { next: Position, head: Position },
    Done,
}

impl Engine {
    /// A backup of the default store. (Topics in memory are kept nowhere, and so in no backup either.)
    pub fn backup(&self) -> Backup {
        let stage = Stage::Records { after: None };
        let (store, copying) = (self.default_store().clone(), self.copying.clone());
        Backup { store, writer: Writer::default(), stage, copying, alone: None }
    }
}

impl Backup {
    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, EngineError> {
        if self.alone.is_none() {
            self.alone = Some(self.copying.clone().read_owned().await);
        }
        loop {
            let (piece, stage) = match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Records { after } => match self.records("", after).await? {
                    Some((piece, after)) => (piece, Stage::Records { after: Some(after) }),
                    None => (vec![], Stage::Topics { after: None, head: *self.store.log.head().borrow() }),
                },
                Stage::Topics { after, head } => match self.records(KEY_PREFIX, after).await? {
                    Some((piece, after)) => (piece, Stage::Topics { after: Some(after), head }),
                    None => (vec![], Stage::Events { next: 1, head }),
                },
                Stage::Events { next, head } if next <= head => {
                    let Stored { bytes, next } = self.store.log.stored(next, head, PIECE_BYTES).await?;
                    (self.writer.events(&bytes), Stage::Events { next, head })
                }
                Stage::Events { head, .. } => {
                    let (piece, _) = std::mem::take(&mut self.writer).end(head);
                    (piece, Stage::Done)
                }
                Stage::Done => return Ok(None),
            };
            self.stage = stage;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }

    /// Some records, and the key of the last of them.
    async fn records(&mut self, prefix: &str, after: Option<String>) -> Result<Option<(Vec<u8>, String)>, EngineError> {
        let records = self.store.records.scan(prefix, after.as_deref(), PIECE_RECORDS).await?;
        let Some((last, _)) = records.last() else { return Ok(None) };
        let last = last.clone();
        let piece = records.iter().flat_map(|(key, record)| self.writer.record(key, &record.value)).collect();
        Ok(Some((piece, last)))
    }
}
