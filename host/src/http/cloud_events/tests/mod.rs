//! What CloudEvents become, what is refused, and that everything that comes in goes out the same.

mod accepting;
mod mapping;
mod refusals;
mod round_trips;

use axum::body::to_bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::FutureExt;
use serde_json::Value;

use super::{BATCH, STRUCTURED, read, write_event};
use crate::http::body::Body;
use crate::http::problem::Problem;
use crate::model::{Condition, Event, Expected, NewEvent, TopicName};

type Read = Result<(Vec<NewEvent>, Vec<Condition>), Problem>;

fn topic() -> TopicName {
    TopicName::parse("orders").expect("a name")
}

/// A request to a path that names the topic `orders`, or to one that names none.
fn request(headers: &[(&str, &str)], body: impl Into<Bytes>, names_topic: bool) -> Read {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
        map.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header's value"));
    }
    let read = read(&Body(body.into(), map), names_topic.then(topic).as_ref());
    read.map(|read| read.expect("it is seen that these are CloudEvents"))
}

fn structured(body: impl ToString) -> Read {
    request(&[("content-type", STRUCTURED)], body.to_string(), true)
}

fn batch(body: impl ToString) -> Read {
    request(&[("content-type", BATCH)], body.to_string(), true)
}

/// The condition that an event's stream is as expected.
fn expecting(event: &NewEvent, expected: Expected) -> Vec<Condition> {
    let stream = event.stream.clone().expect("a stream");
    vec![Condition::Stream { topic: event.topic.clone(), stream, expected }]
}

#[track_caller]
fn one(read: Read) -> NewEvent {
    let (mut events, _) = read.expect("a CloudEvent");
    assert_eq!(events.len(), 1);
    events.remove(0)
}

/// The event as the log would give it back.
fn recorded(event: NewEvent) -> Event {
    let NewEvent { topic, stream, event_type, payload, tags, metadata } = event;
    let stream = stream.map(|stream| (stream, 4));
    Event { position: 9, topic, sequence: 7, stream, event_type, time_ms: 1_700_000_000_123, payload, tags, metadata }
}

fn written(event: &Event) -> String {
    let mut out = Vec::new();
    write_event(&mut out, event);
    String::from_utf8(out).expect("UTF-8")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("no JSON ({error}): {text}"))
}

fn body_of(response: Response) -> Bytes {
    to_bytes(response.into_body(), usize::MAX).now_or_never().expect("at once").expect("bytes")
}

/// The Problem's members.
#[track_caller]
fn refused(read: Read) -> Value {
    json(&String::from_utf8_lossy(&body_of(read.expect_err("refused").into_response())))
}
