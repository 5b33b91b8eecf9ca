//! Topics: create, list, show, change schemas.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use url::form_urlencoded;

use super::App;
use super::body::{Body, Object};
use super::openapi::problems::{
    Body as OfBody, Creating, InPath, Named, OfTopic, Once, Query, Refused, Replacing, Schemas, Shape,
};
use super::openapi::{TOPICS, answers, params, schemas};
use super::path::Path;
use super::problem::Problem;
use super::time::timestamp;
use crate::engine::{Engine, EngineError, NewTopic, Retention, Topic, TopicChange};
use crate::model::{PluginName, TopicName, hex, limits};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    name: Option<String>,
    schemas: Option<Box<RawValue>>,
    adapter: Option<String>,
    retention: Option<Object<Retention>>,
    decider: Option<String>,
    #[serde(rename = "stateSchema")]
    state_schema: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateBody {
    schemas: Option<Box<RawValue>>,
    /// `null` keeps everything from now on.
    #[serde(default, deserialize_with = "given")]
    retention: Option<Option<Object<Retention>>>,
    /// `null` takes the decider away.
    #[serde(default, deserialize_with = "given")]
    decider: Option<Option<String>>,
    /// `null` lets states be anything.
    #[serde(default, deserialize_with = "given", rename = "stateSchema")]
    state_schema: Option<Option<Box<RawValue>>>,
}

/// Tells a member that is `null` from one that is absent.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(member: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(member).map(Some)
}

/// A topic as it is now.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Topic)]
pub struct TopicJson {
    #[schema(value_type = schemas::TopicName)]
    name: String,
    /// That of its last event.
    sequence: u64,
    /// Empty for an open topic too, as existing clients read a list; `open` tells the two apart.
    #[schema(value_type = Vec<schemas::TopicSchema>)]
    schemas: Box<RawValue>,
    open: bool,
    adapter: &'static str,
    #[schema(value_type = Option<schemas::Retention>)]
    retention: Option<Retention>,
    /// The plugin that decides on commands, whether the topic names it or the plugin's side-car names the topic.
    #[schema(value_type = Option<schemas::PluginName>)]
    decider: Option<String>,
    /// What every state that a command makes must be.
    #[schema(value_type = Option<schemas::StateSchema>)]
    state_schema: Option<Box<RawValue>>,
    #[schema(value_type = schemas::Timestamp)]
    created_at: String,
}

impl TopicJson {
    fn of(engine: &Engine, topic: &Topic) -> Self {
        Self {
            name: topic.name.to_string(),
            sequence: topic.sequence(),
            schemas: topic.schemas.clone().unwrap_or_else(empty_list),
            open: topic.schemas.is_none(),
            adapter: topic.store.adapter,
            retention: topic.retention,
            decider: engine.decider_name(topic),
            state_schema: topic.state_schema.clone(),
            created_at: timestamp(topic.created_ms),
        }
    }
}

