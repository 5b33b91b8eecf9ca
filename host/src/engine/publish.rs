//! Publish: find the topics, validate, append. The answer comes after the commit and never waits for a consumer.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Engine, EngineError, Topic};
use crate::model::{Condition, EventId, IdempotencyKey, NewEvent, Position, Version};
use crate::storage::{AppendError, Appended, Batch, EventLog, Place, Recalled};

/// Where a published event was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub id: EventId,
    pub position: Position,
    pub version: Option<Version>,
}

/// What became of a publish request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Publication {
    /// In the order of the request.
    pub events: Vec<Published>,
    /// The request's idempotency key was known: this is what the first one was answered.
    pub replayed: bool,
}

impl Engine {
    /// Publishes events of one store, all or none, in this order. Nothing was written when this fails, except for
    /// `AppendError::Unknown`. A request that came before is neither validated nor appended again.
    pub async fn publish(&self, mut batch: Batch) -> Result<Publication, EngineError> {
        let topics = self.topics_of_batch(&batch)?;
        let Some(first) = topics.first() else { return Ok(Publication::default()) };
        let log = &*first.store.log;
        let appended = match replay(log, batch.key).await? {
            Some(appended) => appended,
            None => {
                self.validate(&mut batch.events, &topics).await?;
                log.append(batch).await?
            }
        };
        Ok(publication(&topics, &appended))
    }

    /// The topic of each event. All of them, and those of the conditions, must exist and share a store.
    pub(super) fn topics_of_batch(&self, batch: &Batch) -> Result<SmallVec<[Arc<Topic>; 1]>, EngineError> {
        let topics = self.topics_of(&batch.events)?;
        if let Some(first) = topics.first() {
            self.check_conditions(&batch.conditions, first)?;
        }
        Ok(topics)
    }

    /// A condition is checked where the events go, so its stream must be there too.
    fn check_conditions(&self, conditions: &[Condition], first: &Topic) -> Result<(), EngineError> {
        for condition in conditions {
            if let Condition::Stream { topic, .. } = condition {
                share_store(first, &*self.topic(topic)?)?;
            }
        }
        Ok(())
    }

    /// The topic of each event. All must exist and share a store.
    fn topics_of(&self, events: &[NewEvent]) -> Result<SmallVec<[Arc<Topic>; 1]>, EngineError> {
        let mut topics: SmallVec<[Arc<Topic>; 1]> = SmallVec::with_capacity(events.len());
        for event in events {
            let topic = match topics.last() {
                Some(last) if last.name == event.topic => last.clone(),
                _ => self.topic(&event.topic)?,
            };
            if let Some(first) = topics.first() {
                share_store(first, &topic)?;
            }
            topics.push(topic);
        }
        Ok(topics)
    }
}

fn publication(topics: &[Arc<Topic>], appended: &Appended) -> Publication {
    let published = |(topic, place): (&Arc<Topic>, &Place)| Published {
        id: EventId { topic: topic.name.clone(), sequence: place.sequence },
        position: place.position,
        version: place.version,
    };
    let events = topics.iter().zip(&appended.places).map(published).collect();
    Publication { events, replayed: appended.replayed }
}

fn share_store(first: &Topic, other: &Topic) -> Result<(), EngineError> {
    if first.store.adapter == other.store.adapter {
        return Ok(());
    }
    Err(EngineError::StoresMixed {
        first: first.name.clone(),
        first_adapter: first.store.adapter,
        other: other.name.clone(),
        other_adapter: other.store.adapter,
    })
}

/// The places of a request that was appended before: it may not be valid any more, and need not be.
pub(super) async fn replay(log: &dyn EventLog, key: Option<IdempotencyKey>) -> Result<Option<Appended>, EngineError> {
    let Some(key) = key else { return Ok(None) };
    match log.recall(&key.key).await? {
        Some(Recalled { request, places }) if request == key.request => Ok(Some(Appended { places, replayed: true })),
        Some(_) => Err(AppendError::KeyReused.into()),
        None => Ok(None),
    }
}
