//! Publishing: the array form, the object form with conditions, and the one-topic form. (`append.rs` has the streams forms.)

use axum::extract::{self, FromRequest, State};
use axum::http::request::Parts;
use axum::http::{Method, Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::App;
use super::body::{Body, Content, Object};
use super::cloud_events;
use super::conditions::{ConditionBody, conditions, preconditions};
use super::event_body::{EventBody, invalid_event};
use super::idempotency;
use super::openapi::problems::{Body as OfBody, InPath, Named, OfTopic, Refused, TopicInBody, Writing, WritingMany};
use super::openapi::{PUBLISHING, answers, params, schemas};
use super::path::Path;
use super::problem::Problem;
use super::trace_context;
use crate::engine::{EngineError, Publication};
use crate::model::{Condition, Conflict, NewEvent, TopicName, limits};
use crate::storage::{AppendError, Batch};

const ARRAY: &str = "Request body must be a non-empty array of events";

/// A request to write: its body, and what else counts for whether it is the same one again.
pub struct Write {
    method: Method,
    uri: Uri,
    pub body: Body,
}

impl FromRequest<App> for Write {
    type Rejection = Problem;

    async fn from_request(request: extract::Request, app: &App) -> Result<Self, Problem> {
        Self::read(request, app).await
    }
}

impl Write {
    pub async fn read<B: Content>(request: Request<B>, app: &App) -> Result<Self, Problem> {
        let (Parts { method, uri, headers, .. }, content) = request.into_parts();
        Ok(Self { method, uri, body: Body::read(headers, content, app).await? })
    }

    /// What the request is about besides its body: a CloudEvent in binary mode is mostly in the headers.
    pub fn target(&self) -> String {
        let Self { method, uri, body: Body(_, headers) } = self;
        let counts = |name: &str| name == "content-type" || name.starts_with("ce-");
        let mut lines: Vec<String> = headers
            .iter()
            .filter(|(name, _)| counts(name.as_str()))
            .map(|(name, value)| format!("{name}: {}", value.as_bytes().escape_ascii()))
            .collect();
        lines.sort_unstable();
        format!("{method} {uri}\n{}", lines.join("\n"))
    }
}

/// The object form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchBody<'a> {
    #[serde(borrow)]
    events: Vec<Object<EventBody<'a>>>,
    #[serde(borrow, default)]
    conditions: Vec<Object<ConditionBody<'a>>>,
}

/// Publishes events of any topics of one store, all or none.
///
/// A CloudEvent in binary mode has its attributes in `ce-` headers and its data as the body.
#[utoipa::path(
    post,
    path = "/events",
    tag = PUBLISHING,
    params(params::Key, params::Expectations),
    request_body(content(
        (schemas::Publication = "application/json"),
        (schemas::CloudEvent = "application/cloudevents+json"),
        (schemas::CloudEvents = "application/cloudevents-batch+json"),
    )),
    responses(answers::Created, Refused<(OfBody, Named, TopicInBody, Writing, WritingMany)>)
)]
pub async fn post_events(State(app): State<App>, write: Write) -> Result<Response, Problem> {
    let (events, conditions) = parse(&write.body, None)?;
    // Here an unknown topic is the event's fault, not the path's.
    let published = publish(&app, &write, events, conditions).await.map_err(|failed| match failed {
        Failed::Engine(error @ EngineError::TopicUnknown(_)) => {
            Problem::from(error).with_status(StatusCode::BAD_REQUEST)
        }
        failed => failed.into(),
    })?;
    Ok(created(&published))
}

