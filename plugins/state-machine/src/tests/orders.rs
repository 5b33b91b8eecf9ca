//! The charts of the README, from its own text, in whole stories.

use serde_json::{Value, json};
use weir_plugin_sdk::testing::{process_manager, stream_event};
use weir_plugin_sdk::{Action, Event, NewCommand, NewEvent, Timer};

use super::Story;
use crate::StateMachine;
use crate::instance::Instance;

const DAY_MS: u64 = 86_400_000;
const BEGUN_MS: u64 = 1_000_000;

/// The side-cars of the README, in order.
fn example(index: usize) -> Story {
    let side_cars = include_str!("../../README.md").split("```toml\n").skip(1);
    let texts: Vec<&str> = side_cars.filter_map(|rest| rest.split("```").next()).collect();
    let side_car: Value = toml::from_str(texts[index]).expect("TOML");
    process_manager::<StateMachine>().config(&side_car["config"])
}

fn at(time_ms: u64, topic: &str, stream: &str, position: u64, event_type: &str, payload: Value) -> Event {
    Event { time_ms, ..stream_event(topic, stream, position, event_type, &payload.to_string()) }
}

fn timer(machine: &str, key: &str, name: &str, at_ms: u64, version: u64) -> Timer {
    let payload = if name == "after" { Value::Null } else { json!({}) };
    let text = json!({"version": version, "payload": payload}).to_string();
    weir_plugin_sdk::testing::timer(&format!("{machine}/{key}/{name}"), at_ms, &text)
}

fn set(timer: Timer) -> Action {
    Action::SetTimer(Timer { payload: timer.payload, ..timer })
}

fn cancel(name: &str) -> Action {
    Action::cancel_timer(format!("order-payment/order-1/{name}"))
}

fn command(cause: &str, index: u64, name: &str, topic: &str, stream: &str, payload: Value) -> NewCommand {
    NewCommand::new(format!("order-payment/order-1/{cause}/{index}"), name, topic, stream, &payload).expect("JSON")
}

fn mail(event_type: &str, stream: &str, payload: Value) -> Action {
    Action::append(NewEvent::new("mails", event_type, &payload).expect("JSON").in_stream(stream))
}

#[track_caller]
fn is_in(case: &Story, key: &str, state: &str) -> Instance {
    let instance: Instance = case.host().view().get(key).expect("an instance").expect("an instance");
    assert_eq!((instance.state.as_str(), &instance.error), (state, &None));
    instance
}

fn order_timer(name: &str, at_ms: u64, version: u64) -> Timer {
    timer("order-payment", "order-1", name, at_ms, version)
}

fn charge(cause: &str, index: u64) -> NewCommand {
    command(cause, index, "charge", "payments", "payment-order-1", json!({"order": "order-1", "amount": 2000}))
}

/// An order of 2,000 was placed, and its charge was sent.
fn placed() -> Story {
    let placed = at(BEGUN_MS, "orders", "order-1", 1, "order-placed", json!({"total": 2000}));
    example(0).given([placed]).then_actions([
        Action::execute(charge("orders-1", 0)),
        set(order_timer("remind", BEGUN_MS + DAY_MS / 2, 1)),
        set(order_timer("after", BEGUN_MS + DAY_MS, 1)),
    ])
}

fn paid(position: u64, amount: u64) -> Event {
    let payload = json!({"order": "order-1", "amount": amount});
    at(BEGUN_MS + position, "payments", "payment-order-1", position, "payment-received", payload)
}

#[test]
fn an_order_that_is_paid_is_shipped() {
    let case = placed()
        .given([paid(2, 500)])
        .then_actions([mail("too-little-paid", "order-1", json!({"missing": 1500}))])
        .given([paid(3, 2000)])
        .then_actions([
            cancel("after"),
            cancel("remind"),
            Action::execute(command("payments-3", 1, "ship", "orders", "order-1", json!({}))),
        ]);
    let instance = is_in(&case, "order-payment/order-1", "paid");
    assert_eq!((instance.data, instance.timers.len()), (json!({"total": 2000, "tries": 1, "paid": 2000}), 0));
    let case = case.given([at(BEGUN_MS + 9, "orders", "order-1", 4, "order-shipped", json!({}))]).then_actions([]);
    is_in(&case, "order-payment/order-1", "done");
    let case = case.given([paid(5, 2000)]).then_actions([]);
    assert_eq!(is_in(&case, "order-payment/order-1", "done").version, 4);
}

#[test]
fn an_order_that_is_not_paid_is_reminded_of_and_then_cancelled() {
    let reason = json!({"reason": "not paid in time"});
    let case = placed()
        .timer(order_timer("remind", BEGUN_MS + DAY_MS / 2, 1))
        .then_actions([mail("please-pay", "order-1", json!({"total": 2000}))])
        .timer(order_timer("after", BEGUN_MS + DAY_MS, 1))
        .then_actions([Action::execute(command(
            &format!("after@{}.1", BEGUN_MS + DAY_MS),
            0,
            "cancel",
            "orders",
            "order-1",
            reason,
        ))]);
    is_in(&case, "order-payment/order-1", "expired");
}

