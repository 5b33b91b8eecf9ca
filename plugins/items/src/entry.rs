//! What the view has of an item, under its id.

use serde::{Deserialize, Serialize};
use serde_json::Number;
use weir_plugin_sdk::{Event, Problem};

/// An item with its name and amount; or without both, if there is none (any more), for its version still counts.
#[derive(Default, Serialize, Deserialize)]
pub struct Entry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amount: Option<Number>,
    /// There was an item; the entry is what is left of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
    /// The last event of the stream, of whatever type.
    pub version: u64,
}

#[derive(Deserialize)]
struct Created {
    name: String,
    amount: Number,
}

#[derive(Deserialize)]
struct Changed {
    amount: Number,
}

impl Entry {
    /// The entry after one more event, the stream's `version`th.
    pub fn after(self, event: &Event, version: u64) -> Result<Self, Problem> {
        Ok(match event.event_type.as_str() {
            "item-created" => {
                let Created { name, amount } = event.json()?;
                Self { name: Some(name), amount: Some(amount), deleted: false, version }
            }
            // An amount without an item means nothing; its version does.
            "item-amount-changed" if self.name.is_some() => {
                let Changed { amount } = event.json()?;
                Self { amount: Some(amount), version, ..self }
            }
            "item-deleted" => Self { deleted: true, version, ..Self::default() },
            _ => Self { version, ..self },
        })
    }
}
