//! Reading: topics, streams, the store, and single events. One road for all of them: what is read, in which format, once or
//! followed.

use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, RawQuery, State};
use axum::http::{HeaderMap, header, request::Parts};
use axum::response::{IntoResponse, Response};
use tokio::time::{Instant, timeout_at};

use super::accept::Format;
use super::cache::Caching;
use super::cloud_events::{self, Mode};
use super::event_json::write_event;
use super::follow::Follow;
use super::openapi::problems::{InPath, Named, OfEvent, OfTopic, Reading, Refused};
use super::openapi::{READING, answers, params};
use super::path::Path;
use super::problem::Problem;
use super::read_query::{Of, ReadQuery};
use super::{App, event_stream, pages, socket};
use crate::engine::{Cursor, EngineError, Target};
use crate::model::{Event, EventId, StreamName, TopicName};

/// A read as it came.
pub struct ReadRequest {
    query: Option<String>,
    headers: HeaderMap,
    /// The wish to go on as a WebSocket.
    upgrade: Option<WebSocketUpgrade>,
}

impl FromRequestParts<App> for ReadRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let upgrade = socket::wish(parts, app).await?;
        let (query, headers) = (parts.uri.query().map(str::to_owned), std::mem::take(&mut parts.headers));
        Ok(Self { query, headers, upgrade })
    }
}

/// The events of a topic, once or followed.
#[utoipa::path(
    get,
    path = "/topics/{topic}/events",
    tag = READING,
    params(params::Topic, params::Selection, params::OfStream, params::Form, params::Conditional),
    responses(answers::Pages, Refused<(InPath, Named, OfTopic, Reading)>)
)]
pub async fn get_topic_events(
    State(app): State<App>,
    Path(topic): Path<String>,
    request: ReadRequest,
) -> Result<Response, Problem> {
    let topic = app.engine.topic(&TopicName::parse(&topic)?)?;
    let query = ReadQuery::parse(request.query.as_deref(), Of::Topic(&topic.name))?;
    let target = Target::Topic(topic.name.clone(), query.stream.clone());
    answer(&app, &target, query, request).await
}

/// All events of a store, once or followed.
#[utoipa::path(
    get,
    path = "/events",
    tag = READING,
    params(params::Selection, params::Form, params::Adapter, params::Conditional),
    responses(answers::Pages, Refused<(Named, Reading)>)
)]
pub async fn get_events(State(app): State<App>, request: ReadRequest) -> Result<Response, Problem> {
    let query = ReadQuery::parse(request.query.as_deref(), Of::Store)?;
    let target = Target::Store(query.adapter.clone());
    answer(&app, &target, query, request).await
}

/// The events of a stream of topic `default`, once or followed.
#[utoipa::path(
    get,
    path = "/streams/{stream}",
    tag = READING,
    params(params::Stream, params::Selection, params::Form, params::Conditional),
    responses(answers::Pages, Refused<(InPath, Named, Reading)>)
)]
pub async fn get_stream(
    State(app): State<App>,
    Path(stream): Path<String>,
    request: ReadRequest,
) -> Result<Response, Problem> {
    read_stream(&app, &TopicName::default_topic(), &stream, request).await
}

/// The events of a stream, once or followed.
#[utoipa::path(
    get,
    path = "/topics/{topic}/streams/{stream}",
    tag = READING,
    params(params::Topic, params::Stream, params::Selection, params::Form, params::Conditional),
    responses(answers::Pages, Refused<(InPath, Named, OfTopic, Reading)>)
)]
pub async fn get_topic_stream(
    State(app): State<App>,
    Path((topic, stream)): Path<(String, String)>,
    request: ReadRequest,
) -> Result<Response, Problem> {
    read_stream(&app, &TopicName::parse(&topic)?, &stream, request).await
}

async fn read_stream(app: &App, topic: &TopicName, stream: &str, request: ReadRequest) -> Result<Response, Problem> {
    let topic = app.engine.topic(topic)?;
    let target = Target::Stream(topic.name.clone(), StreamName::parse(stream)?);
    let query = ReadQuery::parse(request.query.as_deref(), Of::Stream(&topic.name))?;
    answer(app, &target, query, request).await
}

