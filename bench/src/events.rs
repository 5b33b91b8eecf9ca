//! The events that are published: orders with payloads of 1 KB, and the JSON Schema that they satisfy. No two are alike:
//! each carries a number of ten digits, which is written over in place, because printing JSON would cost the load
//! generator more than sending it.

use serde_json::{Value, json};

pub const EVENT_TYPE: &str = "order-placed";
pub const PAYLOAD_BYTES: usize = 1_024;

/// The smallest number with ten digits.
const NUMBER_MIN: u64 = 1_000_000_000;
const NUMBER_DIGITS: usize = 10;
const NUMBER_KEY: &str = "\"number\":";

/// A request body of events, or a whole request, ready to be sent again and again with fresh numbers.
#[derive(Debug, Clone)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Where each event's number begins.
    numbers_at: Vec<usize>,
    /// How often each event's number is there.
    repeats: usize,
    /// The first number that is not used: after it comes the first one again.
    end: u64,
}

/// Of numbers that never come again.
const ENDLESS: u64 = u64::MAX;

impl Batch {
    /// The JSON array that `POST /events` takes.
    pub fn body(topic: &str, events: usize) -> Self {
        let event = format!("{{\"topic\":\"{topic}\",\"type\":\"{EVENT_TYPE}\",\"payload\":{}}}", payload());
        let number_at = event.find(NUMBER_KEY).map_or(0, |at| at + NUMBER_KEY.len());
        let mut bytes = Vec::with_capacity(events * (event.len() + 1) + 1);
        let mut numbers_at = Vec::with_capacity(events);
        for i in 0..events {
            bytes.push(if i == 0 { b'[' } else { b',' });
            numbers_at.push(bytes.len() + number_at);
            bytes.extend_from_slice(event.as_bytes());
        }
        bytes.push(b']');
        Self { bytes, numbers_at, repeats: 1, end: ENDLESS }
    }

