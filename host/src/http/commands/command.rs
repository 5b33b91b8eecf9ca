//! One command: parsed, executed, answered.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::http::StatusCode;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::engine::{EngineError, Execution, Selection, Start, Target};
use crate::http::App;
use crate::http::aggregates::{Wish, command_id, refused};
use crate::http::body::{Body, Object};
use crate::http::documents::{new_id, not_changed};
use crate::http::event_body::{Text, checked_metadata};
use crate::http::follow::Follow;
use crate::http::idempotency;
use crate::http::problem::Problem;
use crate::http::read_query::ReadQuery;
use crate::model::{
    CommandName, Expected, Filter, IdempotencyKey, Metadata, Payload, Position, StreamName, Tag, TopicName, limits,
};
use crate::storage::AppendError;

/// Whose commands and events they are. A label: who may use it is not asked here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant(Tag);

impl Tenant {
    const PREFIX: &str = "tenant:";

    pub fn parse(text: &str) -> Result<Self, Problem> {
        if text.is_empty() {
            return Err(Problem::bad_request("INVALID_NAME", "tenant is empty; give it a name"));
        }
        Ok(Self(Tag::parse(&format!("{}{text}", Self::PREFIX))?))
    }

    fn as_str(&self) -> &str {
        self.0.as_str().strip_prefix(Self::PREFIX).unwrap_or_default()
    }

    /// Its events in the default store, from a position on, or those that come from now on.
    pub async fn follow(self, app: &App, from: Option<Position>) -> Result<(Self, Follow), Problem> {
        let filter = Filter { tags: vec![self.0.clone()], ..Filter::default() };
        let start = Start::At(from.unwrap_or_else(|| app.live.head() + 1));
        let selection = Selection { start, filter, ..Selection::default() };
        let query = ReadQuery { selection, ..ReadQuery::default() };
        Ok((self, Follow::open(app, &Target::Store(None), query).await?))
    }
}

/// What a command is for: the first three are the commands of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Create,
    Patch,
    Delete,
    Logic,
    Orchestration,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CommandBody<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(borrow)]
    tenant: Text<'a>,
    #[serde(borrow)]
    target_name: Text<'a>,
    #[serde(borrow)]
    target_id: Option<Text<'a>>,
    version: Option<u64>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    #[serde(borrow)]
    context: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
}

/// The answer: the command as it was executed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExecutedBody<'a> {
    name: String,
    #[serde(rename = "type")]
    kind: Kind,
    tenant: &'a str,
    target_name: &'a str,
    target_id: &'a str,
    id: &'a str,
    version: u64,
    events: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    replayed: bool,
}

/// A command that can be executed.
#[derive(Debug)]
pub struct Intent {
    /// As the client called it.
    name: CommandName,
    kind: Kind,
    pub tenant: Tenant,
    topic: TopicName,
    /// Made when it is absent.
    target: Option<StreamName>,
    expected: Option<Expected>,
    /// What the decider is asked.
    command: String,
    /// As they came.
    body: Option<Bytes>,
    context: Option<Bytes>,
    metadata: Metadata,
    id: Option<String>,
    key: Option<IdempotencyKey>,
}

const SHAPE: &str = "a command is {name, type, tenant, targetName, targetId?, version?, body?, context?, id?}";

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::bad_request("INVALID_COMMAND", detail)
}

impl Intent {
    pub fn parse(bytes: Bytes) -> Result<Self, Problem> {
        let frame = Body(bytes, axum::http::HeaderMap::new());
        let Object(command): Object<CommandBody<'_>> = frame.json(|detail| invalid(format!("{SHAPE}: {detail}")))?;
        let id = command.id.as_ref().map(|id| id.0.clone().into_owned());
        Self::of(command, &frame.0).map_err(|problem| named(problem, id.as_deref()))
    }

    fn of(command: CommandBody<'_>, bytes: &Bytes) -> Result<Self, Problem> {
        let CommandBody { name, kind, tenant, target_name, target_id, version, body, context, id } = command;
        let slice = |raw: Option<&RawValue>| raw.map(|raw| bytes.slice_ref(raw.get().as_bytes()));
        let (name, tenant) = (CommandName::parse(&name.0)?, Tenant::parse(&tenant.0)?);
        let target = target_id.map(|id| StreamName::parse(&id.0)).transpose()?;
        if target.is_none() && matches!(kind, Kind::Patch | Kind::Delete) {
            return Err(invalid("a command of type patch or delete needs the targetId of what there is"));
        }
        let asked = match (kind, body.and_then(|body| body.get().as_bytes().first())) {
            (Kind::Create, _) => "create",
            (Kind::Patch, Some(b'[')) => "patch",
            (Kind::Patch, Some(b'{')) => "merge",
            (Kind::Patch, _) => {
                return Err(invalid("the body of a patch is an array (JSON Patch) or an object (merge patch)"));
            }
            (Kind::Delete, _) => "delete",
            (Kind::Logic | Kind::Orchestration, _) => name.as_str(),
        };
        let id = id.map(|id| id.0.into_owned());
        if id.as_ref().is_some_and(|id| id.is_empty() || id.len() > limits::COMMAND_ID_BYTES_MAX) {
            return Err(invalid(format!("a command's id has 1 to {} bytes", limits::COMMAND_ID_BYTES_MAX)));
        }
        Ok(Self {
            kind,
            topic: TopicName::parse(&target_name.0)?,
            target,
            expected: version.map(Expected::Exactly),
            command: asked.to_owned(),
            body: slice(body),
            context: slice(context),
            metadata: context.map(metadata).transpose()?.unwrap_or_default(),
            key: id.as_ref().map(|id| idempotency::of_command(tenant.as_str(), id, bytes)),
            name,
            tenant,
            id,
        })
    }

