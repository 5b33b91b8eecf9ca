//! Consumers: register, list, show, delete.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::App;
use super::body::{Body, Object};
use super::openapi::problems::{
    Body as OfBody, InPath, Named, OfConsumer, Once, Refused, Registering, Shape, TopicInBody,
};
use super::openapi::{CONSUMERS, answers, params, schemas};
use super::path::Path;
use super::problem::Problem;
use super::time::timestamp;
use crate::delivery::{Consumer, ConsumerError, Definition, ProgressState, RetryPolicy, WEBHOOK_PLUGIN};
use crate::engine::{Engine, EngineError};
use crate::model::{EventId, EventType, PluginName, TopicName, limits};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RegisterBody {
    callback: Option<String>,
    topics: Option<BTreeMap<String, Value>>,
    name: Option<String>,
    durable: Option<bool>,
    types: Option<Vec<String>>,
    sink: Option<String>,
    config: Option<Box<RawValue>>,
    batch: Option<Object<BatchBody>>,
    retry: Option<Object<RetryPolicy>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct BatchBody {
    max_events: usize,
}

const REQUIRED: &str = "Invalid request body. Required: callback URL and topics object";

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::bad_request("INVALID_REQUEST", detail)
}

/// Registers a consumer: it gets the past from where it begins, and then what comes.
#[utoipa::path(
    post,
    path = "/consumers/register",
    tag = CONSUMERS,
    params(params::Key),
    request_body = schemas::NewConsumer,
    responses(answers::ConsumerMade, Refused<(Once, OfBody, Shape, Named, TopicInBody, Registering)>)
)]
pub async fn post_register(State(app): State<App>, body: Body) -> Result<Response, Problem> {
    let Object(body): Object<RegisterBody> = body.json(|detail| invalid(format!("{REQUIRED} ({detail})")))?;
    let definition = definition(body, &app.engine)?;
    // Here an unknown topic is the body's fault, not the path's.
    let consumer = app.consumers.register(definition).await.map_err(|error| match error {
        ConsumerError::Engine(EngineError::TopicUnknown(_)) => {
            Problem::from(error).with_status(StatusCode::BAD_REQUEST)
        }
        error => error.into(),
    })?;
    Ok((StatusCode::CREATED, Json(json!({ "consumerId": consumer.definition.id }))).into_response())
}

fn definition(body: RegisterBody, engine: &Engine) -> Result<Definition, Problem> {
    let topics = body.topics.filter(|topics| !topics.is_empty()).ok_or_else(|| invalid(REQUIRED))?;
    if body.callback.is_none() && body.sink.is_none() {
        return Err(invalid(REQUIRED));
    }
    if topics.len() > limits::CONSUMER_TOPICS_MAX {
        return Err(invalid(format!("a consumer has at most {} topics", limits::CONSUMER_TOPICS_MAX)));
    }
    let batch_events_max = body.batch.map_or(limits::DELIVERY_EVENTS, |Object(batch)| batch.max_events);
    if !(1..=limits::DELIVERY_EVENTS_MAX).contains(&batch_events_max) {
        return Err(invalid(format!("batch.maxEvents must be 1 to {}", limits::DELIVERY_EVENTS_MAX)));
    }
    if body.config.as_deref().is_some_and(|config| !config.get().starts_with('{')) {
        return Err(invalid("config must be an object"));
    }
    let retry = body.retry.map(|Object(retry)| retry).unwrap_or_default();
    retry.check().map_err(invalid)?;
    let types = body.types.unwrap_or_default();
    Ok(Definition {
        id: uuid::Uuid::new_v4().to_string(),
        name: body.name,
        callback: body.callback,
        sink: PluginName::parse(body.sink.as_deref().unwrap_or(WEBHOOK_PLUGIN))?,
        config: body.config,
        topics: topics.into_iter().map(|(topic, last)| start(&topic, &last, engine)).collect::<Result<_, _>>()?,
        durable: body.durable.unwrap_or(true),
        types: types.iter().map(|text| EventType::parse(text)).collect::<Result<_, _>>()?,
        batch_events_max,
        retry,
        created_ms: engine.now_ms(),
    })
}

