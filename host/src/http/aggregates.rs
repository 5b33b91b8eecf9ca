//! Aggregates: commands, and the states that they make. (`documents.rs` has create, replace, patch and delete.)

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use bytes::Bytes;
use serde_json::value::RawValue;
use url::form_urlencoded;

use super::App;
use super::body::Body;
use super::conditions::expectations;
use super::event_json::write_events;
use super::idempotency;
use super::openapi::problems::{Body as OfBody, Commanding, InPath, Named, OfState, OfTopic, Refused};
use super::openapi::{COMMANDS, answers, params, schemas};
use super::path::Path;
use super::problem::Problem;
use super::publish::Write;
use super::trace_context;
use crate::engine::{EngineError, Executed, Execution};
use crate::model::{CommandName, IdempotencyKey, Metadata, Payload, StreamName, Tag, TopicName, Version, hex};
use crate::plugin::Command;
use crate::storage::AppendError;

/// The topic's decider decides on a command, and what it decided is recorded.
#[utoipa::path(
    post,
    path = "/aggregates/{topic}/{id}/commands/{name}",
    tag = COMMANDS,
    params(params::Topic, params::AggregateId, params::Command, params::Key, params::Expectations),
    request_body = Option<schemas::CommandPayload>,
    responses(answers::CommandDone, Refused<(InPath, OfBody, Named, OfTopic, Commanding)>)
)]
pub async fn post_command(
    State(app): State<App>,
    Path((topic, id, name)): Path<(String, String, String)>,
    write: Write,
) -> Result<Response, Problem> {
    let (topic, stream) = (TopicName::parse(&topic)?, StreamName::parse(&id)?);
    let (name, payload) = (CommandName::parse(&name)?, payload_or_empty(&write.body)?);
    let wish = Wish::of(&write, topic, stream, name.as_str(), payload)?;
    let executed = wish.execute(&app).await.map_err(refused)?;
    let mut body = Vec::from(&b"{\"events\":["[..]);
    body.extend_from_slice(&write_events(&executed.events, true));
    body.extend_from_slice(b"],");
    write_state(&mut body, executed.version, executed.state.as_ref());
    Ok(answer(StatusCode::OK, body, &executed))
}

