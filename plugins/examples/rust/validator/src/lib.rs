//! Refuses payments that are not positive, or larger than the operator's `max`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Number;
use serde_json::value::RawValue;
use weir_plugin_sdk::{Manifest, NewEvent, Problem, Validator, Verdict, export_validator};

/// Beyond 2^53 a JSON number is no longer the one that was written.
const INTEGER_MAX: f64 = 9_007_199_254_740_991.0;

/// It remembers nothing but the operator's bound.
pub struct PositiveAmount {
    max: Option<i64>,
}

/// Other keys are ignored.
#[derive(Deserialize)]
pub struct Config {
    #[serde(default, deserialize_with = "integer")]
    max: Option<i64>,
}

impl Validator for PositiveAmount {
    type Config = Config;

    fn manifest() -> Manifest {
        Manifest::new("positive-amount", "1.0.0")
            .description("Payments need an amount greater than 0")
            .interest(&[], &["payment-*"])
    }

    fn init(config: Config) -> Result<Self, String> {
        Ok(Self { max: config.max })
    }

    fn validate(&mut self, event: &NewEvent) -> Verdict {
        match (amount(event), self.max) {
            (None, _) => refuse("no-amount", "amount must be a number"),
            (Some(amount), _) if amount <= 0.0 => refuse("not-positive", "amount must be greater than 0"),
            (Some(amount), Some(max)) if amount > max as f64 => {
                refuse("too-large", &format!("amount must be at most {max}"))
            }
            _ => Verdict::Accept,
        }
    }
}

export_validator!(PositiveAmount);

fn refuse(code: &str, message: &str) -> Verdict {
    Verdict::refuse(Problem::new(code, message).at("/amount"))
}

/// Only this member is read. JSON has one kind of number, and no bound on it: as a float each can be read.
fn amount(event: &NewEvent) -> Option<f64> {
    let object: BTreeMap<String, &RawValue> = event.json().ok()?;
    object.get("amount")?.get().parse().ok()
}

/// An integer is what has no fraction, however it is written.
fn integer<'a, D: serde::Deserializer<'a>>(max: D) -> Result<Option<i64>, D::Error> {
    let number = Number::deserialize(max).ok().and_then(|number| number.as_f64());
    match number.filter(|number| number.fract() == 0.0 && number.abs() <= INTEGER_MAX) {
        Some(number) => Ok(Some(number as i64)),
        None => Err(serde::de::Error::custom("'max' must be an integer")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use weir_plugin_sdk::testing::{Case, Validated, new_event, validator};
    use weir_plugin_sdk::{Payload, Problem};

    use super::*;

    fn payment(payload: &str) -> NewEvent {
        new_event("payments", "payment-made", payload)
    }

    fn because(code: &str, message: &str) -> [Problem; 1] {
        [Problem::new(code, message).at("/amount")]
    }

    fn with_max(max: i64) -> Case<PositiveAmount, Validated> {
        validator::<PositiveAmount>().config(json!({"max": max, "of-another": true}))
    }

    #[test]
    fn a_positive_amount_is_accepted() {
        for amount in ["1", "0.5", "1e3", "1e400", "18446744073709551616"] {
            validator::<PositiveAmount>().given(payment(&format!("{{\"amount\":{amount}}}"))).then_accepted();
        }
    }

    #[test]
    fn what_has_no_amount_is_refused() {
        let none = || because("no-amount", "amount must be a number");
        for payload in ["{}", "[]", "5", "null", r#"{"amount":"5"}"#, r#"{"amount":null}"#, r#"{"amount":[1]}"#] {
            validator::<PositiveAmount>().given(payment(payload)).then_rejected(none());
        }
        let bytes = NewEvent { payload: Payload::Bytes(br#"{"amount":1}"#.to_vec()), ..payment("") };
        validator::<PositiveAmount>().given(bytes).then_rejected(none());
    }

    #[test]
    fn zero_and_less_are_refused() {
        for amount in ["0", "-0.0", "-1", "-1e400"] {
            validator::<PositiveAmount>()
                .given(payment(&format!("{{\"amount\":{amount}}}")))
                .then_rejected(because("not-positive", "amount must be greater than 0"));
        }
    }

    #[test]
    fn more_than_the_operators_bound_is_refused() {
        with_max(10)
            .given(payment(r#"{"amount":10}"#))
            .then_accepted()
            .given(payment(r#"{"amount":10.5}"#))
            .then_rejected(because("too-large", "amount must be at most 10"));
    }

    #[test]
    fn a_bound_that_is_no_integer_stops_the_plugin() {
        for max in [json!("10"), json!(1.5), json!(null), json!(1e300), json!([])] {
            validator::<PositiveAmount>().config(json!({"max": max})).then_init_fails("'max' must be an integer");
        }
        with_max(-1).given(payment(r#"{"amount":1}"#)).then_rejected(because("too-large", "amount must be at most -1"));
    }

    #[test]
    fn it_wants_payments_of_any_topic() {
        let manifest = PositiveAmount::manifest();
        assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("positive-amount", "1.0.0"));
        assert_eq!(manifest.interests.len(), 1);
        assert!(manifest.interests[0].topics.is_empty());
        assert_eq!(manifest.interests[0].event_types, ["payment-*"]);
    }
}
