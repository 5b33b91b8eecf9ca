//! New events as clients send them. Payloads stay slices of the request body: they are stored as they came.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use bytes::Bytes;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::problem::Problem;
use crate::model::{
    Condition, EventType, Expected, Metadata, NewEvent, Payload, SERVER_KEYS, StreamName, Tag, TopicName, limits,
};

/// Text that borrows from the body when it has no escapes. (serde borrows a bare `Cow`, not one in an `Option`.)
#[derive(Deserialize)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// Metadata in the order it came.
pub struct Entries<'a>(pub Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for Visit<'a> {
            type Value = Entries<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object whose values are strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((key, value)) = map.next_entry::<Text<'a>, Text<'a>>()? {
                    entries.push((key.0, value.0));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Visit(PhantomData))
    }
}

/// `expectedVersion`: a number, `"none"`, `"exists"` or `"any"`.
pub struct ExpectedBody(pub Option<Expected>);

impl<'de> Deserialize<'de> for ExpectedBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Exactly(u64),
            Word(String),
        }
        let refuse =
            || de::Error::custom("an expected version must be a number from 0, \"none\", \"exists\" or \"any\"");
        match Form::deserialize(deserializer).map_err(|_| refuse())? {
            Form::Exactly(version) => Ok(Self(Some(Expected::Exactly(version)))),
            Form::Word(word) => match word.as_str() {
                "none" => Ok(Self(Some(Expected::None))),
                "exists" => Ok(Self(Some(Expected::Exists))),
                "any" => Ok(Self(None)),
                _ => Err(refuse()),
            },
        }
    }
}

/// One event of a publish request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EventBody<'a> {
    #[serde(borrow)]
    topic: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    event_type: Option<Text<'a>>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    /// Base64, instead of a payload that is JSON.
    #[serde(borrow)]
    data: Option<Text<'a>>,
    #[serde(borrow)]
    stream: Option<Text<'a>>,
    expected_version: Option<ExpectedBody>,
    #[serde(borrow)]
    tags: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    metadata: Option<Entries<'a>>,
}

/// One event of the streams form: the path names topic and stream.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamEventBody<'a> {
    #[serde(borrow, rename = "type")]
    event_type: Option<Text<'a>>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<Text<'a>>,
    #[serde(borrow)]
    tags: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    metadata: Option<Entries<'a>>,
}

const REQUIRED: &str = "Each event must have topic, type, and payload";

pub fn invalid_event(detail: impl Into<String>) -> Problem {
    Problem::bad_request("INVALID_EVENT", detail)
}

impl EventBody<'_> {
    /// Makes the event, and the condition it carries. `body` is what `self` was parsed from.
    pub fn into_event(self, body: &Bytes, topic: Option<&TopicName>) -> Result<(NewEvent, Option<Condition>), Problem> {
        let topic = match (self.topic, topic) {
            (Some(text), Some(topic)) if text.0 != topic.as_str() => {
                return Err(invalid_event(format!(
                    "topic '{}' in the body is not topic '{topic}' in the path",
                    text.0
                )));
            }
            (_, Some(topic)) => topic.clone(),
            (Some(text), None) => TopicName::parse(&text.0)?,
            (None, None) => return Err(invalid_event(REQUIRED)),
        };
        let Some(event_type) = self.event_type else { return Err(invalid_event(REQUIRED)) };
        let payload = match (self.payload, self.data) {
            (Some(json), None) if json.get().starts_with('{') => Payload::Json(slice(body, json)),
            (Some(_), None) => {
                return Err(Problem::bad_request("EVENT_PUBLISH_FAILED", "payload must be a JSON object"));
            }
            (None, Some(text)) => Payload::Bytes(decode(&text.0)?),
            (None, None) => return Err(invalid_event(REQUIRED)),
            (Some(_), Some(_)) => return Err(invalid_event("An event has either payload (JSON) or data (base64)")),
        };
        let stream = self.stream.map(|text| StreamName::parse(&text.0)).transpose()?;
        let condition = match (self.expected_version.and_then(|expected| expected.0), &stream) {
            (None, _) => None,
            (Some(expected), Some(stream)) => {
                Some(Condition::Stream { topic: topic.clone(), stream: stream.clone(), expected })
            }
            (Some(_), None) => return Err(invalid_event("expectedVersion needs a stream; add one, or leave it out")),
        };
        let event = NewEvent {
            topic,
            stream,
            event_type: EventType::parse(&event_type.0)?,
            payload,
            tags: tags(self.tags)?,
            metadata: metadata(self.metadata)?,
        };
        Ok((event, condition))
    }
}

impl StreamEventBody<'_> {
    pub fn into_event(self, body: &Bytes, topic: TopicName, stream: StreamName) -> Result<NewEvent, Problem> {
        let Some(event_type) = self.event_type else {
            return Err(invalid_event("An event must have a type"));
        };
        let payload = match (self.payload, self.data) {
            (Some(json), None) => Payload::Json(slice(body, json)),
            (None, Some(text)) => Payload::Bytes(decode(&text.0)?),
            _ => return Err(invalid_event("An event must have either payload (JSON) or data (base64)")),
        };
        Ok(NewEvent {
            topic,
            stream: Some(stream),
            event_type: EventType::parse(&event_type.0)?,
            payload,
            tags: tags(self.tags)?,
            metadata: metadata(self.metadata)?,
        })
    }
}

/// The payload's bytes, sharing the request body's memory.
fn slice(body: &Bytes, raw: &RawValue) -> Bytes {
    body.slice_ref(raw.get().as_bytes())
}

fn decode(text: &str) -> Result<Bytes, Problem> {
    let decoded = base64::engine::general_purpose::STANDARD.decode(text);
    decoded.map(Bytes::from).map_err(|error| invalid_event(format!("data is not base64: {error}")))
}

fn tags(tags: Option<Vec<Text<'_>>>) -> Result<Vec<Tag>, Problem> {
    let tags = tags.unwrap_or_default();
    if tags.len() > limits::EVENT_TAGS_MAX {
        return Err(invalid_event(format!("an event has at most {} tags", limits::EVENT_TAGS_MAX)));
    }
    Ok(tags.iter().map(|text| Tag::parse(&text.0)).collect::<Result<_, _>>()?)
}

fn metadata(entries: Option<Entries<'_>>) -> Result<Metadata, Problem> {
    let Some(Entries(entries)) = entries else { return Ok(Vec::new()) };
    let owned = entries.into_iter().map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
    checked_metadata(owned).map_err(invalid_event)
}

/// What a client may give as metadata.
pub fn checked_metadata(entries: Metadata) -> Result<Metadata, String> {
    let bytes: usize = entries.iter().map(|(key, value)| key.len() + value.len()).sum();
    if entries.len() > limits::EVENT_METADATA_ENTRIES_MAX || bytes > limits::EVENT_METADATA_BYTES_MAX {
        return Err(format!(
            "metadata has at most {} entries and {} bytes",
            limits::EVENT_METADATA_ENTRIES_MAX,
            limits::EVENT_METADATA_BYTES_MAX
        ));
    }
    if let Some((key, _)) = entries.iter().find(|(key, _)| key.starts_with(SERVER_KEYS)) {
        return Err(format!(
            "metadata key '{key}' begins with '{SERVER_KEYS}', which is the server's own; give it another name"
        ));
    }
    Ok(entries)
}
