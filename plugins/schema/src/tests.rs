//! Stories of configured topics and the verdicts on their events.

use serde_json::{Value, json};
use weir_plugin_sdk::testing::new_event;
use weir_plugin_sdk::{NoConfig, Payload, Problem, Topic, Validator, Verdict};

use crate::Schema;

fn configure(plugin: &mut Schema, topic: &str, config: Value) -> Result<(), Vec<Problem>> {
    plugin.configure(&Topic { name: topic.into(), config_json: config.to_string() })
}

/// A plugin whose topic `t1` has one schema, for the event type `x`.
fn with(schema: Value) -> Schema {
    let mut plugin = Schema::init(NoConfig {}).unwrap();
    configure(&mut plugin, "t1", json!({"schemas": [typed("x", schema)]})).unwrap();
    plugin
}

fn typed(event_type: &str, mut schema: Value) -> Value {
    schema["eventType"] = event_type.into();
    schema
}

fn refused(config: Value) -> Vec<Problem> {
    configure(&mut Schema::default(), "t1", config).expect_err("should be refused")
}

/// What is wrong with a single schema.
fn bad(schema: Value) -> String {
    let mut problems = refused(json!({ "schemas": [schema] }));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!((problems[0].code.as_str(), problems[0].pointer.as_deref()), ("schema-invalid", Some("/schemas/0")));
    problems.remove(0).message
}

fn accepts(plugin: &mut Schema, payload: &str) -> bool {
    plugin.validate(&new_event("t1", "x", payload)) == Verdict::Accept
}

fn problems(plugin: &mut Schema, payload: &str) -> Vec<(String, String, String)> {
    match plugin.validate(&new_event("t1", "x", payload)) {
        Verdict::Reject(problems) => {
            problems.into_iter().map(|it| (it.code, it.pointer.unwrap_or("none".into()), it.message)).collect()
        }
        verdict => panic!("{verdict:?} for {payload}"),
    }
}

