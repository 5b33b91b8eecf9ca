//! `GET /asyncapi.json`: what flows, as an AsyncAPI 3 document: a channel for each topic, its events by their schemas,
//! followers that receive them, and the webhooks of consumers. Made anew for every request: topics come and go.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use url::{Url, form_urlencoded};

use super::App;
use super::openapi::problems::{Named, OfTopic, Query, Refused};
use super::openapi::{DESCRIPTIONS, params, schemas};
use super::problem::Problem;
use crate::delivery::Definition;
use crate::engine::Topic;
use crate::model::{TopicName, limits};

/// Topics and consumers as an AsyncAPI 3 document. At most a hundred topics; ask for others by `topic`.
#[utoipa::path(
    get,
    path = "/asyncapi.json",
    tag = DESCRIPTIONS,
    params(params::Topics),
    responses(
        (status = 200, description = "The description, as topics and consumers are now.", body = schemas::AsyncApi),
        Refused<(Query, Named, OfTopic)>
    )
)]
pub async fn get_asyncapi(
    State(app): State<App>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut topics = Vec::new();
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match &*name {
            "topic" => topics.push(app.engine.topic(&TopicName::parse(&value)?)?),
            _ => return Err(Problem::bad_request("INVALID_QUERY", "known is topic, which may be repeated")),
        }
    }
    if topics.is_empty() {
        topics = app.engine.topics();
    }
    let all = topics.len();
    let mut bytes = 0;
    let mut fits = |topic: &Arc<Topic>| {
        bytes += topic.schemas.as_deref().map_or(0, |schemas| schemas.get().len());
        bytes <= limits::ASYNCAPI_SCHEMA_BYTES_MAX
    };
    let topics: Vec<_> = topics.into_iter().take(limits::ASYNCAPI_TOPICS_MAX).take_while(&mut fits).collect();
    let consumers = app.consumers.list();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let mut document = Document::new(host);
    document.add_commands();
    topics.iter().for_each(|topic| document.add_topic(topic));
    let delivering = consumers.iter().map(|consumer| &consumer.definition);
    let shown = delivering.filter(|consumer| topics.iter().any(|topic| consumer.topics.contains_key(&topic.name)));
    shown.take(limits::ASYNCAPI_CONSUMERS_MAX).for_each(|consumer| document.add_consumer(consumer));
    Ok(Json(document.finish(topics.len(), all)).into_response())
}

struct Document {
    servers: Map<String, Value>,
    channels: Map<String, Value>,
    operations: Map<String, Value>,
}

/// This server, by its protocols. Keys in an AsyncAPI document have only the letters that names of topics have too.
const SERVER: &str = "weir";
const SOCKETS: &str = "weir-sockets";

impl Document {
    fn new(host: &str) -> Self {
        let server = |protocol: &str, description: &str| json!({ "host": host, "protocol": protocol, "description": description });
        let servers = [
            (SERVER.to_owned(), server("http", "Server-sent events.")),
            (SOCKETS.to_owned(), server("ws", "WebSockets.")),
        ];
        Self { servers: servers.into_iter().collect(), channels: Map::new(), operations: Map::new() }
    }

    fn add_topic(&mut self, topic: &Topic) {
        let (name, id) = (topic.name.as_str(), channel_id(&topic.name));
        let messages = messages(topic, &id);
        let all: Vec<Value> = messages.keys().map(|key| reference(&["channels", &id, "messages", key])).collect();
        self.operations.insert(
            format!("follow.{name}"),
            json!({
                "action": "receive",
                "channel": reference(&["channels", &id]),
                "summary": format!("Follow '{name}', from wherever you like."),
                "messages": all
            }),
        );
        self.channels.insert(
            id,
            json!({
                "address": format!("/topics/{name}/events"),
                "title": name,
                "servers": [reference(&["servers", SERVER]), reference(&["servers", SOCKETS])],
                "messages": messages,
                "bindings": { "ws": { "method": "GET", "bindingVersion": "0.1.0" } }
            }),
        );
    }