/// What an aggregate's events come to, now or at a version.
#[utoipa::path(
    get,
    path = "/aggregates/{topic}/{id}",
    tag = COMMANDS,
    params(params::Topic, params::AggregateId, params::At),
    responses(answers::StateShown, Refused<(InPath, Named, OfTopic, OfState)>)
)]
pub async fn get_aggregate(
    State(app): State<App>,
    Path((topic, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (topic, stream) = (TopicName::parse(&topic)?, StreamName::parse(&id)?);
    let at = version(query.as_deref().unwrap_or_default())?;
    let state = app.engine.state(&topic, &stream, at).await?.ok_or_else(|| {
        let when = at.map(|version| format!(" at version {version}")).unwrap_or_default();
        Problem::not_found("AGGREGATE_NOT_FOUND", format!("'{stream}' of topic '{topic}' has no state{when}"))
    })?;
    // Names have no character that JSON escapes.
    let mut body = format!("{{\"topic\":\"{topic}\",\"id\":\"{stream}\",").into_bytes();
    write_state(&mut body, state.version, Some(&state.payload));
    Ok(tagged((StatusCode::OK, super::JSON_HEADERS, body).into_response(), state.version))
}

fn version(query: &str) -> Result<Option<Version>, Problem> {
    let mut at = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match (&*name, value.parse()) {
            ("at", Ok(version)) if at.is_none() => at = Some(version),
            _ => return Err(Problem::bad_request("INVALID_QUERY", "known is at, a version, once")),
        }
    }
    Ok(at)
}

/// A command, as a client words it.
pub struct Wish {
    pub topic: TopicName,
    pub stream: StreamName,
    pub name: String,
    pub payload: Payload,
    pub tags: Vec<Tag>,
    pub metadata: Metadata,
    /// Made when it is absent.
    pub id: Option<String>,
    pub execution: Execution,
}

impl Wish {
    /// With what the headers say besides.
    pub fn of(
        write: &Write,
        topic: TopicName,
        stream: StreamName,
        name: &str,
        payload: Payload,
    ) -> Result<Self, Problem> {
        let headers: &HeaderMap = &write.body.1;
        let execution = Execution { expected: expectations(headers)?, key: key(write)? };
        let metadata = trace_context::of(headers);
        Ok(Self { topic, stream, name: name.to_owned(), payload, tags: Vec::new(), metadata, id: None, execution })
    }

    /// Executes it, and waits for inline projections, as a publisher does.
    pub async fn execute(self, app: &App) -> Result<Executed, EngineError> {
        let Self { topic, stream, name, payload, tags, metadata, id, execution } = self;
        let id = id.unwrap_or_else(|| command_id(execution.key));
        let time_ms = app.engine.now_ms();
        let command = Command { id, name, topic, stream, payload, actor: None, tags, metadata, time_ms };
        let executed = app.engine.execute(command, execution).await?;
        app.views.settled(executed.events.last().map(|event| (&event.topic, event.position))).await;
        Ok(executed)
    }
}

/// The same command has the same id when it is sent again.
pub fn command_id(key: Option<IdempotencyKey>) -> String {
    key.map_or_else(|| uuid::Uuid::new_v4().to_string(), |key| hex(&key.key))
}

pub fn key(write: &Write) -> Result<Option<IdempotencyKey>, Problem> {
    idempotency::key(&write.body.1, || write.target(), &write.body.0)
}

/// A command without a body has the payload `{}`.
pub fn payload_or_empty(body: &Body) -> Result<Payload, Problem> {
    if body.0.is_empty() { Ok(Payload::Json(Bytes::from_static(b"{}"))) } else { payload(body) }
}

/// Any JSON, as it came.
pub fn payload(body: &Body) -> Result<Payload, Problem> {
    let json: &RawValue = body.json(|detail| Problem::bad_request("INVALID_JSON", detail))?;
    Ok(Payload::Json(body.0.slice_ref(json.get().as_bytes())))
}

/// What the headers expected and did not find is 412, and what validators refuse is not the client's wording, but its wish.
pub fn refused(error: EngineError) -> Problem {
    let status = match &error {
        EngineError::Append(AppendError::Conflict(_)) => Some(StatusCode::PRECONDITION_FAILED),
        EngineError::Refused { .. } => Some(StatusCode::UNPROCESSABLE_ENTITY),
        _ => None,
    };
    let problem = Problem::from(error);
    status.into_iter().fold(problem, Problem::with_status)
}

pub fn answer(status: StatusCode, body: Vec<u8>, executed: &Executed) -> Response {
    let response = tagged((status, super::JSON_HEADERS, body).into_response(), executed.version);
    idempotency::marked(response, executed.replayed)
}

/// A state's tag is its version, so that it can be expected of the next command. No cache keeps it: another decider makes another
/// state of the same events.
fn tagged(mut response: Response, version: Version) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The end of an object. A state that is no JSON is the member `data` instead, as with events.
pub fn write_state(out: &mut Vec<u8>, version: Version, state: Option<&Payload>) {
    out.extend_from_slice(format!("\"version\":{version},").as_bytes());
    match state {
        None => out.extend_from_slice(b"\"state\":null}"),
        Some(Payload::Json(json)) => {
            out.extend_from_slice(b"\"state\":");
            out.extend_from_slice(json);
            out.push(b'}');
        }
        Some(Payload::Bytes(bytes)) => {
            let data = base64::engine::general_purpose::STANDARD.encode(bytes);
            out.extend_from_slice(format!("\"data\":\"{data}\"}}").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_asked_for_once_and_nothing_else_is() {
        assert_eq!(version("").ok(), Some(None));
        assert_eq!(version("at=7").ok(), Some(Some(7)));
        for bad in ["at=", "at=x", "at=-1", "at=1&at=1", "form=stored"] {
            assert_eq!(version(bad).err().map(|problem| problem.code()), Some("INVALID_QUERY"), "{bad}");
        }
    }

    #[test]
    fn a_state_is_written_as_the_decider_made_it() {
        let write = |state: Option<Payload>| {
            let mut out = Vec::new();
            write_state(&mut out, 3, state.as_ref());
            String::from_utf8(out).expect("UTF-8")
        };
        assert_eq!(write(Some(Payload::Json("{ \"n\": 1.50 }".into()))), "\"version\":3,\"state\":{ \"n\": 1.50 }}");
        assert_eq!(write(Some(Payload::Bytes(Bytes::from_static(&[0, 255])))), "\"version\":3,\"data\":\"AP8=\"}");
        assert_eq!(write(None), "\"version\":3,\"state\":null}");
    }

    #[test]
    fn a_body_is_any_json_or_nothing() {
        let of = |text: &'static str| payload_or_empty(&Body(Bytes::from_static(text.as_bytes()), HeaderMap::new()));
        assert_eq!(of("").ok(), Some(Payload::Json("{}".into())));
        assert_eq!(of(" [1] ").ok(), Some(Payload::Json("[1]".into())));
        for bad in ["{", "1 2", "\u{0}"] {
            assert_eq!(of(bad).err().map(|problem| problem.code()), Some("INVALID_JSON"), "{bad}");
        }
    }
}
