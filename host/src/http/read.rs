//! Reading: topics, streams, the store, and single events. Answers are streamed page by page.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;

use super::App;
use super::cloud_events::{self, Mode};
use super::event_json::{write_event, write_events};
use super::problem::{Problem, with_header};
use super::read_query::{Of, ReadQuery};
use crate::engine::{Cursor, EngineError};
use crate::model::{Event, EventId, StreamName, TopicName};

/// `GET /topics/{t}/events`
pub async fn get_topic_events(
    State(app): State<App>,
    Path(topic): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let topic = app.engine.topic(&TopicName::parse(&topic)?)?;
    let query = ReadQuery::parse(query.as_deref(), Of::Topic(&topic.name))?;
    let mut head = topic.store.log.head();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(query.wait_s);
    loop {
        head.mark_unchanged();
        let mut cursor = app.engine.read_topic(&topic.name, query.selection.clone()).await?;
        let first = cursor.next_page().await?;
        let waited = first.is_some() || tokio::time::timeout_at(deadline, head.changed()).await.is_err();
        if waited {
            return Ok(answer(Form::of(&headers), first.unwrap_or_default(), cursor));
        }
    }
}

/// `GET /events`
pub async fn get_events(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = ReadQuery::parse(query.as_deref(), Of::Store)?;
    let mut cursor = app.engine.read_store(query.adapter.as_deref(), query.selection)?;
    let first = cursor.next_page().await?;
    Ok(answer(Form::of(&headers), first.unwrap_or_default(), cursor))
}

/// `GET /events/{id}`
pub async fn get_event(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let unknown = || Problem::not_found("EVENT_NOT_FOUND", format!("Event '{id}' not found"));
    let event = match app.engine.event(&EventId::parse(&id).ok_or_else(unknown)?).await {
        Ok(event) => event.ok_or_else(unknown)?,
        Err(EngineError::TopicUnknown(_)) => return Err(unknown()),
        Err(error) => return Err(error.into()),
    };
    let mode = Mode::accepted(&headers, &[Mode::Structured, Mode::Binary]);
    if mode == Some(Mode::Binary) {
        return Ok(cloud_events::binary_answer(&event));
    }
    let mut out = Vec::new();
    if mode == Some(Mode::Structured) {
        cloud_events::write_event(&mut out, &event);
        return Ok(([(header::CONTENT_TYPE, cloud_events::STRUCTURED)], out).into_response());
    }
    write_event(&mut out, &event);
    Ok((super::JSON_HEADERS, out).into_response())
}

/// `GET /streams/{s}`
pub async fn get_stream(
    State(app): State<App>,
    Path(stream): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    read_stream(&app, Form::of(&headers), TopicName::default_topic(), &stream, query.as_deref()).await
}

/// `GET /topics/{t}/streams/{s}`
pub async fn get_topic_stream(
    State(app): State<App>,
    Path((topic, stream)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    read_stream(&app, Form::of(&headers), TopicName::parse(&topic)?, &stream, query.as_deref()).await
}

async fn read_stream(
    app: &App,
    form: &'static Form,
    topic: TopicName,
    stream: &str,
    query: Option<&str>,
) -> Result<Response, Problem> {
    let topic = app.engine.topic(&topic)?;
    let stream = StreamName::parse(stream)?;
    let query = ReadQuery::parse(query, Of::Stream)?;
    let (mut cursor, version) = app.engine.read_stream(&topic, stream, query.selection).await?;
    let first = cursor.next_page().await?;
    let tag = HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"0\""));
    Ok(with_header(answer(form, first.unwrap_or_default(), cursor), header::ETAG, tag))
}

/// How a list of events goes out.
struct Form {
    content_type: &'static str,
    head: &'static [u8],
    write: fn(&[Event], bool) -> Bytes,
    tail: &'static [u8],
}

impl Form {
    const JSON: Self =
        Self { content_type: "application/json", head: b"{\"events\":[", write: write_events, tail: b"]}" };
    const CLOUD_EVENTS: Self =
        Self { content_type: cloud_events::BATCH, head: b"[", write: cloud_events::write_batch, tail: b"]" };

    fn of(headers: &HeaderMap) -> &'static Self {
        match Mode::accepted(headers, &[Mode::Batch]) {
            Some(_) => &Self::CLOUD_EVENTS,
            None => &Self::JSON,
        }
    }
}

/// A whole list: in one piece when one page holds it all, else streamed in constant memory.
fn answer(form: &'static Form, first: Vec<Event>, cursor: Cursor) -> Response {
    let content_type = [(header::CONTENT_TYPE, form.content_type)];
    let page = (form.write)(&first, true);
    if cursor.is_done() {
        let whole = [form.head, &page, form.tail].concat();
        return (content_type, whole).into_response();
    }
    let pages = stream::unfold(Pages::More(form, cursor), next_piece);
    let start = stream::iter([Ok(Bytes::from_static(form.head)), Ok(page)]);
    let body = Body::from_stream(futures_util::StreamExt::chain(start, pages));
    (content_type, body).into_response()
}

enum Pages {
    More(&'static Form, Cursor),
    Done,
}

/// A read that fails halfway breaks the transfer off: the client must see that something is missing.
async fn next_piece(pages: Pages) -> Option<(Result<Bytes, Arc<EngineError>>, Pages)> {
    let Pages::More(form, mut cursor) = pages else { return None };
    match cursor.next_page().await {
        Ok(Some(events)) => Some((Ok((form.write)(&events, false)), Pages::More(form, cursor))),
        Ok(None) => Some((Ok(Bytes::from_static(form.tail)), Pages::Done)),
        Err(error) => {
            tracing::error!(%error, "a read failed halfway");
            Some((Err(Arc::new(error)), Pages::Done))
        }
    }
}