    /// How much it holds, about.
    pub fn bytes(&self) -> usize {
        [&self.body, &self.context].into_iter().flatten().map(Bytes::len).sum()
    }

    /// Why it is not executed, with its id if the client gave it one.
    pub fn refused(&self, problem: Problem) -> Problem {
        named(problem, self.id.as_deref())
    }

    /// What the request says besides, where the context does not.
    pub fn inherit(&mut self, metadata: Metadata) {
        let missing = metadata.into_iter().filter(|(key, _)| !self.metadata.iter().any(|(known, _)| known == key));
        let missing: Vec<_> = missing.collect();
        self.metadata.extend(missing);
    }

    /// The request's key is the command's, unless it has an id of its own.
    pub fn name_by(&mut self, key: IdempotencyKey) -> Result<(), Problem> {
        if self.key.is_some() {
            let detail = "the command's id does what Idempotency-Key does; give one of them";
            return Err(Problem::bad_request("INVALID_IDEMPOTENCY_KEY", detail));
        }
        self.key = Some(key);
        Ok(())
    }

    /// Its answer, and whether that was given before.
    pub async fn execute(self, app: &App) -> Result<(String, bool), Problem> {
        let Self { name, kind, tenant, topic, target, expected, command, body, context, metadata, id: given, key } =
            self;
        let id = given.clone().unwrap_or_else(|| command_id(key));
        let payload = Payload::Json(body.clone().unwrap_or(Bytes::from_static(b"{}")));
        let stream = match target {
            Some(target) => target,
            None => StreamName::parse(&new_id(key))?,
        };
        let execution = Execution { expected: expected.into_iter().collect(), key };
        let (topic_name, target_id) = (topic.clone(), stream.clone());
        let tags = vec![tenant.0.clone()];
        let wish = Wish { topic, stream, name: command, payload, tags, metadata, id: Some(id.clone()), execution };
        let executed = wish.execute(app).await.map_err(|error| named(problem(kind, error), given.as_deref()))?;
        let answer = ExecutedBody {
            name: format!("{name}-Executed"),
            kind,
            tenant: tenant.as_str(),
            target_name: topic_name.as_str(),
            target_id: target_id.as_str(),
            id: &id,
            version: executed.version,
            events: executed.events.iter().map(|event| event.id().to_string()).collect(),
            body: raw(body.as_ref()),
            context: raw(context.as_ref()),
            replayed: executed.replayed,
        };
        let text = serde_json::to_string(&answer).map_err(|error| {
            let detail = format!("the command was executed, but its answer cannot be written: {error}");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "OUTCOME_UNKNOWN", detail).unknown()
        })?;
        Ok((text, executed.replayed))
    }
}

fn named(problem: Problem, id: Option<&str>) -> Problem {
    id.into_iter().fold(problem, |problem, id| problem.with("id", id.into()))
}

/// What came as JSON, to be written as it came.
fn raw(json: Option<&Bytes>) -> Option<&RawValue> {
    json.and_then(|json| serde_json::from_slice(json).ok())
}

/// A version that is not there is a conflict here, for it stands in the command; and the topic is its fault too.
fn problem(kind: Kind, error: EngineError) -> Problem {
    match (&error, kind) {
        (EngineError::Append(AppendError::Conflict(_)), _) => error.into(),
        (EngineError::TopicUnknown(_), _) => Problem::from(error).with_status(StatusCode::BAD_REQUEST),
        (_, Kind::Create | Kind::Patch | Kind::Delete) => not_changed(error),
        (_, Kind::Logic | Kind::Orchestration) => refused(error),
    }
}

