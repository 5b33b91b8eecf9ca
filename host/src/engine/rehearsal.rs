//! Real settings and events for trying a new plugin generation before it serves.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Cursor, Engine, Selection, Target};
use crate::model::{Direction, Event, Form, StreamName, TopicName};
use crate::plugin::{Rehearsal, TopicSetting};

#[async_trait]
impl Rehearsal for Engine {
    fn settings(&self) -> Vec<Arc<TopicSetting>> {
        Engine::topics(self).iter().filter_map(|topic| topic.setting.clone()).collect()
    }

    fn topics(&self) -> Vec<TopicName> {
        Engine::topics(self).iter().map(|topic| topic.name.clone()).collect()
    }

    async fn recent(&self, topic: &TopicName, limit: usize) -> Vec<Event> {
        let selection = Selection { direction: Direction::Backward, ..first(limit) };
        let Ok(cursor) = self.read(&Target::Topic(topic.clone(), None), selection).await else { return Vec::new() };
        let mut events = all(cursor).await;
        events.reverse();
        events
    }

    async fn stream(&self, topic: &TopicName, stream: &StreamName, limit: usize) -> Vec<Event> {
        match self.read(&Target::Stream(topic.clone(), stream.clone()), first(limit)).await {
            Ok(cursor) => all(cursor).await,
            Err(_) => Vec::new(),
        }
    }
}

/// As they were recorded: what upcasters make of them is what is tried.
fn first(limit: usize) -> Selection {
    Selection { limit: Some(limit), form: Form::Stored, ..Selection::default() }
}

/// A page that cannot be read ends the rehearsal's input; serving reads will report it with its place.
async fn all(mut cursor: Cursor) -> Vec<Event> {
    let mut events = Vec::new();
    while let Ok(Some(page)) = cursor.next_page().await {
        events.extend(page);
    }
    events
}
