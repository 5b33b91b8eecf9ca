//! Problems, topics, consumers and operations.

use serde_json::{Map, Value, json};

use super::{reference as of, schemas, whole};
use crate::delivery;
use crate::model::limits::{
    COMMAND_ID_BYTES_MAX, CONSUMER_TOPICS_MAX, DELIVERY_EVENTS_MAX, RETRY_ATTEMPTS_MAX, RETRY_DELAY_MS_MAX,
    TOPIC_SCHEMAS_MAX,
};

/// An object that has all of these members and no others.
fn all_of(properties: Value) -> Value {
    let required: Vec<String> = properties.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// Members before a version and a state.
fn with_state(mut properties: Value) -> Value {
    properties["version"] = whole(0);
    let required: Vec<String> = properties.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    properties["state"] = json!({ "description": "The decider's own JSON; null when there is none." });
    properties["data"] = of("Base64");
    json!({
        "type": "object",
        "required": required,
        "properties": properties,
        "oneOf": [{ "required": ["state"] }, { "required": ["data"] }],
        "additionalProperties": false
    })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn text_or_null() -> Value {
    json!({ "type": ["string", "null"] })
}

fn schemas_list() -> Value {
    json!({ "type": "array", "maxItems": TOPIC_SCHEMAS_MAX, "items": of("TopicSchema") })
}

/// A request's body: of its members, `required` must be there, and null is as good as left out of the others.
fn body(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

fn optional(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

fn new_command() -> Value {
    let id = json!({ "type": "string", "minLength": 1, "maxLength": COMMAND_ID_BYTES_MAX, "pattern": "^[ -~]*$", "description": "The sender's name for it: sent again, the same command is done once." });
    let with = |kinds: &[&str], targeted: bool, said: Value| {
        let mut required = vec!["name", "type", "tenant", "targetName"];
        required.extend(targeted.then_some("targetId"));
        let patches = kinds == ["patch"];
        required.extend(patches.then_some("body"));
        let target = if targeted { of("StreamName") } else { optional(of("StreamName")) };
        let properties = json!({
            "name": of("CommandName"), "type": { "enum": kinds }, "tenant": of("Tenant"), "targetName": of("TopicName"),
            "targetId": target, "version": optional(json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX, "description": "What the aggregate's version must be; 0 if it must not be there." })),
            "body": said, "context": optional(json!({ "type": "object", "maxProperties": 16, "propertyNames": { "pattern": "^(?!weir\\.)", "maxLength": 64 }, "additionalProperties": { "type": "string", "maxLength": 200 }, "description": "Goes into the metadata of the events; what is no text, as JSON." })),
            "id": optional(id.clone())
        });
        body(&required, properties)
    };
    json!({ "anyOf": [
        with(&["create", "logic", "orchestration"], false, json!({})),
        with(&["patch"], true, json!({ "type": ["array", "object"] })),
        with(&["delete"], true, json!({})),
    ] })
}

fn registration() -> Value {
    let callback = json!({
        "type": "string",
        "format": "uri",
        "pattern": "^https?://",
        "examples": ["http://127.0.0.1:9000/hook"],
        "description": "Where a POST delivers the events. Private addresses need a grant; loopback is allowed while the \
                        server itself listens on loopback."
    });
    let topics = json!({
        "type": "object",
        "minProperties": 1,
        "maxProperties": CONSUMER_TOPICS_MAX,
        "propertyNames": of("TopicName"),
        "additionalProperties": optional(of("EventId")),
        "description": "Each topic with the id of the last event that is done already, or null to begin with the first."
    });
    let max_events = json!({ "type": "integer", "minimum": 1, "maximum": DELIVERY_EVENTS_MAX });
    let properties = json!({
        "callback": optional(callback.clone()), "topics": topics, "name": text_or_null(),
        "durable": { "type": ["boolean", "null"], "description": "Kept over a restart; the default." },
        "types": optional(list(of("EventType"))), "sink": optional(of("PluginName")),
        "config": { "type": ["object", "null"], "description": "What the sink asks for." },
        "batch": optional(body(&["maxEvents"], json!({ "maxEvents": max_events }))),
        "retry": optional(of("RetryPolicy"))
    });
    let with = |required: &str, schema: Option<Value>| {
        let mut properties = properties.clone();
        if let Some(schema) = schema {
            properties[required] = schema;
        }
        body(&[required, "topics"], properties)
    };
    let other_sink = json!({ "allOf": [of("PluginName"), { "not": { "const": delivery::WEBHOOK_PLUGIN } }] });
    json!({ "anyOf": [with("callback", Some(callback)), with("sink", Some(other_sink))] })
}

fn retry() -> Value {
    let default = delivery::RetryPolicy::default();
    let milliseconds = |default: u64, what: &str| json!({ "type": "integer", "minimum": 1, "maximum": RETRY_DELAY_MS_MAX, "default": default, "description": what });
    let attempts = json!({
        "type": "integer", "minimum": 1, "maximum": RETRY_ATTEMPTS_MAX, "default": default.max_attempts,
        "description": "Attempts for one event, the first included."
    });
    body(
        &[],
        json!({
            "maxAttempts": attempts,
            "initialDelayMs": milliseconds(default.initial_delay_ms, "The wait after the first failure, doubled after each further one; at most maxDelayMs."),
            "maxDelayMs": milliseconds(default.max_delay_ms, "The longest wait.")
        }),
    )
}

fn plugin() -> Value {
    let id = all_of(json!({ "name": text(), "version": text(), "digest": text() }));
    json!({ "anyOf": [text(), id], "description": "The plugin that refused or failed." })
}

fn problem() -> Value {
    let errors = json!({
        "type": "object",
        "required": ["message"],
        "properties": {
            "code": text(), "message": text(), "attribute": text(),
            "pointer": { "type": "string", "description": "A JSON pointer." },
            "event": { "type": "integer", "minimum": 0, "description": "Its place in the request, from 0." }
        }
    });
    let conditions = json!({ "type": "object", "required": ["expected", "actual"] });
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "error", "retryable", "side_effects"],
        "properties": {
            "type": text(), "title": text(), "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string", "description": "What is wrong, and the mend." },
            "code": { "type": "string", "pattern": "^[A-Z_]+$", "description": "Stable: for programs." },
            "error": { "type": "string", "description": "The same as detail." },
            "retryable": { "type": "boolean", "description": "Whether the same request may work later." },
            "side_effects": { "enum": ["none", "unknown"], "description": "Whether anything was changed." },
            "conditions": list(conditions), "errors": list(errors), "plugin": plugin(),
            "acceptable": list(text())
        }
    })
}

