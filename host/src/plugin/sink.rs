//! A sink that serves: hands batches of events to a guest that delivers them outside.

use std::pin::pin;
use std::sync::Arc;

use super::bindings::exports::weir::plugin::sinking as wit;
use super::generation::Generation;
use super::instance::{Exports, within};
use super::{Fault, PluginError, PluginId, Receipt, Refusal, Rest, Target, lower};
use crate::model::Event;

/// One generation of a sink. Calls that hold it finish on it, whatever takes its place.
pub struct Sink {
    pub(super) generation: Arc<Generation>,
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
    pub async fn check(&self, target: &Target) -> Result<Result<(), Vec<Refusal>>, PluginError> {
        self.generation.call("check", 0, pin!(self.try_check(target))).await
    }

    async fn try_check(&self, target: &Target) -> Result<Result<(), Vec<Refusal>>, Fault> {
        let pool = &self.generation.pool;
        let (mut instance, seat) = pool.checkout().await?;
        let bounds = &pool.blueprint.bounds;
        let Exports::Sinking(exports) = instance.exports.clone() else { return Err(Fault::wrong_kind()) };
        instance.begin(bounds)?;
        let outcome =
            within(bounds.call_timeout_ms, pin!(exports.call_check(&mut instance.store, lower(target)))).await;
        let answer = instance.end(bounds, outcome)?;
        seat.keep(instance);
        Ok(answer.map_err(|problems| problems.into_iter().map(Refusal::from).collect()))
    }

    /// Delivers a batch: some events from the first, and a word about the one after them.
    pub async fn deliver(&self, target: &Target, batch: &[Event]) -> Result<Receipt, PluginError> {
        self.generation.call("deliver", batch.len(), pin!(self.try_deliver(target, batch))).await
    }

    async fn try_deliver(&self, target: &Target, batch: &[Event]) -> Result<Receipt, Fault> {
        if batch.is_empty() {
            return Ok(Receipt { accepted: 0, rest: Rest::Done });
        }
        let pool = &self.generation.pool;
        let (mut instance, seat) = pool.checkout().await?;
        let bounds = &pool.blueprint.bounds;
        let events = lower::Events::of(batch);
        let events = events.lower()?;
        let Exports::Sinking(exports) = instance.exports.clone() else { return Err(Fault::wrong_kind()) };
        instance.begin(bounds)?;
        let call = exports.call_deliver(&mut instance.store, lower(target), &events);
        let outcome = within(bounds.call_timeout_ms, pin!(call)).await;
        let receipt = receipt(instance.end(bounds, outcome)?, batch.len())?;
        seat.keep(instance);
        Ok(receipt)
    }
}

fn lower(target: &Target) -> wit::Target<'_> {
    wit::Target { id: &target.id, config_json: &target.config_json }
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
