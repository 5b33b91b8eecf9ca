//! The validator "card-number-guard": refuses events whose payload holds what looks like a payment card number, before it is
//! in a log that forgets nothing. It says where, and never what: its words end up in answers, logs and screens.

mod allow;
mod card;
mod search;

#[cfg(test)]
mod tests;

use allow::Pattern;
use search::Place;
use serde::Deserialize;
use weir_plugin_sdk::{Manifest, NewEvent, Problem, Validator, Verdict, export_validator};

/// Patterns that an operator may list.
const ALLOW_MAX: usize = 100;
const CONFIG_SCHEMA: &str = r#"{"type":"object","properties":{"allow":{"type":"array","items":{"type":"string"}}}}"#;

/// The validator, with the places that it does not look at.
pub struct CardNumberGuard {
    allow: Vec<Pattern>,
}

/// What the operator may set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// JSON pointers to what may look like a card number; `*` stands for any one step. Nothing by default.
    #[serde(default)]
    allow: Vec<String>,
}

impl Validator for CardNumberGuard {
    type Config = Config;

    fn manifest() -> Manifest {
        Manifest::new("card-number-guard", env!("CARGO_PKG_VERSION"))
            .description("Refuses events whose payload holds a payment card number")
            .config_schema(CONFIG_SCHEMA)
    }

    fn init(Config { allow }: Config) -> Result<Self, String> {
        if allow.len() > ALLOW_MAX {
            return Err(format!("allow has {} pointers; it may have {ALLOW_MAX}", allow.len()));
        }
        let allow = allow.iter().map(|text| Pattern::parse(text)).collect::<Result<_, _>>()?;
        Ok(Self { allow })
    }

    /// What can't be searched is refused: it could hold anything. Bytes are accepted, for nobody knows how to read them.
    fn validate(&mut self, event: &NewEvent) -> Verdict {
        let Some(text) = event.payload.as_json() else { return Verdict::Accept };
        match search::places(text, &self.allow) {
            Ok(places) if places.is_empty() => Verdict::Accept,
            Ok(places) => Verdict::Reject(places.into_iter().map(problem).collect()),
            Err(error) => {
                Verdict::refuse(Problem::new("UNSEARCHABLE", format!("The payload can't be searched: {error}")))
            }
        }
    }
}

fn problem(place: Place) -> Problem {
    let (pointer, message) = match place {
        Place::Value(pointer) => (pointer, "This looks like a payment card number; leave it out"),
        Place::Name(pointer) => (pointer, "The name of a member here looks like a payment card number; leave it out"),
    };
    Problem::new("CARD_NUMBER", message).at(pointer)
}

export_validator!(CardNumberGuard);
