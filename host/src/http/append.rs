//! The streams forms of publishing: one event, appended next to a stream, or as exactly the version that the path names.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::App;
use super::body::Object;
use super::event_body::{StreamEventBody, invalid_event};
use super::idempotency;
use super::openapi::problems::{Body as OfBody, InPath, Named, OfTopic, Refused, Versioned, Writing};
use super::openapi::{PUBLISHING, answers, params, schemas};
use super::path::Path;
use super::problem::Problem;
use super::publish::{Failed, Write, publish};
use super::trace_context;
use crate::engine::{EngineError, Published};
use crate::model::{Condition, Expected, StreamName, TopicName};
use crate::storage::AppendError;

/// Appends an event to a stream of topic `default`.
#[utoipa::path(
    post,
    path = "/streams/{stream}",
    tag = PUBLISHING,
    params(params::Stream, params::Key, params::Expectations),
    request_body = schemas::NewStreamEvent,
    responses(answers::Next, Refused<(InPath, OfBody, Named, Writing)>)
)]
pub async fn post_stream(
    State(app): State<App>,
    Path(stream): Path<String>,
    write: Write,
) -> Result<Response, Problem> {
    append(&app, TopicName::default_topic(), &stream, None, &write).await
}

/// Appends an event to a stream.
#[utoipa::path(
    post,
    path = "/topics/{topic}/streams/{stream}",
    tag = PUBLISHING,
    params(params::Topic, params::Stream, params::Key, params::Expectations),
    request_body = schemas::NewStreamEvent,
    responses(answers::Next, Refused<(InPath, OfBody, Named, OfTopic, Writing)>)
)]
pub async fn post_topic_stream(
    State(app): State<App>,
    Path((topic, stream)): Path<(String, String)>,
    write: Write,
) -> Result<Response, Problem> {
    append(&app, TopicName::parse(&topic)?, &stream, None, &write).await
}

/// Appends an event to a stream of topic `default`, if it becomes this version.
#[utoipa::path(
    post,
    path = "/streams/{stream}/{version}",
    tag = PUBLISHING,
    params(params::Stream, params::AtVersion, params::Key, params::Expectations),
    request_body = schemas::NewStreamEvent,
    responses(answers::Next, Refused<(InPath, OfBody, Named, Versioned, Writing)>)
)]
pub async fn post_stream_version(
    State(app): State<App>,
    Path((stream, version)): Path<(String, String)>,
    write: Write,
) -> Result<Response, Problem> {
    append(&app, TopicName::default_topic(), &stream, Some(&version), &write).await
}

/// Appends an event to a stream, if it becomes this version.
#[utoipa::path(
    post,
    path = "/topics/{topic}/streams/{stream}/{version}",
    tag = PUBLISHING,
    params(params::Topic, params::Stream, params::AtVersion, params::Key, params::Expectations),
    request_body = schemas::NewStreamEvent,
    responses(answers::Next, Refused<(InPath, OfBody, Named, OfTopic, Versioned, Writing)>)
)]
pub async fn post_topic_stream_version(
    State(app): State<App>,
    Path((topic, stream, version)): Path<(String, String, String)>,
    write: Write,
) -> Result<Response, Problem> {
    append(&app, TopicName::parse(&topic)?, &stream, Some(&version), &write).await
}

async fn append(
    app: &App,
    topic: TopicName,
    stream: &str,
    version: Option<&str>,
    write: &Write,
) -> Result<Response, Problem> {
    let topic = app.engine.topic(&topic)?;
    let stream = StreamName::parse(stream)?;
    let condition = match version {
        None => None,
        Some(text) => Some(condition(app, &topic.name, &stream, text).await?),
    };
    let Object(event): Object<StreamEventBody<'_>> = write.body.json(invalid_event)?;
    let mut event = event.into_event(&write.body.0, topic.name.clone(), stream)?;
    trace_context::keep(&write.body.1, std::slice::from_mut(&mut event));
    let published = publish(app, write, vec![event], condition.into_iter().collect()).await.map_err(not_next)?;
    let Some(Published { id, position, version }) = published.events.first() else {
        return Err(invalid_event("no event was published"));
    };
    let answer = Json(json!({ "eventId": id.to_string(), "position": position, "version": version }));
    Ok(idempotency::marked(answer.into_response(), published.replayed))
}

/// To be written as version n, a stream must have n − 1 events.
async fn condition(app: &App, topic: &TopicName, stream: &StreamName, text: &str) -> Result<Condition, Problem> {
    let version: u64 = text
        .parse()
        .map_err(|_| Problem::bad_request("INVALID_VERSION", format!("version '{text}' must be a number from 1")))?;
    let Some(before) = version.checked_sub(1) else {
        return Err(wrong_version(app.engine.stream_version(topic, stream).await?));
    };
    Ok(Condition::Stream { topic: topic.clone(), stream: stream.clone(), expected: Expected::Exactly(before) })
}

fn not_next(failed: Failed) -> Problem {
    match failed {
        Failed::Engine(EngineError::Append(AppendError::Conflict(conflicts))) if conflicts.len() == 1 => {
            wrong_version(conflicts[0].actual)
        }
        failed => failed.into(),
    }
}

fn wrong_version(current: u64) -> Problem {
    let detail = format!("The requested version is invalid. Current Version: {current}");
    Problem::new(StatusCode::CONFLICT, "CONFLICT", detail)
}
