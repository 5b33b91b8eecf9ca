//! Names, places and other small values.

use serde_json::{Value, json};

use super::schemas;
use crate::model::limits::{IDEMPOTENCY_KEY_BYTES_MAX, NAME_CHARS_MAX};

/// `letters` are those of a character class, without the dot: no two of those may follow each other.
fn name(letters: &str) -> Value {
    let pattern = format!("^\\.?([{letters}]\\.?)*$");
    json!({ "type": "string", "minLength": 1, "maxLength": NAME_CHARS_MAX, "pattern": pattern })
}

const PLAIN: &str = "A-Za-z0-9_-";

/// The pattern of an event's id; 19 digits are enough for any sequence.
fn event_id() -> Value {
    json!({ "type": "string", "pattern": format!("^\\.?([{PLAIN}]\\.?)*-[0-9]{{1,19}}$"), "minLength": 3 })
}

/// A number from `minimum` that fits into 64 bits.
pub fn whole(minimum: u64) -> Value {
    json!({ "type": "integer", "minimum": minimum, "maximum": u64::MAX })
}

schemas! {
    /// The name of a topic.
    TopicName = name(PLAIN);
    /// The name of a stream. In a path, `/` is written as `%2F`.
    StreamName = name("A-Za-z0-9_:/-");
    /// What kind of thing happened.
    EventType = name(PLAIN);
    /// What a command asks for.
    CommandName = name(PLAIN);
    /// The stem of a component's file name.
    PluginName = name(PLAIN);
    /// A label that events are found by: text on one line, at most 200 bytes of UTF-8.
    Tag = name("^\\u0000-\\u001f\\u007f.");
    /// Whose commands and events they are: text on one line, at most 193 bytes of UTF-8.
    Tenant = {
        let mut tenant = name("^\\u0000-\\u001f\\u007f.");
        tenant["maxLength"] = 193.into();
        tenant
    };
    /// `<topic>-<sequence>`
    EventId = event_id();
    /// An event's place in its store: from 1, gapless.
    Position = whole(1);
    /// How often the topic has had an event, this one included: from 1, gapless.
    Sequence = whole(1);
    /// The event's place in its stream: from 1, gapless.
    Version = whole(1);
    /// RFC 3339 in UTC, with milliseconds.
    Timestamp = json!({ "type": "string", "format": "date-time" });
    /// Bytes in base64, with padding.
    Base64 = json!({
        "type": "string",
        "contentEncoding": "base64",
        "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"
    });
    /// A SHA-256 in hexadecimal digits.
    Hash = json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" });
    /// A key of the client's choice. The same request with the same key is done once, and answered alike again.
    IdempotencyKey = {
        // Spaces around a header's value are not part of it.
        let line = "[\\t -~\\u0080-\\u00ff]";
        let pattern = format!("^{line}*[!-~\\u0080-\\u00ff]{line}*$");
        json!({ "type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_BYTES_MAX, "pattern": pattern })
    };
}
