//! Recorded events as JSON text. Written by hand, because the payload goes out as the very bytes that came in.

use std::io::Write;

use base64::Engine as _;
use bytes::Bytes;

use super::time::timestamp_letters;
use crate::model::{Event, Payload};

/// Appends one event as a JSON object.
pub fn write_event(out: &mut Vec<u8>, event: &Event) {
    out.extend_from_slice(b"{\"id\":\"");
    let _ = write!(out, "{}-{}", event.topic, event.sequence);
    out.extend_from_slice(b"\",\"timestamp\":\"");
    out.extend_from_slice(&timestamp_letters(event.time_ms));
    out.extend_from_slice(b"\",\"type\":\"");
    out.extend_from_slice(event.event_type.as_str().as_bytes());
    out.extend_from_slice(b"\",");
    write_payload(out, &event.payload);
    // Names have no character that JSON escapes; tags and metadata may.
    let _ =
        write!(out, ",\"topic\":\"{}\",\"sequence\":{},\"position\":{}", event.topic, event.sequence, event.position);
    if let Some((stream, version)) = &event.stream {
        let _ = write!(out, ",\"stream\":\"{stream}\",\"version\":{version}");
    }
    if !event.tags.is_empty() {
        out.extend_from_slice(b",\"tags\":");
        write_json(out, &event.tags.iter().map(crate::model::Tag::as_str).collect::<Vec<_>>());
    }
    if !event.metadata.is_empty() {
        out.extend_from_slice(b",\"metadata\":{");
        for (i, (key, value)) in event.metadata.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            write_json(out, key);
            out.push(b':');
            write_json(out, value);
        }
        out.push(b'}');
    }
    out.push(b'}');
}

fn write_payload(out: &mut Vec<u8>, payload: &Payload) {
    match payload {
        Payload::Json(json) => {
            out.extend_from_slice(b"\"payload\":");
            out.extend_from_slice(json);
        }
        Payload::Bytes(bytes) => {
            out.extend_from_slice(b"\"data\":\"");
            out.extend_from_slice(base64::engine::general_purpose::STANDARD.encode(bytes).as_bytes());
            out.push(b'"');
        }
    }
}

/// Strings cannot fail to be JSON, and a `Vec` cannot fail to grow without the process ending.
pub fn write_json(out: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) {
    let _ = serde_json::to_writer(out, value);
}

/// Appends events with commas between them; `first` tells whether a comma comes before the first of them.
pub fn write_events(events: &[Event], first: bool) -> Bytes {
    let payloads: usize = events.iter().map(|event| event.payload.as_bytes().len() + 256).sum();
    let mut out = Vec::with_capacity(payloads);
    for (i, event) in events.iter().enumerate() {
        if i > 0 || !first {
            out.push(b',');
        }
        write_event(&mut out, event);
    }
    out.into()
}

/// Appends one event and a line break, the only one: a break in a payload can only be white space there.
pub fn write_line(out: &mut Vec<u8>, event: &Event) {
    let start = out.len();
    write_event(out, event);
    out[start..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    out.push(b'\n');
}

/// One event a line.
pub fn write_lines(events: &[Event]) -> Bytes {
    let payloads: usize = events.iter().map(|event| event.payload.as_bytes().len() + 256).sum();
    let mut out = Vec::with_capacity(payloads);
    events.iter().for_each(|event| write_line(&mut out, event));
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EventType, StreamName, Tag, TopicName};

    fn event(payload: &'static [u8]) -> Event {
        Event {
            position: 9,
            topic: TopicName::parse("t").expect("a name"),
            sequence: 3,
            stream: Some((StreamName::parse("s:1").expect("a name"), 2)),
            event_type: EventType::parse("made").expect("a name"),
            time_ms: 1_700_000_000_123,
            payload: Payload::Json(Bytes::from_static(payload)),
            tags: vec![Tag::parse("quote\"d").expect("a tag")],
            metadata: vec![("k\n".to_owned(), "v".to_owned())],
        }
    }

    #[test]
    fn an_event_is_written_with_the_payload_as_it_came() {
        let mut out = Vec::new();
        write_event(&mut out, &event(b"{ \"a\" : 1.50 }"));
        let expected = concat!(
            r#"{"id":"t-3","timestamp":"2023-11-14T22:13:20.123Z","type":"made","payload":{ "a" : 1.50 },"#,
            r#""topic":"t","sequence":3,"position":9,"stream":"s:1","version":2,"tags":["quote\"d"],"metadata":{"k\n":"v"}}"#
        );
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn a_line_has_no_line_break_but_its_end_and_is_the_same_json() {
        let broken = event(b"{\r\n \"a\":\n\"x\\ny\"}");
        let lines = write_lines(&[broken.clone(), broken.clone()]);
        let lines: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').collect();
        assert_eq!((lines.len(), lines[2]), (3, &b""[..]));
        let mut whole = Vec::new();
        write_event(&mut whole, &broken);
        let json = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).expect("JSON");
        assert_eq!((json(lines[0]), json(lines[1])), (json(&whole), json(&whole)));
        assert!(!lines[0].contains(&b'\r'));
    }

    #[test]
    fn bytes_are_written_as_base64_data() {
        let mut out = Vec::new();
        write_payload(&mut out, &Payload::Bytes(Bytes::from_static(&[0, 255])));
        assert_eq!(out, br#""data":"AP8=""#);
    }
}
