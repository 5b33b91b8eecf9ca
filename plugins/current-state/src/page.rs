//! The answer to a list, as it is written: `{"items": [{id, version, createdAt, updatedAt, state}], "next"}`.

use weir_json_patch::Json;
use weir_plugin_sdk::{Answer, Problem};

use crate::candidates::Found;
use crate::entry::Shown;
use crate::keys;

/// Bytes of a page; what is beyond comes with the next one. The server's own limit for an answer is twice this.
pub const PAGE_BYTES_MAX: usize = 4 << 20;

pub struct Page {
    text: String,
    pub items: usize,
}

impl Page {
    pub fn new() -> Self {
        Self { text: r#"{"items":["#.into(), items: 0 }
    }

    /// Adds an item, unless it would make the page too large. The first one always fits.
    pub fn push(&mut self, found: &Found) -> Result<bool, Problem> {
        if self.items > 0 && self.text.len() + found.entry.len() > PAGE_BYTES_MAX {
            return Ok(false);
        }
        let shown = Shown::read(&found.entry).ok_or_else(|| keys::unexpected(&found.key))?;
        if self.items > 0 {
            self.text.push(',');
        }
        let Shown { id, version, created_at, updated_at, state, .. } = shown;
        let head = [r#"{"id":"#, id, r#","version":"#, version, r#","createdAt":"#, created_at];
        let tail = [r#","updatedAt":"#, updated_at, r#","state":"#, state, "}"];
        head.into_iter().chain(tail).for_each(|part| self.text.push_str(part));
        self.items += 1;
        Ok(true)
    }

    pub fn end(mut self, next: Option<String>) -> Answer {
        let next = next.map_or(Json::Null, |cursor| cursor.as_str().into());
        self.text.push_str(&format!(r#"],"next":{next}}}"#));
        Answer::json_text(self.text)
    }
}
