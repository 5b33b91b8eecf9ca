//! An upcaster that serves: turns recorded events into the form that readers of today expect. The log keeps what it has.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::sync::Arc;

use super::bindings::values::weir::plugin::types;
use super::generation::Generation;
use super::instance::{Exports, within};
use super::{Fault, OnTrap, PluginError, PluginId, Refusal, lift, lower};
use crate::model::{Event, EventId, Metadata, SERVER_KEYS};

/// One generation of an upcaster.
pub struct Upcaster {
    pub(super) generation: Arc<Generation>,
}

impl Upcaster {
    pub(super) fn new(generation: Arc<Generation>) -> Self {
        Self { generation }
    }

    pub fn id(&self) -> &PluginId {
        &self.generation.id
    }

    /// What its failure means for the events that it was handed: the operator's choice.
    pub fn on_trap(&self) -> OnTrap {
        self.generation.on_trap
    }

    /// Another number for another component or another config of it: what it makes of events can't differ without.
    pub fn stamp(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.id().name, &self.id().digest, &self.generation.pool.blueprint.config_json).hash(&mut hasher);
        hasher.finish()
    }

    pub fn interested_in(&self, event: &Event) -> bool {
        self.generation.manifest.interests.matches(&event.topic, &event.event_type)
    }

    /// The same events in their newest form; those that changed are signed.
    pub async fn upcast(&self, batch: &[Event]) -> Result<Result<Vec<Event>, Refusal>, PluginError> {
        self.generation.call("upcast", batch.len(), pin!(self.try_upcast(batch))).await
    }

    pub(super) async fn try_upcast(&self, batch: &[Event]) -> Result<Result<Vec<Event>, Refusal>, Fault> {
        if batch.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let pool = &self.generation.pool;
        let (mut instance, seat) = pool.checkout().await?;
        let bounds = &pool.blueprint.bounds;
        let events = lower::Events::of(batch);
        let events = events.lower()?;
        let Exports::Upcasting(upcasting) = instance.exports.clone() else { return Err(Fault::wrong_kind()) };
        instance.begin_at(lower::time_of(batch), bounds)?;
        let outcome = within(bounds.call_timeout_ms, pin!(upcasting.call_upcast(&mut instance.store, &events))).await;
        let answer = instance.end(bounds, outcome)?;
        let answer = match answer {
            Ok(events) => Ok(self.lift(batch, events)?),
            Err(problem) => Err(Refusal::from(problem)),
        };
        seat.keep(instance);
        Ok(answer)
    }

    fn lift(&self, batch: &[Event], events: Vec<types::EventResult>) -> Result<Vec<Event>, Fault> {
        if events.len() != batch.len() {
            return Err(Fault::Answer(format!("{} events for {}", events.len(), batch.len())));
        }
        batch.iter().zip(events).map(|(old, new)| self.lift_one(old, new)).collect()
    }

    /// Type, payload, tags and metadata are an upcaster's to change; what and where the event is, is not.
    fn lift_one(&self, old: &Event, new: types::EventResult) -> Result<Event, Fault> {
        let same = EventId::parse(&new.id).as_ref() == Some(&old.id())
            && (new.position, new.sequence, new.time_ms) == (old.position, old.sequence, old.time_ms)
            && new.topic == old.topic.as_str()
            && new.stream.as_deref() == old.stream.as_ref().map(|(stream, _)| stream.as_str())
            && new.version == old.stream.as_ref().map(|(_, version)| *version);
        if !same {
            return Err(Fault::Answer(format!(
                "it changed the id, place, stream or time of event {}, or the order of the events",
                old.id()
            )));
        }
        let server = |metadata: &Metadata| {
            metadata.iter().filter(|(key, _)| key.starts_with(SERVER_KEYS)).cloned().collect::<Metadata>()
        };
        if server(&old.metadata) != server(&new.metadata) {
            return Err(Fault::Denied(format!("it changed the server's own metadata of event {}", old.id())));
        }
        let mut event = Event {
            event_type: lift::event_type(&new.event_type)?,
            payload: lift::payload(new.payload, "an event")?,
            tags: lift::labels(&new.tags, &new.metadata)?,
            metadata: new.metadata,
            ..old.clone()
        };
        if event != *old {
            self.id().sign(&mut event.metadata);
        }
        Ok(event)
    }
}
