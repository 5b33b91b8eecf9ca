//! Refuses payments whose amount is not positive.

use serde::Deserialize;
use weir_plugin_sdk::{Manifest, NewEvent, NoConfig, Problem, Validator, Verdict, export_validator};

#[derive(Deserialize)]
struct Payment {
    amount: f64,
}

pub struct Plugin;

impl Validator for Plugin {
    type Config = NoConfig;

    fn manifest() -> Manifest {
        Manifest::new("{{name}}", env!("CARGO_PKG_VERSION"))
            .description("Payments need an amount greater than 0")
            .interest(&[], &["payment-*"])
    }

    fn init(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn validate(&mut self, event: &NewEvent) -> Verdict {
        let payment = event.payload.as_json().and_then(|text| serde_json::from_str::<Payment>(text).ok());
        match payment {
            Some(payment) if payment.amount > 0.0 => Verdict::Accept,
            _ => {
                let mut problem = Problem::new("not-positive", "amount must be a number greater than 0");
                problem.pointer = Some("/amount".into());
                Verdict::refuse(problem)
            }
        }
    }
}

export_validator!(Plugin);
