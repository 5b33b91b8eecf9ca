//! Timers of states and of actions.

use serde_json::{Value, json};
use weir_plugin_sdk::{Action, NewEvent, Timer};

use super::{Story, and, chart, due, event, instance};

fn set(name: &str, at_ms: u64, version: u64, payload: Value) -> Action {
    let Timer { key, at_ms, .. } = due(name, at_ms, version, Value::Null);
    Action::set_timer(key, at_ms, &json!({"version": version, "payload": payload})).expect("JSON")
}

fn cancel(name: &str) -> Action {
    Action::cancel_timer(format!("m/s/{name}"))
}

fn asked(event_type: &str, payload: Value) -> Action {
    Action::append(NewEvent::new("u", event_type, &payload).expect("JSON"))
}

fn waiting() -> Story {
    chart(json!({
        "a": {"on": [{"event": "x", "to": "b"}]},
        "b": {
            "after": {"ms": 500, "to": "late", "set": {"late": "event.time"}, "actions": [
                {"append": {"topic": "u", "type": "too-late", "payload": {
                    "state": "state", "event": "event.type", "at": "event.time",
                }}},
            ]},
            "on": [{"event": "x", "to": "c"}, {"event": "again", "to": "b"}, {"event": "note", "set": {"n": "1"}}],
        },
        "late": {"final": true}, "c": {"final": true},
    }))
}

#[test]
fn a_state_s_time_begins_when_it_is_entered() {
    waiting()
        .given([event(1, "x", json!({}))])
        .then_actions([set("after", 1_500, 1, Value::Null)])
        .then_view("m/s", and(instance("b", 1, 1), json!({"timers": {"after": 1_500}})))
        .timer(due("after", 1_500, 1, Value::Null))
        .then_actions([asked("too-late", json!({"state": "b", "event": "after", "at": 1_500}))])
        .then_view(
            "m/s",
            json!({"state": "late", "data": {"late": 1_500}, "version": 2, "position": 1, "time": 1_500}),
        );
}

#[test]
fn it_ends_when_the_state_is_left_begins_anew_when_it_is_entered_again_and_runs_on_otherwise() {
    waiting()
        .given([event(1, "x", json!({})), event(2, "x", json!({}))])
        .then_actions([set("after", 1_500, 1, Value::Null), cancel("after")])
        .then_view("m/s", instance("c", 2, 2));
    waiting()
        .given([event(1, "x", json!({})), event(2, "again", json!({}))])
        .then_actions([set("after", 1_500, 1, Value::Null), cancel("after"), set("after", 2_500, 2, Value::Null)])
        .then_view("m/s", and(instance("b", 2, 2), json!({"timers": {"after": 2_500}})));
    waiting()
        .given([event(1, "x", json!({})), event(2, "note", json!({}))])
        .then_actions([set("after", 1_500, 1, Value::Null)])
        .then_view("m/s", and(instance("b", 2, 2), json!({"data": {"n": 1}, "timers": {"after": 1_500}})));
}

#[test]
fn a_timer_that_was_on_its_way_when_it_was_replaced_or_cancelled_is_ignored() {
    waiting()
        .given([event(1, "x", json!({})), event(2, "again", json!({}))])
        .timer(due("after", 1_500, 1, Value::Null))
        .then_actions([])
        .then_view("m/s", and(instance("b", 2, 2), json!({"timers": {"after": 2_500}})))
        .given([event(3, "x", json!({}))])
        .timer(due("after", 2_500, 2, Value::Null))
        .then_actions([])
        .then_view("m/s", instance("c", 3, 3));
}

