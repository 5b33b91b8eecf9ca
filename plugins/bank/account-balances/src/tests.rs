//! Stories of the view, told to the SDK's stand-in for the server.

use serde_json::{Value, json};
use weir_plugin_sdk::testing::{Case, Projected, event, projection, stream_event};

use super::*;

fn of(account: &str, version: u64, event_type: &str, payload: Value) -> Event {
    stream_event("accounts", account, version, event_type, &payload.to_string())
}

fn opened(account: &str, owner: &str) -> Event {
    of(account, 1, "account-opened", json!({"owner": {"name": owner}, "currency": "EUR"}))
}

/// Ann has two accounts, Bob one: 30, 12 and 5 cents.
fn events() -> Vec<Event> {
    vec![
        opened("ann", "Ann"),
        opened("bob", "Bob"),
        of("ann", 2, "deposited", json!({"amount": 40, "balance": 40})),
        opened("ann/savings", "Ann"),
        of("bob", 2, "deposited", json!({"amount": 5, "balance": 5})),
        of("ann", 3, "withdrawn", json!({"amount": 10, "balance": 30, "transfer": "t1"})),
        of("ann/savings", 2, "deposited", json!({"amount": 12, "balance": 12})),
    ]
}

fn story() -> Case<AccountBalances, Projected> {
    projection().given(events())
}

#[test]
fn every_account_stands_under_its_id() {
    story()
        .then_view("ann", json!({"owner": "Ann", "balance": 30, "open": true, "version": 3}))
        .then_view("bob", json!({"owner": "Bob", "balance": 5, "open": true, "version": 2}));
}

#[test]
fn the_sum_follows_every_event() {
    story()
        .query("total", &[])
        .then_answer(json!({"accounts": 3, "balance": 47}))
        .given([
            of("bob", 3, "withdrawn", json!({"amount": 5, "balance": 0})),
            of("bob", 4, "account-closed", json!({})),
        ])
        .then_view("bob", json!({"owner": "Bob", "balance": 0, "open": false, "version": 4}))
        .query("total", &[])
        .then_answer(json!({"accounts": 2, "balance": 42}));
    projection::<AccountBalances>().query("total", &[]).then_answer(json!({"accounts": 0, "balance": 0}));
}

#[test]
fn accounts_are_found_by_their_owner() {
    story()
        .query("by-owner", &[("owner", "Ann")])
        .then_answer(json!([
            {"account": "ann", "balance": 30, "open": true, "version": 3},
            {"account": "ann/savings", "balance": 12, "open": true, "version": 2},
        ]))
        .query("by-owner", &[("owner", "Ann"), ("after", "ann")])
        .then_answer(json!([{"account": "ann/savings", "balance": 12, "open": true, "version": 2}]))
        .query("by-owner", &[("owner", "An")])
        .then_answer(json!([]))
        .query("by-owner", &[])
        .then_problem("param-missing");
}

#[test]
fn names_that_look_alike_in_a_key_are_kept_apart() {
    let long = "ü".repeat(100);
    let other = format!("{long}x");
    let answer = |id: &str| json!([{"account": id, "balance": 0, "open": true, "version": 1}]);
    projection::<AccountBalances>()
        .given([opened("b/c", "a"), opened("c", "a/b"), opened("d", "a\"/b"), opened("e", &long), opened("f", &other)])
        .query("by-owner", &[("owner", "a")])
        .then_answer(answer("b/c"))
        .query("by-owner", &[("owner", "a/b")])
        .then_answer(answer("c"))
        .query("by-owner", &[("owner", &other)])
        .then_answer(answer("f"));
}

/// However the host cuts the log into batches, the view is the same.
#[test]
fn the_view_does_not_depend_on_the_batches() {
    let in_one = story();
    let expected: Vec<_> = in_one.host().view().scan_raw("", None, 100);
    drop(in_one);
    for size in 1..events().len() {
        let mut case = projection::<AccountBalances>();
        for batch in events().chunks(size) {
            case = case.given(batch);
        }
        assert_eq!(case.host().view().scan_raw("", None, 100), expected, "in batches of {size}");
    }
}

#[test]
fn an_event_without_an_account_means_nothing() {
    projection::<AccountBalances>()
        .given([event("accounts", 1, "deposited", r#"{"amount":1,"balance":1}"#)])
        .query("total", &[])
        .then_answer(json!({"accounts": 0, "balance": 0}));
}

#[test]
fn an_event_of_the_first_form_stops_it_and_writes_nothing() {
    let old = of("olga", 1, "account-opened", json!({"owner": "Olga"}));
    projection::<AccountBalances>()
        .given([opened("ann", "Ann"), old])
        .then_problem("payload-unexpected")
        .then_no_view("ann")
        .query("average", &[])
        .then_problem("unknown-query");
}
