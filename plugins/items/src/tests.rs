//! Stories of items, told to the SDK's stand-in for the server.

use serde_json::json;
use weir_plugin_sdk::testing::{Case, Projected, event, projection, stream_event};

use super::*;

fn of(item: &str, version: u64, event_type: &str, payload: &str) -> Event {
    stream_event("items", item, version, event_type, payload)
}

fn cup(version: u64, event_type: &str, payload: &str) -> Event {
    of("cup", version, event_type, payload)
}

fn story() -> Case<Items, Projected> {
    projection().given([cup(1, "item-created", r#"{"name":"Cup","amount":3}"#)])
}

#[test]
fn an_item_is_created_changed_and_deleted() {
    story()
        .then_view("cup", json!({"name": "Cup", "amount": 3, "version": 1}))
        .given([cup(2, "item-amount-changed", r#"{"amount":2.5}"#)])
        .then_view("cup", json!({"name": "Cup", "amount": 2.5, "version": 2}))
        .given([cup(3, "item-deleted", "{}")])
        .then_view("cup", json!({"deleted": true, "version": 3}));
}

#[test]
fn an_event_that_comes_again_is_left_out() {
    let changed = cup(2, "item-amount-changed", r#"{"amount":2}"#);
    story()
        .given([changed.clone(), cup(3, "item-amount-changed", r#"{"amount":1}"#), changed.clone()])
        .given([changed, cup(1, "item-created", r#"{"name":"Cup","amount":3}"#)])
        .then_view("cup", json!({"name": "Cup", "amount": 1, "version": 3}));
}

#[test]
fn a_gap_stops_it_and_is_named() {
    let host = weir_plugin_sdk::testing::Host::new();
    let refused = Items.apply(&cup(4, "item-deleted", "{}"), &host.view()).expect_err("three events are missing");
    assert_eq!(refused.code, "GAP");
    assert!(refused.message.starts_with("Item 'cup' goes on at version 1, but version 4 came"), "{}", refused.message);
    drop(host);
    story()
        .given([cup(2, "item-amount-changed", r#"{"amount":2}"#), cup(4, "item-deleted", "{}")])
        .then_problem("GAP")
        // Nothing of the batch is kept.
        .then_view("cup", json!({"name": "Cup", "amount": 3, "version": 1}));
}

#[test]
fn events_of_other_types_move_the_version_on() {
    story()
        .given([cup(2, "item-praised", r#"{"by":"Ann"}"#), cup(3, "item-amount-changed", r#"{"amount":2}"#)])
        .then_view("cup", json!({"name": "Cup", "amount": 2, "version": 3}))
        .given([of("mug", 1, "item-praised", "{}")])
        .then_view("mug", json!({"version": 1}))
        .given([of("mug", 2, "item-created", r#"{"name":"Mug","amount":1}"#)])
        .then_view("mug", json!({"name": "Mug", "amount": 1, "version": 2}));
}

#[test]
fn a_deleted_item_leaves_its_version_and_may_come_again() {
    story()
        .given([cup(2, "item-deleted", "{}")])
        .given([cup(1, "item-created", r#"{"name":"Cup","amount":3}"#)])
        .then_view("cup", json!({"deleted": true, "version": 2}))
        .given([cup(3, "item-amount-changed", r#"{"amount":9}"#)])
        .then_view("cup", json!({"deleted": true, "version": 3}))
        .given([cup(4, "item-created", r#"{"name":"New cup","amount":1}"#)])
        .then_view("cup", json!({"name": "New cup", "amount": 1, "version": 4}));
}

#[test]
fn items_do_not_see_each_other() {
    story()
        .given([of("mug", 1, "item-created", r#"{"name":"Mug","amount":1}"#), cup(2, "item-deleted", "{}")])
        .then_view("mug", json!({"name": "Mug", "amount": 1, "version": 1}));
}

#[test]
fn an_event_without_a_stream_is_of_no_item() {
    story()
        .given([event("items", 2, "item-created", r#"{"name":"Mug","amount":1}"#)])
        .then_view("cup", json!({"name": "Cup", "amount": 3, "version": 1}));
}

#[test]
fn an_event_that_cannot_be_read_stops_it() {
    story().given([cup(2, "item-amount-changed", r#"{"amount":"two"}"#)]).then_problem("payload-unexpected");
}
