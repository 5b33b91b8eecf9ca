//! The upcaster "account-opened-v2": shows the bank's first `account-opened` events in the form of today.
//!
//! First `{"owner": "Ann"}`, from before there were currencies: all accounts were in euros. Today
//! `{"owner": {"name": "Ann"}, "currency": "EUR"}`. The log keeps what was recorded; readers need to know one form only.

use serde_json::{Map, Value, json};
use weir_plugin_sdk::{Event, Manifest, NoConfig, Problem, Upcaster, export_upcaster};

/// What accounts were kept in before events said it.
const FIRST_CURRENCY: &str = "EUR";

/// The upcaster.
pub struct AccountOpenedV2;

impl Upcaster for AccountOpenedV2 {
    type Config = NoConfig;

    fn manifest() -> Manifest {
        Manifest::new("account-opened-v2", env!("CARGO_PKG_VERSION"))
            .description("Shows the first account-opened events with their owner's name and a currency")
            .interest(&["accounts"], &["account-opened"])
    }

    fn init(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    /// An owner that is a text is the mark of the first form. All else is left as it is: it is of today already, or nothing
    /// that this plugin can mend. What the event said besides is kept.
    fn upcast(&mut self, event: Event) -> Result<Event, Problem> {
        let Ok(mut opened) = event.json::<Map<String, Value>>() else { return Ok(event) };
        let Some(name) = opened.get("owner").and_then(Value::as_str).map(str::to_owned) else { return Ok(event) };
        opened.insert("owner".into(), json!({ "name": name }));
        opened.entry("currency").or_insert_with(|| FIRST_CURRENCY.into());
        event.with_json(&opened)
    }
}

export_upcaster!(AccountOpenedV2);

#[cfg(test)]
mod tests {
    use weir_plugin_bank_account::BankAccount;
    use weir_plugin_sdk::testing::{decider, stream_event, upcaster};
    use weir_plugin_sdk::{Payload, Upcaster};

    use super::*;

    fn opened(payload: &str) -> Event {
        stream_event("accounts", "ann", 1, "account-opened", payload)
    }

    #[test]
    fn an_owner_becomes_a_name_and_the_account_gets_its_currency() {
        upcaster::<AccountOpenedV2>()
            .given(opened(r#"{"owner":"Ann"}"#))
            .then(opened(r#"{"owner":{"name":"Ann"},"currency":"EUR"}"#))
            .given(opened(r#"{"branch":7,"owner":"Ann","currency":"DEM"}"#))
            .then(opened(r#"{"branch":7,"owner":{"name":"Ann"},"currency":"DEM"}"#));
    }

    #[test]
    fn what_is_of_today_or_of_no_known_form_is_left_as_it_is() {
        let bytes = Event { payload: Payload::Bytes(vec![0xff]), ..opened("") };
        let today = opened(r#"{"owner": {"name": "Ann"}, "currency": "EUR"}"#);
        for event in [today, opened(r#"{"owner": 7}"#), opened("{}"), opened("[]"), bytes] {
            // Byte for byte: spaces too.
            assert_eq!(AccountOpenedV2.upcast(event.clone()), Ok(event));
        }
    }

    #[test]
    fn the_decider_reads_what_it_makes() {
        let old = opened(r#"{"owner":"Ann"}"#);
        let today = AccountOpenedV2.upcast(old).expect("it is read");
        decider::<BankAccount>().given([today]).then_state(r#"{"owner":"Ann","balance":0,"open":true}"#);
    }
}
