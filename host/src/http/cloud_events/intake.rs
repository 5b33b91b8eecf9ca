//! From a CloudEvent that was read to the new event that is asked for. Everything wrong with it is found in one go, so that
//! a sender mends it once.

use std::borrow::Cow;

use super::attributes::{self, CORE, CORE_KEYS, DATA_ABSENT, DATA_KEY, TYPES_KEY, Value};
use super::fault::{Fault, Reason};
use super::own;
use crate::model::{
    Condition, EventType, Expected, Metadata, NameError, NewEvent, Payload, StreamName, Tag, TopicName, limits,
};

/// A CloudEvent as it was read, in whatever mode, with what was wrong so far.
#[derive(Debug, Default)]
pub struct Incoming<'a> {
    pub attributes: Vec<(Cow<'a, str>, Value<'a>)>,
    pub data: Option<Payload>,
    pub faults: Vec<Fault>,
}

impl<'a> Incoming<'a> {
    /// Takes an attribute, if its name is one and is not there yet.
    pub fn push(&mut self, name: Cow<'a, str>, value: Value<'a>) {
        if !attributes::is_name(&name) {
            self.faults.push(Reason::Name.of(&name));
        } else if self.attributes.iter().any(|(other, _)| *other == name) {
            self.faults.push(Reason::Repeated.of(&name));
        } else {
            self.attributes.push((name, value));
        }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(other, _)| other == name).and_then(|(_, value)| match value {
            Value::Text(text) => Some(&**text),
            _ => None,
        })
    }

    /// Makes the event and the condition it carries. `path` is the topic that the path names, if it names one.
    pub fn into_event(self, path: Option<&TopicName>) -> Result<(NewEvent, Option<Condition>), Vec<Fault>> {
        let mut intake = Intake { faults: self.faults, ..Intake::default() };
        for (name, value) in self.attributes {
            if let Err(reason) = intake.take(&name, value) {
                intake.faults.push(reason.of(&name));
            }
        }
        intake.finish(path, self.data)
    }
}

#[derive(Default)]
struct Intake {
    is_version_known: bool,
    /// Which of the specification's attributes were there, good or bad.
    seen: [bool; CORE.len()],
    event_type: Option<Option<EventType>>,
    /// From `weirtopic`, and from `topic`, which counts where nothing else names the topic.
    weir_topic: Option<String>,
    topic: Option<String>,
    stream: Option<StreamName>,
    expected: Option<Option<Expected>>,
    tags: Vec<Tag>,
    metadata: Metadata,
    /// From `weirmetadata`: behind everything else, because the first of a name counts when the event goes out.
    rest: Metadata,
    types: Vec<String>,
    faults: Vec<Fault>,
}

impl Intake {
    fn take(&mut self, name: &str, value: Value<'_>) -> Result<(), Reason> {
        if let Some(core) = CORE.iter().position(|core| *core == name) {
            self.seen[core] = true;
            let text = value.into_text()?;
            attributes::check_core(core, &text)?;
            self.metadata.push((format!("{CORE_KEYS}{name}"), text.into_owned()));
            return Ok(());
        }
        match name {
            "specversion" => self.take_version(&value),
            "type" => {
                self.event_type = Some(None);
                let event_type = EventType::parse(&value.into_text()?).map_err(Reason::EventType)?;
                self.event_type = Some(Some(event_type));
                Ok(())
            }
            _ if name.starts_with(attributes::WEIR) => self.take_own(name, value),
            _ => self.take_extension(name, &value),
        }
    }

    fn take_version(&mut self, value: &Value<'_>) -> Result<(), Reason> {
        self.is_version_known = true;
        let version = value.to_string();
        if version == attributes::SPEC_VERSION && value.type_name().is_none() {
            return Ok(());
        }
        Err(Reason::SpecVersion(version.chars().take(20).collect()))
    }

    fn take_extension(&mut self, name: &str, value: &Value<'_>) -> Result<(), Reason> {
        let text = value.to_string();
        attributes::check_text(&text)?;
        self.types.extend(value.type_name().map(|type_name| format!("{name}={type_name}")));
        if name == "topic" {
            self.topic = Some(text.clone());
        }
        self.metadata.push((name.to_owned(), text));
        Ok(())
    }

