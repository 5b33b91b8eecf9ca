//! Projections: what views there are, reading them, and having them built anew.

use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::form_urlencoded;
use utoipa::ToSchema;

use super::App;
use super::body::{Body, Object};
use super::cache::knows;
use super::openapi::problems::{
    Body as OfBody, InPath, Listing, Named, OfKey, OfProjection, OfTopic, Once, Query, Querying, Refused, Replaying,
    Shape, ViewAction, Viewing,
};
use super::openapi::{COMMANDS, PROJECTIONS, answers, params, schemas};
use super::path::Path;
use super::problem::Problem;
use super::time::timestamp;
use crate::delivery::{Fresh, GenerationStatus, Letter, Reading, ViewError, ViewState, ViewStatus};
use crate::model::limits::{VIEW_ANSWER_ENTRIES_MAX, VIEW_WAIT_MS, VIEW_WAIT_MS_MAX};
use crate::model::{Payload, Position, TopicName, hex};

const POSITION: HeaderName = HeaderName::from_static("weir-position");
const GENERATION: HeaderName = HeaderName::from_static("weir-generation");

/// One build of a view.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ViewGeneration)]
pub struct GenerationJson {
    number: u64,
    state: ViewState,
    /// Why it does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Everything up to this position is in it.
    position: Position,
    /// Positions behind the head.
    lag: u64,
    /// Events that it took since the server started.
    events: u64,
    /// Events that it left out since the server started.
    skipped: u64,
    /// Of all keys and values.
    bytes: u64,
    state_version: u32,
    plugin_version: String,
    plugin_digest: String,
    #[schema(value_type = schemas::Timestamp)]
    begun_at: String,
}

/// A projection and its generations.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Projection)]
pub struct ProjectionJson {
    name: String,
    /// `projection`, or `process-manager`, whose view is its own business.
    kind: &'static str,
    /// `inline`: a publisher's answer waits for it.
    consistency: &'static str,
    queries: bool,
    /// The store's last position.
    head: Position,
    /// What is read.
    live: Option<GenerationJson>,
    /// What is built beside it, and takes its place when it has caught up.
    building: Option<GenerationJson>,
    /// The number of the generation to go back to.
    kept: Option<u64>,
    /// Why nothing can be kept, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

impl From<ViewStatus> for ProjectionJson {
    fn from(view: ViewStatus) -> Self {
        let head = view.head;
        let generation = |GenerationStatus { made, standing, position, bytes }| GenerationJson {
            number: made.number,
            state: standing.state,
            reason: standing.reason,
            position,
            lag: head.saturating_sub(position),
            events: standing.events,
            skipped: standing.skipped,
            bytes,
            state_version: made.recipe.state_version,
            plugin_version: made.version,
            plugin_digest: made.digest,
            begun_at: timestamp(made.begun_ms),
        };
        Self {
            name: view.name,
            kind: view.kind,
            consistency: if view.inline { "inline" } else { "async" },
            queries: view.has_queries,
            head,
            live: view.live.map(generation),
            building: view.building.map(generation),
            kept: view.kept.map(|made| made.number),
            failure: view.failure,
        }
    }
}

/// All projections.
#[utoipa::path(
    get,
    path = "/projections",
    tag = PROJECTIONS,
    responses((status = 200, description = "All projections.", body = schemas::Projections))
)]
pub async fn get_projections(State(app): State<App>) -> Response {
    let all: Vec<ProjectionJson> = app.views.list().into_iter().map(Into::into).collect();
    Json(json!({ "projections": all })).into_response()
}

