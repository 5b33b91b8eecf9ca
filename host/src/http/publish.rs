//! Publishing: the array form, the one-topic form, and the streams forms.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::App;
use super::body::Body;
use super::cloud_events;
use super::event_body::{EventBody, StreamEventBody, invalid_event};
use super::problem::Problem;
use super::trace_context;
use crate::engine::{EngineError, Published};
use crate::model::{Condition, Expected, NewEvent, StreamName, TopicName, limits};
use crate::storage::AppendError;

const ARRAY: &str = "Request body must be a non-empty array of events";

/// `POST /events`
pub async fn post_events(State(app): State<App>, body: Body) -> Result<Response, Problem> {
    let (events, conditions) = parse(&body, None)?;
    // Here an unknown topic is the event's fault, not the path's.
    let published = app.engine.publish(events, conditions).await.map_err(|error| match error {
        EngineError::TopicUnknown(_) => Problem::from(error).with_status(StatusCode::BAD_REQUEST),
        error => error.into(),
    })?;
    Ok(created(&published))
}

/// `POST /topics/{t}/events`
pub async fn post_topic_events(
    State(app): State<App>,
    Path(topic): Path<String>,
    body: Body,
) -> Result<Response, Problem> {
    let topic = app.engine.topic(&TopicName::parse(&topic)?)?;
    let (events, conditions) = parse(&body, Some(&topic.name))?;
    Ok(created(&app.engine.publish(events, conditions).await?))
}

fn parse(body: &Body, topic: Option<&TopicName>) -> Result<(Vec<NewEvent>, Vec<Condition>), Problem> {
    let (mut events, conditions) = match cloud_events::read(body, topic)? {
        Some(read) => read,
        None => parse_events(body, topic)?,
    };
    trace_context::keep(&body.1, &mut events);
    Ok((events, conditions))
}

fn parse_events(body: &Body, topic: Option<&TopicName>) -> Result<(Vec<NewEvent>, Vec<Condition>), Problem> {
    let first = body.0.iter().find(|byte| !byte.is_ascii_whitespace());
    let shape = |detail: String| match first {
        Some(b'[' | b'{') if topic.is_some() => invalid_event(detail),
        Some(b'[') => invalid_event(detail),
        _ => Problem::bad_request("INVALID_REQUEST", ARRAY),
    };
    // Only the one-topic form takes a single event.
    let bodies: Vec<EventBody<'_>> = match first {
        Some(b'{') if topic.is_some() => vec![body.json(shape)?],
        _ => body.json(shape)?,
    };
    check_count(bodies.len())?;
    let mut events = Vec::with_capacity(bodies.len());
    let mut conditions = Vec::new();
    for one in bodies {
        let (event, condition) = one.into_event(&body.0, topic)?;
        events.push(event);
        conditions.extend(condition);
    }
    Ok((events, conditions))
}

/// An array of events is never empty, and bounded.
pub fn check_count(events: usize) -> Result<(), Problem> {
    match events {
        0 => Err(Problem::bad_request("INVALID_REQUEST", ARRAY)),
        1..=limits::BATCH_EVENTS_MAX => Ok(()),
        _ => {
            let detail = format!("a request has at most {} events, this one has {events}", limits::BATCH_EVENTS_MAX);
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", detail))
        }
    }
}

/// Written by hand: ids and numbers need no escaping, and this is the answer of the hot path.
fn created(published: &[Published]) -> Response {
    use std::fmt::Write;
    let mut text = String::with_capacity(40 + published.len() * 40);
    text.push_str("{\"eventIds\":[");
    for (i, event) in published.iter().enumerate() {
        let _ = write!(text, "{}\"{}\"", if i > 0 { "," } else { "" }, event.id);
    }
    text.push_str("],\"positions\":[");
    for (i, event) in published.iter().enumerate() {
        let _ = write!(text, "{}{}", if i > 0 { "," } else { "" }, event.position);
    }
    text.push_str("]}");
    (StatusCode::CREATED, super::JSON_HEADERS, text).into_response()
}

/// `POST /streams/{s}`: append next, in topic `default`.
pub async fn post_stream(State(app): State<App>, Path(stream): Path<String>, body: Body) -> Result<Response, Problem> {
    append(&app, TopicName::default_topic(), &stream, None, &body).await
}

/// `POST /topics/{t}/streams/{s}`
pub async fn post_topic_stream(
    State(app): State<App>,
    Path((topic, stream)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Problem> {
    append(&app, TopicName::parse(&topic)?, &stream, None, &body).await
}

/// `POST /streams/{s}/{version}`: only as exactly this version, in topic `default`.
pub async fn post_stream_version(
    State(app): State<App>,
    Path((stream, version)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Problem> {
    append(&app, TopicName::default_topic(), &stream, Some(&version), &body).await
}

/// `POST /topics/{t}/streams/{s}/{version}`
pub async fn post_topic_stream_version(
    State(app): State<App>,
    Path((topic, stream, version)): Path<(String, String, String)>,
    body: Body,
) -> Result<Response, Problem> {
    append(&app, TopicName::parse(&topic)?, &stream, Some(&version), &body).await
}

async fn append(
    app: &App,
    topic: TopicName,
    stream: &str,
    version: Option<&str>,
    body: &Body,
) -> Result<Response, Problem> {
    let topic = app.engine.topic(&topic)?;
    let stream = StreamName::parse(stream)?;
    let condition = match version {
        None => None,
        Some(text) => Some(condition(app, &topic.name, &stream, text).await?),
    };
    let event: StreamEventBody<'_> = body.json(invalid_event)?;
    let mut event = event.into_event(&body.0, topic.name.clone(), stream)?;
    trace_context::keep(&body.1, std::slice::from_mut(&mut event));
    let published = app.engine.publish(vec![event], condition.into_iter().collect()).await.map_err(not_next)?;
    let event = &published[0];
    Ok(Json(json!({ "eventId": event.id.to_string(), "position": event.position, "version": event.version }))
        .into_response())
}

/// To be written as version n, a stream must have n − 1 events.
async fn condition(app: &App, topic: &TopicName, stream: &StreamName, text: &str) -> Result<Condition, Problem> {
    let version: u64 = text
        .parse()
        .map_err(|_| Problem::bad_request("INVALID_VERSION", format!("version '{text}' must be a number from 1")))?;
    let Some(before) = version.checked_sub(1) else {
        return Err(wrong_version(app.engine.stream_version(topic, stream).await?));
    };
    Ok(Condition { topic: topic.clone(), stream: stream.clone(), expected: Expected::Exactly(before) })
}

fn not_next(error: EngineError) -> Problem {
    match &error {
        EngineError::Append(AppendError::Conflict(conflicts)) => match conflicts.first() {
            Some(conflict) => wrong_version(conflict.actual),
            None => error.into(),
        },
        _ => error.into(),
    }
}

fn wrong_version(current: u64) -> Problem {
    let detail = format!("The requested version is invalid. Current Version: {current}");
    Problem::new(StatusCode::CONFLICT, "CONFLICT", detail)
}