    /// Commands on a WebSocket: what goes in, and what comes out.
    fn add_commands(&mut self) {
        let id = "commands";
        let text = json!({ "type": "string" });
        let message = |name: &str, summary: &str, payload: Value| json!({ "name": name, "summary": summary, "contentType": "application/json", "payload": payload });
        let command = json!({
            "type": "object",
            "required": ["name", "type", "tenant", "targetName"],
            "properties": {
                "name": text, "type": { "enum": ["create", "patch", "delete", "logic", "orchestration"] }, "tenant": text,
                "targetName": text, "targetId": text, "version": { "type": "integer", "minimum": 0 }, "body": {},
                "context": { "type": "object" }, "id": text
            },
            "additionalProperties": false
        });
        let executed = json!({
            "type": "object",
            "required": ["name", "type", "tenant", "targetName", "targetId", "id", "version", "events"],
            "properties": {
                "name": { "type": "string", "pattern": "-Executed$" }, "targetId": text, "id": text,
                "version": { "type": "integer", "minimum": 0 }, "events": { "type": "array", "items": text },
                "replayed": { "const": true }
            }
        });
        let refused = json!({
            "type": "object",
            "required": ["error", "code", "status", "retryable"],
            "properties": { "error": text, "code": text, "id": text, "retryable": { "type": "boolean" } }
        });
        let messages = json!({
            "command": message("command", "What is asked for.", command),
            "executed": message("executed", "The command as it was executed, to its sender.", executed),
            "refused": message("refused", "Why it was not, to its sender.", refused),
            "event": message("event", "An event of the socket's tenant.", event(None, json!({})))
        });
        let query = json!({
            "type": "object",
            "properties": { "tenant": text, "from": { "type": "integer", "minimum": 0 } }
        });
        self.channels.insert(
            id.to_owned(),
            json!({
                "address": "/commands",
                "title": "Commands",
                "servers": [reference(&["servers", SOCKETS])],
                "messages": messages,
                "bindings": { "ws": { "method": "GET", "query": query, "bindingVersion": "0.1.0" } }
            }),
        );
        let mut operation = |name: &str, action: &str, summary: &str, messages: &[&str]| {
            let messages: Vec<Value> =
                messages.iter().map(|name| reference(&["channels", id, "messages", name])).collect();
            let channel = reference(&["channels", id]);
            let operation = json!({ "action": action, "channel": channel, "summary": summary, "messages": messages });
            self.operations.insert(name.to_owned(), operation);
        };
        operation("commands.send", "send", "Ask for commands, one a frame.", &["command"]);
        let summary = "Hear what became of them, in their order, and the events of the tenant.";
        operation("commands.receive", "receive", summary, &["executed", "refused", "event"]);
    }

    /// A webhook has a server of its own. What another sink does with events is its own business.
    fn add_consumer(&mut self, consumer: &Definition) {
        let callback = consumer.callback.as_deref().and_then(|callback| Url::parse(callback).ok());
        let Some((callback, host)) = callback.as_ref().and_then(|url| Some((url, url.host_str()?))) else { return };
        let id = format!("consumer.{}", consumer.id);
        let host = callback.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        self.servers.insert(id.clone(), json!({ "host": host, "protocol": callback.scheme() }));
        let topics: Vec<&str> = consumer.topics.keys().map(TopicName::as_str).collect();
        self.operations.insert(
            format!("deliver.{}", consumer.id),
            json!({
                "action": "send",
                "channel": reference(&["channels", &id]),
                "summary": format!("Weir delivers events of {}.", topics.join(", ")),
                "messages": [reference(&["channels", &id, "messages", "delivery"])],
                "bindings": { "http": { "method": "POST", "bindingVersion": "0.3.0" } }
            }),
        );
        self.channels.insert(
            id.clone(),
            json!({
                "address": callback.path(),
                "title": consumer.name.as_deref().unwrap_or(&consumer.id),
                "servers": [reference(&["servers", &id])],
                "messages": { "delivery": delivery(&consumer.id) }
            }),
        );
    }

    fn finish(self, shown: usize, all: usize) -> Value {
        let description = format!(
            "What flows now: followers receive what is published to topics, and Weir sends it to the webhooks of \
             consumers. How to publish and read stands in /openapi.json. This has {shown} of {all} topics; ask for \
             others by their names, with ?topic="
        );
        json!({
            "asyncapi": "3.0.0",
            "info": {
                "title": "Weir: topics and consumers",
                "version": env!("CARGO_PKG_VERSION"),
                "description": description
            },
            "defaultContentType": "application/json",
            "servers": self.servers,
            "channels": self.channels,
            "operations": self.operations
        })
    }
}

fn channel_id(topic: &TopicName) -> String {
    format!("topic.{topic}")
}

/// The parts have no character that a JSON pointer escapes.
fn reference(parts: &[&str]) -> Value {
    json!({ "$ref": format!("#/{}", parts.join("/")) })
}

