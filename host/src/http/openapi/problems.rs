//! Which problems an operation can answer with. Handlers name groups of them: `Refused<(OfTopic, Reading)>`.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde_json::json;
use utoipa::IntoResponses;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::{Content, RefOr};

use super::schemas::{header, raw, reference};

/// A status, the code that says more, and when it is the answer.
pub struct Code {
    status: u16,
    code: &'static str,
    when: &'static str,
}

pub trait Group {
    fn codes() -> Vec<Code>;
}

/// All the refusals of an operation, by their status.
pub struct Refused<G>(PhantomData<G>);

impl<G: Group> IntoResponses for Refused<G> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut by_status: BTreeMap<u16, BTreeMap<&str, &str>> = BTreeMap::new();
        for Code { status, code, when } in G::codes() {
            by_status.entry(status).or_default().insert(code, when);
        }
        by_status.into_iter().map(|(status, codes)| (status.to_string(), response(status, &codes).into())).collect()
    }
}

fn response(status: u16, codes: &BTreeMap<&str, &str>) -> Response {
    let lines: Vec<String> = codes.iter().map(|(code, when)| format!("`{code}`: {when}")).collect();
    let names: Vec<&str> = codes.keys().copied().collect();
    let own = json!({ "properties": { "status": { "const": status }, "code": { "enum": names } } });
    let schema = raw(json!({ "allOf": [reference("Problem"), own] }));
    let mut response = ResponseBuilder::new()
        .description(lines.join(".\n\n") + ".")
        .content("application/problem+json", Content::new(Some(schema)));
    if status == 503 {
        let schema = json!({ "type": "integer", "minimum": 1 });
        response = response.header("Retry-After", header("Seconds after which it may work.", schema));
    }
    response.build()
}