async fn answer(app: &App, target: &Target, mut query: ReadQuery, request: ReadRequest) -> Result<Response, Problem> {
    if let Some(upgrade) = request.upgrade {
        let follow = Follow::open(app, target, query).await?;
        return Ok(socket::answer(upgrade, follow, app.sockets.clone()));
    }
    match Format::of(&request.headers)? {
        Format::EventStream => {
            query.resume(&request.headers, target)?;
            Ok(event_stream::answer(Follow::open(app, target, query).await?))
        }
        format => read(app, target, query, &request.headers, format).await,
    }
}

async fn read(
    app: &App,
    target: &Target,
    query: ReadQuery,
    headers: &HeaderMap,
    format: Format,
) -> Result<Response, Problem> {
    let mut cursor = app.engine.read(target, query.selection.clone()).await?;
    let caching = Caching::new(&app.engine, query.selection.form, cursor.adapter(), format.suffix());
    // A page with a limit may be closed, which is known when it was read.
    if let (Target::Stream(..), 0, None) = (target, query.wait_s, query.selection.limit)
        && let Some(known) = caching.not_modified(headers, &caching.stream(cursor.head()))
    {
        return Ok(known);
    }
    let mut page = cursor.next_page().await?;
    if page.is_none() && query.wait_s > 0 {
        (cursor, page) = wait(app, target, &query).await?;
    }
    let page = page.unwrap_or_default();
    let tagged = caching.page(target, &query.selection, &cursor, &page);
    Ok(match caching.not_modified(headers, &tagged) {
        Some(known) => known,
        None => tagged.put(pages::answer(format, &page, cursor)),
    })
}

/// Reads again with every commit to the target, until there is something or the time is up.
async fn wait(app: &App, target: &Target, query: &ReadQuery) -> Result<(Cursor, Option<Vec<Event>>), Problem> {
    let deadline = Instant::now() + Duration::from_secs(query.wait_s);
    let mut subscription = app.live.subscribe(target)?;
    loop {
        subscription.mark_seen();
        let mut cursor = app.engine.read(target, query.selection.clone()).await?;
        let page = cursor.next_page().await?;
        let go_on = page.is_none() && timeout_at(deadline, subscription.changed()).await.unwrap_or(false);
        if !go_on {
            return Ok((cursor, page));
        }
    }
}

/// One event.
#[utoipa::path(
    get,
    path = "/events/{id}",
    tag = READING,
    params(params::Id, params::Form, params::IfNoneMatch),
    responses(answers::OneEvent, Refused<(InPath, OfEvent)>)
)]
pub async fn get_event(
    State(app): State<App>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let form = ReadQuery::form(query.as_deref())?;
    let unknown = || Problem::not_found("EVENT_NOT_FOUND", format!("Event '{id}' not found"));
    let id = EventId::parse(&id).ok_or_else(unknown)?;
    let (event, topic) = match (app.engine.event(&id, form).await, app.engine.topic(&id.topic)) {
        (Ok(event), Ok(topic)) => (event.ok_or_else(unknown)?, topic),
        (Err(EngineError::TopicUnknown(_)), _) | (_, Err(_)) => return Err(unknown()),
        (Err(error), _) => return Err(error.into()),
    };
    let mode = Mode::accepted(&headers, &[Mode::Structured, Mode::Binary]);
    let written = match mode {
        None => "",
        Some(Mode::Binary) => "-binary",
        Some(Mode::Structured | Mode::Batch) => "-cloudevent",
    };
    let caching = Caching::new(&app.engine, form, topic.store.adapter, written);
    let tagged = caching.event(&event);
    if let Some(known) = caching.not_modified(&headers, &tagged) {
        return Ok(known);
    }
    let mut out = Vec::new();
    Ok(tagged.put(match mode {
        Some(Mode::Binary) => cloud_events::binary_answer(&event),
        Some(Mode::Structured | Mode::Batch) => {
            cloud_events::write_event(&mut out, &event);
            ([(header::CONTENT_TYPE, cloud_events::STRUCTURED)], out).into_response()
        }
        None => {
            write_event(&mut out, &event);
            (super::JSON_HEADERS, out).into_response()
        }
    }))
}
