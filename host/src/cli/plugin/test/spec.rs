//! The words of a test file that all kinds share: events, payloads, problems, and what a file says once for all its cases.
//! docs/plugin-tests.md describes them. A key that is not known is an error with its line.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::diff::{Mismatch, part, same};
use crate::cli::plugin::component::{TIME_MS, record};
use crate::model::{Event, EventType, NewEvent, Payload, SERVER_KEYS, StreamName, Tag, TopicName, one_line};
use crate::plugin::{Grants, MemoryView, PluginLimits, Refusal};

/// A test file. Its cases are those of one kind.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecFile<C> {
    /// The kind that the component must have.
    #[serde(default)]
    pub kind: Option<String>,
    #[serde(default, deserialize_with = "topic")]
    pub topic: Option<TopicName>,
    #[serde(default, deserialize_with = "stream")]
    pub stream: Option<StreamName>,
    #[serde(default)]
    pub config: Option<Map<String, Value>>,
    #[serde(default)]
    pub grants: Option<Grants>,
    #[serde(default)]
    pub limits: PluginLimits,
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// Settings of topics, for validators.
    #[serde(default)]
    pub topics: Vec<TopicSpec>,
    #[serde(alias = "cases", bound(deserialize = "C: Deserialize<'de>"))]
    pub case: Vec<C>,
}

/// What a file says once.
#[derive(Debug, Clone)]
pub struct Defaults {
    pub topic: TopicName,
    pub stream: Option<StreamName>,
}

/// Reads a file, as JSON if it is named so and as TOML otherwise. The error names file, line and key.
pub fn read<C: DeserializeOwned>(path: &Path) -> Result<SpecFile<C>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    parse(path, &text)
}

pub fn parse<C: DeserializeOwned>(path: &Path, text: &str) -> Result<SpecFile<C>, String> {
    let at = |line: usize, message: &str| format!("{}, line {line}: {}", path.display(), one_line(message));
    if path.extension().is_some_and(|extension| extension == "json") {
        return serde_json::from_str(text).map_err(|error| {
            let message = error.to_string();
            at(error.line(), message.split(" at line ").next().unwrap_or_default())
        });
    }
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        at(line, error.message())
    })
}

/// A topic with its schemas, as `POST /topics` takes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicSpec {
    #[serde(deserialize_with = "required_topic")]
    pub name: TopicName,
    #[serde(default)]
    pub schemas: Vec<Value>,
}

impl TopicSpec {
    pub fn setting(&self, revision: u64) -> crate::plugin::TopicSetting {
        let config = json!({ "schemas": plain(Value::Array(self.schemas.clone())) });
        crate::plugin::TopicSetting { topic: self.name.clone(), revision, config_json: config.to_string().into() }
    }
}

/// An event that is given. What is not said is filled in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSpec {
    #[serde(rename = "type", deserialize_with = "event_type")]
    pub event_type: EventType,
    #[serde(default, deserialize_with = "topic")]
    pub topic: Option<TopicName>,
    #[serde(default, deserialize_with = "stream")]
    pub stream: Option<StreamName>,
    #[serde(default)]
    pub payload: Option<Value>,
    #[serde(default, deserialize_with = "json_text")]
    pub payload_json: Option<String>,
    #[serde(default, deserialize_with = "base64_text")]
    pub data: Option<Vec<u8>>,
    #[serde(default, deserialize_with = "tags")]
    pub tags: Vec<Tag>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    #[serde(default)]
    pub position: Option<u64>,
    #[serde(default)]
    pub sequence: Option<u64>,
    #[serde(default)]
    pub version: Option<u64>,
    #[serde(default)]
    pub time_ms: Option<u64>,
}

impl EventSpec {
    pub fn new_event(&self, defaults: &Defaults) -> Result<NewEvent, String> {
        let payload = payload(self.payload.as_ref(), self.payload_json.as_deref(), self.data.as_deref())?;
        Ok(NewEvent {
            topic: self.topic.clone().unwrap_or_else(|| defaults.topic.clone()),
            stream: self.stream.clone().or_else(|| defaults.stream.clone()),
            event_type: self.event_type.clone(),
            payload: payload.unwrap_or_else(|| Payload::Json("{}".into())),
            tags: self.tags.clone(),
            metadata: self.metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        })
    }
}

