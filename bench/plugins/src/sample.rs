//! The events that plugins are called with: payments, which the examples are about.

use weir::model::{Event, EventType, NewEvent, Payload, StreamName, TopicName};
use weir_bench::Failure;

pub const PAYLOAD: &str =
    r#"{"amount":4200,"currency":"EUR","method":"card","customer":"c-1027","reference":"order 5561"}"#;
pub const TOPIC: &str = "payments";
pub const TYPE: &str = "payment-made";
pub const ACTOR: (&str, &str) = ("actor", "ann");
/// Streams that a batch's events belong to.
const STREAMS: usize = 16;

pub fn stream(index: usize) -> String {
    format!("account-{}", index % STREAMS)
}

pub fn new_events(count: usize) -> Result<Vec<NewEvent>, Failure> {
    Ok(events(count)?.into_iter().map(NewEvent::from).collect())
}

pub fn events(count: usize) -> Result<Vec<Event>, Failure> {
    let event = |index: usize| {
        let place = index as u64 + 1;
        Ok(Event {
            position: place,
            topic: TopicName::parse(TOPIC)?,
            sequence: place,
            stream: Some((StreamName::parse(&stream(index))?, place)),
            event_type: EventType::parse(TYPE)?,
            time_ms: place,
            payload: Payload::Json(PAYLOAD.into()),
            tags: Vec::new(),
            metadata: vec![(ACTOR.0.into(), ACTOR.1.into())],
        })
    };
    (0..count).map(event).collect()
}
