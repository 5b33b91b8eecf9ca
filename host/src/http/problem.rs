//! Errors as `application/problem+json` (RFC 9457), and the one place where the engine's errors get their status.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::delivery::ConsumerError;
use crate::engine::{EngineError, Refused};
use crate::model::{Condition, Conflict, EventType, Expected, NameError, Tag};
use crate::plugin::{PluginError, PluginId, Refusal};
use crate::storage::{AppendError, RecordsError};

/// An error answer. `detail` is also the member `error`, which existing clients read.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retryable: bool,
    /// Whether the request may have changed something: `false` in all cases but one.
    outcome_unknown: bool,
    retry_after_s: Option<u32>,
    members: Map<String, Value>,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            retryable: false,
            outcome_unknown: false,
            retry_after_s: None,
            members: Map::new(),
        }
    }

    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// 503: nothing was written, and trying again soon may work.
    pub fn unavailable(code: &'static str, detail: impl Into<String>, retry_after_s: u32) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
        problem.retryable = true;
        problem.retry_after_s = Some(retry_after_s);
        problem
    }

    /// Trying again may work.
    pub fn retryable(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { retryable: true, ..Self::new(status, code, detail) }
    }

    /// Adds a typed member.
    pub fn with(mut self, member: &str, value: Value) -> Self {
        self.members.insert(member.to_owned(), value);
        self
    }

    /// The same problem, after which it is not known whether the request changed something.
    pub fn unknown(mut self) -> Self {
        self.outcome_unknown = true;
        self
    }

    /// The same problem, with the status that a route of its own prescribes.
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same problem, with the code that a route of its own prescribes.
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    #[cfg(test)]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    #[cfg(test)]
    pub fn code(&self) -> &'static str {
        self.code
    }
}

impl Problem {
    /// The whole of it as JSON.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
            "error": self.detail,
            "retryable": self.retryable,
            "side_effects": if self.outcome_unknown { "unknown" } else { "none" },
        });
        if let Value::Object(object) = &mut body {
            object.extend(self.members.clone());
        }
        body
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body().to_string()).into_response();
        let content_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        Problem::bad_request("INVALID_NAME", error.to_string())
    }
}

/// The map from the engine's errors to HTTP. It has no catch-all on purpose: a new error must be thought about here.
impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        let detail = error.to_string();
        match error {
            EngineError::TopicUnknown(_) => Problem::not_found("TOPIC_NOT_FOUND", detail),
            EngineError::TopicExists(_) => Problem::bad_request("TOPIC_CREATION_FAILED", detail),
            EngineError::TopicsFull { .. } => Problem::new(StatusCode::INSUFFICIENT_STORAGE, "TOPICS_FULL", detail),
            EngineError::FollowersFull { .. } => Problem::unavailable("FOLLOWERS_FULL", detail, 5),
            EngineError::AdapterUnknown { .. } => Problem::bad_request("ADAPTER_UNKNOWN", detail),
            EngineError::SchemasRemoved(_) => Problem::bad_request("SCHEMA_REMOVAL_NOT_ALLOWED", detail),
            EngineError::SchemasRefused(refusals) => {
                Problem::bad_request("INVALID_SCHEMA", detail).with("errors", errors(&refusals, None))
            }
            EngineError::StoresMixed { .. } => Problem::bad_request("STORES_MIXED", detail),
            EngineError::Refused { index, plugin, refusals } => Problem::bad_request("EVENT_PUBLISH_FAILED", detail)
                .with("errors", errors(&refusals, Some(index)))
                .with("plugin", plugin.into()),
            EngineError::ValidatorMissing { plugin, .. } => {
                Problem::unavailable("VALIDATOR_UNAVAILABLE", detail, 1).with("plugin", plugin.into())
            }
            EngineError::EventUnknown(_) => Problem::bad_request("INVALID_QUERY", detail),
            EngineError::UpcastRefused(refused) => {
                let problem =
                    Problem::unavailable("PLUGIN_FAILED", detail, 1).with("plugin", plugin_json(&refused.plugin));
                problem.with("errors", errors(&[refused.refusal], None))
            }
            EngineError::NoDecider(_) => Problem::bad_request("NO_DECIDER", detail),
            EngineError::DeciderMissing { plugin, .. } => {
                Problem::unavailable("DECIDER_UNAVAILABLE", detail, 1).with("plugin", plugin.into())
            }
            EngineError::DeciderWrong { plugin, .. } => {
                Problem::bad_request("INVALID_DECIDER", detail).with("plugin", plugin.as_str().into())
            }
            EngineError::CommandUnknown { plugin, .. } => {
                Problem::not_found("COMMAND_UNKNOWN", detail).with("plugin", plugin.into())
            }
            EngineError::CommandRefused { plugin, why, refusals } => {
                let code = match why {
                    Refused::Invalid => "COMMAND_INVALID",
                    Refused::Conflict | Refused::Guarded => "COMMAND_REFUSED",
                };
                let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail);
                problem.with("errors", errors(&refusals, None)).with("plugin", plugin.into())
            }
            EngineError::StateRefused { refusals, .. } => {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "STATE_INVALID", detail)
                    .with("errors", errors(&refusals, None))
            }
            EngineError::StateUnreadable(unreadable) => {
                let plugin = plugin_json(&unreadable.plugin);
                let problem = Problem::unavailable("PLUGIN_FAILED", detail, 1).with("plugin", plugin);
                problem.with("errors", errors(&[unreadable.refusal], None))
            }
            EngineError::CommandLost { .. } => {
                let mut problem = Problem::new(StatusCode::CONFLICT, "CONFLICT", detail);
                problem.retryable = true;
                problem
            }
            EngineError::CommandsWaiting { .. } => Problem::unavailable("BUSY", detail, 1),
            EngineError::VersionUnknown { .. } => Problem::not_found("VERSION_NOT_FOUND", detail),
            EngineError::HistoryDeleted { .. } => Problem::new(StatusCode::GONE, "HISTORY_DELETED", detail),
            EngineError::Plugin(error) => plugin_fault(&error),
            EngineError::Append(error) => append_error(error),
            EngineError::Records(RecordsError::Full { .. }) => disk_full(detail),
            EngineError::Storage(_) | EngineError::Records(_) => {
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "STORAGE_FAILED", detail)
            }
            EngineError::Name(error) => error.into(),
        }
    }
}

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Self {
        append_error(error)
    }
}

