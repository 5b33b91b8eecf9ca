//! Which transition an event makes, and what the view keeps.

use serde_json::json;
use weir_plugin_sdk::testing::stream_event;
use weir_plugin_sdk::{Event, NewEvent, Payload, View};

use super::{and, chart, event, instance, story};

#[test]
fn an_event_moves_an_instance_from_state_to_state() {
    chart(json!({"a": {"on": [{"event": "go", "to": "b"}]}, "b": {"on": [{"event": "go", "to": "a"}]}}))
        .given([event(1, "go", json!({}))])
        .then_view("m/s", instance("b", 1, 1))
        .then_actions([])
        .given([event(2, "go", json!({})), event(3, "go", json!({}))])
        .then_view("m/s", instance("b", 3, 3));
}

#[test]
fn an_event_that_is_for_nobody_is_ignored_and_begins_nothing() {
    let case = chart(json!({"a": {"on": [{"event": "go", "to": "b"}]}, "b": {"final": true}}))
        .given([event(1, "stay", json!({}))])
        .then_actions([]);
    assert_eq!(case.host().view().get_raw("m/s"), None);
    let case =
        case.given([event(2, "go", json!({})), event(3, "stay", json!({}))]).then_view("m/s", instance("b", 1, 2));
    assert!(case.host().lines().is_empty());
}

#[test]
fn the_first_transition_that_fits_and_is_open_is_taken() {
    let states = json!({
        "a": {"on": [
            {"event": "x*", "guard": "payload.n > 10", "to": "b"},
            {"event": "x?", "guard": "payload.n > 5", "to": "c"},
            {"event": ["y", "x1"], "to": "d"},
        ]},
        "b": {"final": true}, "c": {"final": true}, "d": {"final": true},
    });
    for (event_type, n, state) in [("x1", 11, "b"), ("x1", 6, "c"), ("x1", 1, "d"), ("x", 11, "b"), ("y", 99, "d")] {
        chart(states.clone()).given([event(1, event_type, json!({"n": n}))]).then_view("m/s", instance(state, 1, 1));
    }
    let case = chart(states).given([event(1, "x", json!({"n": 6}))]);
    assert_eq!(case.host().view().get_raw("m/s"), None);
}

#[test]
fn an_instance_in_a_final_state_is_kept_and_hears_nothing() {
    chart(json!({"a": {"on": [{"event": "*", "to": "b"}]}, "b": {"final": true}}))
        .given([event(1, "go", json!({})), event(2, "go", json!({}))])
        .then_view("m/s", instance("b", 1, 1));
}

#[test]
fn values_are_kept_and_seen_all_at_once() {
    chart(json!({"a": {"on": [
        {"event": "put", "set": {"n": "payload.n", "first": "has(data.first) ? data.first : payload.n"}},
        {"event": "swap", "set": {"n": "data.first", "first": "data.n"}},
        {"event": "forget", "set": {"n": "null"}},
        {"event": "done", "guard": "data.n == 1 && state == 'a' && key == 's'", "to": "b"},
    ]}, "b": {"final": true}}))
    .given([event(1, "put", json!({"n": 1})), event(2, "put", json!({"n": 2}))])
    .then_view("m/s", and(instance("a", 2, 2), json!({"data": {"n": 2, "first": 1}})))
    .given([event(3, "done", json!({}))])
    .then_view("m/s", and(instance("a", 2, 2), json!({"data": {"n": 2, "first": 1}})))
    .given([event(4, "swap", json!({})), event(5, "done", json!({}))])
    .then_view("m/s", and(instance("b", 4, 5), json!({"data": {"n": 1, "first": 2}})));
}

#[test]
fn values_keep_their_numbers() {
    let payload = json!({"a": u64::MAX, "b": i64::MIN, "c": 1.5, "d": 2.0, "e": [null, true, {"é": "é"}]});
    chart(json!({"a": {"on": [{"event": "*", "set": {"all": "payload"}}]}}))
        .given([event(1, "put", payload.clone())])
        .then_view("m/s", and(instance("a", 1, 1), json!({"data": {"all": payload}})));
}

#[test]
fn instances_are_told_apart_by_their_key() {
    let machine = |key: &str| {
        let states = json!({"a": {"on": [{"event": "*", "set": {"key": "key"}}]}});
        story(json!([{"name": "m", "topic": "t", "key": key, "initial": "a", "states": states}]))
    };
    let view = |case: &super::Story| case.host().view();
    let keys =
        |view: View| view.scan::<serde::de::IgnoredAny>("").map(|it| it.expect("an entry").0).collect::<Vec<_>>();
    let events = || {
        [
            event(1, "x", json!({"order": "o/1"})),
            event(2, "x", json!({"order": 7})),
            event(3, "y", json!({"order": null})),
        ]
    };
    assert_eq!(keys(view(&machine("payload.order").given(events()))), ["m/7", "m/o/1"]);
    assert_eq!(keys(view(&machine("event.type == 'y' ? stream : null").given(events()))), ["m/s"]);
    assert_eq!(keys(view(&machine("event.id").given(events()))), ["m/t-1", "m/t-2", "m/t-3"]);
}

