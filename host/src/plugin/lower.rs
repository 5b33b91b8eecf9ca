//! Values on their way into a guest, borrowed: nothing is copied until wasmtime writes it into the guest's memory.

use std::fmt::Write;

use smallvec::SmallVec;

use super::bindings::values::weir::plugin::types;
use super::words::Command;
use super::{Fault, Refusal};

use crate::model::{Event, Metadata, NewEvent, Payload, Tag};

/// A payload for a guest.
pub(super) fn payload(payload: &Payload) -> Result<types::PayloadParam<'_>, Fault> {
    match payload {
        Payload::Json(text) => {
            let text = std::str::from_utf8(text);
            // Cannot be: it was parsed at the door. If it is, the host is at fault, and the guest must not see it.
            Ok(types::PayloadParam::Json(text.map_err(|_| Fault::Host("an event's JSON is not UTF-8".into()))?))
        }
        Payload::Bytes(bytes) => Ok(types::PayloadParam::Bytes(bytes)),
    }
}

/// A command, and what its lowered form borrows from.
pub(super) struct LoweredCommand<'c> {
    command: &'c Command,
    labels: Labels<'c>,
}

impl<'c> LoweredCommand<'c> {
    pub fn of(command: &'c Command) -> Self {
        Self { command, labels: Labels::of(std::iter::once((command.tags.as_slice(), &command.metadata))) }
    }

    pub fn lower(&self) -> Result<types::Command<'_>, Fault> {
        let Self { command, labels } = self;
        Ok(types::Command {
            id: &command.id,
            name: &command.name,
            topic: command.topic.as_str(),
            stream: command.stream.as_str(),
            payload: payload(&command.payload)?,
            actor: command.actor.as_deref(),
            tags: &labels.tags,
            metadata: &labels.metadata,
            time_ms: command.time_ms,
        })
    }
}

pub(super) fn problem(refusal: &Refusal) -> types::ProblemParam<'_> {
    types::ProblemParam { code: &refusal.code, message: &refusal.message, pointer: refusal.pointer.as_deref() }
}

/// The time of a batch: of its last event.
pub(super) fn time_of(batch: &[Event]) -> u64 {
    batch.last().map_or(0, |event| event.time_ms)
}

/// So many need no memory of their own: most calls are about one event, and one such call should cost little.
const FEW: usize = 4;
const FEW_EVENTS: usize = 1;

/// The tags and metadata of a whole batch: two lists for all events instead of two for each.
struct Labels<'a> {
    tags: SmallVec<[&'a str; FEW]>,
    metadata: SmallVec<[(&'a str, &'a str); FEW]>,
}

/// What of them is not handed out yet.
struct Rest<'t, 'a> {
    tags: &'t [&'a str],
    metadata: &'t [(&'a str, &'a str)],
}

impl<'a> Labels<'a> {
    fn of(events: impl Iterator<Item = (&'a [Tag], &'a Metadata)> + Clone) -> Self {
        let tags = events.clone().flat_map(|(tags, _)| tags.iter().map(Tag::as_str)).collect();
        let metadata = events.flat_map(|(_, metadata)| metadata.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        Self { tags, metadata: metadata.collect() }
    }

    fn rest(&self) -> Rest<'_, 'a> {
        Rest { tags: &self.tags, metadata: &self.metadata }
    }
}

impl<'t, 'a> Rest<'t, 'a> {
    /// The next event's own.
    fn next(&mut self, tags: usize, metadata: usize) -> (&'t [&'a str], &'t [(&'a str, &'a str)]) {
        let (own_tags, own_metadata);
        (own_tags, self.tags) = self.tags.split_at(tags);
        (own_metadata, self.metadata) = self.metadata.split_at(metadata);
        (own_tags, own_metadata)
    }
}

/// New events, and what their lowered form borrows from.
pub(super) struct NewEvents<'e> {
    batch: &'e [&'e NewEvent],
    labels: Labels<'e>,
}

impl<'e> NewEvents<'e> {
    pub fn of(batch: &'e [&'e NewEvent]) -> Self {
        Self { batch, labels: Labels::of(batch.iter().map(|event| (event.tags.as_slice(), &event.metadata))) }
    }

    pub fn lower(&self) -> Result<SmallVec<[types::NewEventParam<'_>; FEW_EVENTS]>, Fault> {
        let mut rest = self.labels.rest();
        let lower = |event: &&'e NewEvent| {
            let (tags, metadata) = rest.next(event.tags.len(), event.metadata.len());
            Ok(types::NewEventParam {
                topic: event.topic.as_str(),
                stream: event.stream.as_ref().map(|stream| stream.as_str()),
                event_type: event.event_type.as_str(),
                payload: payload(&event.payload)?,
                tags,
                metadata,
            })
        };
        self.batch.iter().map(lower).collect()
    }
}

/// Recorded events, and what their lowered form borrows from.
pub(super) struct Events<'e> {
    batch: &'e [Event],
    ids: String,
    /// Where each id ends.
    ends: SmallVec<[usize; FEW]>,
    labels: Labels<'e>,
}

impl<'e> Events<'e> {
    pub fn of(batch: &'e [Event]) -> Self {
        let (mut ids, mut ends) = (String::with_capacity(batch.len() * 24), SmallVec::with_capacity(batch.len()));
        for event in batch {
            // Writing to a String cannot fail.
            let _ = write!(ids, "{}-{}", event.topic, event.sequence);
            ends.push(ids.len());
        }
        let labels = Labels::of(batch.iter().map(|event| (event.tags.as_slice(), &event.metadata)));
        Self { batch, ids, ends, labels }
    }

    pub fn lower(&self) -> Result<SmallVec<[types::EventParam<'_>; FEW_EVENTS]>, Fault> {
        let mut rest = self.labels.rest();
        let mut start = 0;
        let lower = |(event, end): (&'e Event, &usize)| {
            let (tags, metadata) = rest.next(event.tags.len(), event.metadata.len());
            Ok(types::EventParam {
                id: &self.ids[std::mem::replace(&mut start, *end)..*end],
                position: event.position,
                topic: event.topic.as_str(),
                sequence: event.sequence,
                stream: event.stream.as_ref().map(|(stream, _)| stream.as_str()),
                version: event.stream.as_ref().map(|(_, version)| *version),
                event_type: event.event_type.as_str(),
                time_ms: event.time_ms,
                payload: payload(&event.payload)?,
                tags,
                metadata,
            })
        };
        self.batch.iter().zip(&self.ends).map(lower).collect()
    }
}
