//! Events as they are sent and read, what is expected of them, and CloudEvents.

use serde_json::{Value, json};

use super::{reference as of, schemas, whole};
use crate::model::limits::{
    BATCH_EVENTS_MAX, CLOUD_EVENT_MEMBERS_MAX, CONDITIONS_MAX, EVENT_METADATA_ENTRIES_MAX, EVENT_TAGS_MAX,
    QUERY_LABELS_MAX,
};

/// Either it holds, or it is not there; null is as good as left out.
fn or_null(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

fn tags() -> Value {
    json!({ "type": "array", "maxItems": EVENT_TAGS_MAX, "items": of("Tag") })
}

/// A new event: `required` and `properties` besides those that all forms share, with a payload or with data.
fn new_event(required: &[&str], mut properties: Value, payload: &Value) -> Value {
    let shared = json!({ "type": of("EventType"), "tags": or_null(tags()), "metadata": or_null(of("NewMetadata")) });
    merge(&mut properties, shared);
    let form = |content: &str, schema: Value| {
        let mut properties = properties.clone();
        properties[content] = schema;
        let required: Vec<&str> = required.iter().copied().chain(["type", content]).collect();
        json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
    };
    json!({ "anyOf": [form("payload", payload.clone()), form("data", of("Base64"))] })
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}

/// The array form and the object form, for one kind of event.
fn publication(event: &str) -> Value {
    let events = json!({ "type": "array", "minItems": 1, "maxItems": BATCH_EVENTS_MAX, "items": of(event) });
    let conditions = json!({ "type": "array", "maxItems": CONDITIONS_MAX, "items": of("Condition") });
    let batch = json!({
        "type": "object",
        "required": ["events"],
        "properties": { "events": events, "conditions": conditions },
        "additionalProperties": false
    });
    json!({ "anyOf": [events, batch] })
}

fn any_of(mut form: Value, more: Value) -> Value {
    if let Some(forms) = form["anyOf"].as_array_mut() {
        forms.push(more);
    }
    form
}

fn condition(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

fn labels(of_what: &str) -> Value {
    json!({ "type": "array", "maxItems": QUERY_LABELS_MAX, "items": of(of_what) })
}

/// A recorded event, with its payload or its data.
fn event() -> Value {
    let mut properties = json!({
        "id": of("EventId"), "timestamp": of("Timestamp"), "type": of("EventType"), "topic": of("TopicName"),
        "sequence": of("Sequence"), "position": of("Position"), "stream": of("StreamName"), "version": of("Version"),
        "tags": tags(), "metadata": of("Metadata"), "data": of("Base64")
    });
    properties["payload"] = json!({ "description": "The publisher's own JSON." });
    json!({
        "type": "object",
        "required": ["id", "timestamp", "type", "topic", "sequence", "position"],
        "properties": properties,
        "oneOf": [{ "required": ["payload"] }, { "required": ["data"] }],
        "dependentRequired": { "stream": ["version"], "version": ["stream"] },
        "additionalProperties": false
    })
}

/// No control characters, and no code points that Unicode keeps free of characters.
const ATTRIBUTE: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff]*$";

fn attribute() -> Value {
    json!({ "type": "string", "minLength": 1, "pattern": ATTRIBUTE })
}

/// A string, a boolean, or a whole number of 32 bits.
fn extension(description: &str) -> Value {
    json!({
        "type": ["string", "boolean", "integer", "null"],
        "pattern": ATTRIBUTE,
        "minimum": i32::MIN, "maximum": i32::MAX, "description": description
    })
}

/// What goes through all paths alike; `more` is what one of them needs besides.
fn cloud_event(more: Value) -> Value {
    let mut schema = json!({
        "type": "object",
        "required": ["specversion", "id", "source", "type"],
        "properties": {
            "specversion": { "const": "1.0" }, "id": attribute(), "type": of("EventType"),
            "source": { "type": "string", "format": "uri-reference", "minLength": 1 },
            "subject": or_null(attribute()),
            "time": or_null(json!({ "type": "string", "format": "date-time" })),
            "datacontenttype": or_null(json!({ "type": "string", "pattern": "^[a-z]+/[a-z0-9.+-]+$" })),
            "dataschema": or_null(json!({ "type": "string", "format": "uri" })),
            "data": { "description": "Any JSON; a string when datacontenttype is not JSON." },
            "data_base64": or_null(of("Base64")),
            "weirtopic": or_null(of("TopicName")), "weirstream": or_null(of("StreamName")),
            "weirexpectedversion": or_null(json!({ "anyOf": [
                { "type": "integer", "minimum": 0, "maximum": i32::MAX },
                { "type": "string", "pattern": "^(none|exists|any|[0-9]{1,19})$" }
            ] })),
            "weirtags": { "type": ["string", "null"], "description": "A JSON array of strings." },
            "weirmetadata": { "type": ["string", "null"], "description": "A JSON object whose values are strings." },
            "weirid": extension("Ignored, as are the next ones: what another server says of the event."),
            "weirtime": extension(""), "weirsequence": extension(""), "weirposition": extension(""),
            "weirversion": extension("")
        },
        "patternProperties": {
            "^(?!weir|data$)[a-z0-9]+$": extension("An extension, kept in the metadata under its name, or one of the above.")
        },
        "additionalProperties": false,
        "maxProperties": CLOUD_EVENT_MEMBERS_MAX,
        "not": { "required": ["data", "data_base64"] }
    });
    merge(&mut schema, more);
    schema
}

fn cloud_events(of_what: &str) -> Value {
    json!({ "type": "array", "minItems": 1, "maxItems": BATCH_EVENTS_MAX, "items": of(of_what) })
}

schemas! {
    /// Free pairs that travel with an event, as they were recorded.
    Metadata = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    /// Free pairs that travel with an event. Keys that begin with `weir.` are the server's own. All keys and values together
    /// have at most 16 KiB.
    NewMetadata = json!({
        "type": "object",
        "maxProperties": EVENT_METADATA_ENTRIES_MAX,
        "propertyNames": { "pattern": "^(?!weir\\.)" },
        "additionalProperties": { "type": "string" }
    });
    /// What the stream must be before the request: at this version, without an event (`none`), with at least one (`exists`),
    /// or anything.
    ExpectedVersion = json!({ "anyOf": [whole(0), { "enum": ["none", "exists", "any"] }] });
    /// A new event. `expectedVersion` needs a `stream`.
    NewEvent = new_event(
        &["topic"],
        json!({
            "topic": of("TopicName"), "stream": or_null(of("StreamName")),
            "expectedVersion": or_null(of("ExpectedVersion"))
        }),
        &json!({ "type": "object" }),
    );
    /// A new event of the topic in the path; if it names a topic, it is that one.
    NewTopicEvent = new_event(
        &[],
        json!({
            "topic": or_null(of("TopicName")), "stream": or_null(of("StreamName")),
            "expectedVersion": or_null(of("ExpectedVersion"))
        }),
        &json!({ "type": "object" }),
    );
    /// A new event of the stream in the path. Its payload may be any JSON but null.
    NewStreamEvent = new_event(
        &[],
        json!({}),
        &json!({ "type": ["object", "array", "string", "number", "boolean"] }),
    );
    /// Events of any topics of one store, recorded together or not at all; as an object also with conditions.
    Publication = publication("NewEvent");
    /// Events of one topic, recorded together or not at all: an array, an object with conditions, or a single event.
    TopicPublication = any_of(publication("NewTopicEvent"), of("NewTopicEvent"));
    /// Types and tags: an event matches that has one of the types and all of the tags. At least one of either.
    EventQuery = json!({
        "type": "object",
        "properties": { "types": labels("EventType"), "tags": labels("Tag") },
        "anyOf": [
            { "required": ["types"], "properties": { "types": { "minItems": 1 } } },
            { "required": ["tags"], "properties": { "tags": { "minItems": 1 } } }
        ],
        "additionalProperties": false
    });
    /// What must hold when the events are recorded: of a stream, of all events that match a query, or of the store's head.
    /// The topic may be left out when all events are of one topic.
    Condition = json!({ "anyOf": [
        condition(&["stream", "version"], json!({
            "stream": of("StreamName"), "topic": of("TopicName"),
            "version": { "anyOf": [whole(0), { "enum": ["none", "exists"] }] }
        })),
        condition(&["query", "after"], json!({ "query": of("EventQuery"), "after": whole(0) })),
        condition(&["head"], json!({ "head": whole(0) })),
    ] });
    /// Where the events stand now, in the order of the request.
    Published = json!({
        "type": "object",
        "required": ["eventIds", "positions"],
        "properties": {
            "eventIds": { "type": "array", "items": of("EventId") },
            "positions": { "type": "array", "items": of("Position") }
        },
        "additionalProperties": false
    });
    /// Where the event stands now.
    Appended = json!({
        "type": "object",
        "required": ["eventId", "position", "version"],
        "properties": { "eventId": of("EventId"), "position": of("Position"), "version": of("Version") },
        "additionalProperties": false
    });
    /// A recorded event. It has a `payload` if it was published as JSON, else `data`.
    Event = event();
    /// Events, in the order that was asked for.
    Events = json!({
        "type": "object",
        "required": ["events"],
        "properties": { "events": { "type": "array", "items": of("Event") } },
        "additionalProperties": false
    });
    /// A CloudEvent 1.0 in JSON. Its topic is `weirtopic`, or else an extension `topic`.
    CloudEvent = cloud_event(json!({ "anyOf": [
        { "required": ["weirtopic"], "properties": { "weirtopic": of("TopicName") } },
        { "required": ["topic"], "properties": { "topic": of("TopicName") } },
    ] }));
    /// CloudEvents that are recorded together or not at all.
    CloudEvents = cloud_events("CloudEvent");
    /// A CloudEvent 1.0 in JSON, of the topic in the path.
    TopicCloudEvent = cloud_event(json!({}));
    /// CloudEvents of the topic in the path, recorded together or not at all.
    TopicCloudEvents = cloud_events("TopicCloudEvent");
    /// A recorded event as a CloudEvent.
    ReadCloudEvent = json!({
        "type": "object",
        "required": ["specversion", "id", "source", "type"],
        "properties": { "specversion": { "const": "1.0" } },
        "propertyNames": { "pattern": "^([a-z0-9]+|data_base64)$" }
    });
    /// Recorded events as CloudEvents.
    ReadCloudEvents = json!({ "type": "array", "items": of("ReadCloudEvent") });
}
