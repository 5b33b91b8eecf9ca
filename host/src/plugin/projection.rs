//! A projection that serves: folds events into its view, and answers queries from it.

use std::pin::pin;
use std::sync::Arc;

use super::generation::Generation;
use super::instance::{Exports, within};
use super::view::{Access, ViewBase, ViewWrites};
use super::{Consistency, Fault, OnTrap, PluginError, PluginId, Recipe, Refusal, lower};
use crate::model::Event;

/// One generation of a projection. It holds no state: the view is the caller's, before and after.
pub struct Projection {
    pub(super) generation: Arc<Generation>,
}

impl Projection {
    pub(super) fn new(generation: Arc<Generation>) -> Self {
        Self { generation }
    }

    pub fn id(&self) -> &PluginId {
        &self.generation.id
    }

    /// A new number asks for a new view, built from the first event.
    pub fn state_version(&self) -> u32 {
        self.generation.manifest.state_version
    }

    /// What its view is made by. Another recipe asks for another view, made from the first event.
    pub fn recipe(&self) -> Recipe {
        self.generation.recipe()
    }

    /// What the failure of an event means: the operator's choice.
    pub fn on_trap(&self) -> OnTrap {
        self.generation.on_trap
    }

    /// Whether a publisher's answer waits for the view.
    pub fn is_inline(&self) -> bool {
        self.generation.consistency == Consistency::Inline
    }

    pub fn has_queries(&self) -> bool {
        self.generation.pool.blueprint.linked.has_queries()
    }

    pub fn interested_in(&self, event: &Event) -> bool {
        self.generation.manifest.interests.matches(&event.topic, &event.event_type)
    }

    /// What a batch does to the view: writes to commit together with the checkpoint. A refusal and a fault wrote nothing.
    pub async fn apply(
        &self,
        view: Arc<dyn ViewBase>,
        batch: &[Event],
    ) -> Result<Result<ViewWrites, Refusal>, PluginError> {
        self.generation.call("apply", batch.len(), pin!(self.try_apply(view, batch))).await
    }

    async fn try_apply(&self, view: Arc<dyn ViewBase>, batch: &[Event]) -> Result<Result<ViewWrites, Refusal>, Fault> {
        if batch.is_empty() {
            return Ok(Ok(ViewWrites::new()));
        }
        let pool = &self.generation.pool;
        let (mut instance, seat) = pool.checkout().await?;
        let bounds = &pool.blueprint.bounds;
        let events = lower::Events::of(batch);
        let events = events.lower()?;
        let Exports::Projecting { projecting, .. } = instance.exports.clone() else { return Err(Fault::wrong_kind()) };
        instance.begin_at(lower::time_of(batch), bounds)?;
        instance.open_view(view, Access::ReadWrite, bounds);
        let outcome = within(bounds.call_timeout_ms, pin!(projecting.call_apply(&mut instance.store, &events))).await;
        let answer = instance.end(bounds, outcome)?;
        let writes = instance.close_view();
        seat.keep(instance);
        Ok(answer.map(|()| writes).map_err(Refusal::from))
    }

    /// Asks a query. The answer is JSON text.
    pub async fn query(
        &self,
        view: Arc<dyn ViewBase>,
        name: &str,
        params: &[(&str, &str)],
    ) -> Result<Result<String, Refusal>, PluginError> {
        self.generation.call("query", 0, pin!(self.try_query(view, name, params))).await
    }

    async fn try_query(
        &self,
        view: Arc<dyn ViewBase>,
        name: &str,
        params: &[(&str, &str)],
    ) -> Result<Result<String, Refusal>, Fault> {
        let pool = &self.generation.pool;
        let (mut instance, seat) = pool.checkout().await?;
        let bounds = &pool.blueprint.bounds;
        let Exports::Projecting { querying: Some(querying), .. } = instance.exports.clone() else {
            return Err(Fault::Answer("it has no queries; build it against projection-with-queries".into()));
        };
        instance.begin(bounds)?;
        instance.open_view(view, Access::Read, bounds);
        let call = querying.call_query(&mut instance.store, name, params);
        let outcome = within(bounds.call_timeout_ms, pin!(call)).await;
        let answer = instance.end(bounds, outcome)?;
        instance.close_view();
        if let Ok(text) = &answer
            && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text)
        {
            return Err(Fault::Answer(format!("it answered query '{name}' with something that is no JSON: {error}")));
        }
        seat.keep(instance);
        Ok(answer.map_err(Refusal::from))
    }
}