/// One projection: what is read, what is built, and how far both are.
#[utoipa::path(
    get,
    path = "/projections/{projection}",
    tag = PROJECTIONS,
    params(params::Projection),
    responses((status = 200, description = "The projection.", body = ProjectionJson), Refused<(InPath, OfProjection)>)
)]
pub async fn get_projection(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Problem> {
    Ok(Json(ProjectionJson::from(app.views.status(&name)?)).into_response())
}

/// One value of the view.
#[utoipa::path(
    get,
    path = "/projections/{projection}/state/{key}",
    tag = PROJECTIONS,
    params(params::Projection, params::ViewKey, params::Fresh, params::IfNoneMatch),
    responses(answers::ViewValue, Refused<(InPath, OfProjection, OfKey, Query, Viewing)>)
)]
pub async fn get_state_of(
    State(app): State<App>,
    Path((name, key)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (fresh, others) = Fresh::parse(query.as_deref())?;
    let [] = known(others, [])?;
    let Reading { value, position, generation } = app.views.get_key(&name, key.clone(), fresh).await?;
    let value = value.ok_or_else(|| {
        Problem::not_found("KEY_NOT_FOUND", format!("the view of '{name}' has no key '{key}'"))
            .with("position", position.into())
    })?;
    let kind = match &value {
        Payload::Json(_) => "application/json",
        Payload::Bytes(_) => "application/octet-stream",
    };
    let body = ([(header::CONTENT_TYPE, kind)], value.as_bytes().clone());
    Ok(answer(&headers, value.as_bytes(), body, position, generation))
}

/// Several values of the view, in the order of their keys.
#[utoipa::path(
    get,
    path = "/projections/{projection}/state",
    tag = PROJECTIONS,
    params(params::Projection, params::ViewPage, params::Fresh, params::IfNoneMatch),
    responses(answers::ViewEntries, Refused<(InPath, OfProjection, Query, Viewing)>)
)]
pub async fn get_state(
    State(app): State<App>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (fresh, others) = Fresh::parse(query.as_deref())?;
    let [prefix, after, limit] = known(others, ["prefix", "after", "limit"])?;
    let limit = limit.map_or(Ok(100), |text| {
        let limit = text.parse().ok().filter(|limit| (1..=VIEW_ANSWER_ENTRIES_MAX).contains(limit));
        limit.ok_or_else(|| refuse(format!("limit '{text}' must be 1 to {VIEW_ANSWER_ENTRIES_MAX}")))
    })?;
    let page = (prefix.unwrap_or_default(), after, limit);
    let Reading { value, position, generation } = app.views.scan(&name, page, fresh).await?;
    let next = value.last().filter(|_| value.len() == limit).map(|(key, _)| key.clone());
    let entries: Vec<Value> = value.iter().map(|(key, value)| entry(key, value)).collect();
    let entries = json!({ "entries": entries, "next": next, "position": position });
    let mut bytes = Vec::new();
    value.iter().for_each(|(key, value)| bytes.extend(key.as_bytes().iter().chain(value.as_bytes().iter()).copied()));
    Ok(answer(&headers, &bytes, Json(entries), position, generation))
}

/// Asks the projection a query of its own; what else the address says are the query's parameters.
#[utoipa::path(
    get,
    path = "/projections/{projection}/query/{query}",
    tag = PROJECTIONS,
    params(params::Projection, params::QueryName, params::Fresh, params::IfNoneMatch),
    responses(answers::QueryAnswer, Refused<(InPath, OfProjection, Querying, Viewing)>)
)]
pub async fn get_query(
    State(app): State<App>,
    Path((name, asked)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (fresh, others) = Fresh::parse(query.as_deref())?;
    ask(&app, &headers, (&name, &asked), &others, fresh).await
}

/// The projection that keeps the documents of all topics.
const DOCUMENTS: &str = "current-state";

/// Lists a topic's documents as the projection `current-state` keeps them: members and paths filter them, `sort` orders them,
/// and `limit` and `after` page through them.
#[utoipa::path(
    get,
    path = "/aggregates/{topic}",
    tag = COMMANDS,
    params(params::Topic, params::Documents, params::Fresh, params::IfNoneMatch),
    responses(answers::DocumentList, Refused<(InPath, Named, OfTopic, Listing, Querying, Viewing)>)
)]
pub async fn get_aggregates(
    State(app): State<App>,
    Path(topic): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let topic = app.engine.topic(&TopicName::parse(&topic)?)?;
    let (fresh, mut others) = Fresh::parse(query.as_deref())?;
    if others.iter().any(|(name, _)| name == "topic") {
        return Err(refuse("the topic stands in the path; a member of that name cannot be a filter here"));
    }
    others.push(("topic".to_owned(), topic.name.to_string()));
    ask(&app, &headers, (DOCUMENTS, "list"), &others, fresh).await
}

