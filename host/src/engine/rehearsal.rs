//! Real settings and events for trying a new plugin generation before it serves.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Engine, Selection};
use crate::model::{Direction, Event, NewEvent, TopicName};
use crate::plugin::{Rehearsal, TopicSetting};

#[async_trait]
impl Rehearsal for Engine {
    fn settings(&self) -> Vec<Arc<TopicSetting>> {
        self.topics().iter().filter_map(|topic| topic.setting.clone()).collect()
    }

    async fn recent(&self, topic: &TopicName, limit: usize) -> Vec<NewEvent> {
        let selection = Selection { direction: Direction::Backward, limit: Some(limit), ..Selection::default() };
        let Ok(mut cursor) = self.read_topic(topic, selection).await else { return Vec::new() };
        let mut events = Vec::new();
        // A page that cannot be read ends the rehearsal's input; serving reads will report it with its place.
        while let Ok(Some(page)) = cursor.next_page().await {
            events.extend(page.into_iter().map(asked_for));
        }
        events.reverse();
        events
    }
}

fn asked_for(event: Event) -> NewEvent {
    NewEvent {
        topic: event.topic,
        stream: event.stream.map(|(stream, _)| stream),
        event_type: event.event_type,
        payload: event.payload,
        tags: event.tags,
        metadata: event.metadata,
    }
}