/// Numbers events as a log would: positions, sequences of topics, versions of streams, a second between two of them.
#[derive(Debug, Default)]
pub struct Numbering {
    position: u64,
    sequences: HashMap<TopicName, u64>,
    versions: HashMap<(TopicName, StreamName), u64>,
}

impl Numbering {
    pub fn record(&mut self, event: &EventSpec, defaults: &Defaults) -> Result<Event, String> {
        let new = event.new_event(defaults)?;
        Ok(self.place(&new, event.position, event.sequence, event.version, event.time_ms))
    }

    pub fn record_all(&mut self, events: &[EventSpec], defaults: &Defaults) -> Result<Vec<Event>, String> {
        events.iter().map(|event| self.record(event, defaults)).collect()
    }

    /// The next event of the log; what is given is where counting goes on.
    pub fn place(
        &mut self,
        new: &NewEvent,
        position: Option<u64>,
        sequence: Option<u64>,
        version: Option<u64>,
        time_ms: Option<u64>,
    ) -> Event {
        let next = |counter: &mut u64, given: Option<u64>| {
            *counter = given.unwrap_or(*counter + 1);
            *counter
        };
        let position = next(&mut self.position, position);
        let sequence = next(self.sequences.entry(new.topic.clone()).or_default(), sequence);
        let version = new
            .stream
            .as_ref()
            .map(|stream| next(self.versions.entry((new.topic.clone(), stream.clone())).or_default(), version));
        let time_ms = time_ms.unwrap_or_else(|| TIME_MS.saturating_add(position.saturating_mul(1_000)));
        record(new, position, sequence, version, time_ms)
    }
}

/// An event that is expected: only what is said is compared.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectedEvent {
    #[serde(rename = "type")]
    pub event_type: Option<String>,
    pub topic: Option<String>,
    pub stream: Option<String>,
    pub payload: Option<Value>,
    #[serde(deserialize_with = "json_text")]
    pub payload_json: Option<String>,
    /// Members that the payload must have, among others.
    pub payload_has: Option<Value>,
    #[serde(deserialize_with = "base64_text")]
    pub data: Option<Vec<u8>>,
    pub tags: Option<Vec<String>>,
    pub metadata: Option<BTreeMap<String, String>>,
}

impl ExpectedEvent {
    pub fn value(&self) -> Result<Value, String> {
        let mut out = Map::new();
        let mut put = |key: &str, value: Option<Value>| drop(value.map(|value| out.insert(key.to_owned(), value)));
        put("type", self.event_type.clone().map(Value::from));
        put("topic", self.topic.clone().map(Value::from));
        put("stream", self.stream.clone().map(Value::from));
        let payload = payload(self.payload.as_ref(), self.payload_json.as_deref(), self.data.as_deref())?;
        if payload.is_some() && self.payload_has.is_some() {
            return Err("an event has both 'payload' and 'payload_has'; keep one of them".to_owned());
        }
        put("payload", payload.map(|payload| payload_value(&payload)).or_else(|| self.payload_has.clone().map(plain)));
        put("tags", self.tags.clone().map(Value::from));
        put("metadata", self.metadata.as_ref().map(|metadata| json!(metadata)));
        Ok(Value::Object(out))
    }

    /// An actual event, cut down to what is expected of it. A whole payload stays whole.
    pub fn cut(&self, expected: &Value, actual: Value) -> Value {
        let whole = actual.get("payload").cloned();
        let mut cut = part(expected, actual);
        if self.payload_has.is_none()
            && let (Some(place), Some(whole)) = (cut.get_mut("payload"), whole)
        {
            *place = whole;
        }
        cut
    }
}

/// Compares lists of events, each cut down to what is expected of it.
pub fn compare_events(what: &str, expected: &[ExpectedEvent], actual: Vec<Value>) -> Result<Option<Mismatch>, String> {
    let wanted = expected.iter().map(ExpectedEvent::value).collect::<Result<Vec<_>, _>>()?;
    let cut = actual.into_iter().enumerate().map(|(at, actual)| match (expected.get(at), wanted.get(at)) {
        (Some(event), Some(wanted)) => event.cut(wanted, actual),
        _ => actual,
    });
    let cut = Value::Array(cut.collect());
    Ok(Mismatch::of(what, Value::Array(wanted), cut))
}

