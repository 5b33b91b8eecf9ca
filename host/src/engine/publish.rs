//! Publish: find the topics, validate, append. The answer comes after the commit and never waits for a consumer.

use std::sync::Arc;

use super::{Engine, EngineError, Topic};
use crate::model::{Condition, EventId, NewEvent, Position, Version};
use crate::storage::Batch;

/// Where a published event was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub id: EventId,
    pub position: Position,
    pub version: Option<Version>,
}

impl Engine {
    /// Publishes events of one store, all or none, in this order. Nothing was written when this fails, except for
    /// `AppendError::Unknown`.
    pub async fn publish(
        &self,
        mut events: Vec<NewEvent>,
        conditions: Vec<Condition>,
    ) -> Result<Vec<Published>, EngineError> {
        let topics = self.topics_of(&events)?;
        let Some(first) = topics.first() else { return Ok(Vec::new()) };
        let log = first.store.log.clone();
        self.validate(&mut events, &topics).await?;
        let places = log.append(Batch { events, conditions }).await?;
        let published = topics.iter().zip(places).map(|(topic, place)| Published {
            id: EventId { topic: topic.name.clone(), sequence: place.sequence },
            position: place.position,
            version: place.version,
        });
        Ok(published.collect())
    }

    /// The topic of each event. All must exist and share a store.
    fn topics_of(&self, events: &[NewEvent]) -> Result<Vec<Arc<Topic>>, EngineError> {
        let mut topics: Vec<Arc<Topic>> = Vec::with_capacity(events.len());
        for event in events {
            let topic = match topics.last() {
                Some(last) if last.name == event.topic => last.clone(),
                _ => self.topic(&event.topic)?,
            };
            if let Some(first) = topics.first()
                && first.store.adapter != topic.store.adapter
            {
                return Err(EngineError::StoresMixed {
                    first: first.name.clone(),
                    first_adapter: first.store.adapter,
                    other: topic.name.clone(),
                    other_adapter: topic.store.adapter,
                });
            }
            topics.push(topic);
        }
        Ok(topics)
    }
}