/// An event as a read gives it; `payload` is what its topic says of it.
fn event(event_type: Option<&str>, payload: Value) -> Value {
    let (text, number) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 1 }));
    let event_type = event_type.map_or_else(|| text.clone(), |event_type| json!({ "const": event_type }));
    json!({
        "type": "object",
        "required": ["id", "timestamp", "type", "topic", "sequence", "position"],
        "properties": {
            "id": text, "timestamp": { "type": "string", "format": "date-time" }, "type": event_type,
            "payload": payload, "data": { "type": "string", "contentEncoding": "base64" },
            "topic": text, "sequence": number, "position": number, "stream": text, "version": number,
            "tags": { "type": "array", "items": text },
            "metadata": { "type": "object", "additionalProperties": text }
        }
    })
}

/// A message for each event type that has a schema; an open topic has one for all.
fn messages(topic: &Topic, channel: &str) -> Map<String, Value> {
    let message = |name: &str, schema: Value, format: &str| {
        json!({
            "name": name,
            "contentType": "application/json",
            "payload": { "schemaFormat": format!("application/schema+json;version={format}"), "schema": schema }
        })
    };
    let Some(schemas) = &topic.schemas else {
        return Map::from_iter([("event".to_owned(), message("event", event(None, json!({})), DRAFT_07))]);
    };
    let schemas: Vec<Map<String, Value>> = serde_json::from_str(schemas.get()).unwrap_or_default();
    let one = |mut schema: Map<String, Value>| {
        let Some(Value::String(name)) = schema.remove("eventType") else { return None };
        let draft = schema.remove("$schema");
        // Without a name of its own, the schema's references are meant from this document's root on.
        schema.remove("$id");
        let mut schema = Value::Object(schema);
        move_references(
            &mut schema,
            &format!("#/channels/{channel}/messages/{name}/payload/schema/properties/payload"),
        );
        let format = version(draft.as_ref().and_then(Value::as_str));
        let value = message(&name, event(Some(&name), schema), format);
        Some((name, value))
    };
    schemas.into_iter().filter_map(one).collect()
}

const DRAFT_07: &str = "draft-07";

/// What media types call the draft that `$schema` names; the topic's schemas are of the newest without it.
fn version(draft: Option<&str>) -> &'static str {
    let known = ["draft-04", "draft-06", DRAFT_07, "2019-09"];
    known.into_iter().find(|known| draft.is_some_and(|draft| draft.contains(known))).unwrap_or("2020-12")
}

/// Members of a schema whose own members have free names.
const BY_NAME: [&str; 6] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];
/// Members of a schema that hold any JSON.
const VALUES: [&str; 5] = ["const", "enum", "default", "examples", "example"];

/// References within a schema begin at its root, which is elsewhere now.
fn move_references(schema: &mut Value, root: &str) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| move_references(item, root)),
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("$ref", Value::String(reference)) if *reference == "#" || reference.starts_with("#/") => {
                        reference.replace_range(..1, root);
                    }
                    (name, Value::Object(members)) if BY_NAME.contains(&name) => {
                        members.values_mut().for_each(|member| move_references(member, root));
                    }
                    (name, _) if VALUES.contains(&name) => {}
                    (_, member) => move_references(member, root),
                }
            }
        }
        _ => {}
    }
}

/// What a webhook gets.
fn delivery(id: &str) -> Value {
    let events = json!({ "type": "array", "minItems": 1, "items": event(None, json!({})) });
    let payload = json!({
        "type": "object",
        "required": ["consumerId", "events"],
        "properties": { "consumerId": { "const": id }, "events": events }
    });
    json!({ "name": "delivery", "contentType": "application/json", "payload": payload })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_of_a_schema_go_on_to_mean_what_they_meant() {
        let mut schema = json!({
            "properties": { "a": { "$ref": "#/$defs/b" }, "$ref": { "$ref": "#" }, "const": { "$ref": "#/$defs/b" } },
            "items": [{ "$ref": "#/$defs/b" }, { "$ref": "other" }],
            "const": { "$ref": "#/$defs/b" }
        });
        move_references(&mut schema, "#/x");
        let expected = json!({
            "properties": { "a": { "$ref": "#/x/$defs/b" }, "$ref": { "$ref": "#/x" }, "const": { "$ref": "#/x/$defs/b" } },
            "items": [{ "$ref": "#/x/$defs/b" }, { "$ref": "other" }],
            "const": { "$ref": "#/$defs/b" }
        });
        assert_eq!(schema, expected);
    }

    #[test]
    fn a_draft_is_named_as_media_types_do() {
        assert_eq!(version(None), "2020-12");
        assert_eq!(version(Some("http://json-schema.org/draft-07/schema#")), "draft-07");
        assert_eq!(version(Some("https://json-schema.org/draft/2019-09/schema")), "2019-09");
    }
}
