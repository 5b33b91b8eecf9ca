//! The payloads of the account's events, as they are written today. What was written before comes through the upcaster
//! "account-opened-v2" in this form.

use serde::{Deserialize, Serialize};

/// `account-opened`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Opened {
    /// Whose account it is.
    pub owner: Owner,
    /// Three capital letters.
    pub currency: String,
}

/// A person.
#[derive(Debug, Serialize, Deserialize)]
pub struct Owner {
    /// As she calls herself.
    pub name: String,
}

/// `deposited` and `withdrawn`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Moved {
    /// Cents that came or went.
    pub amount: u64,
    /// Cents that the account holds after it.
    pub balance: u64,
    /// The transfer that this is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<String>,
}
