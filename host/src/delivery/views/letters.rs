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
    /// None for one that a process manager wanted to append; it was never recorded.
    pub event_id: Option<String>,
    pub position: Position,
    pub reason: String,
    /// Unix milliseconds.
    pub at_ms: u64,
}

/// The note that keeps one.
pub fn letter(event: &Event, reason: &str, at_ms: u64) -> (Vec<u8>, Option<Vec<u8>>) {
    let letter =
        Letter { event_id: Some(event.id().to_string()), position: event.position, reason: reason.to_owned(), at_ms };
    let key = [PREFIX, event.position.to_be_bytes().as_slice()].concat();
    // Numbers and texts always can be written.
    (key, serde_json::to_vec(&letter).ok())
}

/// The note of an event that a process manager wanted to append, and could not.
pub fn unsent(position: Position, number: u64, reason: &str, at_ms: u64) -> (Vec<u8>, Option<Vec<u8>>) {
    let letter = Letter { event_id: None, position, reason: reason.to_owned(), at_ms };
    let key = [PREFIX, position.to_be_bytes().as_slice(), number.to_be_bytes().as_slice()].concat();
    (key, serde_json::to_vec(&letter).ok())
}

/// The first ones, in order.
pub fn letters(shown: &Shown, limit: usize) -> Result<Vec<Letter>, StorageError> {
    let notes = shown.notes(PREFIX, None, limit)?;
    Ok(notes.iter().filter_map(|(_, value)| serde_json::from_slice(value).ok()).collect())
}