#[test]
fn timers_that_nobody_knows_are_ignored() {
    let nobody = |key: &str| weir_plugin_sdk::testing::timer(key, 5, r#"{"version":1,"payload":null}"#);
    let mut case = waiting().given([event(1, "x", json!({}))]);
    for key in ["", "m", "m/s", "m/other/after", "other/s/after", "m/s/other"] {
        case = case.timer(nobody(key)).then_actions([]);
    }
    case.timer(weir_plugin_sdk::testing::timer("m/s/after", 1_500, "[]"))
        .then_actions([])
        .then_view("m/s", and(instance("b", 1, 1), json!({"timers": {"after": 1_500}})));
}

#[test]
fn a_timer_whose_guard_does_not_hold_is_over_all_the_same() {
    chart(json!({
        "a": {"on": [{"event": "x", "to": "b", "set": {"n": "payload.n"}}]},
        "b": {"after": {"ms": 1, "guard": "data.n > 0", "to": "c"}}, "c": {"final": true},
    }))
    .given([event(1, "x", json!({"n": 0}))])
    .timer(due("after", 1_001, 1, Value::Null))
    .then_actions([])
    .then_view("m/s", and(instance("b", 1, 1), json!({"data": {"n": 0}})));
}

fn reminding() -> Story {
    chart(json!({
        "a": {"on": [
            {"event": "x", "actions": [
                {"timer": {"name": "remind", "ms": "payload.ms * 2", "payload": {"n": "payload.n"}}},
            ]},
            {"event": "stop", "actions": [{"cancel": "remind"}]},
            {"event": "end", "to": "b"},
            {"event": "next", "to": "c"},
            {
                "timer": "remind", "guard": "payload.n < 3",
                "actions": [
                    {"append": {"topic": "u", "type": "y", "payload": "payload"}},
                    {"timer": {"name": "remind", "ms": 10, "payload": {"n": "payload.n + 1"}}},
                ],
            },
            {"timer": "remind", "to": "b"},
        ]},
        "b": {"final": true},
        "c": {"on": [{"timer": "remind", "to": "b"}]},
    }))
}

#[test]
fn a_timer_comes_back_with_what_it_was_given_and_may_be_set_again() {
    reminding()
        .given([event(1, "x", json!({"ms": 5, "n": 1}))])
        .then_actions([set("remind", 1_010, 1, json!({"n": 1}))])
        .timer(due("remind", 1_010, 1, json!({"n": 1})))
        .then_actions([asked("y", json!({"n": 1})), set("remind", 1_020, 2, json!({"n": 2}))])
        .timer(due("remind", 1_020, 2, json!({"n": 2})))
        .then_actions([asked("y", json!({"n": 2})), set("remind", 1_030, 3, json!({"n": 3}))])
        .timer(due("remind", 1_030, 3, json!({"n": 3})))
        .then_actions([])
        .then_view("m/s", json!({"state": "b", "data": {}, "version": 4, "position": 1, "time": 1_030}));
}

#[test]
fn a_timer_lives_over_states_until_it_is_cancelled_or_all_ends() {
    let begun = || reminding().given([event(1, "x", json!({"ms": 5, "n": 1}))]);
    begun()
        .given([event(2, "next", json!({}))])
        .then_actions([])
        .then_view("m/s", and(instance("c", 2, 2), json!({"timers": {"remind": 1_010}})))
        .timer(due("remind", 1_010, 1, json!({"n": 1})))
        .then_view("m/s", json!({"state": "b", "data": {}, "version": 3, "position": 2, "time": 1_010}));
    begun().given([event(2, "stop", json!({}))]).then_actions([cancel("remind")]).then_view("m/s", instance("a", 2, 2));
    begun().given([event(2, "end", json!({}))]).then_actions([cancel("remind")]).then_view("m/s", instance("b", 2, 2));
    reminding().given([event(1, "stop", json!({}))]).then_actions([]).then_view("m/s", instance("a", 1, 1));
}

#[test]
fn a_wait_that_is_none_undoes_its_transition() {
    for (ms, words) in [(json!(-1), "not -2"), (json!("x"), "can't be applied"), (json!(9e18 as u64), "too large")] {
        let case = reminding().given([event(1, "x", json!({"ms": ms, "n": 1}))]).then_actions([]);
        assert!(case.host().lines()[0].contains(words), "{:?}", case.host().lines());
    }
}

#[test]
fn a_command_for_a_timer_has_an_id_of_its_own_each_time() {
    let execute = json!([{"execute": {"command": "c", "topic": "u", "stream": "key"}}]);
    let command = |cause: &str| {
        let id = format!("m/s/{cause}/0");
        Action::execute(weir_plugin_sdk::NewCommand::new(id, "c", "u", "s", &json!({})).expect("JSON"))
    };
    let case = chart(json!({
        "a": {"on": [{"event": "x", "to": "b"}]},
        "b": {"after": {"ms": 1, "to": "a", "actions": execute}},
    }));
    // Both events are of one moment, and the first timer is done before the second event comes.
    let at_once = |position| weir_plugin_sdk::Event { time_ms: 1_000, ..event(position, "x", json!({})) };
    case.given([at_once(1)])
        .timer(due("after", 1_001, 1, Value::Null))
        .then_actions([command("after@1001.1")])
        .given([at_once(2)])
        .timer(due("after", 1_001, 3, Value::Null))
        .then_actions([command("after@1001.3")]);
}