/// A problem that is expected: only what is said is compared.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProblemSpec {
    pub code: Option<String>,
    pub message: Option<String>,
    pub pointer: Option<String>,
}

impl ProblemSpec {
    pub fn value(&self) -> Value {
        let mut out = Map::new();
        for (key, text) in [("code", &self.code), ("message", &self.message), ("pointer", &self.pointer)] {
            if let Some(text) = text {
                out.insert(key.to_owned(), text.clone().into());
            }
        }
        Value::Object(out)
    }

    pub fn fits(&self, refusal: &Refusal) -> bool {
        let wanted = self.value();
        same(&wanted, &part(&wanted, refusal_value(refusal)))
    }
}

impl OneOrMany<ProblemSpec> {
    pub fn value(&self) -> Value {
        self.one().map_or_else(|| self.items.iter().map(ProblemSpec::value).collect(), ProblemSpec::value)
    }
}

/// One problem must be among those that came; a list must be all of them, in order.
pub fn compare_problems(expected: &OneOrMany<ProblemSpec>, actual: &[Refusal]) -> (Value, Value) {
    let all = Value::Array(actual.iter().map(refusal_value).collect());
    match expected.one() {
        Some(one) if actual.iter().any(|refusal| one.fits(refusal)) => (Value::Null, Value::Null),
        Some(one) => (one.value(), if actual.len() == 1 { all[0].clone() } else { all }),
        None => {
            let expected = Value::Array(expected.items.iter().map(ProblemSpec::value).collect());
            let actual = part(&expected, all);
            (expected, actual)
        }
    }
}

pub fn refusal_value(refusal: &Refusal) -> Value {
    let mut value = json!({ "code": refusal.code, "message": refusal.message });
    if let Some(pointer) = &refusal.pointer {
        value["pointer"] = pointer.clone().into();
    }
    value
}

/// Compares a view with what a case says of it.
pub fn compare_view(
    whole: Option<&Map<String, Value>>,
    has: Option<&Map<String, Value>>,
    lacks: &[String],
    view: &MemoryView,
) -> Vec<Mismatch> {
    let mut mismatches = Vec::new();
    let actual = view_value(view);
    if let Some(whole) = whole {
        mismatches.extend(Mismatch::of("view", plain(Value::Object(whole.clone())), Value::Object(actual.clone())));
    }
    if let Some(has) = has {
        let of_these = has.keys().filter_map(|key| Some((key.clone(), actual.get(key)?.clone()))).collect();
        mismatches.extend(Mismatch::of("view", plain(Value::Object(has.clone())), Value::Object(of_these)));
    }
    for key in lacks {
        if let Some(value) = actual.get(key) {
            let there = json!({ key.as_str(): value });
            mismatches.extend(Mismatch::of(format!("view without '{key}'"), json!({}), there));
        }
    }
    mismatches
}

pub fn view_value(view: &MemoryView) -> Map<String, Value> {
    view.0.iter().map(|(key, value)| (key.clone(), payload_value(value))).collect()
}

/// A view that a case begins with.
pub fn view_of(entries: Option<&Map<String, Value>>) -> MemoryView {
    let entries = entries.into_iter().flatten();
    MemoryView(entries.map(|(key, value)| (key.clone(), shown_payload(value.clone()))).collect())
}

/// One of the three ways to write a payload.
pub fn payload(value: Option<&Value>, text: Option<&str>, data: Option<&[u8]>) -> Result<Option<Payload>, String> {
    match (value, text, data) {
        (None, None, None) => Ok(None),
        (Some(value), None, None) => Ok(Some(json_payload(value.clone()))),
        (None, Some(text), None) => Ok(Some(Payload::Json(text.to_owned().into()))),
        (None, None, Some(data)) => Ok(Some(Payload::Bytes(data.to_vec().into()))),
        _ => Err("an event has more than one of 'payload', 'payload_json' and 'data'; keep one of them".to_owned()),
    }
}

/// Stands for bytes where a payload is written as a value.
const DATA: &str = "$data";

pub fn json_payload(value: Value) -> Payload {
    Payload::Json(plain(value).to_string().into())
}

