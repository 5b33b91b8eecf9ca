//! The decider "bank-account": opens accounts, moves money in and out, closes them, and never lets a balance go below zero.
//! A stream of topic `accounts` is one account. It knows one account at a time; moving money from one to another is the
//! work of the process manager "transfers".

mod commands;
pub mod events;
mod fields;

#[cfg(test)]
mod tests;

use events::{Moved, Opened};
use serde::{Deserialize, Serialize};
use weir_plugin_sdk::{Command, Decider, Event, Manifest, NewEvent, Problem, Rejection, export_decider};

/// The most cents that one command may move.
pub const AMOUNT_MAX: u64 = 100_000_000_000;
/// The most cents that an account may hold: up to here every language reads a JSON number exactly.
pub const BALANCE_MAX: u64 = 9_007_199_254_740_991;

/// The decider. What it knows of an account is in the account's state.
pub struct BankAccount {
    currency: String,
}

/// What the operator may set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The currency of all accounts, as three capital letters.
    #[serde(default = "euro")]
    currency: String,
}

fn euro() -> String {
    "EUR".into()
}

/// An account. One that was never opened has no owner; one that was closed keeps hers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Account {
    /// Who opened it.
    pub owner: String,
    /// Cents.
    pub balance: u64,
    /// Whether money may move.
    pub open: bool,
}

impl Decider for BankAccount {
    type Config = Config;
    type State = Account;

    fn manifest() -> Manifest {
        Manifest::new("bank-account", env!("CARGO_PKG_VERSION"))
            .description("Opens and closes bank accounts, and moves money in and out of them")
            .interest(&["accounts"], &[])
            .config_schema(r#"{"type":"object","properties":{"currency":{"type":"string","pattern":"^[A-Z]{3}$"}}}"#)
    }

    fn init(Config { currency }: Config) -> Result<Self, String> {
        match currency.len() == 3 && currency.bytes().all(|letter| letter.is_ascii_uppercase()) {
            true => Ok(Self { currency }),
            false => Err(format!("currency is '{currency}'; it must be three capital letters, like EUR")),
        }
    }

    /// The events say what the balance came to, so it is added up in one place: where it is decided.
    fn evolve(&self, account: Account, event: &Event) -> Result<Account, Problem> {
        Ok(match event.event_type.as_str() {
            "account-opened" => Account { owner: event.json::<Opened>()?.owner.name, open: true, ..account },
            "deposited" | "withdrawn" => Account { balance: event.json::<Moved>()?.balance, ..account },
            "account-closed" => Account { open: false, ..account },
            _ => account,
        })
    }

    fn decide(&mut self, account: &Account, command: &Command) -> Result<Vec<NewEvent>, Rejection> {
        let event = match command.name.as_str() {
            "open" => commands::open(account, command, &self.currency)?,
            "deposit" => commands::deposit(account, command)?,
            "withdraw" => commands::withdraw(account, command)?,
            "close" => commands::close(account, command)?,
            _ => return Err(Rejection::UnknownCommand),
        };
        Ok(vec![event])
    }
}

export_decider!(BankAccount);