schemas! {
    /// Why a request was refused (RFC 9457).
    Problem = problem();
    /// One sentence about what was done.
    Message = all_of(json!({ "message": text() }));
    /// The JSON Schema of an event type's payloads, by draft 2020-12 or the one that `$schema` names. Formats are checked;
    /// other documents are not fetched.
    TopicSchema = json!({
        "type": "object",
        "required": ["eventType"],
        "properties": { "eventType": of("EventType") },
        "additionalProperties": true
    });
    /// What every state that a command makes must be: a JSON Schema.
    StateSchema = json!({ "type": "object", "additionalProperties": true });
    /// A new topic. With `schemas` its events are validated, without them it is open and needs an `adapter` or a `decider`.
    NewTopic = {
        let adapter = json!({ "type": "string", "examples": ["redb", "memory"] });
        let required = [("schemas", schemas_list()), ("adapter", adapter), ("decider", of("PluginName"))];
        let with = |one: &(&str, Value)| {
            let mut properties = json!({
                "name": of("TopicName"), "retention": optional(of("Retention")), "stateSchema": optional(of("StateSchema"))
            });
            for (name, schema) in &required {
                properties[*name] = if *name == one.0 { schema.clone() } else { optional(schema.clone()) };
            }
            body(&["name", one.0], properties)
        };
        json!({ "anyOf": required.iter().map(with).collect::<Vec<_>>() })
    };
    /// All schemas of a topic (event types may be added and their schemas changed, never left out), what it keeps, who decides
    /// on commands, what states must be: at least one of them. Null takes away all but the schemas.
    TopicChange = {
        let with = |one: &str| {
            let mut properties = json!({
                "schemas": optional(schemas_list()), "retention": optional(of("Retention")),
                "decider": optional(of("PluginName")), "stateSchema": optional(of("StateSchema"))
            });
            if one == "schemas" {
                properties[one] = schemas_list();
            }
            body(&[one], properties)
        };
        let all = ["schemas", "retention", "decider", "stateSchema"].map(with);
        json!({ "anyOf": all })
    };
    /// What a topic keeps; the oldest events that are beyond any of these bounds are deleted.
    Retention = {
        let names = ["maxAgeSeconds", "maxEvents", "maxBytes"];
        let bound = json!({ "type": "integer", "minimum": 1, "maximum": u64::MAX });
        let properties: Map<_, _> = names.map(|name| (name.to_owned(), optional(bound.clone()))).into_iter().collect();
        let one = names.map(|name| json!({ "required": [name], "properties": { name: bound } }));
        json!({ "type": "object", "properties": properties, "additionalProperties": false, "anyOf": one })
    };
    /// What a command says, in JSON. The decider knows what it must be.
    CommandPayload = json!({});
    /// A command with all that belongs to it. `create`, `patch` and `delete` are the commands of documents: `body` is the
    /// document, or a JSON Patch or merge patch; `logic` and `orchestration` are whatever command of the decider has the `name`.
    NewCommand = new_command();
    /// The command as it was executed, and the events that it made.
    CommandExecuted = {
        let mut properties = json!({
            "name": { "type": "string", "pattern": "-Executed$" }, "type": text(), "tenant": of("Tenant"),
            "targetName": of("TopicName"), "targetId": of("StreamName"), "id": text(), "version": whole(0),
            "events": list(of("EventId"))
        });
        let required: Vec<String> = properties.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
        for name in ["body", "context"] {
            properties[name] = json!({ "description": "As it came." });
        }
        properties["replayed"] = json!({ "const": true, "description": "This was done when the command came first." });
        body(&required.iter().map(String::as_str).collect::<Vec<_>>(), properties)
    };
    /// A JSON Patch (RFC 6902) if it is an array, a merge patch (RFC 7386) if it is an object.
    Patch = json!({ "type": ["array", "object"] });
    /// A JSON Patch (RFC 6902).
    JsonPatch = json!({ "type": "array", "items": { "type": "object", "required": ["op", "path"] } });
    /// What a command made. A state that is no JSON is in `data`.
    Executed = with_state(json!({ "events": list(of("Event")) }));
    /// What became of an aggregate, with the ids of the events that say so.
    AggregateChange = with_state(json!({ "id": of("StreamName"), "events": list(of("EventId")) }));
    /// What an aggregate's events come to.
    AggregateState = with_state(json!({ "topic": of("TopicName"), "id": of("StreamName") }));
    /// A new topic's name, and where its events are kept.
    TopicCreated = all_of(json!({ "message": text(), "name": of("TopicName"), "adapter": text() }));
    /// All topics by name.
    Topics = all_of(json!({ "topics": { "anyOf": [list(of("TopicName")), list(of("Topic"))] } }));
    /// Where a topic ends, the first sequence that was not deleted, and the hash that covers all its events.
    TopicHead =
        all_of(json!({ "topic": of("TopicName"), "sequence": whole(0), "first": whole(1), "hash": of("Hash") }));
    /// Where a topic ends as its events say.
    VerifiedTopic = all_of(json!({ "topic": of("TopicName"), "sequence": whole(0), "hash": of("Hash") }));
    /// How often and how fast a delivery is tried again before its event is dead-lettered.
    RetryPolicy = retry();
    /// A consumer that is not there yet. It has a `callback`, or another `sink` than the webhook.
    NewConsumer = registration();
    /// The new consumer.
    ConsumerRegistered = all_of(json!({ "consumerId": { "type": "string", "format": "uuid" } }));
    /// All consumers.
    Consumers = all_of(json!({ "consumers": list(of("Consumer")) }));
    /// All projections.
    Projections = all_of(json!({ "projections": list(of("Projection")) }));
    /// A value of a view. What is no JSON is `data`, in base64, instead of `value`.
    ViewEntry = json!({
        "type": "object", "required": ["key"], "additionalProperties": false,
        "properties": { "key": text(), "value": true, "data": text() }
    });
    /// Values of a view in the order of their keys; `next` is what to ask for after them, if there may be more.
    ViewEntries = all_of(json!({ "entries": list(of("ViewEntry")), "next": text_or_null(), "position": whole(0) }));
    /// An event that a view left out, and when (in Unix milliseconds).
    Letter = all_of(json!({ "eventId": optional(of("EventId")), "position": whole(1), "reason": text(), "atMs": whole(0) }));
    /// The events that a view left out.
    ViewLetters = all_of(json!({ "deadLetters": list(of("Letter")) }));
    /// The position to go on from, which the view may have reached already.
    ReplayFrom = all_of(json!({ "from": whole(1) }));
    /// All plugins.
    Plugins = all_of(json!({ "plugins": list(of("PluginStatus")) }));
    /// An AsyncAPI 3 document.
    AsyncApi = json!({ "type": "object", "required": ["asyncapi", "info", "channels", "operations"] });
    /// How the server is.
    Health = all_of(json!({
        "status": { "enum": ["healthy", "unhealthy"] }, "reason": text_or_null(), "version": text(),
        "consumers": whole(0), "runningDispatchers": list(of("TopicName")),
        "plugins": all_of(json!({ "serving": whole(0), "failed": whole(0) }))
    }));
    /// The first damage that was found.
    Damage = all_of(json!({ "position": { "type": ["integer", "null"] }, "place": text(), "detail": text() }));
    /// What was found in one store.
    VerifiedStore = all_of(json!({
        "adapter": text(), "ok": { "type": "boolean" }, "events": whole(0), "topics": list(of("VerifiedTopic")),
        "damage": { "anyOf": [of("Damage"), { "type": "null" }] }
    }));
    /// What was found in all stores.
    Verified = all_of(json!({ "ok": { "type": "boolean" }, "stores": list(of("VerifiedStore")) }));
}
