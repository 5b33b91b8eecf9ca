//! Stories of operators' rules and the verdicts on events and commands.

use serde_json::{Value, json};
use weir_plugin_sdk::testing::{Case, Validated, command, new_event, validator};
use weir_plugin_sdk::{Command, NewEvent, Payload, Problem, Validator};

use crate::Rules;

fn with(rules: Value) -> Case<Rules, Validated> {
    validator::<Rules>().config(json!({ "rules": rules }))
}

fn order(payload: &str) -> NewEvent {
    new_event("orders", "order-placed", payload)
}

fn because(message: &str) -> [Problem; 1] {
    [Problem::new("RULE_VIOLATED", message)]
}

#[test]
fn without_rules_all_is_accepted() {
    validator::<Rules>().given(order("{}")).then_accepted().guard(None, command("c", "t", "s", "{}")).then_accepted();
}

#[test]
fn an_event_that_breaks_a_rule_is_refused_with_the_rules_own_words() {
    with(json!([{
        "topic": "orders", "type": "order-placed", "check": "payload.amount > 0",
        "message": "An order needs an amount", "code": "NO_AMOUNT", "pointer": "/amount",
    }]))
    .given(order(r#"{"amount":1}"#))
    .then_accepted()
    .given(order(r#"{"amount":0}"#))
    .then_rejected([Problem::new("NO_AMOUNT", "An order needs an amount").at("/amount")]);
}

#[test]
fn a_rule_that_says_nothing_of_itself_says_what_must_hold() {
    with(json!([{"type": "*", "check": "payload.amount > 0"}]))
        .given(order(r#"{"amount":-1}"#))
        .then_rejected(because("This must hold: payload.amount > 0"));
}

#[test]
fn all_broken_rules_are_reported_in_their_order() {
    with(json!([
        {"type": "*", "check": "payload.b", "message": "b"},
        {"type": "*", "check": "payload.c", "message": "c"},
        {"type": "*", "check": "payload.a", "message": "a"},
    ]))
    .given(order(r#"{"a":false,"b":false,"c":true}"#))
    .then_rejected([Problem::new("RULE_VIOLATED", "b"), Problem::new("RULE_VIOLATED", "a")]);
}

#[test]
fn a_rule_is_for_topics_and_types() {
    let rules = json!([{"topic": ["orders", "x-*"], "type": "order-*", "check": "false", "message": "no"}]);
    for (topic, event_type, refused) in [
        ("orders", "order-placed", true),
        ("x-1", "order-", true),
        ("orders", "reorder-placed", false),
        ("orders2", "order-placed", false),
    ] {
        let case = with(rules.clone()).given(new_event(topic, event_type, "{}"));
        if refused {
            case.then_rejected(because("no"))
        } else {
            case.then_accepted()
        };
    }
}

#[test]
fn a_rule_holds_where_it_is_not_meant() {
    with(json!([{
        "type": "*", "when": "payload.country == 'DE'", "check": "payload.vat == 19", "message": "19 % in Germany",
    }]))
    .given(order(r#"{"country":"FR"}"#))
    .then_accepted()
    .given(order(r#"{"country":"DE","vat":7}"#))
    .then_rejected(because("19 % in Germany"))
    .given(order("{}"))
    .then_rejected(because(
        "19 % in Germany (payload has no member 'country'; write has(payload.country) where it may be missing)",
    ));
}

#[test]
fn what_can_t_be_evaluated_is_a_broken_rule() {
    let amount =
        || with(json!([{"type": "*", "check": "payload.amount > 0", "message": "An amount", "pointer": "/amount"}]));
    for (payload, why) in [
        ("{}", "payload has no member 'amount'; write has(payload.amount) where it may be missing"),
        (r#"{"amount":"1"}"#, "> can't be applied to a text and an int"),
        (r#"{"amount":null}"#, "> can't be applied to null and an int"),
        ("[]", "a list has no members"),
        ("null", "null has no members"),
    ] {
        let refused = Problem::new("RULE_VIOLATED", format!("An amount ({why})")).at("/amount");
        amount().given(order(payload)).then_rejected([refused]);
    }
    with(json!([{"type": "*", "check": "payload.ok", "message": "ok"}]))
        .given(order(r#"{"ok":1}"#))
        .then_rejected(because("ok (it is an int and must be true or false)"));
    with(json!([{"type": "*", "check": "!has(payload.amount) || payload.amount > 0"}]))
        .given(order("{}"))
        .then_accepted();
}

#[test]
fn rules_see_all_of_an_event() {
    let event = order("{}").in_stream("order-1").tag("red").meta("actor", "ann");
    for check in [
        "type == 'order-placed' && topic == 'orders'",
        "stream == 'order-1' && stream.matches('^order-[0-9]+$')",
        "'red' in tags && size(tags) == 1",
        "metadata.actor == 'ann' && !has(metadata.correlation)",
        "payload == {} && bytes == null",
    ] {
        with(json!([{"type": "*", "check": check}])).given(event.clone()).then_accepted();
    }
    with(json!([{"type": "*", "check": "stream == null && tags == [] && metadata == {}"}]))
        .given(order("{}"))
        .then_accepted();
}

#[test]
fn numbers_are_read_as_they_were_written() {
    let rules =
        json!([{"type": "*", "check": "payload.n == 18446744073709551615u || payload.n == -9223372036854775807 - 1"}]);
    for (n, fits) in [
        ("18446744073709551615", true),
        ("18446744073709551614", false),
        ("-9223372036854775808", true),
        ("-9223372036854775807", false),
    ] {
        let case = with(rules.clone()).given(order(&format!("{{\"n\":{n}}}")));
        assert_eq!(fits, std::panic::catch_unwind(|| case.then_accepted()).is_ok(), "{n}");
    }
}

#[test]
fn what_is_no_json_has_bytes_and_a_payload_of_null() {
    let event = |bytes: &[u8]| NewEvent { payload: Payload::Bytes(bytes.to_vec()), ..order("") };
    with(json!([{"type": "*", "check": "payload == null && size(bytes) <= 3", "message": "too large"}]))
        .given(event(b"abc"))
        .then_accepted()
        .given(event(b"abcd"))
        .then_rejected(because("too large"));
    with(json!([{"type": "*", "check": "payload.amount > 0", "message": "no"}]))
        .given(event(br#"{"amount":1}"#))
        .then_rejected(because("no (null has no members)"));
}

#[test]
fn a_payload_is_read_only_where_a_rule_looks_at_it() {
    let unreadable = order(r#"{"n":1e999}"#);
    with(json!([{"type": "other", "check": "payload.n > 0"}, {"type": "*", "check": "type != ''"}]))
        .given(unreadable.clone())
        .then_accepted();
    let mut rules = Rules::init(
        serde_json::from_value(json!({"rules": [
            {"type": "*", "check": "payload.n > 0"}, {"type": "*", "check": "payload.m > 0"},
        ]}))
        .expect("rules"),
    )
    .expect("rules");
    let weir_plugin_sdk::Verdict::Reject(problems) = rules.validate(&unreadable) else { panic!("accepted") };
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!((problems[0].code.as_str(), problems[0].pointer.as_deref()), ("PAYLOAD_UNREADABLE", Some("")));
    assert!(problems[0].message.contains("out of range"), "{problems:?}");
}

#[test]
fn a_command_is_refused_for_the_state_that_it_meets() {
    let rules = || {
        with(json!([
            {
                "topic": "accounts", "command": "pay-*", "check": "state.balance >= payload.amount",
                "message": "Too little", "code": "TOO_LITTLE",
            },
            {"command": "*", "when": "state != null", "check": "!state.closed", "message": "It is closed"},
        ]))
    };
    let pay = |amount: u64| command("pay-out", "accounts", "ann", &format!("{{\"amount\":{amount}}}"));
    let open = Some(r#"{"balance":5,"closed":false}"#);
    rules().guard(open, pay(5)).then_accepted();
    rules().guard(open, pay(6)).then_rejected([Problem::new("TOO_LITTLE", "Too little")]);
    rules().guard(None, pay(6)).then_rejected([Problem::new("TOO_LITTLE", "Too little (null has no members)")]);
    rules().guard(None, command("open", "accounts", "ann", "{}")).then_accepted();
    rules()
        .guard(Some(r#"{"balance":1,"closed":true}"#), pay(6))
        .then_rejected([Problem::new("TOO_LITTLE", "Too little"), Problem::new("RULE_VIOLATED", "It is closed")]);
}

#[test]
fn rules_see_all_of_a_command() {
    let mut sent = command("close", "accounts", "ann", r#"{"why":"moved"}"#);
    sent.actor = Some("bob".into());
    sent.metadata = vec![("ip".into(), "::1".into())];
    sent.time_ms = 1_700_000_000_000;
    for check in [
        "command == 'close' && topic == 'accounts' && stream == 'ann'",
        "actor == 'bob' && metadata.ip == '::1' && time > 1600000000000",
        "payload.why == 'moved' && bytes == null && state == null",
    ] {
        with(json!([{"command": "close", "check": check}])).guard(None, sent.clone()).then_accepted();
    }
    let nobody = Command { actor: None, payload: Payload::Bytes(vec![1]), ..sent };
    with(json!([{"command": "close", "check": "actor == null && payload == null && bytes == b'\\x01'"}]))
        .guard(None, nobody)
        .then_accepted();
}

#[test]
fn rules_for_events_are_none_for_commands() {
    with(json!([{"type": "*", "check": "false"}])).guard(None, command("c", "t", "s", "{}")).then_accepted();
    with(json!([{"command": "*", "check": "false"}])).given(order("{}")).then_accepted();
}

#[test]
fn a_mistake_in_a_rule_stops_the_plugin_with_number_expression_and_place() {
    let good = json!({"type": "*", "check": "true"});
    for (rule, words) in [
        (
            json!({"type": "*", "check": "payload.amount >"}),
            "rule 2, check 'payload.amount >': line 1, column 17: mismatched input '<EOF>' expecting expression",
        ),
        (
            json!({"type": "*", "when": "paylod.x", "check": "true"}),
            "rule 2, when 'paylod.x': line 1, column 1: unknown variable 'paylod'; \
             there is payload, bytes, type, topic, stream, tags, metadata",
        ),
        (
            json!({"type": "*", "check": "state.x"}),
            "unknown variable 'state'; there is payload, bytes, type, topic, stream, tags, metadata",
        ),
        (
            json!({"command": "*", "check": "true\n && tag == []"}),
            "line 2, column 5: unknown variable 'tag'; \
             there is state, payload, bytes, command, topic, stream, actor, tags, metadata, time",
        ),
        (json!({"type": "*", "check": "payload.amount + 1"}), "column 1: it is an int and must be true or false"),
        (json!({"type": "*", "check": "true", "when": "'yes'"}), "when ''yes'': line 1, column 1: it is a text"),
        (json!({"type": "*", "check": "type.lower() == ''"}), "column 6: unknown function 'lower'"),
        (json!({"type": "*", "check": "type.matches('[')"}), "is no pattern"),
        (json!({"type": "*"}), "rule 2, which does not fit: missing field `check`"),
        (json!({"type": "*", "chek": "true"}), "rule 2, which does not fit: unknown field `chek`, expected one of"),
        (json!({"check": "true"}), "rule 2, which has neither type nor command"),
        (json!({"type": "*", "command": "*", "check": "true"}), "rule 2, which has both type and command"),
        (json!({"type": "a b", "check": "true"}), "'a b' is no glob"),
        (json!({"type": "*", "topic": 7, "check": "true"}), "a glob or a list of globs"),
        (json!({"type": "*", "check": "true", "pointer": "amount"}), "pointer: 'amount' is no JSON pointer"),
        (json!({"type": "*", "check": "true", "code": ""}), "code: it must not be empty"),
        (json!({"type": "*", "check": "true", "message": "x".repeat(1_001)}), "message: it has 1001 bytes"),
        (json!("true"), "rule 2, which does not fit"),
    ] {
        with(json!([good, rule])).then_init_fails(words);
    }
    with(vec![good; 501].into()).then_init_fails("there are 501 rules, at most 500");
    validator::<Rules>().config(json!({"rule": []})).then_init_fails("unknown field `rule`");
}

#[test]
fn a_payload_that_takes_too_long_is_refused() {
    let list = vec![0; 5_000];
    with(json!([{"type": "*", "check": "payload.a.all(x, !(x in payload.b))", "message": "none of a is in b"}]))
        .given(order(&json!({"a": list, "b": [[list]]}).to_string()))
        .then_rejected(because("none of a is in b (it takes more than 100000 steps, and is given up)"));
}

#[test]
fn the_manifest_has_a_schema_of_the_config() {
    let manifest = Rules::manifest();
    let schema: Value = serde_json::from_str(manifest.config_schema.as_deref().expect("a schema")).expect("JSON");
    let keys: Vec<&String> =
        schema["properties"]["rules"]["items"]["properties"].as_object().expect("keys").keys().collect();
    assert_eq!(keys, ["check", "code", "command", "message", "pointer", "topic", "type", "when"]);
    assert!(manifest.interests.is_empty() && manifest.wishes.is_empty());
}