/// Publishes events of one topic, all or none.
///
/// A CloudEvent in binary mode has its attributes in `ce-` headers and its data as the body.
#[utoipa::path(
    post,
    path = "/topics/{topic}/events",
    tag = PUBLISHING,
    params(params::Topic, params::Key, params::Expectations),
    request_body(content(
        (schemas::TopicPublication = "application/json"),
        (schemas::TopicCloudEvent = "application/cloudevents+json"),
        (schemas::TopicCloudEvents = "application/cloudevents-batch+json"),
    )),
    responses(answers::Created, Refused<(InPath, OfBody, Named, OfTopic, Writing, WritingMany)>)
)]
pub async fn post_topic_events(
    State(app): State<App>,
    Path(topic): Path<String>,
    write: Write,
) -> Result<Response, Problem> {
    let topic = app.engine.topic(&TopicName::parse(&topic)?)?;
    let (events, conditions) = parse(&write.body, Some(&topic.name))?;
    Ok(created(&publish(&app, &write, events, conditions).await?))
}

/// Why nothing was published.
pub enum Failed {
    Problem(Problem),
    Engine(EngineError),
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Failed> for Problem {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Problem(problem) => problem,
            Failed::Engine(error) => error.into(),
        }
    }
}

/// Adds what the headers ask for. What they expected and did not find is 412, whatever else failed.
pub async fn publish(
    app: &App,
    write: &Write,
    events: Vec<NewEvent>,
    mut conditions: Vec<Condition>,
) -> Result<Publication, Failed> {
    let Body(bytes, headers) = &write.body;
    let key = idempotency::key(headers, || write.target(), bytes)?;
    let preconditions = preconditions(headers, &events)?;
    conditions.extend_from_slice(&preconditions);
    let published = app.engine.publish(Batch { events, conditions, key }).await;
    if let Ok(publication) = &published {
        app.views.settled(publication.events.last().map(|event| (&event.id.topic, event.position))).await;
    }
    published.map_err(|error| match &error {
        EngineError::Append(AppendError::Conflict(conflicts)) if is_about(conflicts, &preconditions) => {
            Failed::Problem(Problem::from(error).with_status(StatusCode::PRECONDITION_FAILED))
        }
        _ => Failed::Engine(error),
    })
}

fn is_about(conflicts: &[Conflict], preconditions: &[Condition]) -> bool {
    conflicts.iter().any(|conflict| preconditions.contains(&conflict.condition))
}

/// Which form a body has, by how it begins.
enum Form {
    Array,
    /// `{"events": …}` or `{"conditions": …}`
    Batch,
    /// One event; only the one-topic form takes it.
    Event,
    Other,
}

impl Form {
    fn of(body: &[u8], topic: Option<&TopicName>) -> Self {
        let body = body.trim_ascii_start();
        match body.first() {
            Some(b'[') => Self::Array,
            Some(b'{') => {
                let member = body[1..].trim_ascii_start();
                let is_batch = member.starts_with(b"\"events\"") || member.starts_with(b"\"conditions\"");
                match (is_batch, topic) {
                    (true, _) => Self::Batch,
                    (false, Some(_)) => Self::Event,
                    (false, None) => Self::Other,
                }
            }
            _ => Self::Other,
        }
    }
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
    let array = |_| Problem::bad_request("INVALID_REQUEST", ARRAY);
    let Object(BatchBody { events: bodies, conditions: asked }) = match Form::of(&body.0, topic) {
        Form::Array => Object(BatchBody { events: body.json(invalid_event)?, conditions: vec![] }),
        Form::Batch => body.json(|detail| {
            let detail = format!("{ARRAY}, or an object {{events, conditions}} ({detail})");
            Problem::bad_request("INVALID_REQUEST", detail)
        })?,
        Form::Event => Object(BatchBody { events: vec![body.json(invalid_event)?], conditions: vec![] }),
        Form::Other => body.json(array)?,
    };
    check_count(bodies.len())?;
    let (mut events, mut expected) = (Vec::with_capacity(bodies.len()), Vec::new());
    for Object(one) in bodies {
        let (event, condition) = one.into_event(&body.0, topic)?;
        events.push(event);
        expected.extend(condition);
    }
    expected.extend(conditions(asked, &events)?);
    Ok((events, expected))
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
fn created(published: &Publication) -> Response {
    use std::fmt::Write;
    let Publication { events: published, replayed } = published;
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
    idempotency::marked((StatusCode::CREATED, super::JSON_HEADERS, text).into_response(), *replayed)
}
