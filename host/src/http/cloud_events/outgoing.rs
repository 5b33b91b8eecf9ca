//! A recorded event as a CloudEvent. Metadata may come from anybody, so it becomes an attribute only where it keeps the
//! rules; the rest travels in `weirmetadata`. What goes out is always a valid CloudEvent, and nothing is lost.

use std::borrow::Cow;

use bytes::Bytes;

use super::attributes::{
    self, CONTENT_TYPE, CORE, CORE_KEYS, DATA_ABSENT, DATA_KEY, DATA_SCHEMA, ID, SOURCE, SPEC_VERSION, SUBJECT, TIME,
    TYPES_KEY, Value,
};
use crate::http::time::timestamp;
use crate::model::{Event, Payload, Tag};

/// A CloudEvent, ready for any mode. `datacontenttype` is an attribute here.
#[derive(Debug)]
pub struct Outgoing<'e> {
    pub attributes: Vec<(&'e str, Value<'e>)>,
    pub data: Data<'e>,
}

#[derive(Debug, Clone, Copy)]
pub enum Data<'e> {
    None,
    Json(&'e Bytes),
    Bytes(&'e Bytes),
}

/// Metadata, sorted by what becomes of it.
#[derive(Default)]
struct Sorted<'e> {
    core: [Option<&'e str>; CORE.len()],
    extensions: Vec<(&'e str, &'e str)>,
    types: Vec<&'e str>,
    is_data_absent: bool,
    rest: Vec<(&'e str, &'e str)>,
}

impl<'e> Sorted<'e> {
    fn of(event: &'e Event) -> Self {
        let mut sorted = Self { is_data_absent: is_data_absent(event), ..Self::default() };
        for (key, value) in &event.metadata {
            if !sorted.take(key, value, &event.payload) {
                sorted.rest.push((key, value));
            }
        }
        sorted
    }

    /// True if this entry became part of the CloudEvent; of two of a name, the first does.
    fn take(&mut self, key: &'e str, value: &'e str, payload: &Payload) -> bool {
        let core = key.strip_prefix(CORE_KEYS).and_then(|name| CORE.iter().position(|core| *core == name));
        if let Some(core) = core {
            let fits = core != CONTENT_TYPE || self.is_data_absent || fits(value, payload);
            let is_taken = fits && self.core[core].is_none() && attributes::check_core(core, value).is_ok();
            if is_taken {
                self.core[core] = Some(value);
            }
            return is_taken;
        }
        match key {
            TYPES_KEY if is_types(value) => {
                self.types.push(value);
                true
            }
            DATA_KEY => self.is_data_absent && value == DATA_ABSENT,
            _ => self.take_extension(key, value),
        }
    }

    fn take_extension(&mut self, key: &'e str, value: &'e str) -> bool {
        let is_one = attributes::is_extension(key)
            && attributes::check_text(value).is_ok()
            && !self.extensions.iter().any(|(other, _)| *other == key);
        if is_one {
            self.extensions.push((key, value));
        }
        is_one
    }

    fn typed_extensions(&self) -> impl Iterator<Item = (&'e str, Value<'e>)> {
        let types: Vec<_> = self.types.iter().flat_map(|types| types.split(' ')).collect();
        self.extensions.iter().map(move |&(name, text)| {
            let mut named = types.iter().filter_map(|entry| entry.split_once('='));
            let type_name = named.find(|(other, _)| *other == name).map(|(_, type_name)| type_name);
            (name, Value::typed(text, type_name))
        })
    }
}

impl<'e> Outgoing<'e> {
    pub fn new(event: &'e Event) -> Self {
        let sorted = Sorted::of(event);
        let data = match &event.payload {
            _ if sorted.is_data_absent => Data::None,
            Payload::Json(json) => Data::Json(json),
            Payload::Bytes(bytes) => Data::Bytes(bytes),
        };
        let mut attributes = core(event, &sorted.core, data);
        attributes.extend(sorted.typed_extensions());
        attributes.extend(own(event, &sorted.rest));
        Self { attributes, data }
    }
}

/// The specification's attributes. An event that has no id of its own did not come as a CloudEvent, and gets what it needs
/// from the log; one that has goes out with what it came with, and no more.
fn core<'e>(event: &'e Event, given: &[Option<&'e str>; CORE.len()], data: Data<'_>) -> Vec<(&'e str, Value<'e>)> {
    let is_ours = given[ID].is_none();
    let text = |text: Option<&'e str>| text.map(Cow::Borrowed);
    let from_log = |text: String| is_ours.then_some(Cow::Owned(text));
    let implied = match data {
        Data::None => None,
        Data::Json(_) => Some("application/json"),
        Data::Bytes(_) => Some("application/octet-stream"),
    };
    let source = || format!("/topics/{}", event.topic);
    let all = [
        ("specversion", Some(SPEC_VERSION.into())),
        (CORE[ID], text(given[ID]).or_else(|| from_log(event.id().to_string()))),
        (CORE[SOURCE], text(given[SOURCE]).or_else(|| Some(source().into()))),
        ("type", Some(event.event_type.as_str().into())),
        (CORE[SUBJECT], text(given[SUBJECT])),
        (CORE[TIME], text(given[TIME]).or_else(|| from_log(timestamp(event.time_ms)))),
        (CORE[CONTENT_TYPE], text(given[CONTENT_TYPE].or(implied.filter(|_| is_ours)))),
        (CORE[DATA_SCHEMA], text(given[DATA_SCHEMA])),
    ];
    all.into_iter().filter_map(|(name, text)| Some((name, Value::Text(text?)))).collect()
}

/// Weir's own facts. Numbers go out as strings: CloudEvents' integers have 32 bits, and these have 64.
fn own<'e>(event: &'e Event, rest: &[(&str, &str)]) -> impl Iterator<Item = (&'e str, Value<'e>)> {
    let stream = event.stream.as_ref();
    let tags = (!event.tags.is_empty()).then(|| list(&event.tags).into());
    let all = [
        ("weirid", Some(Cow::Owned(event.id().to_string()))),
        ("weirtopic", Some(event.topic.as_str().into())),
        ("weirsequence", Some(event.sequence.to_string().into())),
        ("weirposition", Some(event.position.to_string().into())),
        ("weirstream", stream.map(|(stream, _)| stream.as_str().into())),
        ("weirversion", stream.map(|(_, version)| version.to_string().into())),
        ("weirtime", Some(timestamp(event.time_ms).into())),
        ("weirtags", tags),
        ("weirmetadata", (!rest.is_empty()).then(|| object(rest).into())),
    ];
    all.into_iter().filter_map(|(name, text)| Some((name, Value::Text(text?))))
}

