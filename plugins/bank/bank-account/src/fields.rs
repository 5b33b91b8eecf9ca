//! The members of a command's payload, one by one: a bad one is refused with its place, which serde alone would not tell.

use serde_json::{Map, Value};
use weir_plugin_sdk::{Command, Problem, Rejection};

use crate::AMOUNT_MAX;

/// Characters in an owner's name, and in the id of a transfer.
const OWNER_CHARS_MAX: usize = 100;
const TRANSFER_CHARS_MAX: usize = 200;

pub struct Fields(Map<String, Value>);

impl Fields {
    pub fn of(command: &Command) -> Result<Self, Rejection> {
        let words = |problem: Problem| format!("The command needs a JSON object: {}", problem.message);
        command.json().map(Self).map_err(|problem| bad("", words(problem)))
    }

    pub fn amount(&self) -> Result<u64, Rejection> {
        let amount = self.0.get("amount").and_then(Value::as_u64);
        let amount = amount.filter(|amount| (1..=AMOUNT_MAX).contains(amount));
        amount.ok_or_else(|| bad("/amount", format!("amount must be whole cents, from 1 to {AMOUNT_MAX}")))
    }

    pub fn owner(&self) -> Result<String, Rejection> {
        let owner = self.0.get("owner").and_then(Value::as_str).map(str::trim);
        let owner = owner.filter(|owner| (1..=OWNER_CHARS_MAX).contains(&owner.chars().count()));
        let owner = owner.filter(|owner| !owner.contains(char::is_control));
        let words = || format!("owner must be a name of 1 to {OWNER_CHARS_MAX} characters on one line");
        owner.map(str::to_owned).ok_or_else(|| bad("/owner", words()))
    }

    /// The id of the transfer that the command is a part of, if it is.
    pub fn transfer(&self) -> Result<Option<String>, Rejection> {
        let Some(transfer) = self.0.get("transfer") else { return Ok(None) };
        let id = transfer.as_str().filter(|id| (1..=TRANSFER_CHARS_MAX).contains(&id.chars().count()));
        let words = || format!("transfer must be an id of 1 to {TRANSFER_CHARS_MAX} characters, or be left out");
        id.map(|id| Some(id.to_owned())).ok_or_else(|| bad("/transfer", words()))
    }

    /// Nothing is exchanged in this bank: a currency that is named must be its own.
    pub fn currency(&self, own: &str) -> Result<(), Rejection> {
        match self.0.get("currency") {
            Some(other) if other != own => {
                Err(bad("/currency", format!("Accounts are kept in {own}; name that currency or none")))
            }
            _ => Ok(()),
        }
    }
}

fn bad(pointer: &str, message: String) -> Rejection {
    Problem::new("INVALID", message).at(pointer).into()
}
