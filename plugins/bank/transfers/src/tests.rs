//! Stories of single transfers, told to the SDK's stand-in for the server. `tests/random` tells ten thousand at once.

use serde_json::{Value, json};
use weir_plugin_sdk::testing::{Case, Reacted, process_manager, stream_event, timer};
use weir_plugin_sdk::{NewCommand, NewEvent, Payload};

use super::*;

type Story = Case<Transfers, Reacted>;

fn order() -> Value {
    json!({"from": "ann", "to": "bob", "amount": 30})
}

fn requested(payload: &Value) -> [Event; 1] {
    [stream_event(TRANSFERS, "t1", 1, "transfer-requested", &payload.to_string())]
}

fn moved(account: &str, event_type: &str, amount: u64, transfer: &str) -> [Event; 1] {
    let payload = json!({"amount": amount, "balance": 100, "transfer": transfer});
    [stream_event(ACCOUNTS, account, 9, event_type, &payload.to_string())]
}

fn withdrawn() -> [Event; 1] {
    moved("ann", "withdrawn", 30, "t1")
}

fn deposited(account: &str) -> [Event; 1] {
    moved(account, "deposited", 30, "t1")
}

fn command(purpose: &str, name: &str, account: &str) -> NewCommand {
    NewCommand::new(format!("t1/{purpose}"), name, ACCOUNTS, account, &json!({"amount": 30, "transfer": "t1"}))
        .expect("JSON")
}

fn withdraw() -> NewCommand {
    command("withdraw", "withdraw", "ann")
}

fn deposit() -> NewCommand {
    command("deposit", "deposit", "bob")
}

fn refund() -> NewCommand {
    command("refund", "deposit", "ann")
}

fn told(event_type: &str, payload: Value) -> Action {
    Action::append(NewEvent::new(TRANSFERS, event_type, &payload).expect("JSON").in_stream("t1"))
}

fn failed(code: &str) -> Action {
    told("transfer-failed", json!({"reason": code, "message": code}))
}

fn timed_out() -> Action {
    told("transfer-failed", json!({"reason": "timeout"}))
}

fn due() -> Timer {
    timer("t1", 60_000, "null")
}

fn story() -> Story {
    process_manager().given(requested(&order()))
}

fn nothing() -> [Action; 0] {
    []
}

#[test]
fn money_is_withdrawn_deposited_and_the_transfer_completed() {
    story()
        .then_actions([Action::execute(withdraw()), Action::set_timer("t1", 60_000, &()).expect("JSON")])
        .then_view("t1", json!({"state": "withdrawing", "from": "ann", "to": "bob", "amount": 30}))
        .given(withdrawn())
        .then_actions([Action::execute(deposit())])
        .then_view("t1", json!({"state": "depositing", "from": "ann", "to": "bob", "amount": 30}))
        .given(deposited("bob"))
        .then_actions([Action::cancel_timer("t1"), told("transfer-completed", order())])
        .then_view("t1", json!({"state": "completed"}));
}

#[test]
fn a_refused_withdrawal_fails_the_transfer() {
    story()
        .refused(withdraw().at(0), "OVERDRAWN")
        .then_actions([Action::cancel_timer("t1"), failed("OVERDRAWN")])
        .then_view("t1", json!({"state": "failed"}));
}

#[test]
fn a_refused_deposit_is_given_back_before_the_transfer_fails() {
    story()
        .given(withdrawn())
        .refused(deposit().at(0), "NOT_OPEN")
        .then_actions([Action::cancel_timer("t1"), Action::execute(refund())])
        .then_view(
            "t1",
            json!({"state": "refunding", "from": "ann", "to": "bob", "amount": 30,
                   "reason": "NOT_OPEN", "message": "NOT_OPEN"}),
        )
        .given(deposited("ann"))
        .then_actions([failed("NOT_OPEN")])
        .then_view("t1", json!({"state": "failed"}));
}

#[test]
fn a_refund_that_is_refused_is_for_a_person_to_see() {
    let stuck = json!({"account": "ann", "amount": 30, "reason": "CLOSED", "message": "CLOSED"});
    story()
        .given(withdrawn())
        .refused(deposit().at(0), "FULL")
        .refused(refund().at(0), "CLOSED")
        .then_actions([told("transfer-stuck", stuck)])
        .then_view("t1", json!({"state": "stuck"}));
}

#[test]
fn a_withdrawal_that_comes_after_the_timeout_is_given_back() {
    story()
        .timer(due())
        .then_actions([timed_out()])
        .then_view("t1", json!({"state": "cancelled", "from": "ann", "to": "bob", "amount": 30, "reason": "timeout"}))
        .given(withdrawn())
        .then_actions([Action::execute(refund())])
        .given(deposited("ann"))
        .then_actions(nothing())
        .then_view("t1", json!({"state": "failed"}));
}