    /// What means something to Weir. Where another server keeps the event is that server's business, and is dropped.
    fn take_own(&mut self, name: &str, value: Value<'_>) -> Result<(), Reason> {
        match name {
            "weirid" | "weirsequence" | "weirposition" | "weirversion" | "weirtime" => {}
            "weirtopic" => self.weir_topic = Some(value.into_text()?.into_owned()),
            "weirstream" => self.stream = Some(StreamName::parse(&value.into_text()?).map_err(Reason::Stream)?),
            "weirtags" => self.tags = own::tags(&value.into_text()?)?,
            "weirmetadata" => self.rest = own::metadata(&value.into_text()?)?,
            "weirexpectedversion" => self.expected = Some(own::expected(&value)?),
            _ => return Err(Reason::ServersOwn),
        }
        Ok(())
    }

    fn finish(
        mut self,
        path: Option<&TopicName>,
        data: Option<Payload>,
    ) -> Result<(NewEvent, Option<Condition>), Vec<Fault>> {
        let topic = self.find_topic(path);
        self.note_form(data.is_none());
        self.find_missing();
        let payload = data.unwrap_or_else(|| Payload::Json(b"null"[..].into()));
        let Self { stream, tags, metadata, mut faults, .. } = self;
        match (topic, self.event_type.flatten()) {
            (Some(topic), Some(event_type)) if faults.is_empty() => {
                let event = NewEvent { topic, stream, event_type, payload, tags, metadata };
                let condition = condition(self.expected.flatten(), &event);
                condition.map(|condition| (event, condition)).map_err(|fault| vec![fault])
            }
            _ => {
                faults.sort_by_cached_key(ToString::to_string);
                Err(faults)
            }
        }
    }

    fn find_topic(&mut self, path: Option<&TopicName>) -> Option<TopicName> {
        if let Some(path) = path {
            return Some(path.clone());
        }
        let (name, text) = match (self.weir_topic.take(), self.topic.take()) {
            (Some(text), _) => ("weirtopic", text),
            (None, Some(text)) => ("topic", text),
            (None, None) => {
                self.miss("weirtopic", Reason::TopicMissing);
                return None;
            }
        };
        let parsed = TopicName::parse(&text);
        parsed.map_err(|error: NameError| self.faults.push(Reason::Topic(error).of(name))).ok()
    }

    /// Notes what JSON tells apart and strings do not, and whether there was data.
    fn note_form(&mut self, is_absent: bool) {
        if !self.types.is_empty() {
            self.metadata.push((TYPES_KEY.to_owned(), self.types.join(" ")));
        }
        if is_absent {
            self.metadata.push((DATA_KEY.to_owned(), DATA_ABSENT.to_owned()));
        }
        self.metadata.append(&mut self.rest);
        let bytes: usize = self.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
        if self.metadata.len() > limits::EVENT_METADATA_ENTRIES_MAX || bytes > limits::EVENT_METADATA_BYTES_MAX {
            self.faults.push(Reason::TooMuch.of_event());
        }
    }

    fn find_missing(&mut self) {
        let required = [
            ("specversion", self.is_version_known),
            ("id", self.seen[attributes::ID]),
            ("source", self.seen[attributes::SOURCE]),
            ("type", self.event_type.is_some()),
        ];
        for (name, _) in required.iter().filter(|(_, seen)| !seen) {
            self.miss(name, Reason::Missing);
        }
    }

    /// What was there and could not be read is not missing.
    fn miss(&mut self, name: &str, reason: Reason) {
        if !self.faults.iter().any(|fault| fault.is_of(name)) {
            self.faults.push(reason.of(name));
        }
    }
}

fn condition(expected: Option<Expected>, event: &NewEvent) -> Result<Option<Condition>, Fault> {
    match (expected, &event.stream) {
        (None, _) => Ok(None),
        (Some(expected), Some(stream)) => {
            Ok(Some(Condition::Stream { topic: event.topic.clone(), stream: stream.clone(), expected }))
        }
        (Some(_), None) => Err(Reason::StreamMissing.of("weirexpectedversion")),
    }
}
