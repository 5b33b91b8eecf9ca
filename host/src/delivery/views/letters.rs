//! Events that a view left out, as they are kept beside it.

use serde::{Deserialize, Serialize};

use crate::model::{Event, Position};
use crate::storage::StorageError;
use crate::storage::views::Shown;

const PREFIX: &[u8] = b"letter/";

/// An event that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Letter {
    pub event_id: String,
    pub position: Position,
    pub reason: String,
    /// Unix milliseconds.
    pub at_ms: u64,
}

/// The note that keeps one.
pub fn letter(event: &Event, reason: &str, at_ms: u64) -> (Vec<u8>, Option<Vec<u8>>) {
    let letter =
        Letter { event_id: event.id().to_string(), position: event.position, reason: reason.to_owned(), at_ms };
    let key = [PREFIX, event.position.to_be_bytes().as_slice()].concat();
    // Numbers and texts always can be written.
    (key, serde_json::to_vec(&letter).ok())
}

/// The first ones, in order.
pub fn letters(shown: &Shown, limit: usize) -> Result<Vec<Letter>, StorageError> {
    let notes = shown.notes(PREFIX, None, limit)?;
    Ok(notes.iter().filter_map(|(_, value)| serde_json::from_slice(value).ok()).collect())
}