    /// A request of events, each on a stream of its own.
    pub fn on_streams(topic: &str, events: usize) -> Self {
        let stream = format!(r#""topic":"{topic}","type":"{EVENT_TYPE}","stream":"order:{NUMBER_MIN}""#);
        Self::repeated(&format!(r#"{{{stream},"payload":{}}}"#, payload()), events, ENDLESS)
    }

    /// A request of events that go round so many topics; see `numbered_topic`.
    pub fn over_topics(topics: u64, events: usize) -> Self {
        let topic = numbered_topic(0);
        let event = format!(r#"{{"topic":"{topic}","type":"{EVENT_TYPE}","payload":{}}}"#, payload());
        Self::repeated(&event, events, topics)
    }

    /// A request of copies of an event, in which a number stands in any places.
    fn repeated(event: &str, events: usize, end: u64) -> Self {
        let body = format!("[{}]", vec![event; events].join(","));
        let number = NUMBER_MIN.to_string();
        let numbers_at = body.match_indices(&number).map(|(at, _)| at).collect();
        let repeats = event.matches(&number).count();
        Self { bytes: body.into_bytes(), numbers_at, repeats, end }.behind_a_head("/events")
    }

    /// What another protocol makes of so many events: the payloads stand in it as they are, and are found by their numbers.
    pub fn of(bytes: Vec<u8>) -> Self {
        let key = NUMBER_KEY.as_bytes();
        let places = bytes.windows(key.len()).enumerate().filter(|(_, window)| *window == key);
        let numbers_at = places.map(|(at, _)| at + key.len()).collect();
        Self { bytes, numbers_at, repeats: 1, end: ENDLESS }
    }

    /// One event with a tag of its own, to be recorded only if no event after a position has that tag.
    pub fn tagged(topic: &str, unless_after: Option<u64>) -> Self {
        let tag = format!("order:{NUMBER_MIN}");
        let event = format!(r#"{{"topic":"{topic}","type":"{EVENT_TYPE}","payload":{},"tags":["{tag}"]}}"#, payload());
        let body = match unless_after {
            None => format!("[{event}]"),
            Some(after) => format!(
                r#"{{"events":[{event}],"conditions":[{{"query":{{"types":["{EVENT_TYPE}"],"tags":["{tag}"]}},"after":{after}}}]}}"#
            ),
        };
        let numbers_at: Vec<usize> = body.match_indices(&NUMBER_MIN.to_string()).map(|(at, _)| at).collect();
        let repeats = numbers_at.len();
        Self { bytes: body.into_bytes(), numbers_at, repeats, end: ENDLESS }.behind_a_head("/events")
    }

    /// The same as a whole HTTP request.
    pub fn request(topic: &str, events: usize, path: &str) -> Self {
        Self::body(topic, events).behind_a_head(path)
    }

    fn behind_a_head(self, path: &str) -> Self {
        let Self { bytes: body, mut numbers_at, repeats, end } = self;
        let mut bytes = format!(
            "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        numbers_at.iter_mut().for_each(|at| *at += bytes.len());
        bytes.extend_from_slice(&body);
        Self { bytes, numbers_at, repeats, end }
    }

    pub fn events(&self) -> usize {
        self.numbers_at.len() / self.repeats
    }

    /// The bytes as they were numbered last.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, with the events numbered from `first`.
    pub fn numbered(&mut self, first: u64) -> &[u8] {
        for (number, places) in (first..).zip(self.numbers_at.chunks(self.repeats)) {
            for at in places {
                let mut rest = NUMBER_MIN + number % self.end;
                for digit in self.bytes[*at..at + NUMBER_DIGITS].iter_mut().rev() {
                    *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
                    rest /= 10;
                }
            }
        }
        &self.bytes
    }
}

/// A topic of those that events go round in.
pub fn numbered_topic(number: u64) -> String {
    format!("t{}", NUMBER_MIN + number)
}

/// Hand-written, so that it is as long as it says and its keys stand in the order in which people write them.
pub fn payload() -> String {
    let head = format!(
        concat!(
            r#"{{"number":{},"orderId":"8c1f0f7e-2b64-4f0a-9a53-6a1f5d0c77e1","placedAt":"2026-01-31T10:20:30.123Z","#,
            r#""status":"paid","quantity":3,"amountCents":129900,"currency":"SEK","express":false,"#,
            r#""tags":["web","gift","returning-customer"],"#,
            r#""customer":{{"id":"c-10442","name":"Ann Lee","email":"ann.lee@example.com","country":"SE"}},"note":""#
        ),
        NUMBER_MIN
    );
    let words = "Please ring twice and leave it with the neighbour on the second floor. ";
    let note: String = words.chars().cycle().take(PAYLOAD_BYTES - head.len() - 2).collect();
    format!("{head}{note}\"}}")
}

/// The one schema of the measured topic, as `POST /topics` takes it.
pub fn schema() -> Value {
    json!({
        "eventType": EVENT_TYPE,
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "number": { "type": "integer", "minimum": NUMBER_MIN },
            "orderId": { "type": "string", "minLength": 1, "maxLength": 64 },
            "placedAt": { "type": "string", "format": "date-time" },
            "status": { "enum": ["new", "paid", "packed", "sent", "returned"] },
            "quantity": { "type": "integer", "minimum": 1, "maximum": 1_000 },
            "amountCents": { "type": "integer", "minimum": 0, "maximum": 100_000_000 },
            "currency": { "type": "string", "pattern": "^[A-Z]{3}$" },
            "express": { "type": "boolean" },
            "tags": { "type": "array", "items": { "type": "string", "maxLength": 40 }, "maxItems": 16 },
            "customer": {
                "type": "object",
                "properties": {
                    "id": { "type": "string" },
                    "name": { "type": "string", "maxLength": 200 },
                    "email": { "type": "string", "format": "email" },
                    "country": { "type": "string", "minLength": 2, "maxLength": 2 }
                },
                "required": ["id", "email"],
                "additionalProperties": false
            },
            "note": { "type": "string", "maxLength": 2_000 }
        },
        "required": ["number", "orderId", "placedAt", "status", "quantity", "amountCents", "customer"],
        "additionalProperties": false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_json_of_exactly_one_kilobyte() {
        assert_eq!(payload().len(), PAYLOAD_BYTES);
        let payload: Value = serde_json::from_str(&payload()).expect("JSON");
        for (key, _) in payload.as_object().expect("an object") {
            assert!(schema()["properties"].get(key).is_some(), "{key} is in the schema");
        }
    }

    #[test]
    fn events_are_numbered_in_place() {
        let mut batch = Batch::body("t", 3);
        for first in [0, 41, 8_999_999_990] {
            let events: Vec<Value> = serde_json::from_slice(batch.numbered(first)).expect("JSON");
            let numbers: Vec<_> = events.iter().filter_map(|event| event["payload"]["number"].as_u64()).collect();
            assert_eq!(numbers, [NUMBER_MIN + first, NUMBER_MIN + first + 1, NUMBER_MIN + first + 2]);
        }
    }

    #[test]
    fn a_tagged_event_has_its_number_in_payload_tag_and_query() {
        let mut request = Batch::tagged("t", Some(5));
        assert_eq!(request.events(), 1);
        let text = String::from_utf8(request.numbered(7).to_vec()).expect("text");
        let body: Value = serde_json::from_str(text.split_once("\r\n\r\n").expect("a head").1).expect("JSON");
        let (number, tag) = (NUMBER_MIN + 7, format!("order:{}", NUMBER_MIN + 7));
        assert_eq!(body["events"][0]["payload"]["number"], number);
        assert_eq!(
            (&body["events"][0]["tags"][0], &body["conditions"][0]["query"]["tags"][0]),
            (&json!(tag), &json!(tag))
        );
        assert_eq!(body["conditions"][0]["after"], 5);
    }

    #[test]
    fn payloads_are_found_in_whatever_stands_around_them() {
        let mut batch = Batch::of(format!("PUB 1024\r\n{0}\r\nPUB 1024\r\n{0}\r\n", payload()).into_bytes());
        assert_eq!(batch.events(), 2);
        let text = String::from_utf8(batch.numbered(7).to_vec()).expect("text");
        let numbers: Vec<&str> =
            text.match_indices(NUMBER_KEY).map(|(at, key)| &text[at + key.len()..][..10]).collect();
        assert_eq!(numbers, ["1000000007", "1000000008"]);
    }

    #[test]
    fn events_go_round_their_topics_and_each_has_its_stream() {
        let bodies = |request: &mut Batch| {
            let text = String::from_utf8(request.numbered(4).to_vec()).expect("text");
            let body = text.split_once("\r\n\r\n").expect("a head").1.to_owned();
            serde_json::from_str::<Vec<Value>>(&body).expect("JSON")
        };
        let events = bodies(&mut Batch::over_topics(3, 5));
        let topics: Vec<_> = events.iter().filter_map(|event| event["topic"].as_str()).collect();
        assert_eq!(topics, [1, 2, 0, 1, 2].map(numbered_topic));
        let events = bodies(&mut Batch::on_streams("t", 2));
        let streams: Vec<_> = events.iter().filter_map(|event| event["stream"].as_str()).collect();
        assert_eq!(streams, ["order:1000000004", "order:1000000005"]);
        assert_eq!(events[1]["payload"]["number"], NUMBER_MIN + 5);
    }

    #[test]
    fn a_request_is_its_body_behind_a_head_that_tells_its_length() {
        let (mut request, mut body) = (Batch::request("t", 2, "/events"), Batch::body("t", 2));
        let text = String::from_utf8(request.numbered(7).to_vec()).expect("text");
        let (head, rest) = text.split_once("\r\n\r\n").expect("a head");
        assert_eq!(rest.as_bytes(), body.numbered(7));
        assert!(head.contains(&format!("content-length: {}", rest.len())), "{head}");
        assert_eq!(request.events(), 2);
    }
}