async fn ask(
    app: &App,
    headers: &HeaderMap,
    (name, query): (&str, &str),
    params: &[(String, String)],
    fresh: Fresh,
) -> Result<Response, Problem> {
    let params: Vec<_> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let Reading { value, position, generation } = app.views.query(name, query, &params, fresh).await?;
    let value = RawValue::from_string(value).map_err(|error| refuse(error.to_string()))?;
    Ok(answer(headers, value.get().as_bytes(), Json(&value), position, generation))
}

/// Events that the live view left out, as its side-car says.
#[utoipa::path(
    get,
    path = "/projections/{projection}/dead-letters",
    tag = PROJECTIONS,
    params(params::Projection),
    responses(answers::ViewLetters, Refused<(InPath, OfProjection, Viewing)>)
)]
pub async fn get_letters(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Problem> {
    let letters: Vec<Letter> = app.views.letters(&name)?;
    Ok(Json(json!({ "deadLetters": letters })).into_response())
}

/// Builds the view anew beside the one that is read, and switches to it in one step once it has caught up; or goes back to the
/// one before.
#[utoipa::path(
    post,
    path = "/projections/{projection}/{action}",
    tag = PROJECTIONS,
    params(params::Projection, params::ViewAction, params::Key),
    responses(answers::ProjectionChanged, Refused<(InPath, OfProjection, Once, ViewAction)>)
)]
pub async fn post_projection_action(
    State(app): State<App>,
    Path((name, action)): Path<(String, String)>,
) -> Result<Response, Problem> {
    match action.as_str() {
        "rebuild" => app.views.rebuild(&name).await?,
        "rollback" => app.views.roll_back(&name).await?,
        other => {
            let detail = format!("'{other}' cannot be done to a projection; choose rebuild, rollback or replay");
            return Err(Problem::not_found("NOT_FOUND", detail));
        }
    }
    Ok(Json(ProjectionJson::from(app.views.status(&name)?)).into_response())
}

