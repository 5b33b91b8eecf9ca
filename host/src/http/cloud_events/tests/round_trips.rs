//! Seeded chance makes CloudEvents and events; what goes out is compared with what came in. A failing seed is in the
//! message, and plays again.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Read, batch, body_of, json, one, recorded, request, structured, written};
use crate::http::cloud_events::{binary_answer, write_batch};
use crate::model::{Event, Payload, StreamName, Tag};
use crate::storage::contract::dice::Dice;

const ROUNDS: u64 = 2_000;
/// Attributes that go out of themselves.
const FACTS: [&str; 6] = ["weirid", "weirtopic", "weirsequence", "weirposition", "weirversion", "weirtime"];

fn pick<'a, T: ?Sized>(dice: &mut Dice, from: &[&'a T]) -> &'a T {
    from[dice.below(from.len() as u64) as usize]
}

/// Text that attributes may have, with what JSON, headers and escapes find hard.
fn text(dice: &mut Dice) -> String {
    let pieces = ["a", " ", "\"", "%", "%41", "\\", "ü", "€", "😀", "\u{a0}", ",", "=", "{", "7", "+", "'", "\u{fffd}"];
    (0..dice.below(8)).map(|_| pick(dice, &pieces)).collect()
}

fn name(dice: &mut Dice) -> String {
    let names = ["note", "priority", "x1", "0", "traceparent", "topic", "stream", "actor", "datas", "sequence"];
    pick(dice, &names).to_owned()
}

fn extension(dice: &mut Dice) -> Value {
    match dice.below(4) {
        0 => json!(dice.roll() as i32),
        1 => json!(dice.chance(2)),
        _ => json!(text(dice)),
    }
}

const DATA: [&str; 8] = [
    "null",
    "{}",
    " [ 1 , 2.50e3 ] ",
    "\"\\u00e9 x\"",
    "-0",
    "{\"b\":1,\"a\":{\"c\":[]}}",
    "\"\"",
    "123456789012345678901",
];

/// The members of a CloudEvent but for data, and the member with data.
fn cloud_event(dice: &mut Dice) -> (Map<String, Value>, Option<String>) {
    let mut event = Map::new();
    let sources = ["/s", "https://example.com/a?b#c", "urn:x:y", "a%20b"];
    event.insert("specversion".into(), "1.0".into());
    event.insert("id".into(), format!("i{}", text(dice)).into());
    event.insert("source".into(), pick(dice, &sources).into());
    event.insert("type".into(), pick(dice, &["made", "com.example.made.v1"]).into());
    let times = ["2018-04-05T17:31:00Z", "2026-01-02t03:04:05.123456789+02:30"];
    for (name, value) in [
        ("subject", format!("s{}", text(dice))),
        ("time", pick(dice, &times).to_owned()),
        ("dataschema", "https://example.com/schema".to_owned()),
        ("weirstream", "order:1/x".to_owned()),
        ("weirtags", "[\"a\",\"b,c ü\"]".to_owned()),
        ("weirmetadata", "{\"not a name\":\"x\\ny\"}".to_owned()),
    ] {
        if dice.chance(2) {
            event.insert(name.into(), value.into());
        }
    }
    for _ in 0..dice.below(5) {
        event.insert(name(dice), extension(dice));
    }
    let (content_type, data) = match dice.below(5) {
        0 => (None, None),
        1 => (Some("text/xml; charset=utf-8"), Some(format!("\"data\":{}", json!(text(dice))))),
        2 => (Some("image/png"), Some("\"data_base64\":\"AP8QgA==\"".to_owned())),
        3 => (Some("application/vnd.x+json"), Some(format!("\"data\":{}", pick(dice, &DATA)))),
        _ => (None, Some(format!("\"data\":{}", pick(dice, &DATA)))),
    };
    if let Some(content_type) = content_type {
        event.insert("datacontenttype".into(), content_type.into());
    }
    (event, data)
}

fn spelt((members, data): &(Map<String, Value>, Option<String>)) -> String {
    let text = Value::Object(members.clone()).to_string();
    data.as_ref().map_or(text.clone(), |data| format!("{},{data}}}", text.trim_end_matches('}')))
}

fn without_facts(mut event: Value) -> Value {
    event.as_object_mut().expect("an object").retain(|name, _| !FACTS.contains(&name.as_str()));
    event
}

#[test]
fn a_structured_cloud_event_goes_out_as_it_came_alone_and_in_a_batch() {
    let mut events = Vec::new();
    let mut texts = Vec::new();
    for seed in 0..ROUNDS {
        let came = cloud_event(&mut Dice::new(seed));
        let text = spelt(&came);
        let event = recorded(one(structured(&text)));
        let out = written(&event);
        assert_eq!(without_facts(json(&out)), json(&text), "seed {seed}: {text}\n{out}");
        if let Some(data) = came.1.filter(|data| data.starts_with("\"data\"")) {
            assert!(
                out.ends_with(&format!("{}}}", data.replace("\"data\": ", "\"data\":").trim_end())),
                "seed {seed}: {out}"
            );
        }
        for fact in FACTS {
            assert_eq!(json(&out).get(fact).is_some(), fact != "weirversion" || event.stream.is_some(), "{fact}");
        }
        texts.push(text);
        events.push(event);
    }
    let (read, _) = batch(format!("[{}]", texts.join(","))).expect("a batch");
    let again: Vec<Event> = read.into_iter().map(recorded).collect();
    assert_eq!(again, events);
    let out = [&b"["[..], &write_batch(&events, true), b"]"].concat();
    assert_eq!(json(&String::from_utf8_lossy(&out)).as_array().map(Vec::len), Some(events.len()));
}

