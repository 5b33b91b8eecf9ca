//! CloudEvents as JSON text. Written by hand, because data goes out as the very bytes that came in.

use base64::Engine as _;
use bytes::Bytes;

use super::attributes::Value;
use super::outgoing::{Data, Outgoing};
use crate::http::event_json::write_json;
use crate::model::Event;

/// Appends one event as `application/cloudevents+json`.
pub fn write_event(out: &mut Vec<u8>, event: &Event) {
    let Outgoing { attributes, data } = Outgoing::new(event);
    out.push(b'{');
    for (i, (name, value)) in attributes.iter().enumerate() {
        // Attributes' names have no character that JSON escapes.
        out.extend_from_slice(if i > 0 { b",\"" } else { b"\"" });
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        match value {
            Value::Text(text) => write_json(out, text),
            Value::Integer(_) | Value::Boolean(_) => out.extend_from_slice(value.to_string().as_bytes()),
        }
    }
    write_data(out, data);
    out.push(b'}');
}

fn write_data(out: &mut Vec<u8>, data: Data<'_>) {
    match data {
        Data::None => {}
        Data::Json(json) => {
            out.extend_from_slice(b",\"data\":");
            out.extend_from_slice(json);
        }
        Data::Bytes(bytes) => {
            out.extend_from_slice(b",\"data_base64\":\"");
            out.extend_from_slice(base64::engine::general_purpose::STANDARD.encode(bytes).as_bytes());
            out.push(b'"');
        }
    }
}

/// Appends events with commas between them; `first` tells whether a comma comes before the first of them.
pub fn write_batch(events: &[Event], first: bool) -> Bytes {
    let bytes: usize = events.iter().map(|event| event.payload.as_bytes().len() + 512).sum();
    let mut out = Vec::with_capacity(bytes);
    for (i, event) in events.iter().enumerate() {
        if i > 0 || !first {
            out.push(b',');
        }
        write_event(&mut out, event);
    }
    out.into()
}