/// The context goes into the metadata of events: texts as they are, anything else as JSON.
fn metadata(context: &RawValue) -> Result<Metadata, Problem> {
    let shape = |error: serde_json::Error| invalid(format!("context must be an object: {error}"));
    let entries: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(context.get()).map_err(shape)?;
    let text = |value: &RawValue| serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned());
    let entries = entries.into_iter().map(|(key, value)| (key.into_owned(), text(value))).collect();
    checked_metadata(entries).map_err(|detail| invalid(format!("context: {detail}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Result<Intent, (&'static str, String)> {
        Intent::parse(Bytes::from_static(text.as_bytes()))
            .map_err(|problem| (problem.code(), problem.detail().to_owned()))
    }

    #[test]
    fn the_type_says_what_the_decider_is_asked() {
        let asked = |kind: &str, body: &str| {
            let text = format!(
                r#"{{"name":"Pay","type":"{kind}","tenant":"acme","targetName":"orders","targetId":"1"{body}}}"#
            );
            Intent::parse(text.into()).map(|intent| intent.command).map_err(|problem| problem.code())
        };
        assert_eq!(asked("create", ""), Ok("create".to_owned()));
        assert_eq!(asked("patch", r#","body":[]"#), Ok("patch".to_owned()));
        assert_eq!(asked("patch", r#","body":{}"#), Ok("merge".to_owned()));
        assert_eq!(asked("delete", ""), Ok("delete".to_owned()));
        for own in ["logic", "orchestration"] {
            assert_eq!(asked(own, ""), Ok("Pay".to_owned()));
        }
        for (kind, body) in [("patch", ""), ("patch", r#","body":1"#), ("replace", ""), ("Logic", "")] {
            assert_eq!(asked(kind, body), Err("INVALID_COMMAND"), "{kind} {body}");
        }
    }

    #[test]
    fn all_its_parts_are_read() {
        let intent = parse(
            r#"{"name":"pay","type":"logic","tenant":"a b","targetName":"orders","targetId":"o:1","version":3,
                "body":{ "n": 1.50 },"context":{"user":"Ann","roles":["x"],"n":1},"id":"c1"}"#,
        )
        .expect("valid");
        assert_eq!((intent.topic.as_str(), intent.target.as_ref().map(StreamName::as_str)), ("orders", Some("o:1")));
        assert_eq!((intent.expected, intent.tenant.0.as_str()), (Some(Expected::Exactly(3)), "tenant:a b"));
        assert_eq!(intent.body.as_deref(), Some(&b"{ \"n\": 1.50 }"[..]));
        let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(intent.metadata, [entry("n", "1"), entry("roles", "[\"x\"]"), entry("user", "Ann")]);
        assert_eq!((intent.id.as_deref(), intent.key.is_some()), (Some("c1"), true));
        let bare = parse(r#"{"name":"pay","type":"logic","tenant":"a","targetName":"orders"}"#).expect("valid");
        assert_eq!((bare.body, bare.key, bare.target), (None, None, None));
    }

    #[test]
    fn what_is_unknown_missing_or_malformed_is_refused_by_its_name() {
        let cases = [
            ("", "INVALID_JSON", "empty"),
            ("{", "INVALID_JSON", "not JSON"),
            ("[]", "INVALID_COMMAND", "an object"),
            (r#"{"type":"logic","tenant":"a","targetName":"t"}"#, "INVALID_COMMAND", "name"),
            (r#"{"name":"n","type":"logic","tenant":"a","targetName":"t","user":1}"#, "INVALID_COMMAND", "user"),
            (r#"{"name":"n","type":"logic","tenant":"a","targetName":"t","version":-1}"#, "INVALID_COMMAND", "-1"),
            (r#"{"name":"n","type":"delete","tenant":"a","targetName":"t"}"#, "INVALID_COMMAND", "targetId"),
            (r#"{"name":"n","type":"logic","tenant":"a","targetName":"t","context":[]}"#, "INVALID_COMMAND", "context"),
            (
                r#"{"name":"n","type":"logic","tenant":"a","targetName":"t","context":{"weir.x":""}}"#,
                "INVALID_COMMAND",
                "weir.x",
            ),
            (r#"{"name":"n","type":"logic","tenant":"a","targetName":"t","id":""}"#, "INVALID_COMMAND", "id"),
            (r#"{"name":"n","type":"logic","tenant":"","targetName":"t"}"#, "INVALID_NAME", "tenant"),
            (r#"{"name":"n","type":"logic","tenant":"a\n","targetName":"t"}"#, "INVALID_NAME", "tenant"),
            (r#"{"name":"n n","type":"logic","tenant":"a","targetName":"t"}"#, "INVALID_NAME", "command"),
            (r#"{"name":"n","type":"logic","tenant":"a","targetName":"t/"}"#, "INVALID_NAME", "topic"),
            (r#"{"name":"n","type":"logic","tenant":"a","targetName":"t","targetId":""}"#, "INVALID_NAME", "stream"),
        ];
        for (text, code, word) in cases {
            let (found, detail) = parse(text).expect_err(text);
            assert!(found == code && detail.contains(word), "{text}: {found} {detail}");
        }
    }

    #[test]
    fn an_id_is_one_tenants_and_names_one_command() {
        let of = |tenant: &str, id: &str, rest: &str| {
            let text =
                format!(r#"{{"name":"n","type":"logic","tenant":"{tenant}","targetName":"t","id":"{id}"{rest}}}"#);
            Intent::parse(text.into()).expect("valid").key.expect("a key")
        };
        let first = of("a", "1", "");
        assert_eq!(of("a", "1", ""), first);
        assert!(of("b", "1", "").key != first.key && of("a", "2", "").key != first.key);
        let other = of("a", "1", r#","version":1"#);
        assert!(other.key == first.key && other.request != first.request);
    }
}
