//! Create, replace, patch and delete: the commands of those names, for topics whose decider knows them. What is created, and
//! whether it may be, is the decider's business; here a path and a method become a command, and its refusals statuses.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::App;
use super::aggregates::{Wish, answer, key, payload, payload_or_empty, refused, write_state};
use super::openapi::problems::{
    Body as OfBody, Changing, Commanding, InPath, Named, OfTopic, Patching, Refused as OfProblems,
};
use super::openapi::{COMMANDS, answers, params, schemas};
use super::path::Path;
use super::problem::Problem;
use super::publish::Write;
use crate::engine::{EngineError, Executed, Refused};
use crate::model::{IdempotencyKey, Payload, StreamName, TopicName};

/// With this code a decider says that there is nothing to replace, patch or delete.
const NOT_FOUND: &str = "NOT_FOUND";

const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// Creates an aggregate under a new id: the command `create`.
#[utoipa::path(
    post,
    path = "/aggregates/{topic}",
    tag = COMMANDS,
    params(params::Topic, params::Key),
    request_body = schemas::CommandPayload,
    responses(answers::AggregateMade, OfProblems<(InPath, OfBody, Named, OfTopic, (Commanding, Changing))>)
)]
pub async fn post_new_aggregate(
    State(app): State<App>,
    Path(topic): Path<String>,
    write: Write,
) -> Result<Response, Problem> {
    let id = new_id(key(&write)?);
    create(&app, &topic, &id, &write).await
}

/// Creates an aggregate: the command `create`.
#[utoipa::path(
    post,
    path = "/aggregates/{topic}/{id}",
    tag = COMMANDS,
    params(params::Topic, params::AggregateId, params::Key, params::Expectations),
    request_body = schemas::CommandPayload,
    responses(answers::AggregateMade, OfProblems<(InPath, OfBody, Named, OfTopic, (Commanding, Changing))>)
)]
pub async fn post_aggregate(
    State(app): State<App>,
    Path((topic, id)): Path<(String, String)>,
    write: Write,
) -> Result<Response, Problem> {
    create(&app, &topic, &id, &write).await
}

/// Replaces an aggregate's state: the command `replace`.
#[utoipa::path(
    put,
    path = "/aggregates/{topic}/{id}",
    tag = COMMANDS,
    params(params::Topic, params::AggregateId, params::Key, params::Expectations),
    request_body = schemas::CommandPayload,
    responses(answers::AggregateChanged, OfProblems<(InPath, OfBody, Named, OfTopic, (Commanding, Changing))>)
)]
pub async fn put_aggregate(
    State(app): State<App>,
    Path((topic, id)): Path<(String, String)>,
    write: Write,
) -> Result<Response, Problem> {
    let executed = change(&app, &topic, &id, "replace", payload(&write.body)?, &write).await?;
    Ok(changed(StatusCode::OK, &id, &executed))
}

/// Changes parts of an aggregate's state: the command `patch` with a JSON Patch, `merge` with a merge patch.
///
/// Which of the two it is says the content type; as plain JSON, an array is a JSON Patch and an object a merge patch.
#[utoipa::path(
    patch,
    path = "/aggregates/{topic}/{id}",
    tag = COMMANDS,
    params(params::Topic, params::AggregateId, params::Key, params::Expectations),
    request_body(content(
        (schemas::Patch = "application/json"),
        (schemas::JsonPatch = "application/json-patch+json"),
        (schemas::CommandPayload = "application/merge-patch+json"),
    )),
    responses(answers::AggregateChanged, OfProblems<(InPath, OfBody, Named, OfTopic, (Commanding, Changing), Patching)>)
)]
pub async fn patch_aggregate(
    State(app): State<App>,
    Path((topic, id)): Path<(String, String)>,
    write: Write,
) -> Result<Response, Problem> {
    let payload = payload(&write.body)?;
    let name = kind_of_patch(&write.body.1, &payload)?;
    let executed = change(&app, &topic, &id, name, payload, &write).await?;
    Ok(changed(StatusCode::OK, &id, &executed))
}

/// Deletes an aggregate: the command `delete`. Its events stay.
#[utoipa::path(
    delete,
    path = "/aggregates/{topic}/{id}",
    tag = COMMANDS,
    params(params::Topic, params::AggregateId, params::Key, params::Expectations),
    responses(answers::AggregateChanged, OfProblems<(InPath, OfBody, Named, OfTopic, (Commanding, Changing))>)
)]
pub async fn delete_aggregate(
    State(app): State<App>,
    Path((topic, id)): Path<(String, String)>,
    write: Write,
) -> Result<Response, Problem> {
    let executed = change(&app, &topic, &id, "delete", payload_or_empty(&write.body)?, &write).await?;
    Ok(changed(StatusCode::OK, &id, &executed))
}

/// Random; but a request that is sent again under its key is about the same aggregate.
pub fn new_id(key: Option<IdempotencyKey>) -> String {
    let id = key.map_or_else(uuid::Uuid::new_v4, |key| uuid::Builder::from_random_bytes(key.key).into_uuid());
    id.to_string()
}

