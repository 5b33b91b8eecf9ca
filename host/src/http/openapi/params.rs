//! What requests say besides their bodies: parts of the path, queries, headers. Handlers name groups of them.
//!
//! `Accept` is no parameter here: OpenAPI wants it told by the media types of the answers.

use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};

use super::schemas::{raw, reference as of, whole};
use crate::model::limits::{VIEW_ANSWER_ENTRIES_MAX, VIEW_WAIT_MS_MAX, WAIT_S_MAX};

fn parameter(parameter_in: ParameterIn, name: &str, schema: Value, description: &str) -> Parameter {
    let required = if parameter_in == ParameterIn::Path { Required::True } else { Required::False };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(parameter_in)
        .required(required)
        .description(Some(description))
        .schema(Some(raw(schema)))
        .build()
}

macro_rules! params {
    ($($(#[$doc:meta])* $name:ident { $($place:ident $key:literal: $schema:expr, $description:literal;)+ })+) => { $(
        $(#[$doc])*
        pub struct $name;

        impl IntoParams for $name {
            fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
                vec![$(parameter(ParameterIn::$place, $key, $schema, $description)),+]
            }
        }
    )+ };
}

fn one_of(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

fn version_tag() -> Value {
    json!({ "anyOf": [one_of(&["*"]), { "type": "string", "pattern": "^\"[0-9]{1,19}(-[!#-~]*)?\"$" }] })
}

params! {
    Topic {
        Path "topic": of("TopicName"), "The topic's name.";
    }
    Stream {
        Path "stream": of("StreamName"), "The stream's name, percent-encoded.";
    }
    AtVersion {
        Path "version": whole(1), "The version that the event shall have.";
    }
    AggregateId {
        Path "id": of("StreamName"), "The aggregate's id: the name of its stream, percent-encoded.";
    }
    Command {
        Path "name": of("CommandName"), "What is asked for; the decider knows the names.";
    }
    OfTenant {
        Query "tenant": of("Tenant"), "Whose events the socket gets; the tenant of its first command if it is absent.";
        Query "from": whole(0), "The events from this position on, and not only those that come from now on. Needs `tenant`.";
    }
    At {
        Query "at": whole(0), "The state when the stream had so many events.";
    }
    Id {
        Path "id": of("EventId"), "The event's id.";
    }
    ConsumerId {
        Path "id": json!({ "type": "string", "minLength": 1 }), "The consumer's id.";
    }
    Plugin {
        Path "name": of("PluginName"), "The plugin's name.";
    }
    Action {
        Path "action": one_of(&["pause", "resume", "reload", "rollback"]), "What is to be done.";
    }
    Projection {
        Path "projection": of("PluginName"), "The projection's name, which is its plugin's.";
    }
    ViewKey {
        Path "key": json!({ "type": "string", "minLength": 1 }), "The key, percent-encoded.";
    }
    /// A filter is any other parameter: `customer.name=Ann`, `total[gte]=10`.
    Documents {
        Query "sort": json!({ "type": "string" }), "Members to order by, with commas between them; `-` before one turns it round. By id otherwise.";
        Query "limit": json!({ "type": "integer", "minimum": 1, "maximum": 1_000 }), "At most so many.";
        Query "after": json!({ "type": "string" }), "`next` of the page before.";
    }
    QueryName {
        Path "query": json!({ "type": "string", "minLength": 1 }), "The query's name; the plugin knows which there are.";
    }
    ViewAction {
        Path "action": one_of(&["rebuild", "rollback"]), "What is to be done.";
    }
    ViewPage {
        Query "prefix": json!({ "type": "string" }), "Only keys that begin so.";
        Query "after": json!({ "type": "string" }), "Only keys after this one: `next` of the page before.";
        Query "limit": json!({ "type": "integer", "minimum": 1, "maximum": VIEW_ANSWER_ENTRIES_MAX, "default": 100 }), "At most so many.";
    }
    /// What was written shall be read.
    Fresh {
        Query "minPosition": whole(0), "Everything up to this position must be in the view, for example the position of an event that was published just now.";
        Query "wait": json!({ "type": "integer", "minimum": 0, "maximum": VIEW_WAIT_MS_MAX / 1_000 }), "Wait for that up to so many seconds; 5 if it is absent.";
    }
    View {
        Query "view": one_of(&["names", "details"]), "With `details`, a topic is an object instead of its name.";
    }
    Topics {
        Query "topic": json!({ "type": "array", "items": of("TopicName") }), "Only these topics, and consumers that have one of them.";
    }
    /// All reads. What `from` counts depends on what is read.
    Selection {
        Query "from": whole(0), "Begin at this place, inclusive: a position of the store, a sequence of a topic, a version of a stream.";
        Query "sinceEventId": of("EventId"), "Begin after this event, of the topic that is read if it is one. Not together with `from`.";
        Query "limit": whole(1), "At most so many events; absent means all.";
        Query "direction": one_of(&["forward", "backward"]), "`backward` reads from the end, or from `from`, down.";
        Query "type": json!({ "type": "array", "items": of("EventType") }), "One of these types, as they were recorded.";
        Query "tag": json!({ "type": "array", "items": of("Tag") }), "All of these tags.";
        Query "date": json!({ "type": "string", "format": "date", "pattern": "^(19[7-9]|[2-9][0-9]{2})[0-9]-[0-9]{2}-[0-9]{2}$" }), "Committed on this day, UTC.";
        Query "wait": json!({ "type": "integer", "minimum": 0, "maximum": WAIT_S_MAX }), "A long poll: when there is nothing, wait up to so many seconds for something. Not for followers.";
    }
    /// Reads that end, and followers that come back.
    Conditional {
        Header "If-None-Match": json!({ "type": "string" }), "Tags of answers that the client has: 304 when one of them still holds.";
        Header "Last-Event-ID": json!({ "type": "string" }), "Server-sent events only: go on after this event, whatever the query says.";
    }
    IfNoneMatch {
        Header "If-None-Match": json!({ "type": "string" }), "Tags of answers that the client has: 304 when one of them still holds.";
    }
    Form {
        Query "form": one_of(&["current", "stored"]), "`stored` is as it was recorded, `current`, the default, what the upcasters of today make of it.";
    }
    Adapter {
        Query "adapter": json!({ "type": "string", "examples": ["redb", "memory"] }), "Read this store instead of the default one.";
    }
    OfStream {
        Query "stream": of("StreamName"), "One stream of the topic, by sequence.";
    }
    Key {
        Header "Idempotency-Key": of("IdempotencyKey"), "With it, the request is done once, however often it is sent.";
    }
    /// What is expected of the one stream that a request writes to.
    Expectations {
        Header "If-Match": version_tag(), "The version of the stream in quotes, as its `ETag`, or `*` if it must exist.";
        Header "If-None-Match": one_of(&["*"]), "The stream must not exist.";
    }
}