fn empty_list() -> Box<RawValue> {
    RawValue::from_string("[]".to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

const REQUIRED: &str = "Invalid request body. Required: name, schemas array";

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::bad_request("INVALID_REQUEST", detail)
}

/// Adds what is wrong, when more is known than that a part is missing.
fn shape(detail: String) -> Problem {
    invalid(format!("{REQUIRED} ({detail})"))
}

/// Makes a topic.
#[utoipa::path(
    post,
    path = "/topics",
    tag = TOPICS,
    params(params::Key),
    request_body = schemas::NewTopic,
    responses(answers::TopicMade, Refused<(Once, OfBody, Shape, Named, Schemas, Creating)>)
)]
pub async fn post_topic(State(app): State<App>, body: Body) -> Result<Response, Problem> {
    let (name, new) = new_topic(&body)?;
    let name = TopicName::parse(&name.ok_or_else(|| invalid(REQUIRED))?)?;
    let adapter = new.adapter.clone();
    let topic = app.engine.create_topic(name, new).await.map_err(|error| match error {
        EngineError::TopicExists(_) if adapter.is_some() => Problem::from(error).with_status(StatusCode::CONFLICT),
        error => error.into(),
    })?;
    let answer = json!({
        "message": format!("Topic '{}' created successfully", topic.name),
        "name": topic.name.as_str(),
        "adapter": topic.store.adapter,
    });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// A topic as it is described by a client, or by a file.
pub fn new_topic(body: &Body) -> Result<(Option<String>, NewTopic), Problem> {
    let Object(CreateBody { name, schemas, adapter, retention, decider, state_schema }) = body.json(shape)?;
    let new = NewTopic {
        retention: check_retention(retention)?,
        decider: decider.as_deref().map(PluginName::parse).transpose()?,
        state_schema: state_schema.map(check_state_schema).transpose()?,
        schemas: schemas.map(check_list).transpose()?,
        adapter,
    };
    if new.schemas.is_none() && new.adapter.is_none() && new.decider.is_none() {
        return Err(invalid(REQUIRED));
    }
    Ok((name, new))
}

fn check_retention(retention: Option<Object<Retention>>) -> Result<Option<Retention>, Problem> {
    let Some(Object(retention)) = retention else { return Ok(None) };
    retention.check().map_err(|why| Problem::bad_request("INVALID_RETENTION", why))?;
    Ok(Some(retention))
}

/// A list of objects within the limit; what the schemas say is the schema plugin's business.
fn check_list(schemas: Box<RawValue>) -> Result<Box<RawValue>, Problem> {
    let list: Vec<&RawValue> = serde_json::from_str(schemas.get()).map_err(|_| invalid(REQUIRED))?;
    if list.len() > limits::TOPIC_SCHEMAS_MAX {
        return Err(invalid(format!("a topic has at most {} schemas", limits::TOPIC_SCHEMAS_MAX)));
    }
    if let Some(index) = list.iter().position(|schema| !schema.get().starts_with('{')) {
        return Err(invalid(format!("{REQUIRED} (schemas[{index}] is not an object)")));
    }
    Ok(schemas)
}

/// An object of bounded size; what it says is the schema plugin's business.
fn check_state_schema(schema: Box<RawValue>) -> Result<Box<RawValue>, Problem> {
    if !schema.get().starts_with('{') {
        return Err(invalid("stateSchema must be a JSON Schema, an object"));
    }
    if schema.get().len() > limits::STATE_SCHEMA_BYTES_MAX {
        return Err(invalid(format!("stateSchema has at most {} bytes", limits::STATE_SCHEMA_BYTES_MAX)));
    }
    Ok(schema)
}

/// All topics by name.
#[utoipa::path(
    get,
    path = "/topics",
    tag = TOPICS,
    params(params::View),
    responses((status = 200, description = "All topics.", body = schemas::Topics), Refused<Query>)
)]
pub async fn get_topics(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let mut details = false;
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match (&*name, &*value) {
            ("view", "details") => details = true,
            ("view", "names") => details = false,
            _ => return Err(Problem::bad_request("INVALID_QUERY", "known is view=names or view=details")),
        }
    }
    let topics = app.engine.topics();
    if details {
        let topics: Vec<TopicJson> = topics.iter().map(|topic| TopicJson::of(&app.engine, topic)).collect();
        return Ok(Json(json!({ "topics": topics })).into_response());
    }
    let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    Ok(Json(json!({ "topics": names })).into_response())
}

/// One topic.
#[utoipa::path(
    get,
    path = "/topics/{topic}",
    tag = TOPICS,
    params(params::Topic),
    responses((status = 200, description = "The topic.", body = TopicJson), Refused<(InPath, Named, OfTopic)>)
)]
pub async fn get_topic(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Problem> {
    let topic = app.engine.topic(&TopicName::parse(&name)?)?;
    Ok(Json(TopicJson::of(&app.engine, &topic)).into_response())
}

/// Where the topic ends, and the hash that covers all its events.
#[utoipa::path(
    get,
    path = "/topics/{topic}/head",
    tag = TOPICS,
    params(params::Topic),
    responses((status = 200, description = "The head.", body = schemas::TopicHead), Refused<(InPath, Named, OfTopic)>)
)]
pub async fn get_topic_head(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Problem> {
    let topic = app.engine.topic(&TopicName::parse(&name)?)?;
    let tip = topic.store.log.tip(&topic.name);
    let (name, hash) = (topic.name.as_str(), hex(&tip.hash));
    let first = app.engine.first_sequence(&topic);
    Ok(Json(json!({ "topic": name, "sequence": tip.sequence, "first": first, "hash": hash })).into_response())
}

/// Replaces a topic's schemas, at once. Its events stay, and their numbers go on.
#[utoipa::path(
    put,
    path = "/topics/{topic}",
    tag = TOPICS,
    params(params::Topic, params::Key),
    request_body = schemas::TopicChange,
    responses(
        answers::SchemasReplaced,
        Refused<((InPath, Named, OfTopic), (Once, OfBody, Shape), (Schemas, Replacing))>
    )
)]
pub async fn put_topic(State(app): State<App>, Path(name): Path<String>, body: Body) -> Result<Response, Problem> {
    let name = TopicName::parse(&name)?;
    let required = "Invalid request body. Required: schemas array";
    let Object(UpdateBody { schemas, retention, decider, state_schema }) =
        body.json(|detail| invalid(format!("{required} ({detail})")))?;
    let given = [
        ("schemas", schemas.is_some()),
        ("retention", retention.is_some()),
        ("decider", decider.is_some()),
        ("stateSchema", state_schema.is_some()),
    ];
    let Some((what, _)) = given.into_iter().find(|(_, given)| *given) else { return Err(invalid(required)) };
    let retention = retention.map(check_retention).transpose()?;
    let schemas = schemas.map(check_list).transpose()?;
    let decider = decider.map(|name| name.as_deref().map(PluginName::parse).transpose()).transpose()?;
    let state_schema = state_schema.map(|schema| schema.map(check_state_schema).transpose()).transpose()?;
    app.engine.change_topic(&name, TopicChange { schemas, retention, decider, state_schema }).await?;
    Ok(Json(json!({ "message": format!("Topic '{name}' {what} updated successfully") })).into_response())
}