#[test]
fn an_event_without_a_key_is_nobodys_and_a_key_that_fails_is_told() {
    let states = json!({"a": {"on": [{"event": "*", "set": {"n": "1"}}]}});
    let without_stream = Event { stream: None, version: None, ..event(1, "x", json!({})) };
    let case = chart(states.clone()).given([without_stream]).then_actions([]);
    assert!(case.host().lines().is_empty() && case.host().view().scan_raw("", None, 1).is_empty());
    for (payload, words) in [
        (json!({}), "payload has no member 'order'"),
        (json!({"order": ""}), "a key has 1 to 200 bytes"),
        (json!({"order": "x".repeat(201)}), "a key has 1 to 200 bytes"),
        (json!({"order": "a\nb"}), "no control characters"),
        (json!({"order": [1]}), "it is a list and must be a text"),
    ] {
        let machine = json!([{"name": "m", "topic": "*", "key": "payload.order", "initial": "a", "states": states}]);
        let case = story(machine).given([event(1, "x", payload)]).then_actions([]);
        let lines = case.host().lines();
        assert!(
            lines.len() == 1 && lines[0].starts_with("WARN an event has no key") && lines[0].contains(words),
            "{lines:?}"
        );
        assert_eq!(case.host().counter("expression_errors"), 1);
    }
}

#[test]
fn machines_see_their_topics_and_not_each_other() {
    let states = json!({"a": {"on": [{"event": "*", "set": {"n": "event.position"}}]}});
    let machine =
        |name: &str, topic: serde_json::Value| json!({"name": name, "topic": topic, "initial": "a", "states": states});
    let case = story(json!([machine("one", json!("t*")), machine("two", json!(["x", "t2"]))])).given([
        event(1, "x", json!({})),
        stream_event("t2", "s", 2, "x", "{}"),
        stream_event("u", "s", 3, "x", "{}"),
    ]);
    let seen =
        |name: &str| case.host().view().get::<crate::instance::Instance>(name).expect("one").expect("one").version;
    assert_eq!((seen("one/s"), seen("two/s")), (2, 1));
}

#[test]
fn expressions_see_the_whole_event() {
    let mut rich = event(7, "x", json!({"n": 1}));
    rich.tags = vec!["red".into()];
    rich.metadata = vec![("actor".into(), "ann".into())];
    chart(json!({"a": {"on": [{"event": "*", "set": {"event": "event", "same": "event.payload == payload"}}]}}))
        .given([rich])
        .then_view(
            "m/s",
            and(
                instance("a", 1, 7),
                json!({"data": {"same": true, "event": {
                    "id": "t-7", "type": "x", "topic": "t", "stream": "s", "version": 7, "position": 7, "time": 7000,
                    "payload": {"n": 1}, "tags": ["red"], "metadata": {"actor": "ann"},
                }}}),
            ),
        );
}

#[test]
fn what_is_no_json_is_a_payload_of_null() {
    let bytes = Event { payload: Payload::Bytes(b"{}".to_vec()), ..event(1, "x", json!({})) };
    let unreadable = Event { payload: Payload::Json("1e999".into()), ..event(2, "x", json!({})) };
    let case =
        chart(json!({"a": {"on": [{"event": "*", "guard": "payload == null", "set": {"n": "event.position"}}]}}))
            .given([bytes, unreadable])
            .then_view("m/s", and(instance("a", 2, 2), json!({"data": {"n": 2}})));
    assert!(case.host().lines()[0].starts_with("WARN the payload can't be read"));
}

#[test]
fn a_guard_that_fails_does_not_hold_and_is_told() {
    let case = chart(json!({"a": {"on": [
        {"event": "x", "guard": "payload.n > 1", "to": "b"},
        {"event": "x", "to": "c"},
    ]}, "b": {"final": true}, "c": {"final": true}}))
    .given([event(1, "x", json!({}))])
    .then_view("m/s", instance("c", 1, 1));
    let lines = case.host().lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(
        lines[0],
        "WARN a guard does not hold, 'payload.n > 1' machine=m key=s cause=t-1 \
         error=payload has no member 'n'; write has(payload.n) where it may be missing"
    );
    assert_eq!((case.host().counter("expression_errors"), case.host().counter("transitions")), (1, 1));
}