/// The headers that make a CloudEvent of a message.
fn own_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let is_own =
        |name: &str| name == "content-type" || name.strip_prefix("ce-").is_some_and(|name| !FACTS.contains(&name));
    let text = |value: &axum::http::HeaderValue| value.to_str().expect("ASCII").to_owned();
    headers
        .iter()
        .filter(|(name, _)| is_own(name.as_str()))
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}

fn send(headers: &BTreeMap<String, String>, body: Bytes) -> Read {
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    request(&headers, body, true)
}

#[test]
fn what_goes_out_in_binary_mode_comes_in_and_goes_out_the_same() {
    for seed in 0..ROUNDS {
        let came = cloud_event(&mut Dice::new(seed));
        let first = recorded(one(structured(spelt(&came))));
        let answer = binary_answer(&first);
        let headers = own_headers(answer.headers());
        let body = body_of(answer);
        let second = recorded(one(send(&headers, body.clone())));
        let answer = binary_answer(&second);
        assert_eq!(own_headers(answer.headers()), headers, "seed {seed}");
        assert_eq!(body_of(answer), body, "seed {seed}");
        assert_eq!((&second.stream, &second.tags), (&first.stream, &first.tags), "seed {seed}");
        // Headers have strings only, and always a content type; but for that, JSON says the same of both.
        let strings = |event: &Event| -> BTreeMap<String, String> {
            let out = without_facts(json(&written(event)));
            let members = out.as_object().expect("an object").iter();
            let attribute = |name: &str| !name.starts_with("data") || name == "dataschema";
            let plain = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
            members.filter(|(name, _)| attribute(name)).map(|(name, value)| (name.clone(), plain(value))).collect()
        };
        assert_eq!(strings(&second), strings(&first), "seed {seed}");
    }
}

/// Any event, as any client or plugin may have published it.
fn event(dice: &mut Dice) -> Event {
    let mut event = recorded(one(structured(r#"{"specversion":"1.0","id":"1","source":"/s","type":"made"}"#)));
    let keys = [
        "ce.id",
        "ce.source",
        "ce.subject",
        "ce.time",
        "ce.datacontenttype",
        "ce.dataschema",
        "ce.data",
        "ce.types",
        "ce.x",
        "ce.",
        "id",
        "type",
        "data",
        "note",
        "priority",
        "Upper",
        "a b",
        "",
        "weirtopic",
        "weird",
        "ü",
        "a\nb",
    ];
    let values = [
        "",
        "x",
        "5",
        "true",
        "absent",
        "priority=integer",
        "priority=boolean note=integer",
        "text/plain",
        "application/json",
        "/s",
        "urn:x",
        "2018-04-05T17:31:00Z",
        "two\nlines",
        "\u{85}\u{fffe}\u{10ffff}",
        "\"\\\"",
        "%",
        "😀",
    ];
    event.metadata =
        (0..dice.below(12)).map(|_| (pick(dice, &keys).to_owned(), pick(dice, &values).to_owned())).collect();
    event.payload = match dice.below(3) {
        0 => Payload::Bytes(Bytes::from_static(&[0, 255, 16])),
        _ => Payload::Json(pick(dice, &DATA).to_owned().into()),
    };
    event.tags = (0..dice.below(3)).map(|_| Tag::parse(&format!("t{}\u{9f}", text(dice))).expect("a tag")).collect();
    event.stream = dice.chance(2).then(|| (StreamName::parse("a:b/c").expect("a name"), 4));
    event
}

#[test]
fn every_event_goes_out_as_a_valid_cloud_event_and_loses_nothing() {
    for seed in 0..ROUNDS {
        let event = event(&mut Dice::new(seed));
        let out = written(&event);
        let again = recorded(one(structured(&out)));
        assert_eq!((&again.stream, &again.tags), (&event.stream, &event.tags), "seed {seed}: {out}");
        assert_eq!(without_facts(json(&written(&again))), without_facts(json(&out)), "seed {seed}: {out}");
        for entry in event.metadata.iter().filter(|(key, _)| key != "ce.types") {
            let count = |event: &Event| event.metadata.iter().filter(|other| *other == entry).count();
            assert!(count(&again) >= count(&event), "seed {seed}: {entry:?} is lost in {out}");
        }
        assert_eq!(trimmed(&again), trimmed(&event), "seed {seed}: {out}");
        if matches!(event.payload, Payload::Bytes(_)) && out.contains("\"datacontenttype\":\"application/json\"") {
            continue; // It says of itself what is not so.
        }
        let answer = binary_answer(&event);
        one(send(&own_headers(answer.headers()), body_of(answer)));
    }
}

/// Whether it is JSON, and the bytes without white space around.
fn trimmed(event: &Event) -> (bool, Bytes) {
    (matches!(event.payload, Payload::Json(_)), event.payload.as_bytes().trim_ascii().to_vec().into())
}

#[test]
fn whatever_bytes_come_there_is_an_answer_and_what_is_taken_goes_out() {
    for seed in 0..ROUNDS * 5 {
        let dice = &mut Dice::new(seed);
        let mut bytes = spelt(&cloud_event(dice)).into_bytes();
        for _ in 0..1 + dice.below(3) {
            let at = dice.below(bytes.len() as u64) as usize;
            match dice.below(3) {
                0 => bytes[at] = dice.roll() as u8,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, pick(dice, &[&b'"', &b'\\', &b',', &b'0', &b'}', &0xff]).to_owned()),
            }
        }
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        match request(&[("content-type", super::STRUCTURED)], bytes, true) {
            Ok((mut events, _)) => {
                let out = written(&recorded(events.remove(0)));
                one(structured(&out));
            }
            Err(problem) => {
                assert!(matches!(problem.code(), "INVALID_CLOUD_EVENT" | "INVALID_JSON"), "seed {seed}: {shown}");
            }
        }
    }
}
