//! Answers to requests that came with an idempotency key and changed something other than events. (Events and the key they
//! came with are one commit in their log; this is for the rest, kept beside what was changed.)

use serde::{Deserialize, Serialize};

use super::{Engine, EngineError};
use crate::model::limits::{ANSWERS_SWEPT, IDEMPOTENCY_KEYS_KEPT_MS};
use crate::model::{IdempotencyKey, hex};
use crate::storage::{Change, StorageError};

const KEY_PREFIX: &str = "answer/";

/// The answer to a request that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    pub request: [u8; 16],
    pub status: u16,
    pub content_type: String,
    pub body: String,
    pub at_ms: u64,
}

fn record_key(key: &IdempotencyKey) -> String {
    format!("{KEY_PREFIX}{}", hex(&key.key))
}

impl Engine {
    /// The answer that a key's request was given, unless that is too long ago.
    pub async fn kept_answer(&self, key: &IdempotencyKey) -> Result<Option<KeptAnswer>, EngineError> {
        let Some(record) = self.default_store().records.get(&record_key(key)).await? else { return Ok(None) };
        let answer: KeptAnswer = serde_json::from_slice(&record.value).map_err(corrupt)?;
        Ok(Some(answer).filter(|answer| !self.is_over(answer)))
    }

    /// Keeps an answer, and forgets some that are too old.
    pub async fn keep_answer(&self, key: &IdempotencyKey, answer: &KeptAnswer) -> Result<(), EngineError> {
        let value = serde_json::to_vec(answer).map_err(corrupt)?;
        let records = &self.default_store().records;
        let mut changes = vec![Change::put(record_key(key), value)];
        // Keys are digests, so a walk that starts anywhere comes by all of them in time.
        for (key, record) in records.scan(KEY_PREFIX, Some(&record_key(key)), ANSWERS_SWEPT).await? {
            if serde_json::from_slice(&record.value).is_ok_and(|answer| self.is_over(&answer)) {
                changes.push(Change::delete(key));
            }
        }
        Ok(records.commit(changes).await?)
    }

    fn is_over(&self, answer: &KeptAnswer) -> bool {
        self.now_ms().saturating_sub(answer.at_ms) > IDEMPOTENCY_KEYS_KEPT_MS
    }
}

fn corrupt(error: serde_json::Error) -> EngineError {
    StorageError::Corrupt { place: "a record of an answer".to_owned(), detail: error.to_string() }.into()
}