#[test]
fn a_valid_payload_is_accepted_and_an_invalid_one_gets_a_problem_for_each_violation() {
    let mut plugin = with(json!({
        "type": "object", "required": ["id"],
        "properties": {"id": {"type": "string"}, "lines": {"items": {"properties": {"n/m": {"minimum": 1}}}}}
    }));
    assert!(accepts(&mut plugin, r#"{"id":"a","lines":[{"n/m":1}]}"#));
    let found = problems(&mut plugin, r#"{"id":5,"lines":[{"n/m":2},{"n/m":0}]}"#);
    assert_eq!(
        found,
        [
            ("schema-violation".into(), "/id".into(), r#"5 is not of type "string""#.into()),
            ("schema-violation".into(), "/lines/1/n~1m".into(), "0 is less than the minimum of 1".into()),
        ]
    );
    let found = problems(&mut plugin, "{}");
    assert_eq!(found, [("schema-violation".into(), String::new(), r#""id" is a required property"#.into())]);
}

#[test]
fn a_topic_or_type_without_a_schema_is_refused_in_the_api_s_words() {
    let mut plugin = with(json!({}));
    for (topic, event_type) in [("t1", "nope"), ("other", "x")] {
        let Verdict::Reject(problems) = plugin.validate(&new_event(topic, event_type, "{}")) else { panic!() };
        assert_eq!(problems[0].code, "schema-missing");
        assert_eq!(problems[0].message, format!("No schema found for topic '{topic}' and type '{event_type}'"));
    }
}

#[test]
fn bytes_and_broken_json_are_refused() {
    let mut plugin = with(json!({}));
    let mut event = new_event("t1", "x", "");
    event.payload = Payload::Bytes(b"{}".to_vec());
    assert!(matches!(plugin.validate(&event), Verdict::Reject(problems) if problems[0].code == "payload-not-json"));
    assert_eq!(problems(&mut plugin, "{\"a\":}")[0].0, "payload-not-json");
}

#[test]
fn a_batch_gets_one_verdict_an_event_in_order() {
    let mut plugin = with(json!({"type": "integer"}));
    let batch: Vec<_> = ["1", "\"a\"", "3"].map(|payload| new_event("t1", "x", payload)).into();
    let accepted: Vec<bool> = plugin.validate_batch(&batch).iter().map(|it| *it == Verdict::Accept).collect();
    assert_eq!(accepted, [true, false, true]);
}

#[test]
fn violations_and_messages_are_bounded() {
    let mut plugin = with(json!({"items": {"type": "string"}, "maxLength": 1}));
    assert_eq!(problems(&mut plugin, &format!("[{}]", ["1"; 100].join(","))).len(), 32);
    let long = format!("\"{}\"", "ä".repeat(5_000));
    let message = problems(&mut plugin, &long).remove(0).2;
    assert!(message.len() < 1_010 && message.ends_with('…'), "{} bytes", message.len());
}

#[test]
fn a_topic_that_is_refused_keeps_its_old_schemas_and_one_that_is_accepted_loses_them() {
    let mut plugin = with(json!({"type": "integer"}));
    configure(&mut plugin, "t1", json!({"schemas": [typed("y", json!({})), typed("x", json!({"type": 5}))]}))
        .unwrap_err();
    assert!(accepts(&mut plugin, "1") && !accepts(&mut plugin, "\"a\""));
    configure(&mut plugin, "t1", json!({"schemas": [typed("x", json!({"type": "string"}))]})).unwrap();
    assert!(accepts(&mut plugin, "\"a\"") && !accepts(&mut plugin, "1"));
    configure(&mut plugin, "t1", json!({"schemas": []})).unwrap();
    assert_eq!(problems(&mut plugin, "\"a\"")[0].0, "schema-missing");
}

#[test]
fn every_bad_schema_is_named_by_index_and_event_type() {
    let found = refused(json!({"schemas": [
        typed("fine", json!({})), typed("broken", json!({"properties": {"a": {"type": "nonsense"}}})), {}, typed("fine", json!({})), true
    ]}));
    let pointers: Vec<_> = found.iter().map(|it| it.pointer.as_deref().unwrap_or_default()).collect();
    assert_eq!(pointers, ["/schemas/1", "/schemas/2", "/schemas/3", "/schemas/4"]);
    let all: Vec<_> = found.iter().map(|it| it.message.as_str()).collect();
    assert!(all[0].starts_with("Schema 1 (event type 'broken') is not a valid JSON Schema: "), "{all:?}");
    assert!(all[0].ends_with("(at /properties/a/type)"), "{all:?}");
    assert!(all[1].contains("needs an eventType") && all[2].contains("same eventType"), "{all:?}");
    assert!(found.iter().all(|it| it.code == "schema-invalid"));
    assert_eq!(refused(json!({"schemas": 5}))[0].pointer.as_deref(), Some("/schemas"));
    assert_eq!(refused(json!({}))[0].code, "schema-invalid");
}

#[test]
fn event_types_follow_the_rules_for_names() {
    let longest = "a".repeat(200);
    for name in ["a", "order.placed_v-2", longest.as_str()] {
        assert_eq!(configure(&mut Schema::default(), "t1", json!({"schemas": [typed(name, json!({}))]})), Ok(()));
    }
    for name in ["", "a b", "a/b", "ä", "a..b", &format!("{longest}a")] {
        assert!(bad(typed(name, json!({}))).contains("eventType"), "{name}");
    }
    assert!(bad(json!({"eventType": 5})).contains("needs an eventType"));
}

#[test]
fn the_draft_is_the_newest_unless_schema_names_another() {
    // `prefixItems` has a meaning since 2020-12 only; `items` with a list lost its own there.
    assert!(!accepts(&mut with(json!({"prefixItems": [{"type": "string"}]})), "[1]"));
    for draft in [
        "http://json-schema.org/draft-07/schema#",
        "http://json-schema.org/draft-04/schema#",
        "https://json-schema.org/draft/2019-09/schema",
    ] {
        let mut plugin =
            with(json!({"$schema": draft, "prefixItems": [{"type": "string"}], "items": [{"type": "integer"}]}));
        assert!(accepts(&mut plugin, "[1]") && !accepts(&mut plugin, "[\"a\"]"), "{draft}");
    }
    let message = bad(typed("x", json!({"$schema": "http://a.example/mine"})));
    assert!(message.contains("unknown $schema \"http://a.example/mine\""), "{message}");
}

#[test]
fn another_document_is_never_fetched() {
    for reference in ["https://a.example/s.json", "file:///etc/passwd", "other.json#/a"] {
        let message = bad(typed("x", json!({"properties": {"a": {"$ref": reference}}})));
        assert!(message.contains("not fetched") && message.contains("$defs"), "{message}");
    }
    let mut plugin = with(json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}}));
    assert!(accepts(&mut plugin, "1") && !accepts(&mut plugin, "\"1\""));
}

#[test]
fn formats_are_asserted() {
    let good_and_bad = [
        ("date-time", "2024-02-29T12:00:00Z", "2023-02-29T12:00:00Z"),
        ("date", "2024-02-29", "2024-13-01"),
        ("time", "12:00:00Z", "25:00:00Z"),
        ("duration", "P1DT2H", "P1X"),
        ("email", "ann@a.example", "ann"),
        ("idn-email", "änn@ä.example", "änn"),
        ("hostname", "a.example", "-a"),
        ("idn-hostname", "ä.example", "〮ä.example"),
        ("ipv4", "127.0.0.1", "127.0.0.256"),
        ("ipv6", "::1", "::g"),
        ("uri", "https://a.example/x", "a b"),
        ("uri-reference", "/x", "\\x"),
        ("iri", "https://ä.example/", "ä b"),
        ("uuid", "1f0c2c52-9c5a-4a3b-8a57-0f8a4ad6a9e1", "1f0c2c52"),
        ("json-pointer", "/a/b", "a"),
        ("regex", "^a$", "("),
    ];
    for (format, good, bad) in good_and_bad {
        let mut plugin = with(json!({ "format": format }));
        assert!(accepts(&mut plugin, &json!(good).to_string()), "{format} {good}");
        assert!(!accepts(&mut plugin, &json!(bad).to_string()), "{format} {bad}");
    }
}

#[test]
fn patterns_know_unicode_and_lookahead() {
    let mut plugin = with(json!({"pattern": "^\\p{L}+(?=!)"}));
    assert!(
        accepts(&mut plugin, "\"Größe!\"") && !accepts(&mut plugin, "\"Größe\"") && !accepts(&mut plugin, "\"12!\"")
    );
}

#[test]
fn the_last_of_two_members_with_one_name_counts() {
    let mut plugin = with(json!({"properties": {"a": {"type": "integer"}}, "maxProperties": 1}));
    assert!(accepts(&mut plugin, r#"{"a":"text","a":1}"#));
    assert!(!accepts(&mut plugin, r#"{"a":1,"a":"text"}"#));
    assert!(!accepts(&mut plugin, r#"{"a":1,"\u0061":"text"}"#));
}

#[test]
fn schemas_that_refer_to_themselves_end() {
    let mut plugin =
        with(json!({"type": "object", "properties": {"next": {"$ref": "#"}}, "additionalProperties": false}));
    assert!(accepts(&mut plugin, r#"{"next":{"next":{}}}"#) && !accepts(&mut plugin, r#"{"next":{"next":1}}"#));
}

#[test]
fn names_of_properties_are_checked_too() {
    let mut plugin = with(json!({"propertyNames": {"pattern": "^[a-z]+$", "maxLength": 3}}));
    assert!(
        accepts(&mut plugin, r#"{"ab":1}"#)
            && !accepts(&mut plugin, r#"{"abcd":1}"#)
            && !accepts(&mut plugin, r#"{"A":1}"#)
    );
}
