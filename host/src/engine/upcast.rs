//! Passes recorded events through the upcasters that serve, in the order of their names, so that readers get the form of
//! today. The log keeps what it has. **Invariant:** events are handed up upcast by all, or not at all; only an operator's
//! `on_trap = "pass"` leaves an upcaster out.

use std::borrow::Cow;
use std::sync::Arc;

use super::error::{EngineError, UpcastRefused};
use crate::model::Event;
use crate::plugin::{OnTrap, Plugins, Upcaster};

pub(super) async fn upcast(plugins: &Plugins, events: Vec<Event>) -> Result<Vec<Event>, EngineError> {
    upcast_as(plugins, events, false).await
}

/// The same, whatever operators say about failures: what is made of the events is kept, and would be wrong for ever.
pub(super) async fn upcast_strictly(plugins: &Plugins, events: Vec<Event>) -> Result<Vec<Event>, EngineError> {
    upcast_as(plugins, events, true).await
}

/// The same, for events that their owner keeps as they are.
pub(super) async fn upcast_lent<'e>(
    plugins: &Plugins,
    events: Cow<'e, [Event]>,
) -> Result<Cow<'e, [Event]>, EngineError> {
    if plugins.upcasters().is_empty() {
        return Ok(events);
    }
    Ok(Cow::Owned(upcast_strictly(plugins, events.into_owned()).await?))
}

async fn upcast_as(plugins: &Plugins, events: Vec<Event>, strictly: bool) -> Result<Vec<Event>, EngineError> {
    let upcasters = plugins.upcasters();
    if upcasters.is_empty() || events.is_empty() {
        return Ok(events);
    }
    // What a call of a guest needs is kept out of the future of every read and follower.
    Box::pin(upcast_by(&upcasters, events, strictly)).await
}

/// One call an upcaster, with the events that interest it as they are then.
async fn upcast_by(
    upcasters: &[Arc<Upcaster>],
    mut events: Vec<Event>,
    strictly: bool,
) -> Result<Vec<Event>, EngineError> {
    for upcaster in upcasters {
        let chosen: Vec<usize> = (0..events.len()).filter(|&i| upcaster.interested_in(&events[i])).collect();
        if chosen.is_empty() {
            continue;
        }
        let batch: Vec<Event> = chosen.iter().map(|&i| events[i].clone()).collect();
        match ask(upcaster, &batch).await {
            Ok(changed) => chosen.into_iter().zip(changed).for_each(|(i, event)| events[i] = event),
            Err(error) if upcaster.on_trap() == OnTrap::Pass && !strictly => {
                tracing::warn!(plugin = %upcaster.id().name, %error, "an upcaster failed; its side-car says to pass");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(events)
}

/// `batch` has at least one event.
async fn ask(upcaster: &Upcaster, batch: &[Event]) -> Result<Vec<Event>, EngineError> {
    upcaster.upcast(batch).await?.map_err(|refusal| {
        let refused = UpcastRefused { plugin: upcaster.id().clone(), first: batch[0].id(), refusal };
        EngineError::UpcastRefused(Box::new(refused))
    })
}
