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
    (HEADERS, Body::from_stream(stream::unfold(Some(follow), next_piece))).into_response()
}

async fn next_piece(follow: Option<Follow>) -> Option<(Result<Bytes, Arc<EngineError>>, Option<Follow>)> {
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
