//! Values on their way out of a guest: a guest's word, and so checked before anybody else sees it.

use super::bindings::values::weir::plugin::types;
use super::grants::AppendGrant;
use super::reporter::clean;
use super::{Fault, PluginId, Refusal};
use crate::model::limits::{EVENT_METADATA_BYTES_MAX, EVENT_METADATA_ENTRIES_MAX, EVENT_TAGS_MAX};
use crate::model::{EventType, Metadata, NameError, NewEvent, Payload, SERVER_KEYS, StreamName, Tag, TopicName};

/// Whom an event is from, and where it may go without a grant.
pub(super) struct Author<'a> {
    pub plugin: &'a PluginId,
    pub grant: &'a AppendGrant,
    /// The stream that a decider decides for.
    pub home: Option<(&'a TopicName, &'a StreamName)>,
}

impl From<types::ProblemResult> for Refusal {
    fn from(problem: types::ProblemResult) -> Self {
        Self { code: problem.code, message: problem.message, pointer: problem.pointer }
    }
}

/// A payload that a guest made. `what` names it in the fault: "it replaced a payload".
pub(super) fn payload(payload: types::PayloadResult, what: &str) -> Result<Payload, Fault> {
    match payload {
        types::PayloadResult::Bytes(bytes) => Ok(Payload::Bytes(bytes.into())),
        types::PayloadResult::Json(text) => match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
            Ok(_) => Ok(Payload::Json(text.into())),
            Err(error) => Err(Fault::Answer(format!("{what} that says it is JSON and is not: {error}"))),
        },
    }
}

pub(super) fn event_type(text: &str) -> Result<EventType, Fault> {
    EventType::parse(text).map_err(bad_name)
}

pub(super) fn topic(text: &str) -> Result<TopicName, Fault> {
    TopicName::parse(text).map_err(bad_name)
}

pub(super) fn stream(text: &str) -> Result<StreamName, Fault> {
    StreamName::parse(text).map_err(bad_name)
}

fn bad_name(error: NameError) -> Fault {
    Fault::Answer(clean(&error.to_string()))
}

pub(super) fn labels(tags: &[String], metadata: &Metadata) -> Result<Vec<Tag>, Fault> {
    let bytes: usize = metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    if tags.len() > EVENT_TAGS_MAX || metadata.len() > EVENT_METADATA_ENTRIES_MAX || bytes > EVENT_METADATA_BYTES_MAX {
        return Err(Fault::Answer(format!(
            "an event or command with {} tags and {} metadata entries of {bytes} bytes; at most {EVENT_TAGS_MAX}, \
             {EVENT_METADATA_ENTRIES_MAX} and {EVENT_METADATA_BYTES_MAX}",
            tags.len(),
            metadata.len()
        )));
    }
    tags.iter().map(|tag| Tag::parse(tag).map_err(bad_name)).collect()
}

/// The server's own keys are not a guest's to write.
pub(super) fn own_keys(metadata: &Metadata) -> Result<(), Fault> {
    match metadata.iter().find(|(key, _)| key.starts_with(SERVER_KEYS)) {
        Some((key, _)) => {
            Err(Fault::Denied(format!("it wrote the metadata key '{}', which is the server's", clean(key))))
        }
        None => Ok(()),
    }
}

impl Author<'_> {
    /// An event that a guest asks for, signed with the guest's name.
    pub fn new_event(&self, event: types::NewEventResult) -> Result<NewEvent, Fault> {
        let topic = topic(&event.topic)?;
        let named = event.stream.as_deref().map(stream).transpose()?;
        let home = self.home.filter(|(home, _)| **home == topic).map(|(_, stream)| stream);
        let stream = match (named, home) {
            (None, Some(home)) => Some(home.clone()),
            (named, _) => named,
        };
        let at_home = home.is_some() && stream.as_ref() == home;
        if !at_home && !self.grant.allows(&topic) {
            return Err(self.foreign(&topic, stream.as_ref()));
        }
        let mut metadata = event.metadata;
        let tags = labels(&event.tags, &metadata)?;
        own_keys(&metadata)?;
        self.plugin.sign(&mut metadata);
        Ok(NewEvent {
            topic,
            stream,
            event_type: event_type(&event.event_type)?,
            payload: payload(event.payload, "an event")?,
            tags,
            metadata,
        })
    }

    fn foreign(&self, topic: &TopicName, stream: Option<&StreamName>) -> Fault {
        let stream = stream.map(|stream| format!(", stream '{stream}'")).unwrap_or_default();
        Fault::Denied(format!(
            "it asked for an event in topic '{topic}'{stream}, for which it has no grant; grant it with append = [\"{topic}\"]"
        ))
    }
}