#[test]
fn a_withdrawal_that_is_refused_after_the_timeout_is_no_second_failure() {
    story()
        .timer(due())
        .refused(withdraw().at(0), "OVERDRAWN")
        .then_actions(nothing())
        .then_view("t1", json!({"state": "failed"}));
}

#[test]
fn a_late_refund_that_is_refused_is_told_beside_the_failure() {
    let stuck = json!({"account": "ann", "amount": 30, "reason": "NOT_OPEN", "message": "NOT_OPEN"});
    story()
        .timer(due())
        .given(withdrawn())
        .refused(refund().at(0), "NOT_OPEN")
        .then_actions([told("refund-stuck", stuck)])
        .then_view("t1", json!({"state": "failed"}));
}

#[test]
fn money_on_its_way_is_left_alone_when_it_is_late() {
    let overdue = || story().given(withdrawn()).timer(due()).then_actions(nothing());
    overdue().given(deposited("bob")).then_actions([told("transfer-completed", order())]);
    overdue().refused(deposit().at(0), "FULL").then_actions([Action::execute(refund())]);
}

#[test]
fn a_request_that_comes_again_moves_nothing() {
    let again = requested(&json!({"from": "ann", "to": "eve", "amount": 99}));
    story()
        .given(again.clone())
        .then_actions(nothing())
        .refused(withdraw().at(0), "OVERDRAWN")
        .given(again)
        .then_actions(nothing())
        .then_view("t1", json!({"state": "failed"}));
}

/// Whoever may publish to the topic could stop all transfers with one event otherwise.
#[test]
fn a_request_that_is_no_good_fails_and_stops_nobody() {
    let bad = [
        json!({}),
        json!([]),
        json!({"from": "ann", "to": "bob", "amount": -1}),
        json!({"from": "ann", "to": "bob", "amount": "30"}),
        json!({"from": "ann", "to": "../bob", "amount": 30}),
        json!({"from": "", "to": "bob", "amount": 30}),
        json!({"from": "ann", "to": "x".repeat(201), "amount": 30}),
        json!({"from": "ann", "to": "ann", "amount": 30}),
        json!({"from": "ann", "to": "bob", "amount": 30, "timeoutMs": 0}),
        json!({"from": "ann", "to": "bob", "amount": 30, "timeoutMs": 1e18 as u64}),
    ];
    let bytes = Event { payload: Payload::Bytes(vec![0xff]), ..requested(&order())[0].clone() };
    let events = bad.iter().map(|payload| requested(payload)[0].clone()).chain([bytes]);
    for event in events {
        let host = weir_plugin_sdk::testing::Host::new();
        let actions = Transfers.react(&event, &host.view()).expect("no problem");
        let [Action::Append(failed)] = &actions[..] else { panic!("{actions:?}") };
        assert_eq!(failed.event_type, "transfer-failed");
        assert_eq!(failed.json::<Value>().expect("JSON")["reason"], "BAD_REQUEST");
        assert!(Transfers.react(&requested(&order())[0], &host.view()).expect("no problem").is_empty());
    }
}

#[test]
fn a_request_says_how_long_it_waits() {
    process_manager::<Transfers>()
        .given(requested(&json!({"from": "ann", "to": "bob", "amount": 30, "timeoutMs": 5_000})))
        .then_actions([Action::execute(withdraw()), Action::set_timer("t1", 5_000, &()).expect("JSON")]);
}

#[test]
fn what_others_do_with_accounts_is_none_of_its_business() {
    let plain = [stream_event(ACCOUNTS, "ann", 3, "withdrawn", r#"{"amount":30,"balance":1}"#)];
    let homeless = [weir_plugin_sdk::testing::event(TRANSFERS, 1, "transfer-requested", &order().to_string())];
    story()
        .given(plain)
        .then_actions(nothing())
        .given(moved("ann", "withdrawn", 31, "t1"))
        .then_actions(nothing())
        .given(moved("eve", "withdrawn", 30, "t1"))
        .then_actions(nothing())
        .given(moved("ann", "withdrawn", 30, "t2"))
        .then_actions(nothing())
        .given(moved("ann", "withdrawn", 30, &"long".repeat(1_000)))
        .then_actions(nothing())
        .given(homeless)
        .then_actions(nothing())
        .refused(NewCommand { id: "somebody-else".into(), ..withdraw() }.at(0), "NO")
        .then_actions(nothing())
        .timer(timer("t2", 1, "null"))
        .then_actions(nothing());
}
