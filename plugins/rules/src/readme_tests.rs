//! The README's own rules, from its text.

use serde_json::Value;
use weir_plugin_sdk::testing::{Case, Validated, command, new_event, validator};
use weir_plugin_sdk::{Command, Problem};

use crate::Rules;

fn example() -> Case<Rules, Validated> {
    let text = include_str!("../README.md").split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let side_car: Value = toml::from_str(text.expect("an example")).expect("TOML");
    validator::<Rules>().config(&side_car["config"])
}

#[test]
fn its_orders_are_taken_and_refused_as_it_says() {
    example()
        .given(new_event("orders", "order-placed", r#"{"amount":3,"lines":[{"quantity":1}]}"#).in_stream("order-1"))
        .then_accepted()
        .given(new_event("orders", "order-placed", r#"{"amount":0,"lines":[]}"#).in_stream("order-1"))
        .then_rejected([
            Problem::new("NO_AMOUNT", "An order needs an amount greater than 0").at("/amount"),
            Problem::new("RULE_VIOLATED", "Each line needs a quantity").at("/lines"),
        ])
        .given(new_event("other", "x", "{}").in_stream("Order 1"))
        .then_rejected([Problem::new("STREAM_NAME", "A stream is named like order-17")]);
}

#[test]
fn its_commands_are_taken_and_refused_as_it_says() {
    let withdraw = || command("withdraw", "accounts", "ann-1", r#"{"amount":1000000}"#);
    let close = |actor: Option<&str>| Command {
        actor: actor.map(str::to_owned),
        ..command("close", "accounts", "ann-1", "{}")
    };
    let too_little = Problem::new("TOO_LITTLE", "There is not enough on the account").at("/amount");
    let not_allowed = || [Problem::new("NOT_ALLOWED", "Only the bank may do this")];
    example()
        .guard(Some(r#"{"balance":1}"#), withdraw())
        .then_rejected([too_little])
        .guard(Some(r#"{"balance":1000000}"#), withdraw())
        .then_accepted()
        .guard(None, withdraw())
        .then_accepted()
        .guard(None, close(None))
        .then_rejected(not_allowed())
        .guard(None, close(Some("ann@home.example")))
        .then_rejected(not_allowed())
        .guard(None, close(Some("bob@bank.example")))
        .then_accepted();
}