/// Whether a content type can be said of a payload: JSON that is called something else must be its text in a string.
fn fits(content_type: &str, payload: &Payload) -> bool {
    match payload {
        Payload::Bytes(_) => true,
        Payload::Json(json) => attributes::is_json(content_type) || json.trim_ascii_start().starts_with(b"\""),
    }
}

/// A CloudEvent that came without data says so, unless a validator has put some there.
fn is_data_absent(event: &Event) -> bool {
    let is_null = matches!(&event.payload, Payload::Json(json) if json.trim_ascii() == b"null");
    is_null && event.metadata.iter().any(|(key, value)| key == DATA_KEY && value == DATA_ABSENT)
}

fn is_types(text: &str) -> bool {
    let is_entry = |(name, type_name)| attributes::is_extension(name) && matches!(type_name, "integer" | "boolean");
    text.split(' ').all(|entry| entry.split_once('=').is_some_and(is_entry))
}

/// A JSON array of tags, as text that an attribute may have.
fn list(tags: &[Tag]) -> String {
    let texts: Vec<String> = tags.iter().map(|tag| json_string(tag.as_str())).collect();
    format!("[{}]", texts.join(","))
}

/// A JSON object of metadata, in its order, as text that an attribute may have.
fn object(entries: &[(&str, &str)]) -> String {
    let members: Vec<String> =
        entries.iter().map(|(key, value)| format!("{}:{}", json_string(key), json_string(value))).collect();
    format!("{{{}}}", members.join(","))
}

/// A JSON string with escapes for whatever attributes must not have.
fn json_string(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    let mut allowed = String::with_capacity(quoted.len());
    for letter in quoted.chars() {
        if attributes::is_forbidden(letter) {
            let mut units = [0; 2];
            letter.encode_utf16(&mut units).iter().for_each(|unit| allowed.push_str(&format!("\\u{unit:04x}")));
        } else {
            allowed.push(letter);
        }
    }
    allowed
}