fn append_error(error: AppendError) -> Problem {
    let detail = error.to_string();
    match error {
        AppendError::Conflict(conflicts) => {
            let conditions: Vec<Value> = conflicts.iter().map(condition).collect();
            Problem::new(StatusCode::CONFLICT, "CONFLICT", detail).with("conditions", conditions.into())
        }
        AppendError::KeyReused => {
            let detail = "the Idempotency-Key was used for another request; a new request needs a key of its own";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "IDEMPOTENCY_KEY_REUSED", detail)
        }
        AppendError::Busy { .. } => Problem::unavailable("BUSY", detail, 1),
        AppendError::Full { .. } => disk_full(detail),
        AppendError::Stopped { .. } => Problem::unavailable("STORE_STOPPED", detail, 5),
        AppendError::Unknown { .. } => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "OUTCOME_UNKNOWN", detail).unknown()
        }
        AppendError::Storage(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "STORAGE_FAILED", detail),
    }
}

fn disk_full(detail: String) -> Problem {
    let mut problem = Problem::new(StatusCode::INSUFFICIENT_STORAGE, "DISK_FULL", detail);
    problem.retryable = true;
    problem
}

fn condition(conflict: &Conflict) -> Value {
    let Conflict { condition, actual } = conflict;
    match condition {
        Condition::Stream { topic, stream, expected } => {
            let expected = match expected {
                Expected::Exactly(version) => (*version).into(),
                other => Value::String(other.to_string()),
            };
            json!({ "topic": topic.as_str(), "stream": stream.as_str(), "expected": expected, "actual": actual })
        }
        Condition::Query { filter, after } => {
            let types: Vec<&str> = filter.types.iter().map(EventType::as_str).collect();
            let tags: Vec<&str> = filter.tags.iter().map(Tag::as_str).collect();
            json!({ "query": { "types": types, "tags": tags }, "expected": { "after": after }, "actual": actual })
        }
        Condition::Head(position) => json!({ "head": true, "expected": position, "actual": actual }),
    }
}

pub fn errors(refusals: &[Refusal], event: Option<usize>) -> Value {
    let one = |refusal: &Refusal| {
        let mut value = json!({ "code": refusal.code, "message": refusal.message });
        if let Some(pointer) = &refusal.pointer {
            value["pointer"] = pointer.clone().into();
        }
        if let Some(event) = event {
            value["event"] = event.into();
        }
        value
    };
    refusals.iter().map(one).collect()
}

pub fn plugin_fault(error: &PluginError) -> Problem {
    Problem::unavailable("PLUGIN_FAILED", error.to_string(), 1).with("plugin", plugin_json(&error.plugin))
}

fn plugin_json(plugin: &PluginId) -> Value {
    json!({ "name": plugin.name, "version": plugin.version, "digest": plugin.digest })
}

const INVALID_CALLBACK: &str = "INVALID_CALLBACK";

impl From<ConsumerError> for Problem {
    fn from(error: ConsumerError) -> Self {
        let detail = error.to_string();
        match error {
            ConsumerError::Unknown(_) => Problem::not_found("CONSUMER_NOT_FOUND", detail),
            ConsumerError::Full { .. } => Problem::new(StatusCode::INSUFFICIENT_STORAGE, "CONSUMERS_FULL", detail),
            ConsumerError::SinkMissing(name) => {
                Problem::unavailable("SINK_UNAVAILABLE", detail, 1).with("plugin", name.as_str().into())
            }
            ConsumerError::SinkUnknown(_) => Problem::bad_request("SINK_UNKNOWN", detail),
            ConsumerError::CallbackRefused(_) => Problem::bad_request(INVALID_CALLBACK, detail),
            // What a sink says of an address is told like what the server says of it.
            ConsumerError::Refused(refusals) if matches!(&*refusals, [only] if only.code == INVALID_CALLBACK) => {
                Problem::bad_request(INVALID_CALLBACK, detail)
            }
            ConsumerError::Refused(refusals) => {
                Problem::bad_request("CONSUMER_REGISTRATION_FAILED", detail).with("errors", errors(&refusals, None))
            }
            ConsumerError::Interrupted(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "STOPPING", detail),
            ConsumerError::Plugin(error) => plugin_fault(&error),
            ConsumerError::Engine(error) => error.into(),
        }
    }
}