/// What [`payload_value`] shows so.
pub fn shown_payload(value: Value) -> Payload {
    let data = value.as_object().filter(|members| members.len() == 1).and_then(|members| members.get(DATA)?.as_str());
    match data.and_then(|text| BASE64.decode(text).ok()) {
        Some(bytes) => Payload::Bytes(bytes.into()),
        None => json_payload(value),
    }
}

/// A payload as JSON; bytes as `{"$data": "<base64>"}`.
pub fn payload_value(payload: &Payload) -> Value {
    match payload {
        Payload::Json(text) => serde_json::from_slice(text).unwrap_or(Value::Null),
        Payload::Bytes(bytes) => json!({ DATA: BASE64.encode(bytes) }),
    }
}

pub fn new_event_value(event: &NewEvent) -> Value {
    let stream = event.stream.as_ref().map(StreamName::as_str);
    event_value(&event.topic, stream, &event.event_type, &event.payload, &event.tags, &event.metadata)
}

pub fn recorded_value(event: &Event) -> Value {
    let stream = event.stream.as_ref().map(|(stream, _)| stream.as_str());
    event_value(&event.topic, stream, &event.event_type, &event.payload, &event.tags, &event.metadata)
}

/// What plugins make of an event. The server's own metadata is not theirs, and left out.
fn event_value(
    topic: &TopicName,
    stream: Option<&str>,
    event_type: &EventType,
    payload: &Payload,
    tags: &[Tag],
    metadata: &[(String, String)],
) -> Value {
    let own = metadata.iter().filter(|(key, _)| !key.starts_with(SERVER_KEYS));
    let mut value = json!({
        "type": event_type.as_str(),
        "topic": topic.as_str(),
        "payload": payload_value(payload),
        "tags": tags.iter().map(Tag::as_str).collect::<Vec<_>>(),
        "metadata": own.map(|(key, value)| (key.clone(), Value::from(value.clone()))).collect::<Map<_, _>>(),
    });
    if let Some(stream) = stream {
        value["stream"] = stream.into();
    }
    value
}

/// A value as JSON has it: the dates of TOML become texts.
pub fn plain(value: Value) -> Value {
    const DATE: &str = "$__toml_private_datetime";
    match value {
        Value::Object(mut object) if object.len() == 1 && object.contains_key(DATE) => {
            object.remove(DATE).unwrap_or_default()
        }
        Value::Object(object) => Value::Object(object.into_iter().map(|(key, value)| (key, plain(value))).collect()),
        Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        other => other,
    }
}

/// One thing, or a list of them; `then = "accept"` is as good as `then = ["accept"]`.
#[derive(Debug, Clone)]
pub struct OneOrMany<T> {
    pub items: Vec<T>,
    listed: bool,
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self { items: Vec::new(), listed: true }
    }
}

impl<T> OneOrMany<T> {
    /// The one that was not written as a list.
    pub fn one(&self) -> Option<&T> {
        self.items.first().filter(|_| !self.listed)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one, or a list of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let item = T::deserialize(StrDeserializer::new(text))?;
                Ok(OneOrMany { items: vec![item], listed: false })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let item = T::deserialize(MapAccessDeserializer::new(map))?;
                Ok(OneOrMany { items: vec![item], listed: false })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(OneOrMany { items, listed: true })
            }
        }
        deserializer.deserialize_any(Items(PhantomData))
    }
}

fn named<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: impl FnOnce(&str) -> Result<T, crate::model::NameError>,
) -> Result<T, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

pub fn required_topic<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TopicName, D::Error> {
    named(deserializer, TopicName::parse)
}

pub fn topic<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TopicName>, D::Error> {
    named(deserializer, TopicName::parse).map(Some)
}

pub fn stream<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<StreamName>, D::Error> {
    named(deserializer, StreamName::parse).map(Some)
}

fn event_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EventType, D::Error> {
    named(deserializer, EventType::parse)
}

fn tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Tag>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| Tag::parse(text).map_err(de::Error::custom)).collect()
}

pub fn json_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let checked = serde_json::from_str::<de::IgnoredAny>(&text);
    checked.map_err(|error| de::Error::custom(format!("'payload_json' is no JSON: {error}")))?;
    Ok(Some(text))
}

pub fn base64_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64.decode(text).map(Some).map_err(|error| de::Error::custom(format!("'data' is no base64: {error}")))
}
