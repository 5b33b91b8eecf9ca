//! Good answers that are more than one JSON body: their formats and headers.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::IntoResponses;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::{Content, RefOr};

use super::schemas::{header, raw, reference as of};
use crate::http::accept::Format;
use crate::http::cloud_events;

const JSON: &str = "application/json";

fn content(schema: Value) -> Content {
    Content::new(Some(raw(schema)))
}

fn text(description: &str) -> Content {
    content(json!({ "type": "string", "description": description }))
}

fn cached(response: ResponseBuilder) -> ResponseBuilder {
    let text = || json!({ "type": "string" });
    response
        .header("ETag", header("Names this answer; of a stream, its version.", text()))
        .header("Cache-Control", header("How long it may be kept.", text()))
        .header("Vary", header("`accept`", text()))
}

fn replayed(response: ResponseBuilder) -> ResponseBuilder {
    let description = "This is the answer that the first request with the same Idempotency-Key got.";
    response.header("Idempotency-Replayed", header(description, one_word("true")))
}

fn one_word(word: &str) -> Value {
    json!({ "type": "string", "enum": [word] })
}

fn responses(all: impl IntoIterator<Item = (u16, ResponseBuilder)>) -> BTreeMap<String, RefOr<Response>> {
    all.into_iter().map(|(status, response)| (status.to_string(), response.build().into())).collect()
}

fn says(description: &str) -> ResponseBuilder {
    ResponseBuilder::new().description(description)
}

fn unchanged() -> (u16, ResponseBuilder) {
    (304, cached(says("The client has it already.")))
}

/// One event of a stream without an end.
fn server_sent() -> Value {
    json!({
        "type": "object",
        "description": "Each is an event as a read gives it, in JSON, with its id and without a name; or, with one of the \
                        other names, what a follower is told besides.",
        "required": ["data"],
        "properties": {
            "data": { "type": "string", "contentMediaType": "application/json" }, "id": of("EventId"),
            "event": { "enum": ["message", "caught-up", "heartbeat", "problem"] }
        }
    })
}

/// Events, in whatever format.
pub struct Pages;

impl IntoResponses for Pages {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let format = Format::media_type;
        let pages = says("The events. `Accept` chooses the format; `text/event-stream` does not end by itself.")
            .content(format(Format::Json), content(of("Events")))
            .content(format(Format::NdJson), text("One event a line."))
            .content(format(Format::CloudEvents), content(of("ReadCloudEvents")))
            .content(format(Format::EventStream), content(server_sent()));
        let upgraded = says("With `Upgrade: websocket`: each event is a text frame.");
        responses([(101, upgraded), (200, cached(pages)), unchanged()])
    }
}

/// One event, in whatever format.
pub struct OneEvent;

impl IntoResponses for OneEvent {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let event = says("The event. `Accept: application/cloudevents` answers in binary mode.")
            .content(JSON, content(of("Event")))
            .content(cloud_events::STRUCTURED, content(of("ReadCloudEvent")))
            .content("*/*", content(json!({ "description": "In binary mode, data with its own media type; `ce-` headers have the rest." })));
        responses([(200, cached(event)), unchanged()])
    }
}

/// Events were recorded.
pub struct Created;

impl IntoResponses for Created {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let created = says("The events are recorded, and on disk.").content(JSON, content(of("Published")));
        responses([(201, replayed(created))])
    }
}

/// One event was recorded in a stream.
pub struct Next;

impl IntoResponses for Next {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let next = says("The event is recorded, and on disk.").content(JSON, content(of("Appended")));
        responses([(200, replayed(next))])
    }
}

fn with_state(response: ResponseBuilder) -> ResponseBuilder {
    let text = json!({ "type": "string" });
    response.header("ETag", header("The version in quotes, as `If-Match` takes it.", text))
}

/// A command was executed.
pub struct CommandDone;

impl IntoResponses for CommandDone {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let done = says("What was recorded, which may be nothing, and the state after it.")
            .content(JSON, content(of("Executed")));
        responses([(200, with_state(replayed(done)))])
    }
}

/// A command in one JSON was executed.
pub struct CommandExecuted;

impl IntoResponses for CommandExecuted {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let done = says("The command was executed; its events, if it made any, are on disk.");
        responses([(200, replayed(done.content(JSON, content(of("CommandExecuted")))))])
    }
}

/// The command `create` was executed.
pub struct AggregateMade;

impl IntoResponses for AggregateMade {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let made = says("The aggregate exists.").content(JSON, content(of("AggregateChange")));
        let made = made.header("Location", header("Where its state is.", json!({ "type": "string" })));
        responses([(201, with_state(replayed(made)))])
    }
}

/// A command on an aggregate was executed.
pub struct AggregateChanged;

impl IntoResponses for AggregateChanged {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let changed =
            says("The state as it is now; null when it was deleted.").content(JSON, content(of("AggregateChange")));
        responses([(200, with_state(replayed(changed)))])
    }
}

/// A state.
pub struct StateShown;

impl IntoResponses for StateShown {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses([(200, with_state(says("The state.").content(JSON, content(of("AggregateState")))))])
    }
}

/// A description that changes only with the server.
fn described(media_type: &str, schema: Value) -> BTreeMap<String, RefOr<Response>> {
    responses([(200, cached(says("The description.").content(media_type, content(schema)))), unchanged()])
}

pub struct Document;

impl IntoResponses for Document {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        described(JSON, json!({ "type": "object", "required": ["openapi", "info", "paths"] }))
    }
}

pub struct Page;

impl IntoResponses for Page {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        described("text/html", json!({ "type": "string" }))
    }
}

/// A part of a view, with its place in time.
macro_rules! viewed {
    ($($name:ident = $schema:expr, $says:literal;)+) => { $(
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                let number = || json!({ "type": "integer", "minimum": 0 });
                let viewed = |response: ResponseBuilder| {
                    response
                        .header("ETag", header("Names what was read.", json!({ "type": "string" })))
                        .header("Weir-Position", header("Everything up to here is in it.", number()))
                        .header("Weir-Generation", header("The generation that was read.", number()))
                };
                let read = viewed(says($says)).content(JSON, content($schema));
                responses([(200, read), (304, viewed(says("The client has it already.")))])
            }
        }
    )+ };
}

viewed! {
    ViewValue = json!(true), "The value, as it is; bytes are `application/octet-stream`.";
    ViewEntries = of("ViewEntries"), "The values.";
    DocumentList = json!({ "type": "object", "required": ["items", "next"] }), "The documents, and what to ask for after them.";
    QueryAnswer = json!(true), "What the plugin answers.";
}

pub struct ViewLetters;

impl IntoResponses for ViewLetters {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses([(200, says("The events, in order.").content(JSON, content(of("ViewLetters"))))])
    }
}

/// A write of something other than events; its JSON is `$schema`.
macro_rules! done {
    ($($name:ident = $status:literal $schema:literal, $says:literal;)+) => { $(
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                let done = says($says).content(JSON, content(of($schema)));
                responses([($status, replayed(done))])
            }
        }
    )+ };
}

done! {
    TopicMade = 201 "TopicCreated", "The topic exists.";
    SchemasReplaced = 200 "Message", "The schemas hold from now on.";
    ConsumerMade = 201 "ConsumerRegistered", "Deliveries begin.";
    ConsumerGone = 200 "Message", "Deliveries have ended.";
    ProjectionChanged = 200 "Projection", "The projection as it is now.";
    PluginChanged = 200 "PluginStatus", "The plugin as it is now.";
}
