//! Server-sent events: a follower as a body. An event's `id` is its public id, so that a browser that comes back says where
//! it was; what is no event has no id.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;

use super::event_json::write_line;
use super::follow::{Follow, Message, reached};
use crate::engine::{EngineError, LiveEvent};
use crate::model::Event;

/// Proxies hold answers back to fill their buffers, unless they are told not to.
const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/event-stream"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("x-accel-buffering"), "no"),
];

/// The answer that does not end by itself.
pub fn answer(follow: Follow) -> Response {
    (HEADERS, Body::from_stream(stream::unfold(Some(Box::new(follow)), next_piece))).into_response()
}

/// Boxed, because it is handed from piece to piece.
type More = Option<Box<Follow>>;

async fn next_piece(follow: More) -> Option<(Result<Bytes, Arc<EngineError>>, More)> {
    let mut follow = follow?;
    match follow.next().await? {
        Ok(message) => Some((Ok(piece(&message)), Some(follow))),
        Err(error) => {
            tracing::error!(%error, "a follower was cut off");
            Some((Err(Arc::new(error)), None))
        }
    }
}

fn piece(message: &Message) -> Bytes {
    match message {
        Message::Events(events) => match events.as_slice() {
            [only] => rendered(only).clone(),
            events => events.iter().flat_map(|event| rendered(event).iter().copied()).collect(),
        },
        Message::CaughtUp(at) => named("caught-up", &reached(*at)),
        Message::Heartbeat(at) => named("heartbeat", &reached(*at)),
        Message::Trouble(problem) => named("problem", &problem.body()),
    }
}

fn named(name: &str, data: &Value) -> Bytes {
    format!("event: {name}\ndata: {data}\n\n").into()
}

const BEFORE_JSON: &[u8] = b"\ndata: ";
const AFTER_JSON: &[u8] = b"\n\n";

/// `id: …`, `data: …` and an empty line, written once for all followers.
fn rendered(event: &LiveEvent) -> &Bytes {
    event.rendered(|event: &Event| {
        let mut out = Vec::with_capacity(event.payload.as_bytes().len() + 320);
        out.extend_from_slice(format!("id: {}", event.id()).as_bytes());
        out.extend_from_slice(BEFORE_JSON);
        write_line(&mut out, event);
        out.push(b'\n');
        out.into()
    })
}

/// The JSON alone, out of what is written once for all followers.
pub fn json(event: &LiveEvent) -> Bytes {
    let rendered = rendered(event);
    // An id has no line break, so the first one ends it.
    let id = rendered.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    rendered.slice(id + BEFORE_JSON.len()..rendered.len() - AFTER_JSON.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::event_json::write_event;
    use crate::model::{EventType, Payload, TopicName};

    #[test]
    fn an_event_is_its_id_and_the_json_of_a_read_on_one_line() {
        let event = |sequence, payload: &'static [u8]| Event {
            position: 9,
            topic: TopicName::parse("t").expect("a name"),
            sequence,
            stream: None,
            event_type: EventType::parse("made").expect("a name"),
            time_ms: 0,
            payload: Payload::Json(Bytes::from_static(payload)),
            tags: vec![],
            metadata: vec![],
        };
        let (plain, broken) = (event(1, b"{\"a\":1}"), event(2, b"{\n\"a\":\n1}"));
        let mut read = Vec::new();
        write_event(&mut read, &plain);
        let (first, second) = (LiveEvent::new(plain), LiveEvent::new(broken));
        assert_eq!(json(&first), read);
        let text = piece(&Message::Events(vec![first, second.clone()]));
        let text = String::from_utf8(text.to_vec()).expect("text");
        let lines: Vec<&str> = text.split('\n').collect();
        assert_eq!((lines.len(), lines[0], lines[2], lines[3], lines[5]), (7, "id: t-1", "", "id: t-2", ""));
        assert_eq!(lines[1].strip_prefix("data: ").map(str::as_bytes), Some(&read[..]));
        assert_eq!(lines[4].strip_prefix("data: ").map(str::as_bytes), Some(&json(&second)[..]));
    }
}
