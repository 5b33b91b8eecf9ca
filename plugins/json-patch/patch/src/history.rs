//! What the three events of a document do to it. Other plugins, scripts and imports may write such events too, so
//! nothing is expected of them but what RFC 6902 wants.

use weir_plugin_sdk::{Event, Payload, Problem};

use crate::document::Document;
use crate::json::Json;
use crate::operation::Patch;

/// The type of the event that begins a document.
pub const CREATED: &str = "created";
/// The type of the event that changes a document.
pub const PATCHED: &str = "patched";
/// The type of the event that ends a document.
pub const DELETED: &str = "deleted";

/// The document after an event; events of other types change nothing. After `deleted` there is none, whatever its patch
/// says.
///
/// ```
/// use weir_json_patch::{Document, after};
/// use weir_plugin_sdk::testing::stream_event;
/// let created = stream_event("t", "s", 1, "created", r#"{"patch":[{"op":"add","path":"","value":[]}]}"#);
/// assert_eq!(after(Document::default(), &created).unwrap().to_string(), "[]");
/// let refused = after(Document::default(), &stream_event("t", "s", 2, "created", "{}")).unwrap_err();
/// assert_eq!(refused.code, "patch-not-applicable");
/// ```
pub fn after(document: Document, event: &Event) -> Result<Document, Problem> {
    match event.event_type.as_str() {
        CREATED | PATCHED => patch(&event.payload)
            .and_then(|patch| document.patched(patch).map_err(|error| error.to_string()))
            .map_err(|reason| refused(event, &reason)),
        DELETED => Ok(Document::default()),
        _ => Ok(document),
    }
}

fn patch(payload: &Payload) -> Result<Patch, String> {
    let text = payload.as_json().ok_or("its payload is bytes, not JSON")?;
    let payload = Json::read(text).map_err(|error| format!("its payload can't be read: {error}"))?;
    let patch = if let Json::Object(mut members) = payload { members.remove("patch") } else { None };
    Patch::read(patch.ok_or("its payload has no member 'patch'")?).map_err(|error| error.to_string())
}

fn refused(event: &Event, reason: &str) -> Problem {
    let stream = event.stream.as_deref().unwrap_or_default();
    let message =
        format!("The event {} ('{}', stream '{stream}') can't be applied: {reason}", event.id, event.event_type);
    Problem::new("patch-not-applicable", message)
}