#[test]
fn a_charge_that_is_refused_is_tried_again_and_then_given_up() {
    let refused = charge("orders-1", 0).at(BEGUN_MS + 50);
    let retry_ms = BEGUN_MS + 50 + 3_600_000;
    let again = charge(&format!("retry@{retry_ms}.2"), 0);
    let case = placed()
        .refused(refused, "TOO_LITTLE")
        .then_actions([set(order_timer("retry", retry_ms, 2))])
        .timer(order_timer("retry", retry_ms, 2))
        .then_actions([Action::execute(again.clone())]);
    assert_eq!(is_in(&case, "order-payment/order-1", "unpaid").data["tries"], 2);
    let cause = format!("retry@{retry_ms}.2~0");
    let case = case.refused(again.at(retry_ms), "TOO_LITTLE").then_actions([
        cancel("after"),
        mail("charge-refused", "order-1", json!({"code": "TOO_LITTLE", "message": "TOO_LITTLE"})),
        Action::execute(command(&cause, 1, "cancel", "orders", "order-1", json!({"reason": "TOO_LITTLE"}))),
        cancel("remind"),
    ]);
    is_in(&case, "order-payment/order-1", "refused");
    let case = placed().refused(charge("orders-1", 0).at(BEGUN_MS), "CARD_EXPIRED");
    is_in(&case, "order-payment/order-1", "refused");
}

#[test]
fn a_charge_is_in_the_name_of_whoever_ordered() {
    let mut placed = at(BEGUN_MS, "orders", "order-1", 1, "order-placed", json!({"total": 2000}));
    placed.metadata = vec![("actor".into(), "ann".into())];
    example(0).given([placed]).then_actions([
        Action::execute(charge("orders-1", 0).by("ann")),
        set(order_timer("remind", BEGUN_MS + DAY_MS / 2, 1)),
        set(order_timer("after", BEGUN_MS + DAY_MS, 1)),
    ]);
}

#[test]
fn a_payment_that_names_no_order_is_nobodys_and_a_shipment_that_fails_is_looked_at() {
    let stray = at(BEGUN_MS, "payments", "payment-7", 2, "payment-received", json!({"amount": 2000}));
    let case = placed().given([stray]).then_actions([]).given([paid(3, 2000)]);
    let ship = command("payments-3", 1, "ship", "orders", "order-1", json!({}));
    let case = case.refused(ship.at(BEGUN_MS), "SOLD_OUT");
    is_in(&case, "order-payment/order-1", "stuck");
    assert!(case.host().lines().is_empty(), "{:?}", case.host().lines());
}

fn request(position: u64, event_type: &str, payload: Value) -> Event {
    at(BEGUN_MS + position, "requests", "request-7", position, event_type, payload)
}

fn by(position: u64, role: &str, by: &str) -> Event {
    request(position, "approved", json!({"role": role, "by": by}))
}

fn requested(amount: u64) -> Story {
    example(1).given([request(1, "request-made", json!({"amount": amount, "by": "ann"}))]).then_actions([
        mail("approval-wanted", "request-7", json!({"of": "lead", "amount": amount})),
        set(timer("approval", "request-7", "after", BEGUN_MS + 1 + 7 * DAY_MS, 1)),
    ])
}

fn approval(amount: u64, by: Value) -> Action {
    let event = NewEvent::new("approvals", "request-approved", &json!({"amount": amount, "by": by})).expect("JSON");
    Action::append(event.in_stream("request-7"))
}

fn over() -> Action {
    Action::cancel_timer("approval/request-7/after")
}

#[test]
fn a_small_request_is_approved_by_a_lead_who_did_not_make_it() {
    let case = requested(9_999)
        .given([by(2, "lead", "ann"), by(3, "board", "bob")])
        .then_actions([])
        .given([by(4, "lead", "bob")])
        .then_actions([over(), approval(9_999, json!(["bob"]))]);
    is_in(&case, "approval/request-7", "approved");
}

#[test]
fn a_large_request_is_approved_by_two_others() {
    let case = requested(10_000).given([by(2, "lead", "bob")]).then_actions([
        over(),
        mail("approval-wanted", "request-7", json!({"of": "board", "amount": 10_000})),
        set(timer("approval", "request-7", "after", BEGUN_MS + 2 + 7 * DAY_MS, 2)),
    ]);
    let case = case
        .given([by(3, "board", "bob"), by(4, "board", "ann"), by(5, "lead", "eve")])
        .then_actions([])
        .given([by(6, "board", "eve")])
        .then_actions([over(), approval(10_000, json!(["bob", "eve"]))]);
    is_in(&case, "approval/request-7", "approved");
}

#[test]
fn a_request_that_nobody_answers_is_reminded_of_once_and_then_rejected() {
    let first = BEGUN_MS + 1 + 7 * DAY_MS;
    let second = first + 7 * DAY_MS;
    let case = requested(5)
        .timer(timer("approval", "request-7", "after", first, 1))
        .then_actions([
            mail("reminder", "request-7", json!({"of": "lead"})),
            set(timer("approval", "request-7", "after", second, 2)),
        ])
        .timer(timer("approval", "request-7", "after", second, 2))
        .then_actions([]);
    is_in(&case, "approval/request-7", "rejected");
    let case = requested(5).given([request(2, "withdrawn", json!({}))]).then_actions([over()]);
    is_in(&case, "approval/request-7", "withdrawn");
}
