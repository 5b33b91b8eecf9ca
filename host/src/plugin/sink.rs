//! A sink that serves: hands batches of events to a guest that delivers them outside.

use std::fmt::Write;
use std::sync::Arc;

use super::bindings::exports::weir::plugin::sinking as wit;
use super::bindings::weir::plugin::types;
use super::generation::Generation;
use super::instance::{Exports, Instance, within};
use super::validator::payload;
use super::{Fault, PluginError, PluginId, Receipt, Refusal, Rest, Target};
use crate::model::Event;

/// One generation of a sink. Calls that hold it finish on it, whatever takes its place.
pub struct Sink {
    generation: Arc<Generation>,
}

impl Sink {
    pub(super) fn new(generation: Arc<Generation>) -> Self {
        Self { generation }
    }

    pub fn id(&self) -> &PluginId {
        &self.generation.id
    }

    /// Whether the operator lets it call addresses that are not public.
    pub fn grants_private_addresses(&self) -> bool {
        self.generation.grant.private_addresses
    }

    /// Asks whether a consumer's configuration is acceptable.
    pub async fn check(&self, target: &Target) -> Result<Result<(), Refusal>, PluginError> {
        self.generation.settle(self.try_check(target).await)
    }

    async fn try_check(&self, target: &Target) -> Result<Result<(), Refusal>, Fault> {
        let pool = &self.generation.pool;
        let (mut instance, seat) = pool.checkout().await?;
        let bounds = &pool.blueprint.bounds;
        instance.begin(bounds)?;
        let exports = sinking(&instance)?;
        let outcome = within(bounds.call_timeout_ms, exports.call_check(&mut instance.store, lower(target))).await;
        let answer = instance.end(bounds, outcome)?;
        seat.keep(instance);
        Ok(answer.map_err(Refusal::from))
    }

    /// Delivers a batch: some events from the first, and a word about the one after them.
    pub async fn deliver(&self, target: &Target, batch: &[Event]) -> Result<Receipt, PluginError> {
        self.generation.settle(self.try_deliver(target, batch).await)
    }

    async fn try_deliver(&self, target: &Target, batch: &[Event]) -> Result<Receipt, Fault> {
        if batch.is_empty() {
            return Ok(Receipt { accepted: 0, rest: Rest::Done });
        }
        let pool = &self.generation.pool;
        let (mut instance, seat) = pool.checkout().await?;
        let bounds = &pool.blueprint.bounds;
        let texts = Texts::of(batch);
        let events = texts.events(batch)?;
        instance.begin(bounds)?;
        let exports = sinking(&instance)?;
        let call = exports.call_deliver(&mut instance.store, lower(target), &events);
        let outcome = within(bounds.call_timeout_ms, call).await;
        let receipt = receipt(instance.end(bounds, outcome)?, batch.len())?;
        seat.keep(instance);
        Ok(receipt)
    }
}

fn lower(target: &Target) -> wit::Target<'_> {
    wit::Target { id: &target.id, config_json: &target.config_json }
}

fn sinking(instance: &Instance) -> Result<wit::Guest, Fault> {
    match &instance.exports {
        Exports::Sinking(exports) => Ok(exports.clone()),
        Exports::Validating(_) => Err(Fault::Start("it is no sink".into())),
    }
}

/// **Invariant:** `accepted` is at most the length of the batch, and `Done` means all of it.
fn receipt(receipt: wit::Receipt, events: usize) -> Result<Receipt, Fault> {
    let accepted = receipt.accepted as usize;
    let rest = match receipt.rest {
        wit::Rest::Done => Rest::Done,
        wit::Rest::Retry(retry) => Rest::Retry { after_ms: retry.after_ms, reason: retry.reason },
        wit::Rest::Poison(problem) => Rest::Poison(problem.into()),
        wit::Rest::Gone(problem) => Rest::Gone(problem.into()),
    };
    let wrong = |what: &str| Err(Fault::Answer(format!("{what}: it accepted {accepted} of {events} events")));
    if accepted > events {
        return wrong("a receipt for events that it was not given");
    }
    if rest == Rest::Done && accepted < events {
        return wrong("a receipt that says 'done' too early");
    }
    if matches!(rest, Rest::Poison(_)) && accepted == events {
        return wrong("a receipt that calls an event poison that is not there");
    }
    Ok(Receipt { accepted, rest })
}

/// The ids, tags and metadata of a whole batch: three buffers for all events instead of three for each.
struct Texts<'a> {
    ids: String,
    /// Where each id ends.
    ends: Vec<usize>,
    tags: Vec<&'a str>,
    metadata: Vec<(&'a str, &'a str)>,
}

impl<'a> Texts<'a> {
    fn of(batch: &'a [Event]) -> Self {
        let (mut ids, mut ends) = (String::with_capacity(batch.len() * 24), Vec::with_capacity(batch.len()));
        for event in batch {
            // Writing to a String cannot fail.
            let _ = write!(ids, "{}-{}", event.topic, event.sequence);
            ends.push(ids.len());
        }
        let tags = batch.iter().flat_map(|event| event.tags.iter().map(|tag| tag.as_str())).collect();
        let metadata = batch.iter().flat_map(|event| event.metadata.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        Self { ids, ends, tags, metadata: metadata.collect() }
    }

    fn events(&'a self, batch: &'a [Event]) -> Result<Vec<types::Event<'a>>, Fault> {
        let (mut tags, mut metadata) = (self.tags.as_slice(), self.metadata.as_slice());
        let mut start = 0;
        let lower = |(event, end): (&'a Event, &usize)| {
            let (own_tags, own_metadata);
            (own_tags, tags) = tags.split_at(event.tags.len());
            (own_metadata, metadata) = metadata.split_at(event.metadata.len());
            let id = &self.ids[std::mem::replace(&mut start, *end)..*end];
            Ok(types::Event {
                id,
                position: event.position,
                topic: event.topic.as_str(),
                sequence: event.sequence,
                stream: event.stream.as_ref().map(|(stream, _)| stream.as_str()),
                version: event.stream.as_ref().map(|(_, version)| *version),
                event_type: event.event_type.as_str(),
                time_ms: event.time_ms,
                payload: payload(&event.payload)?,
                tags: own_tags,
                metadata: own_metadata,
            })
        };
        batch.iter().zip(&self.ends).map(lower).collect()
    }
}
