//! Events to measure with: made up, or read of a file, and handed out without end.

use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::super::component::{self, TIME_MS};
use crate::cli::Failure;
use crate::model::{Event, EventType, NewEvent, Payload, StreamName, Tag, TopicName};
use crate::plugin::Workpiece;

/// Events that are made up, or read of a file.
const EVENTS_MADE: u64 = 4_096;
const EVENTS_READ_MAX: usize = 100_000;

/// Endless events: the same ones again and again, at new places.
pub struct Log<'a> {
    pub events: &'a [NewEvent],
    pub next: u64,
}

impl Log<'_> {
    pub fn take(&mut self, count: usize) -> Vec<Event> {
        let len = self.events.len().max(1) as u64;
        let take = |_| {
            let at = usize::try_from(self.next % len).unwrap_or_default();
            self.next += 1;
            let place = self.next;
            self.events.get(at).map(|event| component::record(event, place, place, Some(place), TIME_MS + place))
        };
        (0..count).filter_map(take).collect()
    }
}

/// Orders of some customers, about 200 bytes each, under a topic and type that the plugin asked to see.
pub fn made_up(piece: &Workpiece) -> Vec<NewEvent> {
    let (probe, _) = component::probe(piece);
    let one_stream = piece.decider().is_some();
    let event = |number: u64| {
        let customer = number * 7 % 1_000;
        let payload = json!({
            "order": format!("order-{number}"),
            "customer": format!("customer-{customer}"),
            "amount": number % 500,
            "currency": "EUR",
            "items": [{ "article": format!("article-{}", number % 50), "count": number % 9 + 1 }, { "article": "gift", "count": 1 }],
            "note": "Made up to measure how fast a plugin is",
        });
        let stream = if one_stream { "made-up".to_owned() } else { format!("order-{}", number % 500) };
        NewEvent {
            stream: StreamName::parse(&stream).ok(),
            payload: Payload::Json(payload.to_string().into()),
            ..probe.clone()
        }
    };
    (0..EVENTS_MADE).map(event).collect()
}

/// An event as `weir tail` prints it; what else is in the line is left alone.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    event_type: String,
    topic: Option<String>,
    stream: Option<String>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    metadata: Map<String, Value>,
}

pub fn read_events(file: &Path) -> Result<Vec<NewEvent>, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()).take(EVENTS_READ_MAX);
    let events =
        lines.map(|(number, line)| event(line).map_err(|error| format!("{}, line {number}: {error}", file.display())));
    let events = events.collect::<Result<Vec<_>, _>>()?;
    match events.is_empty() {
        true => Err(format!("{} has no event; give one JSON object a line", file.display()).into()),
        false => Ok(events),
    }
}

fn event(line: &str) -> Result<NewEvent, Failure> {
    let line: Line<'_> = serde_json::from_str(line)?;
    let text = |value: Value| if let Value::String(text) = value { text } else { value.to_string() };
    let topic = line.topic.as_deref().map(TopicName::parse).transpose()?;
    Ok(NewEvent {
        topic: topic.unwrap_or_else(TopicName::default_topic),
        stream: line.stream.as_deref().map(StreamName::parse).transpose()?,
        event_type: EventType::parse(&line.event_type)?,
        payload: Payload::Json(line.payload.map_or("{}", RawValue::get).to_owned().into()),
        tags: line.tags.iter().map(|tag| Tag::parse(tag)).collect::<Result<_, _>>()?,
        metadata: line.metadata.into_iter().map(|(key, value)| (key, text(value))).collect(),
    })
}