/// The last event that the consumer has already: `null` for none, or its id.
fn start(topic: &str, last: &Value, engine: &Engine) -> Result<(TopicName, u64), Problem> {
    let topic = TopicName::parse(topic)?;
    let head =
        engine.topic(&topic).map_err(|error| Problem::from(error).with_status(StatusCode::BAD_REQUEST))?.sequence();
    let refuse =
        |why: String| invalid(format!("topics.{topic} must be null or the id of its last event that is done: {why}"));
    match last {
        Value::Null => Ok((topic, 0)),
        Value::String(text) => match EventId::parse(text) {
            Some(id) if id.topic != topic => Err(refuse(format!("'{text}' is an event of another topic"))),
            Some(id) if id.sequence > head => {
                Err(refuse(format!("'{text}' is after the last event, '{topic}-{head}'")))
            }
            Some(id) => Ok((topic, id.sequence)),
            None => Err(refuse(format!("'{text}' is not an event id like '{topic}-1'"))),
        },
        other => Err(refuse(format!("{other} is neither"))),
    }
}

/// A consumer, and how far it is.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Consumer)]
pub struct ConsumerJson {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    callback: Option<String>,
    sink: String,
    /// The last event of each topic that is done.
    topics: BTreeMap<String, Option<String>>,
    state: ProgressState,
    /// Events that are committed and not done yet, over all topics.
    lag: u64,
    delivered: u64,
    dead_letters: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    durable: bool,
    types: Vec<String>,
    batch: Value,
    #[schema(value_type = schemas::RetryPolicy)]
    retry: RetryPolicy,
    #[schema(value_type = schemas::Timestamp)]
    created_at: String,
}

impl ConsumerJson {
    fn new(consumer: &Consumer, engine: &Engine) -> Self {
        let Definition { id, name, callback, sink, durable, types, batch_events_max, retry, created_ms, .. } =
            &consumer.definition;
        let progress = consumer.progress();
        let head = |topic: &TopicName| engine.topic(topic).map_or(0, |topic| topic.sequence());
        let position = |(topic, at): (&TopicName, &crate::delivery::Progress)| {
            (topic.to_string(), (at.sequence > 0).then(|| format!("{topic}-{}", at.sequence)))
        };
        Self {
            id: id.clone(),
            name: name.clone(),
            callback: callback.clone(),
            sink: sink.to_string(),
            topics: progress.iter().map(position).collect(),
            // The worst of the topics: gone before retrying before active.
            state: progress.values().map(|at| at.state).max().unwrap_or(ProgressState::Active),
            lag: progress.iter().map(|(topic, at)| head(topic).saturating_sub(at.sequence)).sum(),
            delivered: progress.values().map(|at| at.delivered).sum(),
            dead_letters: progress.values().map(|at| at.dead_letters).sum(),
            last_error: progress.values().find_map(|at| at.last_error.clone()),
            durable: *durable,
            types: types.iter().map(ToString::to_string).collect(),
            batch: json!({ "maxEvents": batch_events_max }),
            retry: *retry,
            created_at: timestamp(*created_ms),
        }
    }
}

/// All consumers, and how far they are.
#[utoipa::path(
    get,
    path = "/consumers",
    tag = CONSUMERS,
    responses((status = 200, description = "All consumers.", body = schemas::Consumers))
)]
pub async fn get_consumers(State(app): State<App>) -> Response {
    let list = app.consumers.list();
    let consumers: Vec<_> =
        list.iter().map(|consumer: &Arc<Consumer>| ConsumerJson::new(consumer, &app.engine)).collect();
    Json(json!({ "consumers": consumers })).into_response()
}

/// One consumer, and how far it is.
#[utoipa::path(
    get,
    path = "/consumers/{id}",
    tag = CONSUMERS,
    params(params::ConsumerId),
    responses((status = 200, description = "The consumer.", body = ConsumerJson), Refused<(InPath, OfConsumer)>)
)]
pub async fn get_consumer(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    let consumer = app.consumers.get(&id)?;
    Ok(Json(ConsumerJson::new(&consumer, &app.engine)).into_response())
}

/// Ends the deliveries to a consumer, and forgets it.
#[utoipa::path(
    delete,
    path = "/consumers/{id}",
    tag = CONSUMERS,
    params(params::ConsumerId, params::Key),
    responses(answers::ConsumerGone, Refused<(InPath, OfConsumer, Once)>)
)]
pub async fn delete_consumer(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    app.consumers.unregister(&id).await?;
    Ok(Json(json!({ "message": format!("Consumer {id} unregistered") })).into_response())
}