/// Goes on from a position, also with a view that is paused. The plugin gets those events again that it has had already: one
/// that counts them counts them twice, unless it looks at their positions or versions.
#[utoipa::path(
    post,
    path = "/projections/{projection}/replay",
    tag = PROJECTIONS,
    params(params::Projection, params::Key),
    request_body = schemas::ReplayFrom,
    responses(answers::ProjectionChanged, Refused<((InPath, OfProjection, Once), (OfBody, Shape, Replaying))>)
)]
pub async fn post_projection_replay(
    State(app): State<App>,
    Path(name): Path<String>,
    body: Body,
) -> Result<Response, Problem> {
    let shape = |detail| Problem::bad_request("INVALID_REQUEST", format!("Required: from ({detail})"));
    let Object(ReplayBody { from }) = body.json(shape)?;
    app.views.replay(&name, from)?;
    Ok(Json(ProjectionJson::from(app.views.status(&name)?)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplayBody {
    from: Position,
}

fn refuse(detail: impl Into<String>) -> Problem {
    Problem::bad_request("INVALID_QUERY", detail)
}

/// What every read of a view may say.
const FRESH: [&str; 2] = ["minPosition", "wait"];

impl Fresh {
    /// `minPosition` and `wait`, and all the other parameters in their order.
    fn parse(query: Option<&str>) -> Result<(Self, Vec<(String, String)>), Problem> {
        let all = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned();
        let (own, others): (Vec<_>, Vec<_>) = all.partition(|(name, _)| FRESH.contains(&name.as_str()));
        let number = |name: &str, value: String| {
            value.parse::<u64>().map_err(|_| refuse(format!("{name} '{value}' must be a whole number")))
        };
        let [position, wait] = known(own, FRESH)?;
        let position = position.map(|text| number(FRESH[0], text)).transpose()?.unwrap_or(0);
        let wait = wait.map(|text| number(FRESH[1], text)).transpose()?;
        let wait_ms = wait.map_or(VIEW_WAIT_MS, |seconds| seconds.saturating_mul(1_000));
        if wait_ms > VIEW_WAIT_MS_MAX {
            return Err(refuse(format!("wait is at most {} seconds", VIEW_WAIT_MS_MAX / 1_000)));
        }
        Ok((Self { position, wait: Duration::from_millis(wait_ms) }, others))
    }
}

/// The parameters of these names, each once at most; there may be no others.
fn known<const N: usize>(others: Vec<(String, String)>, names: [&str; N]) -> Result<[Option<String>; N], Problem> {
    let mut found = [const { None }; N];
    for (name, value) in others {
        let Some(at) = names.iter().position(|known| *known == name) else {
            let all: Vec<&str> = names.into_iter().chain(FRESH).collect();
            return Err(refuse(format!("query parameter '{name}' is not known here; known are {}", all.join(", "))));
        };
        if found[at].replace(value).is_some() {
            return Err(refuse(format!("query parameter '{name}' is there more than once")));
        }
    }
    Ok(found)
}

fn entry(key: &str, value: &Payload) -> Value {
    let mut entry = json!({ "key": key });
    match value {
        // It was JSON when it was written; what is not any more would be a damaged file.
        Payload::Json(text) => entry["value"] = serde_json::from_slice(text).unwrap_or_default(),
        Payload::Bytes(bytes) => entry["data"] = BASE64.encode(bytes).into(),
    }
    entry
}

/// The tag names what was read, not when: a client keeps it for as long as the value stays.
fn answer(
    headers: &HeaderMap,
    content: &[u8],
    body: impl IntoResponse,
    position: Position,
    generation: u64,
) -> Response {
    let tag = format!("\"{}\"", &hex(&Sha256::digest(content))[..16]);
    let mut response =
        if knows(headers, &tag) { StatusCode::NOT_MODIFIED.into_response() } else { body.into_response() };
    // Digits, letters and quotes are always a header's value.
    let text = |text: String| HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    let own = response.headers_mut();
    own.insert(header::ETAG, text(tag));
    own.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    own.insert(POSITION, HeaderValue::from(position));
    own.insert(GENERATION, HeaderValue::from(generation));
    response
}

impl From<ViewError> for Problem {
    fn from(error: ViewError) -> Self {
        let detail = error.to_string();
        match error {
            ViewError::Unknown(_) => Self::not_found("PROJECTION_NOT_FOUND", detail),
            ViewError::NotYet(_) => Self::unavailable("VIEW_NOT_READY", detail, 1),
            ViewError::Behind { reached, .. } => {
                Self::retryable(StatusCode::GATEWAY_TIMEOUT, "VIEW_BEHIND", detail).with("position", reached.into())
            }
            ViewError::Gap { reached, .. } => {
                Self::new(StatusCode::CONFLICT, "REPLAY_GAP", detail).with("position", reached.into())
            }
            ViewError::Conflict(_) => Self::new(StatusCode::CONFLICT, "PROJECTION_CONFLICT", detail),
            ViewError::NoQueries => Self::unavailable("PROJECTION_UNAVAILABLE", detail, 1),
            ViewError::Refused(refusal) if refusal.code == UNKNOWN_QUERY => Self::not_found("QUERY_NOT_FOUND", detail),
            ViewError::Refused(refusal) => {
                Self::bad_request("QUERY_REFUSED", detail).with("errors", super::problem::errors(&[refusal], None))
            }
            ViewError::Plugin(error) => super::problem::plugin_fault(&error),
            ViewError::Storage(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "STORAGE_FAILED", detail),
        }
    }
}

/// What plugins of the SDK say of a query that they do not have.
const UNKNOWN_QUERY: &str = "unknown-query";
