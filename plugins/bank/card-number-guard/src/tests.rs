//! Stories of events that are published, told to the SDK's stand-in for the server.

use serde_json::json;
use weir_plugin_sdk::testing::{new_event, validator};
use weir_plugin_sdk::{NewEvent, Payload, Problem, Verdict};

use super::*;

const CARD: &str = "4111 1111 1111 1111";

fn paid(payload: &str) -> NewEvent {
    new_event("payments", "paid", payload)
}

/// Where a payload is refused, if it is; the words never repeat a digit of the card.
fn refused_at(payload: &str, allow: &[&str]) -> Vec<String> {
    let allow = allow.iter().map(|text| (*text).to_owned()).collect();
    let mut guard = CardNumberGuard::init(Config { allow }).expect("a good config");
    let problems = match guard.validate(&paid(payload)) {
        Verdict::Accept => Vec::new(),
        Verdict::Reject(problems) => problems,
        Verdict::Replace(_) => panic!("it replaces nothing"),
    };
    let place = |Problem { code, message, pointer }: Problem| {
        assert_eq!(code, "CARD_NUMBER", "{message}");
        let pointer = pointer.expect("a pointer");
        assert!(!message.contains("1111") && !pointer.contains("1111"), "{pointer} {message}");
        pointer
    };
    problems.into_iter().map(place).collect()
}

#[test]
fn a_card_number_is_refused_with_its_place() {
    validator::<CardNumberGuard>()
        .given(paid(r#"{"amount": 30, "by": "Ann"}"#))
        .then_accepted()
        .given(paid(&json!({"lines": [{"ref": "x"}, {"ref": CARD}]}).to_string()))
        .then_rejected([
            Problem::new("CARD_NUMBER", "This looks like a payment card number; leave it out").at("/lines/1/ref")
        ]);
}

#[test]
fn numbers_are_looked_at_however_they_are_written() {
    for number in ["4111111111111111", "-4111111111111111", "4111111111111111.0", "4.111111111111111e15"] {
        assert_eq!(refused_at(&format!("{{\"card\": {number}}}"), &[]), ["/card"], "{number}");
    }
    assert!(refused_at(r#"{"pi": 3.141592653589793, "time": 1767225600, "much": 1e300}"#, &[]).is_empty());
}

#[test]
fn every_place_is_told_and_its_name_is_written_as_a_pointer() {
    let payload = json!({"a/b~c": CARD, "free": {"text": [format!("it is {CARD}, thanks")]}});
    assert_eq!(refused_at(&payload.to_string(), &[]), ["/a~1b~0c", "/free/text/0"]);
    assert_eq!(refused_at(&json!(CARD).to_string(), &[]), [""]);
    assert_eq!(refused_at(&json!(vec![CARD; 100]).to_string(), &[]).len(), 16);
}

#[test]
fn a_name_of_a_member_that_is_a_card_number_is_refused_at_its_object() {
    assert_eq!(refused_at(&json!({"cards": {CARD: {"limit": CARD}}}).to_string(), &[]), ["/cards"]);
}

#[test]
fn of_two_members_with_the_same_name_both_are_looked_at() {
    assert_eq!(refused_at(&format!(r#"{{"note": "{CARD}", "note": "nothing"}}"#), &[]), ["/note"]);
}

#[test]
fn exempt_places_and_all_below_them_are_left_alone() {
    let payload = json!({"lines": [{"ref": CARD, "note": CARD}], "trace": {"id": CARD}, CARD: 1}).to_string();
    assert_eq!(refused_at(&payload, &["/lines/*/ref", "/trace"]), ["", "/lines/0/note"]);
    assert_eq!(refused_at(&payload, &["/lines/0/ref", "/lines/1", "/tra"]), ["", "/lines/0/note", "/trace/id"]);
    assert!(refused_at(&payload, &["/*"]).is_empty());
    assert!(refused_at(&json!({"a/b": CARD}).to_string(), &["/a~1b"]).is_empty());
}

#[test]
fn what_cannot_be_searched_is_refused_and_bytes_are_not_searched() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let bytes = NewEvent { payload: Payload::Bytes(CARD.into()), ..paid("") };
    validator::<CardNumberGuard>()
        .given(paid(&deep))
        .then_rejected([Problem::new(
            "UNSEARCHABLE",
            "The payload can't be searched: recursion limit exceeded at line 1 column 128",
        )])
        .given(bytes)
        .then_accepted();
}

#[test]
fn a_config_that_makes_no_sense_is_named() {
    let guard = || validator::<CardNumberGuard>();
    guard().config(json!({"allow": ["ref"]})).then_init_fails("'ref'; a JSON pointer begins with '/'");
    guard().config(json!({"allow": ["/lines/*ref"]})).then_init_fails("'*' stands for a whole step");
    guard().config(json!({"allow": vec!["/a"; 101]})).then_init_fails("it may have 100");
    guard().config(json!({"alow": []})).then_init_fails("alow");
}
