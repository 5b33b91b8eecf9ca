//! Stories of one account, told to the SDK's stand-in for the server.

use serde_json::{Value, json};
use weir_plugin_sdk::testing::{Case, Decided, command, decider, stream_event};
use weir_plugin_sdk::{Command, Decider, Event, NewEvent, Payload, Rejection};

use super::*;

type Story = Case<BankAccount, Decided>;

fn ann(name: &str, payload: Value) -> Command {
    command(name, "accounts", "ann", &payload.to_string())
}

fn made(event_type: &str, payload: Value) -> [NewEvent; 1] {
    [ann("", json!({})).event(event_type, &payload).expect("JSON")]
}

fn happened(version: u64, event_type: &str, payload: Value) -> Event {
    stream_event("accounts", "ann", version, event_type, &payload.to_string())
}

/// Ann's account, with so many cents in it.
fn account_with(cents: u64) -> Story {
    let opened = happened(1, "account-opened", json!({"owner": {"name": "Ann"}, "currency": "EUR"}));
    let deposited = happened(2, "deposited", json!({"amount": cents, "balance": cents}));
    decider().given([opened, deposited])
}

/// What is wrong with a command, as the first problem that it is refused for.
#[track_caller]
fn invalid(name: &str, payload: &str, pointer: &str) {
    let mut bank = BankAccount { currency: euro() };
    let account = Account { owner: "Ann".into(), balance: 10, open: true };
    match bank.decide(&account, &command(name, "accounts", "ann", payload)) {
        Err(Rejection::Invalid(problems)) => assert_eq!(problems[0].pointer.as_deref(), Some(pointer), "{payload}"),
        other => panic!("{payload} is invalid, but {other:?}"),
    }
}

#[test]
fn an_account_is_opened_filled_emptied_and_closed() {
    decider::<BankAccount>()
        .when(ann("open", json!({"owner": " Ann "})))
        .then(made("account-opened", json!({"owner": {"name": "Ann"}, "currency": "EUR"})))
        .then_state(json!({"owner": "Ann", "balance": 0, "open": true}))
        .when(ann("deposit", json!({"amount": 30})))
        .then(made("deposited", json!({"amount": 30, "balance": 30})))
        .when(ann("withdraw", json!({"amount": 30, "transfer": "t1"})))
        .then(made("withdrawn", json!({"amount": 30, "balance": 0, "transfer": "t1"})))
        .when(ann("close", json!({})))
        .then(made("account-closed", json!({})))
        .then_state(json!({"owner": "Ann", "balance": 0, "open": false}));
}

#[test]
fn an_account_is_opened_once_and_never_again() {
    account_with(0)
        .when(ann("open", json!({"owner": "Bob"})))
        .then_rejected("ALREADY_OPEN")
        .when(ann("close", json!({})))
        .when(ann("open", json!({"owner": "Bob"})))
        .then_rejected("CLOSED");
}

#[test]
fn nothing_moves_in_an_account_that_is_not_open() {
    for (name, payload) in [("deposit", json!({"amount": 1})), ("withdraw", json!({"amount": 1})), ("close", json!({}))]
    {
        decider::<BankAccount>().when(ann(name, payload.clone())).then_rejected("NOT_OPEN");
        account_with(0).when(ann("close", json!({}))).when(ann(name, payload)).then_rejected("NOT_OPEN");
    }
}

#[test]
fn no_more_can_be_withdrawn_than_there_is() {
    account_with(5).when(ann("withdraw", json!({"amount": 6}))).then_rejected("OVERDRAWN");
    account_with(5)
        .when(ann("withdraw", json!({"amount": 5})))
        .then(made("withdrawn", json!({"amount": 5, "balance": 0})));
    let mut bank = BankAccount { currency: euro() };
    let account = Account { owner: "Ann".into(), balance: 5, open: true };
    let refused = bank.decide(&account, &ann("withdraw", json!({"amount": 6})));
    assert_eq!(refused, Err(Rejection::conflict("OVERDRAWN", "Account 'ann' holds 5, which is less than 6")));
}

#[test]
fn an_account_with_money_in_it_stays_open() {
    account_with(1).when(ann("close", json!({}))).then_rejected("NOT_EMPTY");
}

#[test]
fn an_account_holds_no_more_than_a_json_number_can_say() {
    account_with(BALANCE_MAX - AMOUNT_MAX)
        .when(ann("deposit", json!({"amount": AMOUNT_MAX})))
        .then(made("deposited", json!({"amount": AMOUNT_MAX, "balance": BALANCE_MAX})))
        .when(ann("deposit", json!({"amount": 1})))
        .then_rejected("FULL");
}

#[test]
fn an_amount_is_whole_cents_above_zero() {
    let too_much = AMOUNT_MAX + 1;
    for name in ["deposit", "withdraw"] {
        for amount in ["0", "-1", "1.5", "1e3", "\"1\"", "null", "18446744073709551616", &too_much.to_string()] {
            invalid(name, &format!("{{\"amount\":{amount}}}"), "/amount");
        }
        invalid(name, "{}", "/amount");
        invalid(name, r#"{"amount":1,"transfer":7}"#, "/transfer");
        invalid(name, r#"{"amount":1,"transfer":""}"#, "/transfer");
        invalid(name, "[]", "");
    }
}

#[test]
fn an_owner_has_a_name_and_the_bank_one_currency() {
    for owner in [r#""""#, r#""  ""#, "7", r#"{"name":"Ann"}"#, r#""a\nb""#, &format!("\"{}\"", "x".repeat(101))] {
        invalid("open", &format!("{{\"owner\":{owner}}}"), "/owner");
    }
    invalid("open", r#"{"owner":"Ann","currency":"USD"}"#, "/currency");
    let dollars = decider::<BankAccount>().config(json!({"currency": "USD"}));
    let open = ann("open", json!({"owner": "Ann", "currency": "USD"}));
    dollars.when(open).then(made("account-opened", json!({"owner": {"name": "Ann"}, "currency": "USD"})));
    decider::<BankAccount>().config(json!({"currency": "euro"})).then_init_fails("three capital letters");
    decider::<BankAccount>().config(json!({"curency": "EUR"})).then_init_fails("curency");
}

#[test]
fn a_command_that_is_not_known_is_told_so() {
    account_with(0).when(ann("explode", json!({}))).then_rejected("unknown-command");
}

#[test]
fn events_of_other_types_change_nothing() {
    account_with(5)
        .given([happened(3, "statement-printed", json!({"pages": 2}))])
        .then_state(json!({"owner": "Ann", "balance": 5, "open": true}));
}

#[test]
fn an_event_that_cannot_be_read_is_a_problem_and_no_trap() {
    let bank = BankAccount { currency: euro() };
    let old = happened(1, "account-opened", json!({"owner": "Ann"}));
    let bytes = Event { payload: Payload::Bytes(vec![0xff]), ..happened(1, "deposited", json!({})) };
    for event in [old, bytes] {
        bank.evolve(Account::default(), &event).expect_err("it does not fit");
    }
}