async fn create(app: &App, topic: &str, id: &str, write: &Write) -> Result<Response, Problem> {
    let executed = change(app, topic, id, "create", payload(&write.body)?, write).await?;
    let mut response = changed(StatusCode::CREATED, id, &executed);
    let location = format!("/aggregates/{topic}/{}", id.replace('/', "%2F"));
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn change(
    app: &App,
    topic: &str,
    id: &str,
    name: &str,
    payload: Payload,
    write: &Write,
) -> Result<Executed, Problem> {
    let (topic, stream) = (TopicName::parse(topic)?, StreamName::parse(id)?);
    Wish::of(write, topic, stream, name, payload)?.execute(app).await.map_err(not_changed)
}

/// The statuses that clients of documents expect.
pub fn not_changed(error: EngineError) -> Problem {
    match &error {
        EngineError::CommandRefused { why: Refused::Invalid | Refused::Conflict, refusals, .. }
            if refusals.len() == 1 && refusals[0].code == NOT_FOUND =>
        {
            Problem::from(error).with_status(StatusCode::NOT_FOUND).with_code("AGGREGATE_NOT_FOUND")
        }
        EngineError::CommandRefused { why: Refused::Conflict, .. } => {
            Problem::from(error).with_status(StatusCode::CONFLICT)
        }
        _ => refused(error),
    }
}

fn changed(status: StatusCode, id: &str, executed: &Executed) -> Response {
    let ids: Vec<String> = executed.events.iter().map(|event| format!("\"{}\"", event.id())).collect();
    let mut body = format!("{{\"id\":\"{id}\",\"events\":[{}],", ids.join(",")).into_bytes();
    write_state(&mut body, executed.version, executed.state.as_ref());
    answer(status, body, executed)
}

fn kind_of_patch(headers: &HeaderMap, payload: &Payload) -> Result<&'static str, Problem> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match (media_type.as_str(), payload.as_bytes().first()) {
        (JSON_PATCH, _) | ("" | "application/json", Some(b'[')) => Ok("patch"),
        (MERGE_PATCH, _) | ("" | "application/json", Some(b'{')) => Ok("merge"),
        ("" | "application/json", _) => {
            Err(Problem::bad_request("INVALID_REQUEST", "a patch is an array (JSON Patch) or an object (merge patch)"))
        }
        _ => {
            let detail = format!("a patch has the content type {JSON_PATCH}, {MERGE_PATCH} or application/json");
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::Refusal;

    #[test]
    fn the_content_type_says_which_patch_it_is_and_else_the_body_does() {
        let of = |media_type: &'static str, body: &'static str| {
            let mut headers = HeaderMap::new();
            if !media_type.is_empty() {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
            }
            kind_of_patch(&headers, &Payload::Json(body.into())).map_err(|problem| problem.code())
        };
        assert_eq!(of("application/json-patch+json", "[]"), Ok("patch"));
        assert_eq!(of("Application/Merge-Patch+JSON; charset=utf-8", "[]"), Ok("merge"));
        for plain in ["", "application/json", "application/json; charset=utf-8"] {
            assert_eq!((of(plain, "[]"), of(plain, "{}")), (Ok("patch"), Ok("merge")), "{plain}");
            assert_eq!(of(plain, "1"), Err("INVALID_REQUEST"));
        }
        for other in ["text/plain", "application/x-www-form-urlencoded", "application/xml"] {
            assert_eq!(of(other, "{}"), Err("UNSUPPORTED_MEDIA_TYPE"), "{other}");
        }
    }

    #[test]
    fn refusals_have_the_statuses_that_clients_of_documents_expect() {
        let of = |why, codes: &[&str]| {
            let refusal = |code: &&str| Refusal { code: (*code).to_owned(), message: String::new(), pointer: None };
            let refusals = codes.iter().map(refusal).collect();
            let problem = not_changed(EngineError::CommandRefused { plugin: "p".to_owned(), why, refusals });
            (problem.body()["status"].as_u64().expect("a status"), problem.code())
        };
        assert_eq!(of(Refused::Conflict, &["NOT_FOUND"]), (404, "AGGREGATE_NOT_FOUND"));
        assert_eq!(of(Refused::Invalid, &["NOT_FOUND"]), (404, "AGGREGATE_NOT_FOUND"));
        assert_eq!(of(Refused::Conflict, &["ALREADY_EXISTS"]), (409, "COMMAND_REFUSED"));
        assert_eq!(of(Refused::Invalid, &["NOT_FOUND", "x"]), (422, "COMMAND_INVALID"));
        assert_eq!(of(Refused::Guarded, &["NOT_FOUND"]), (422, "COMMAND_REFUSED"));
    }

    #[test]
    fn an_id_is_random_but_for_the_same_request() {
        let key = |byte| Some(IdempotencyKey { key: [byte; 16], request: [0; 16] });
        assert_eq!(new_id(key(1)), new_id(key(1)));
        assert!(new_id(key(1)) != new_id(key(2)) && new_id(None) != new_id(None));
        assert!(StreamName::parse(&new_id(None)).is_ok());
    }
}
