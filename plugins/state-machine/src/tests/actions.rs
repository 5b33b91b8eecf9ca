//! What a transition asks for.

use serde_json::{Value, json};
use weir_plugin_sdk::{Action, NewCommand, NewEvent};

use super::{Story, and, chart, event, instance};

fn doing(actions: Value) -> Story {
    chart(json!({"a": {"on": [{"event": "x", "set": {"n": "payload.n"}, "actions": actions}]}}))
}

#[test]
fn a_command_has_an_id_that_its_cause_gives() {
    let command = |cause: &str, index: u64, payload: Value| {
        let id = format!("m/s/{cause}/{index}");
        Action::execute(NewCommand::new(id, "charge", "payments", "pay:s", &payload).expect("JSON"))
    };
    let stream = "'pay:' + key";
    let charge = |payload: Value| json!({"execute": {"command": "charge", "topic": "payments", "stream": stream, "payload": payload}});
    doing(json!([
        charge(json!({"amount": "payload.n", "all": ["event.id", 1, null, "data.n * 2"]})),
        charge(json!("payload"))
    ]))
    .given([event(1, "x", json!({"n": 3}))])
    .then_actions([
        command("t-1", 0, json!({"amount": 3, "all": ["t-1", 1, null, 6]})),
        command("t-1", 1, json!({"n": 3})),
    ])
    .given([event(2, "x", json!({"n": 4}))])
    .then_actions([
        command("t-2", 0, json!({"amount": 4, "all": ["t-2", 1, null, 8]})),
        command("t-2", 1, json!({"n": 4})),
    ]);
}

#[test]
fn a_command_may_be_somebodys() {
    let execute = |actor: &str| json!([{"execute": {"command": "c", "topic": "u", "stream": "7", "actor": actor}}]);
    let command = |actor: Option<&str>| {
        let command = NewCommand::new("m/s/t-1/0", "c", "u", "7", &json!({})).expect("JSON");
        Action::execute(NewCommand { actor: actor.map(str::to_owned), ..command })
    };
    for (actor, expected) in [("'chart'", Some("chart")), ("payload.n", Some("3")), ("null", None)] {
        doing(execute(actor)).given([event(1, "x", json!({"n": 3}))]).then_actions([command(expected)]);
    }
}

#[test]
fn an_event_may_have_a_stream() {
    let asked = NewEvent::new("u", "y", &json!({"n": 3})).expect("JSON");
    doing(json!([
        {"append": {"topic": "u", "type": "y", "payload": {"n": "payload.n"}}},
        {"append": {"topic": "u", "type": "y", "stream": "key + '/' + string(payload.n)", "payload": "payload"}},
        {"append": {"topic": "u", "type": "y", "stream": "null", "payload": {"n": 3}}},
    ]))
    .given([event(1, "x", json!({"n": 3}))])
    .then_actions([
        Action::append(asked.clone()),
        Action::append(asked.clone().in_stream("s/3")),
        Action::append(asked),
    ]);
}

#[test]
fn an_action_that_can_t_be_done_undoes_its_transition() {
    for (action, words) in [
        (
            json!({"execute": {"command": "c", "topic": "u", "stream": "payload.n"}}),
            "command 'c' is for no stream: 'payload.n' is null",
        ),
        (
            json!({"execute": {"command": "c", "topic": "u", "stream": "'a b'"}}),
            "''a b'' is no name of a stream: 'a b' may only have",
        ),
        (json!({"append": {"topic": "u", "type": "y", "stream": "'a..b'"}}), "must not contain '..'"),
        (json!({"append": {"topic": "u", "type": "y", "stream": "''"}}), "a name has 1 to 200 characters"),
        (json!({"append": {"topic": "u", "type": "y", "payload": "payload.m"}}), "payload has no member 'm'"),
        (json!({"append": {"topic": "u", "type": "y", "payload": "{1: 2}"}}), "keys are texts"),
        (json!({"execute": {"command": "c", "topic": "u", "stream": "key", "actor": "[1]"}}), "must be a text"),
    ] {
        if words == "must be a text" {
            doing(json!([action])).then_init_fails(words);
            continue;
        }
        let case = doing(json!([{"append": {"topic": "u", "type": "first"}}, action]))
            .given([event(1, "x", json!({"n": null}))])
            .then_actions([]);
        let lines = case.host().lines();
        assert!(lines.len() == 1 && lines[0].contains(words), "{lines:?}");
    }
}

#[test]
fn actions_see_what_was_set_and_the_state_that_is_left() {
    let asked = NewEvent::new("u", "y", &json!({"n": 5, "from": "a", "to": "b"})).expect("JSON");
    chart(json!({
        "a": {"on": [{"event": "x", "to": "b", "set": {"n": "payload.n", "to": "'b'"}, "actions": [
            {"append": {"topic": "u", "type": "y", "payload": {"n": "data.n", "from": "state", "to": "data.to"}}},
        ]}]},
        "b": {"final": true},
    }))
    .given([event(1, "x", json!({"n": 5}))])
    .then_actions([Action::append(asked)])
    .then_view("m/s", and(instance("b", 1, 1), json!({"data": {"n": 5, "to": "b"}})));
}
