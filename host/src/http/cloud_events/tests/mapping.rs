//! What becomes of each part of a CloudEvent, and of an event that never was one.

use serde_json::{Value, json};

use super::{batch, body_of, expecting, json, one, recorded, request, structured, written};
use crate::http::cloud_events::{STRUCTURED, binary_answer, write_batch};
use crate::model::{Event, Expected, Metadata, Payload, SERVER_KEYS, StreamName, Tag};

fn minimal() -> Value {
    json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "made"})
}

fn with(more: Value) -> Value {
    let mut event = minimal();
    event.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    event
}

fn entry(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

fn with_metadata(metadata: Metadata, payload: Payload) -> Event {
    let mut event = recorded(one(structured(minimal())));
    (event.metadata, event.payload) = (metadata, payload);
    event
}

#[test]
fn attributes_become_metadata_and_data_keeps_its_bytes() {
    let text = r#"{"specversion":"1.0","id":"A 1","source":"/s","type":"order.placed","subject":"a b",
        "time":"2018-04-05T17:31:00Z","dataschema":"urn:x","priority":5,"urgent":true,"unset":null,"note":"x",
        "data": { "a" : 1.50, "big": 123456789012345678901234567890 } }"#;
    let event = one(structured(text));
    assert_eq!((event.topic.as_str(), event.event_type.as_str()), ("orders", "order.placed"));
    assert_eq!(event.payload, Payload::Json(r#"{ "a" : 1.50, "big": 123456789012345678901234567890 }"#.into()));
    let expected = [
        entry("ce.id", "A 1"),
        entry("ce.source", "/s"),
        entry("ce.subject", "a b"),
        entry("ce.time", "2018-04-05T17:31:00Z"),
        entry("ce.dataschema", "urn:x"),
        entry("priority", "5"),
        entry("urgent", "true"),
        entry("note", "x"),
        entry("ce.types", "priority=integer urgent=boolean"),
    ];
    assert_eq!(event.metadata, expected);
    assert_eq!((event.stream, event.tags), (None, Vec::new()));
}

#[test]
fn weirs_own_attributes_name_topic_stream_tags_condition_and_metadata() {
    let own = with(json!({
        "weirtopic": "elsewhere", "weirstream": "order:1", "weirtags": r#"["a","b,c"]"#, "weirexpectedversion": 3,
        "weirmetadata": r#"{"a b":"x\ny","weir.plugin":"another server's"}"#, "data": {}
    }));
    let (events, conditions) = request(&[("content-type", STRUCTURED)], own.to_string(), false).expect("valid");
    let event = &events[0];
    assert_eq!(event.topic.as_str(), "elsewhere");
    assert_eq!(event.stream, Some(StreamName::parse("order:1").expect("a name")));
    assert_eq!(event.tags, ["a", "b,c"].map(|tag| Tag::parse(tag).expect("a tag")));
    assert_eq!(event.metadata, [entry("ce.id", "1"), entry("ce.source", "/s"), entry("a b", "x\ny")]);
    assert_eq!(conditions, expecting(event, Expected::Exactly(3)));
    let on_a_path = one(structured(&own));
    assert_eq!(on_a_path.topic.as_str(), "orders", "the path decides");
    for (word, expected) in [("none", Some(Expected::None)), ("exists", Some(Expected::Exists)), ("any", None)] {
        let event = with(json!({"weirstream": "s", "weirexpectedversion": word}));
        let (events, conditions) = structured(event).expect("valid");
        let wanted = expected.map_or(vec![], |expected| expecting(&events[0], expected));
        assert_eq!(conditions, wanted);
    }
}

#[test]
fn topic_names_the_topic_where_nothing_else_does_and_stays_an_attribute() {
    let event = with(json!({"topic": "mine"}));
    let read = |event: &Value, on_path| one(request(&[("content-type", STRUCTURED)], event.to_string(), on_path));
    assert_eq!(read(&event, false).topic.as_str(), "mine");
    assert_eq!(read(&event, true).topic.as_str(), "orders");
    let both = with(json!({"topic": "not a name", "weirtopic": "mine"}));
    assert_eq!(read(&both, false).topic.as_str(), "mine");
    assert_eq!(json(&written(&recorded(read(&event, false))))["topic"], "mine");
}

#[test]
fn any_json_is_data_and_null_is_not_the_same_as_none() {
    for data in ["null", "1", "\"x\"", "[1, 2]", "false", "{ }"] {
        let text = minimal().to_string().replace("\"1.0\"", &format!("\"1.0\", \"data\" : {data} "));
        let event = one(structured(&text));
        assert_eq!(event.payload, Payload::Json(data.to_owned().into()));
        assert!(written(&recorded(event)).ends_with(&format!(",\"data\":{data}}}")), "{data}");
    }
    let none = one(structured(minimal()));
    assert_eq!(none.payload, Payload::Json("null".into()));
    assert!(none.metadata.contains(&entry("ce.data", "absent")));
    let out = json(&written(&recorded(none)));
    assert!(out.get("data").is_none() && out.get("data_base64").is_none(), "{out}");
}

#[test]
fn base64_is_bytes_and_text_of_another_type_is_a_string() {
    let event = one(structured(with(json!({"data_base64": "AP8=", "datacontenttype": "image/png"}))));
    assert_eq!(event.payload, Payload::Bytes(vec![0, 255].into()));
    assert_eq!(json(&written(&recorded(event)))["data_base64"], "AP8=");
    let xml = with(json!({"datacontenttype": "text/xml", "data": "<a b=\"ü\"/>"}));
    let event = recorded(one(structured(&xml)));
    assert_eq!(json(&written(&event))["data"], xml["data"]);
    let answer = binary_answer(&event);
    assert_eq!(answer.headers()["content-type"], "text/xml");
    assert_eq!(body_of(answer), "<a b=\"ü\"/>");
}

#[test]
fn binary_mode_takes_headers_and_the_body_as_it_is() {
    let headers = [
        ("CE-SpecVersion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/s"),
        ("CE-TYPE", "made"),
        ("ce-subject", "Euro%20%E2%82%AC"),
        ("ce-weirstream", "order:1"),
        ("ce-weirexpectedversion", "none"),
        ("accept", "*/*"),
    ];
    let (events, conditions) = request(&headers, " {\"a\" : 1}\n", true).expect("valid");
    assert_eq!(events[0].payload, Payload::Json(" {\"a\" : 1}\n".into()));
    assert_eq!(conditions, expecting(&events[0], Expected::None));
    assert!(events[0].metadata.contains(&entry("ce.subject", "Euro €")));
    let typed = |content_type, body: &'static str| {
        one(request(&[&headers[..], &[("content-type", content_type)]].concat(), body, true))
    };
    assert_eq!(typed("application/vnd.x+json; a=b", "7").payload, Payload::Json("7".into()));
    assert_eq!(typed("text/plain", "7").payload, Payload::Bytes("7".into()));
    let none = typed("text/plain", "");
    assert!(none.metadata.contains(&entry("ce.data", "absent")) && none.payload == Payload::Json("null".into()));
}

#[test]
fn a_batch_is_one_publish_in_its_order() {
    let list: Vec<Value> = (0..3).map(|n| with(json!({"id": n.to_string(), "data": n}))).collect();
    let (events, _) = batch(json!(list)).expect("valid");
    let payloads: Vec<_> = events.iter().map(|event| event.payload.as_bytes().clone()).collect();
    assert_eq!(payloads, ["0", "1", "2"]);
    let events: Vec<Event> = events.into_iter().map(recorded).collect();
    let text = [&b"["[..], &write_batch(&events[..2], true), &write_batch(&events[2..], false), b"]"].concat();
    let out = json(&String::from_utf8_lossy(&text));
    let ids: Vec<&Value> = out.as_array().expect("an array").iter().map(|event| &event["id"]).collect();
    assert_eq!(ids, ["0", "1", "2"]);
}

#[test]
fn an_event_that_never_was_a_cloud_event_gets_what_it_needs_from_the_log() {
    let mut event = with_metadata(vec![entry("actor", "ann")], Payload::Json("{}".into()));
    event.stream = Some((StreamName::parse("order:1").expect("a name"), 4));
    event.tags = vec![Tag::parse("a,b").expect("a tag"), Tag::parse("c\u{85}\u{ffff}").expect("a tag")];
    let expected = json!({
        "specversion": "1.0", "id": "orders-7", "source": "/topics/orders", "type": "made",
        "time": "2023-11-14T22:13:20.123Z", "datacontenttype": "application/json", "actor": "ann",
        "weirid": "orders-7", "weirtopic": "orders", "weirsequence": "7", "weirposition": "9",
        "weirstream": "order:1", "weirversion": "4", "weirtime": "2023-11-14T22:13:20.123Z",
        "weirtags": "[\"a,b\",\"c\\u0085\\uffff\"]", "data": {}
    });
    assert_eq!(json(&written(&event)), expected);
    event.payload = Payload::Bytes("x".into());
    assert_eq!(json(&written(&event))["datacontenttype"], "application/octet-stream");
    assert_eq!(binary_answer(&event).headers()["content-type"], "application/octet-stream");
}

#[test]
fn metadata_that_is_no_valid_attribute_travels_in_weirmetadata() {
    let rest = [
        entry("ce.time", "yesterday"),
        entry("ce.datacontenttype", "text/xml"),
        entry("ce.types", "what?"),
        entry("ce.data", "absent"),
        entry("type", "other"),
        entry("weirtopic", "other"),
        entry("actor", "bob"),
        entry("note", "two\nlines \u{1fffe}"),
        entry("Upper", "x"),
        entry(&format!("{SERVER_KEYS}plugin"), "p 1"),
    ];
    let mut metadata = vec![entry("actor", "ann"), entry("ce.source", "urn:x")];
    metadata.extend_from_slice(&rest);
    let out = json(&written(&with_metadata(metadata, Payload::Json("{}".into()))));
    let members = ("urn:x", "orders-7", "ann", "made", "orders", "application/json", "2023-11-14T22:13:20.123Z");
    let found =
        ["source", "id", "actor", "type", "weirtopic", "datacontenttype", "time"].map(|name| out[name].as_str());
    assert_eq!(found, <[&str; 7]>::from(members).map(Some));
    let text = out["weirmetadata"].as_str().expect("a string");
    assert!(text.is_ascii() && !text.contains('\n'), "{text}");
    let kept: serde_json::Map<String, Value> = serde_json::from_str(text).expect("JSON");
    let expected = rest.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
    assert_eq!(kept, expected.collect());
}
