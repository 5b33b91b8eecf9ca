//! Commands of its own that were refused.

use serde_json::{Value, json};
use weir_plugin_sdk::{Action, Command, NewCommand, NewEvent, Payload};

use super::{Story, chart, event};

fn command(cause: &str, index: u64, name: &str) -> NewCommand {
    NewCommand::new(format!("m/s/{cause}/{index}"), name, "u", "s", &json!({"n": 1})).expect("JSON")
}

/// As the server hands it back: with the time at which it was sent.
fn sent(cause: &str, index: u64, name: &str) -> Command {
    command(cause, index, name).at(5_000)
}

fn charging(on_refused: Value) -> Story {
    let execute =
        |name: &str| json!({"execute": {"command": name, "topic": "u", "stream": "key", "payload": {"n": 1}}});
    chart(json!({
        "a": {"on": [{"event": "x", "to": "b", "actions": [execute("check"), execute("charge")]}]},
        "b": {"on": [{"event": "paid", "to": "c"}, {"event": "void", "to": "d"}], "on_refused": on_refused},
        "c": {"final": true},
        "d": {"final": true},
    }))
}

fn begun(on_refused: Value) -> Story {
    charging(on_refused)
        .given([event(1, "x", json!({}))])
        .then_actions([Action::execute(command("t-1", 0, "check")), Action::execute(command("t-1", 1, "charge"))])
}

#[test]
fn a_refused_command_moves_the_instance_that_sent_it() {
    let asked = NewEvent::new(
        "u",
        "sorry",
        &json!({"command": "charge", "code": "TOO_LITTLE", "message": "TOO_LITTLE",
        "payload": {"n": 1}, "type": "TOO_LITTLE", "time": 5_000, "id": "m/s/t-1/1"}),
    )
    .expect("JSON");
    let payload = json!({
        "command": "payload.command", "code": "payload.code", "message": "payload.message",
        "payload": "payload.payload", "type": "event.type", "time": "event.time", "id": "event.id",
    });
    begun(json!([
        {"code": "OTHER*", "to": "c"},
        {"command": "check", "to": "c"},
        {"code": "TOO_*", "command": ["charge", "x"], "to": "d", "actions": [
            {"append": {"topic": "u", "type": "sorry", "payload": payload}},
        ]},
        {"to": "c"},
    ]))
    .refused(sent("t-1", 1, "charge"), "TOO_LITTLE")
    .then_actions([Action::append(asked)])
    .then_view("m/s", json!({"state": "d", "data": {}, "version": 2, "position": 1, "time": 5_000}));
}

#[test]
fn a_refusal_that_nobody_minds_is_told_and_changes_nothing() {
    let case = begun(json!([{"code": "OTHER", "to": "d"}]))
        .refused(sent("t-1", 1, "charge"), "TOO_LITTLE")
        .then_actions([])
        .then_view("m/s", json!({"state": "b", "data": {}, "version": 1, "position": 1, "time": 1_000}));
    assert_eq!(
        case.host().lines(),
        ["WARN nothing is done about a refused command machine=m key=s command=charge code=TOO_LITTLE"]
    );
    let case = case.given([event(2, "paid", json!({}))]).refused(sent("t-1", 1, "charge"), "OTHER").then_actions([]);
    assert_eq!(case.host().lines().len(), 1, "a final state hears nothing");
}

#[test]
fn a_refusal_of_a_command_that_nobody_sent_is_ignored() {
    let mut case = begun(json!([{"to": "d"}]));
    for id in ["", "m", "m/s", "m/s/1", "other/s/t-1/0", "m/other/t-1/0"] {
        case = case.refused(Command { id: id.into(), ..sent("t-1", 0, "check") }, "NO").then_actions([]);
    }
    case.then_view("m/s", json!({"state": "b", "data": {}, "version": 1, "position": 1, "time": 1_000}));
}

#[test]
fn what_is_sent_instead_has_an_id_of_its_own() {
    let again =
        json!([{"actions": [{"execute": {"command": "charge", "topic": "u", "stream": "key", "payload": {"n": 1}}}]}]);
    begun(again)
        .refused(sent("t-1", 0, "check"), "NO")
        .then_actions([Action::execute(command("t-1~0", 0, "charge"))])
        .refused(sent("t-1", 1, "charge"), "NO")
        .then_actions([Action::execute(command("t-1~1", 0, "charge"))])
        .refused(sent("t-1~0", 0, "charge"), "NO")
        .then_actions([Action::execute(command("t-1~0~0", 0, "charge"))]);
}

#[test]
fn a_circle_of_refusals_ends() {
    let again =
        json!([{"actions": [{"execute": {"command": "charge", "topic": "u", "stream": "key", "payload": {"n": 1}}}]}]);
    let mut case = begun(again);
    let mut cause = "t-1".to_owned();
    for _ in 0..8 {
        let refused = sent(&cause, 0, "charge");
        cause.push_str("~0");
        case = case.refused(refused, "NO").then_actions([Action::execute(command(&cause, 0, "charge"))]);
    }
    let case = case.refused(sent(&cause, 0, "charge"), "NO").then_actions([]);
    assert!(case.host().lines()[0].starts_with("WARN 8 commands were refused, one because of the other"));
}

#[test]
fn a_command_of_bytes_and_a_key_with_slashes_come_back_too() {
    let machine = json!([{"name": "m", "topic": "*", "key": "payload.key", "initial": "a", "states": {
        "a": {"on": [{"event": "x", "to": "b"}]},
        "b": {"on_refused": [{"guard": "payload.payload == null", "to": "c"}]},
        "c": {"final": true},
    }}]);
    let refused = Command { id: "m/a/b~c/d/t-1/0".into(), payload: Payload::Bytes(vec![1]), ..sent("t-1", 0, "check") };
    super::story(machine)
        .given([event(1, "x", json!({"key": "a/b~c/d"}))])
        .refused(refused, "NO")
        .then_view("m/a/b~c/d", json!({"state": "c", "data": {}, "version": 2, "position": 1, "time": 5_000}));
}
