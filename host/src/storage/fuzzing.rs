//! Stored bytes that nobody wrote, for the fuzz targets. Dev code: it panics when a decoder breaks a promise.

use bytes::Bytes;

use super::codec::{self, View};
use super::gap::{self, Gap};
use super::redb::fuzzing as log;
use crate::model::{Event, NewEvent};

/// An event's bytes, as they are, and with a checksum that fits.
pub fn event(bytes: &[u8]) {
    decode(bytes);
    let mut bytes = bytes.to_vec();
    if codec::dress_up(&mut bytes) {
        decode(&bytes);
    }
}

fn decode(bytes: &[u8]) {
    let Ok(view) = View::parse(bytes) else { return };
    assert_eq!(codec::claims(bytes), Some((bytes.len(), view.place.position)));
    // Following what is no hash of these bytes must only be false.
    codec::follows(bytes, &view.hash);
    if let Ok(event) = view.event(Bytes::copy_from_slice(&bytes[view.payload_at..])) {
        comes_back(bytes, &view, event);
    }
}

/// What was taken is written as the same bytes again: no two ways to write one event.
fn comes_back(bytes: &[u8], view: &View<'_>, event: Event) {
    let Event { topic, stream, event_type, payload, tags, metadata, .. } = event;
    let stream = stream.map(|(stream, _)| stream);
    let new = NewEvent { topic, stream, event_type, payload, tags, metadata };
    let mut again = vec![];
    if let Ok(body) = codec::encode(&new, view.keyed, &mut again) {
        codec::seal(&mut again, &body, &view.place, &[0; 32]);
        again[48..80].copy_from_slice(&view.hash);
        assert!(codec::dress_up(&mut again));
        assert!(again == bytes, "{view:?} is not written as it was read");
    }
}

/// What is left of deleted events, as it is, and with a length and checksum that fit.
pub fn gap(bytes: &[u8]) {
    decode_gap(bytes);
    let mut bytes = bytes.to_vec();
    if gap::dress_up(&mut bytes) {
        decode_gap(&bytes);
    }
}

fn decode_gap(bytes: &[u8]) {
    let Ok(found) = Gap::parse(bytes) else { return };
    assert_eq!(gap::positions(bytes), found.first..=found.last);
    let mut again = vec![];
    found.encode(&mut again).expect("it was read from no more");
    assert_eq!(Gap::parse(&again), Ok(found), "it is not written as it was read");
}

/// A segment's bytes from a record on.
pub fn group(bytes: &[u8]) {
    log::group(bytes);
}

/// A row of the index: the length of its key, the key, and what is stored under it.
pub fn row(bytes: &[u8]) {
    log::row(bytes);
}

#[cfg(test)]
pub use samples::{is_event, is_gap, is_group, samples};

#[cfg(test)]
mod samples {
    use super::*;
    use crate::model::{EventType, IdempotencyKey, Payload, StreamName, Tag, TopicName};
    use crate::storage::Place;
    use crate::storage::codec::Keyed;

    pub fn is_event(bytes: &[u8]) -> bool {
        View::parse(bytes).is_ok()
    }

    pub fn is_gap(bytes: &[u8]) -> bool {
        Gap::parse(bytes).is_ok()
    }

    pub fn is_group(bytes: &[u8]) -> bool {
        log::is_group(bytes)
    }

    fn new_event(stream: &str, payload: Payload, tags: &[&str]) -> NewEvent {
        NewEvent {
            topic: TopicName::parse("orders").expect("a name"),
            stream: StreamName::parse(stream).ok(),
            event_type: EventType::parse("Placed").expect("a name"),
            payload,
            tags: tags.iter().map(|tag| Tag::parse(tag).expect("a tag")).collect(),
            metadata: tags.iter().map(|tag| (format!("about {tag}"), "ü".repeat(9))).collect(),
        }
    }

    fn stored(event: &NewEvent, position: u64, keyed: Option<Keyed>) -> Vec<u8> {
        let mut bytes = vec![];
        let body = codec::encode(event, keyed, &mut bytes).expect("encodes");
        let place = Place {
            position,
            sequence: position,
            version: event.stream.as_ref().map(|_| position),
            time_ms: 1_700_000_000_000,
        };
        codec::seal(&mut bytes, &body, &place, &[7; 32]);
        bytes
    }

    /// Files for the corpora: target, name, bytes.
    pub fn samples() -> Vec<(&'static str, &'static str, Vec<u8>)> {
        let key = IdempotencyKey { key: [1; 16], request: [2; 16] };
        let plain = stored(&new_event("", Payload::Bytes(vec![].into()), &[]), 1, None);
        let json =
            stored(&new_event("order:17", Payload::Json("{\"a\": [1, null]}".into()), &["red", "order:17"]), 2, None);
        let keyed = Some(Keyed { key, events: 2 });
        let keyed = stored(&new_event("order:17/x", Payload::Bytes(vec![0, 255, 7].into()), &["ä b"]), 3, keyed);
        let events = [plain.clone(), json.clone(), keyed.clone()].concat();
        let gap = |of: &[&[u8]]| {
            let gap = |stored: &&[u8]| Gap::of(&View::parse(stored).expect("an event")).expect("names");
            let mut gaps = of.iter().map(gap);
            let mut all = gaps.next().expect("one");
            gaps.for_each(|gap| all.join(gap).expect("neighbours"));
            let mut bytes = vec![];
            all.encode(&mut bytes).expect("fits");
            bytes
        };
        vec![
            ("gap", "one", gap(&[&plain])),
            ("gap", "stream", gap(&[&json])),
            ("gap", "many", gap(&[&plain, &json, &keyed])),
            ("group", "gap", log::sample_group(&[gap(&[&plain, &json]), keyed.clone()].concat(), 1, 3)),
            ("event", "plain", plain),
            ("event", "json", json),
            ("event", "keyed", keyed),
            ("group", "events", events.clone()),
            ("group", "whole", log::sample_group(&events, 1, 3)),
            ("group", "two", [log::sample_group(&events, 1, 3), log::sample_group(b"no event", 4, 1)].concat()),
            ("row", "one", log::sample_row(b"key", &[1])),
            ("row", "some", log::sample_row(b"\x06orders\0\0\0\0\0\0\0\x01", &[5, 900, 1 << 33])),
            ("row", "many", log::sample_row(b"", &(1..200).map(|n| n * n).collect::<Vec<_>>())),
        ]
    }
}