macro_rules! groups {
    ($($(#[$doc:meta])* $name:ident { $($status:literal $code:ident $when:literal,)+ })+) => { $(
        $(#[$doc])*
        pub struct $name;

        impl Group for $name {
            fn codes() -> Vec<Code> {
                vec![$(Code { status: $status, code: stringify!($code), when: $when }),+]
            }
        }
    )+ };
}

macro_rules! tuples {
    ($(($($name:ident),+))+) => { $(
        impl<$($name: Group),+> Group for ($($name,)+) {
            fn codes() -> Vec<Code> {
                [$($name::codes()),+].into_iter().flatten().collect()
            }
        }
    )+ };
}

tuples! { (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, F) }

groups! {
    /// A path with a part that the client chose.
    InPath {
        400 INVALID_PATH "a part of the path is not UTF-8",
    }
    /// Names in a path, a query or a body.
    Named {
        400 INVALID_NAME "a topic, stream, event type, plugin or tag has no valid name; the answer says which and why",
    }
    OfTopic {
        404 TOPIC_NOT_FOUND "there is no such topic",
    }
    /// An unknown topic that a body names, not the path.
    TopicInBody {
        400 TOPIC_NOT_FOUND "there is no such topic",
    }
    OfConsumer {
        404 CONSUMER_NOT_FOUND "there is no such consumer",
    }
    OfPlugin {
        404 PLUGIN_NOT_FOUND "there is no such plugin",
    }
    Body {
        400 INVALID_JSON "the body is empty or no JSON",
        400 BODY_UNREADABLE "the body ended early",
        413 PAYLOAD_TOO_LARGE "the body is larger than this server takes, or has too many events",
    }
    Shape {
        400 INVALID_REQUEST "the body is JSON, but has not the shape that is asked for",
    }
    Query {
        400 INVALID_QUERY "a query parameter is not known, has no valid value, or does not go with another one",
    }
    Reading {
        400 ADAPTER_UNKNOWN "there is no such adapter",
        400 INVALID_QUERY "a query parameter is not known, has no valid value, or does not go with another one",
        400 UPGRADE_REFUSED "the wish to go on as a WebSocket is malformed",
        403 ORIGIN_REFUSED "a page of another origin wants to open a socket",
        406 NOT_ACCEPTABLE "nothing of what Accept asks for can be served; `acceptable` lists what can",
        426 UPGRADE_REFUSED "this connection cannot go on as a WebSocket",
        500 STORAGE_FAILED "the storage failed, or what it holds is damaged",
        503 FOLLOWERS_FULL "there are too many followers already",
        503 PLUGIN_FAILED "an upcaster failed; nothing is ever served half upcast",
    }
    OfEvent {
        400 INVALID_QUERY "a query parameter is not known, or has no valid value",
        404 EVENT_NOT_FOUND "there is no such event",
        500 STORAGE_FAILED "the storage failed, or what it holds is damaged",
        503 PLUGIN_FAILED "an upcaster failed",
    }
    /// Any request that writes events.
    Writing {
        400 INVALID_EVENT "an event lacks something, has too much, or its parts do not go together",
        400 EVENT_PUBLISH_FAILED "a validator refused the event (`errors` and `plugin` say more), or the payload is no object",
        400 INVALID_CONDITION "a condition, If-Match or If-None-Match cannot be understood, or is about more than one stream",
        400 INVALID_IDEMPOTENCY_KEY "Idempotency-Key is empty, too long, or there more than once",
        409 CONFLICT "a condition does not hold: `conditions` has what was expected and found. Nothing was written",
        412 CONFLICT "what If-Match or If-None-Match expects does not hold. Nothing was written",
        422 IDEMPOTENCY_KEY_REUSED "the Idempotency-Key was used for another request",
        500 OUTCOME_UNKNOWN "the disk failed while it was written: send it again with the same Idempotency-Key",
        500 STORAGE_FAILED "the storage failed; nothing was written",
        503 BUSY "too many batches wait already",
        503 PLUGIN_FAILED "a validator failed; nothing was written",
        503 STORE_STOPPED "the store has stopped after a failure of its disk",
        503 VALIDATOR_UNAVAILABLE "the events must be validated, and the validator is not active",
        507 DISK_FULL "there is no room for the events; reading goes on",
    }
    /// Forms that take many events, or CloudEvents.
    WritingMany {
        400 INVALID_CLOUD_EVENT "it is not a CloudEvent that can be published; `errors` names attributes and places",
        400 INVALID_REQUEST "the body is no array of events, and no object with events and conditions",
        400 STORES_MIXED "the topics of the request live in different stores",
        415 UNSUPPORTED_MEDIA_TYPE "CloudEvents in another format than JSON",
    }
    /// What a command can come to besides its events.
    Commanding {
        400 INVALID_CONDITION "If-Match or If-None-Match cannot be understood",
        400 INVALID_IDEMPOTENCY_KEY "Idempotency-Key is empty, too long, or there more than once",
        400 NO_DECIDER "nobody decides for this topic; the answer says how to bind a decider",
        404 COMMAND_UNKNOWN "the decider does not know the command",
        409 CONFLICT "others wrote to the stream each time the command was decided; send it again",
        410 HISTORY_DELETED "retention deleted events that the state is made of",
        412 CONFLICT "what If-Match or If-None-Match expects does not hold. Nothing was written",
        422 COMMAND_INVALID "the decider says that the command is wrong; `errors` has its reasons",
        422 COMMAND_REFUSED "the decider, or a validator that guards commands, refuses it in this state; `errors` has the reasons",
        422 EVENT_PUBLISH_FAILED "a validator refused an event that the decider made; `errors` and `plugin` say more",
        422 IDEMPOTENCY_KEY_REUSED "the Idempotency-Key was used for another request",
        422 STATE_INVALID "the state would not be as the topic's stateSchema asks; `errors` has the places",
        500 OUTCOME_UNKNOWN "the disk failed while it was written: send it again with the same Idempotency-Key",
        500 STORAGE_FAILED "the storage failed; nothing was written",
        503 BUSY "too many batches, or commands for this aggregate, wait already",
        503 DECIDER_UNAVAILABLE "the plugin that decides for this topic is not active",
        503 PLUGIN_FAILED "the decider or a validator failed; nothing was written",
        503 STORE_STOPPED "the store has stopped after a failure of its disk",
        503 VALIDATOR_UNAVAILABLE "events or states must be validated, and the validator is not active",
        507 DISK_FULL "there is no room for the events; reading goes on",
    }
    /// Commands as requests on documents.
    Changing {
        404 AGGREGATE_NOT_FOUND "the decider says that there is nothing to change",
        409 COMMAND_REFUSED "the decider refuses it in this state; `errors` has the reasons",
    }
    Patching {
        400 INVALID_REQUEST "the patch is neither an array nor an object",
        415 UNSUPPORTED_MEDIA_TYPE "the content type is none of a patch",
    }
    /// A command as one JSON.
    Envelope {
        400 INVALID_COMMAND "the command lacks something, has too much, or its parts do not go together",
    }
    /// A socket for commands.
    OfTenant {
        400 INVALID_QUERY "a query parameter is not known, is there twice, or has no valid value, or from has no tenant",
        400 UPGRADE_REFUSED "the wish to go on as a WebSocket is malformed",
        403 ORIGIN_REFUSED "a page of another origin wants to open a socket",
        426 UPGRADE_REFUSED "this connection cannot go on as a WebSocket",
        426 UPGRADE_REQUIRED "this is for WebSockets; a single command is a POST",
        500 STORAGE_FAILED "the storage failed, or what it holds is damaged",
        503 FOLLOWERS_FULL "there are too many followers already",
        503 PLUGIN_FAILED "an upcaster failed; nothing is ever served half upcast",
    }
    OfState {
        400 INVALID_QUERY "a query parameter is not known, or has no valid value",
        400 NO_DECIDER "nobody decides for this topic; the answer says how to bind a decider",
        404 AGGREGATE_NOT_FOUND "its events come to no state: it never was, or it was deleted",
        404 VERSION_NOT_FOUND "the stream has not so many events",
        410 HISTORY_DELETED "retention deleted events that the state is made of",
        500 STORAGE_FAILED "the storage failed, or what it holds is damaged",
        503 DECIDER_UNAVAILABLE "the plugin that decides for this topic is not active",
        503 PLUGIN_FAILED "the decider or an upcaster failed",
    }
    Versioned {
        400 INVALID_VERSION "the version is not a number",
    }
    /// Requests that write something other than events, with their `Idempotency-Key`.
    Once {
        400 INVALID_IDEMPOTENCY_KEY "Idempotency-Key is empty, too long, or there more than once",
        409 IDEMPOTENCY_KEY_IN_USE "the first request with this Idempotency-Key is still being answered",
        413 PAYLOAD_TOO_LARGE "the body is larger than this server takes",
        422 IDEMPOTENCY_KEY_REUSED "the Idempotency-Key was used for another request",
        500 ANSWER_TOO_LARGE "it is done, but the answer is too large to be kept for its Idempotency-Key",
        500 STORAGE_FAILED "the storage failed",
        507 DISK_FULL "there is no room on the disk; nothing was written",
    }
    /// A topic's schemas, and what it keeps.
    Schemas {
        400 INVALID_DECIDER "the plugin is no decider",
        400 INVALID_RETENTION "a bound of what the topic keeps is missing, or 0",
        400 INVALID_SCHEMA "a schema cannot be used: `errors` says which and why. Nothing was stored",
        503 PLUGIN_FAILED "the plugin that checks schemas failed",
        503 VALIDATOR_UNAVAILABLE "the plugin that checks schemas is not active",
    }
    Creating {
        400 ADAPTER_UNKNOWN "there is no such adapter",
        400 TOPIC_CREATION_FAILED "the topic exists, and the request names no adapter",
        409 TOPIC_CREATION_FAILED "the topic exists, and the request names an adapter",
        507 TOPICS_FULL "there are as many topics as one server keeps",
    }
    Replacing {
        400 SCHEMA_REMOVAL_NOT_ALLOWED "an event type that has a schema is left out",
    }
    Registering {
        400 INVALID_CALLBACK "nothing can be delivered to this callback",
        400 CONSUMER_REGISTRATION_FAILED "the sink refused the consumer",
        400 SINK_UNKNOWN "no plugin of this name is a sink",
        503 PLUGIN_FAILED "the sink failed",
        503 SINK_UNAVAILABLE "the sink is not active",
        503 STOPPING "the server stops",
        507 CONSUMERS_FULL "there are as many consumers as one server keeps",
    }
    OfProjection {
        404 PROJECTION_NOT_FOUND "there is no such projection",
    }
    OfKey {
        404 KEY_NOT_FOUND "the view has no such key; `position` says up to where it looked",
    }
    Viewing {
        500 STORAGE_FAILED "the view could not be read",
        503 VIEW_NOT_READY "the view is not there yet",
        504 VIEW_BEHIND "the view did not reach `minPosition` in time; `position` says how far it came",
    }
    Listing {
        404 PROJECTION_NOT_FOUND "the projection `current-state` is not among the plugins",
    }
    Querying {
        400 INVALID_QUERY "`minPosition` or `wait` has no valid value, or is there more than once",
        400 QUERY_REFUSED "the plugin does not take these parameters; `errors` says why",
        404 QUERY_NOT_FOUND "the plugin has no such query",
        503 PLUGIN_FAILED "the plugin failed",
        503 PROJECTION_UNAVAILABLE "the plugin is not active",
    }
    ViewAction {
        404 NOT_FOUND "there is no such action",
        409 PROJECTION_CONFLICT "it cannot be done: the plugin is not active, or there is nothing to go back to",
    }
    Replaying {
        503 VIEW_NOT_READY "the view is not there yet",
        409 REPLAY_GAP "events between the view and `from` would be left out; `position` says how far it came",
    }
    PluginAction {
        404 NOT_FOUND "there is no such action",
        409 PLUGIN_CONFLICT "it cannot be done: the file cannot be taken, or there is nothing to go back to",
    }
    Verifying {
        409 VERIFY_RUNNING "everything is being verified already",
        500 STORAGE_FAILED "the storage could not be read",
        500 VERIFY_FAILED "the verification ended before it was done",
    }
    BackingUp {
        409 BACKUP_RUNNING "a backup is being taken already",
    }
}
