//! The decider "json-patch": documents that are created, replaced, patched, merged and deleted, with a history and
//! without code. A stream is one document; its events `created`, `patched` and `deleted` hold JSON patches. What a
//! patch is and does is in `weir-json-patch`; here are only the commands and their refusals.

mod commands;
mod refusals;

use weir_json_patch::{CREATED, DELETED, Document, PATCHED, after};
use weir_plugin_sdk::{
    Command, Decider, Event, Manifest, NewEvent, NoConfig, Payload, Problem, Rejection, export_decider,
};

/// All that it knows of a document is in the document.
pub struct JsonPatch;

impl Decider for JsonPatch {
    type Config = NoConfig;
    type State = Document;

    fn manifest() -> Manifest {
        Manifest::new("json-patch", env!("CARGO_PKG_VERSION"))
            .description("Documents with a history: create, replace, patch (RFC 6902), merge (RFC 7386) and delete")
            .interest(&[], &[CREATED, PATCHED, DELETED])
    }

    fn init(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn evolve(&self, document: Document, event: &Event) -> Result<Document, Problem> {
        after(document, event)
    }

    fn decide(&mut self, document: &Document, command: &Command) -> Result<Vec<NewEvent>, Rejection> {
        commands::decide(document, command)
    }

    /// A document that is not there is no state, so that the document `null` may be one.
    fn write_state(document: &Document) -> Result<Option<Payload>, Problem> {
        Ok(document.text().map(Payload::Json))
    }

    fn read_state(kept: &Payload) -> Result<Document, Problem> {
        let unexpected = |reason: String| Problem::new("state-unexpected", format!("The state does not fit: {reason}"));
        let text = kept.as_json().ok_or_else(|| unexpected("it is bytes, not JSON".into()))?;
        Document::read(text).map_err(|error| unexpected(error.to_string()))
    }
}

export_decider!(JsonPatch);

#[cfg(test)]
mod tests;