#[test]
fn a_transition_that_fails_is_not_made_at_all_and_the_instance_says_why() {
    let on = json!([
        {"event": "begin", "set": {"n": "1"}},
        {"event": "x", "to": "b", "set": {"n": "2", "m": "payload.m"}, "actions": [
            {"append": {"topic": "u", "type": "y"}},
        ]},
    ]);
    let error = "t-2: payload has no member 'm'; write has(payload.m) where it may be missing";
    let case = chart(json!({"a": {"on": on}, "b": {"final": true}}))
        .given([event(1, "begin", json!({})), event(2, "x", json!({}))])
        .then_actions([])
        .then_view("m/s", and(instance("a", 1, 1), json!({"data": {"n": 1}, "error": error})));
    assert!(
        case.host().lines()[0]
            .starts_with("WARN a transition was not made machine=m key=s cause=t-2 error=payload has")
    );
    case.given([event(3, "x", json!({"m": 3}))])
        .then_view("m/s", and(instance("b", 2, 3), json!({"data": {"n": 2, "m": 3}})));
    // One that is not there yet is not made for it.
    let case =
        chart(json!({"a": {"on": [{"event": "x", "set": {"n": "payload.n"}}]}})).given([event(1, "x", json!({}))]);
    assert!(case.host().view().scan_raw("", None, 1).is_empty());
}

#[test]
fn an_instance_keeps_no_more_than_it_may() {
    let case = chart(json!({"a": {"on": [{"event": "x", "set": {"text": "payload"}}]}}))
        .given([event(1, "x", json!("a".repeat(65_000))), event(2, "x", json!("a".repeat(66_000)))]);
    let kept: crate::instance::Instance = case.host().view().get("m/s").expect("one").expect("one");
    assert_eq!(
        (kept.version, kept.error.as_deref()),
        (1, Some("t-2: data would have 66011 bytes, at most 65536 are kept"))
    );
}

#[test]
fn an_instance_whose_state_is_gone_waits_and_says_so() {
    let case = chart(json!({"a": {"on": [{"event": "x", "to": "b"}]}, "b": {"on": [{"event": "x", "to": "a"}]}}))
        .given([event(1, "x", json!({}))])
        .config(json!({"machines": [
            {"name": "m", "topic": "*", "initial": "a", "states": {"a": {"on": [{"event": "x"}]}}},
        ]}))
        .given([event(2, "x", json!({}))])
        .then_view("m/s", instance("b", 1, 1));
    assert_eq!(case.host().lines(), ["WARN an instance is in a state that is gone machine=m key=s state=b"]);
}

#[test]
fn the_same_events_give_the_same_however_they_come() {
    let states = json!({
        "a": {"on": [{"event": "*", "to": "b", "set": {"seen": "payload.map(name, name)"}, "actions": [
            {"append": {"topic": "u", "type": "y", "payload": {"all": "payload", "names": "payload.map(name, name)"}}},
            {"execute": {"command": "c", "topic": "u", "stream": "key", "payload": "{'z': 1, 'a': payload, 'm': 2}"}},
            {"timer": {"name": "later", "ms": 5}},
        ]}]},
        "b": {"on": [{"event": "*", "to": "a"}, {"timer": "later", "to": "a"}], "after": {"ms": 7, "to": "a"}},
    });
    let events: Vec<Event> =
        (1..40).map(|n| event(n, "x", json!({"d": n, "b": 2, "c": 3, "a": {"y": 1, "x": 2}}))).collect();
    let run = |batch: usize| {
        let case = chart(states.clone());
        let mut plugin = super::started(&states);
        let actions: Vec<_> =
            events.chunks(batch).flat_map(|events| super::react(&mut plugin, events, &case.host().view())).collect();
        (format!("{actions:?}"), case.host().view().scan_raw("", None, 9))
    };
    let first = run(1);
    assert!(first.0.contains(r#"names\":[\"a\",\"b\",\"c\",\"d\"]"#), "{}", first.0);
    for batch in [1, 2, 7, 40] {
        assert_eq!(run(batch), first, "{batch} at a time");
    }
}

#[test]
fn its_own_events_are_events_like_others() {
    let asked = NewEvent::new("t", "y", &json!({})).expect("JSON").in_stream("s");
    chart(json!({
        "a": {"on": [{"event": "x", "to": "b", "actions": [{"append": {"topic": "t", "type": "y", "stream": "key"}}]}]},
        "b": {"on": [{"event": "y", "to": "c"}]}, "c": {"final": true},
    }))
    .given([event(1, "x", json!({}))])
    .then_actions([weir_plugin_sdk::Action::append(asked)])
    .given([event(2, "y", json!({}))])
    .then_view("m/s", instance("c", 2, 2));
}
