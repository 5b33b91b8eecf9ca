//! What the view holds and under which keys. Accounts stand under their own ids; keys of the projection's own begin with
//! `$`, which no id has.

use serde::{Deserialize, Serialize};
use weir_plugin_sdk::{Payload, Problem};

/// The key of the [`Total`].
pub const TOTAL: &str = "$total";

/// Bytes of an owner's name that are a part of keys. A key has at most 1,024 bytes, an id up to 200 of them, and JSON may
/// write one byte of a name with six.
const OWNER_KEY_BYTES_MAX: usize = 128;

/// An account, under its id.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    pub owner: String,
    /// Cents.
    pub balance: u64,
    pub open: bool,
    /// The last event of the stream that this tells of.
    pub version: u64,
}

/// All accounts together. It changes with every event by what that event changed, so that nobody has to add up the view.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Total {
    /// Accounts that are open.
    pub accounts: u64,
    /// Cents in all of them, which may be more than 64 bits.
    pub balance: u128,
}

impl Total {
    pub fn add(&mut self, account: &Account) {
        self.accounts += u64::from(account.open);
        self.balance += u128::from(account.balance);
    }

    pub fn forget(&mut self, account: &Account) {
        self.accounts -= u64::from(account.open);
        self.balance -= u128::from(account.balance);
    }
}

/// The key that finds an account by its owner. As a JSON text the name ends where it ends: owner `a` with account `b/c` has
/// another key than owner `a/b` with account `c`.
pub fn owner_key(owner: &str, id: &str) -> Result<String, Problem> {
    let start = &owner[..owner.floor_char_boundary(OWNER_KEY_BYTES_MAX)];
    let start = Payload::of(start)?;
    Ok(format!("$owner/{}/{id}", start.as_json().unwrap_or_default()))
}
