//! The projection "account-balances": what every account holds, whose it is, and what all of them hold together.
//! It does not judge: what the decider "bank-account" let happen is written down here, to be read without folding events.

mod view;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use view::{Account, Total};
use weir_plugin_sdk::{
    Answer, Event, Manifest, NoConfig, Params, Problem, Projection, Queries, View, export_projection_with_queries,
};

/// Accounts in one answer to `by-owner`.
const PAGE_ACCOUNTS_MAX: u32 = 1_000;

/// The projection. All that it knows is in the view.
pub struct AccountBalances;

#[derive(Deserialize)]
struct Opened {
    owner: Owner,
}

#[derive(Deserialize)]
struct Owner {
    name: String,
}

#[derive(Deserialize)]
struct Moved {
    balance: u64,
}

impl Projection for AccountBalances {
    type Config = NoConfig;

    fn manifest() -> Manifest {
        Manifest::new("account-balances", env!("CARGO_PKG_VERSION"))
            .description("Owner and balance of every bank account, and the sum of all")
            .interest(&["accounts"], &["account-opened", "account-closed", "deposited", "withdrawn"])
    }

    fn init(_: NoConfig) -> Result<Self, String> {
        Ok(Self)
    }

    fn apply(&mut self, event: &Event, view: &View) -> Result<(), Problem> {
        self.apply_batch(std::slice::from_ref(event), view)
    }

    /// Reads all accounts of a batch in one call of the host and writes them in another, however many events there are.
    fn apply_batch(&mut self, batch: &[Event], view: &View) -> Result<(), Problem> {
        let mut accounts = accounts_of(batch, view)?;
        let mut total: Total = view.get(view::TOTAL)?.unwrap_or_default();
        let mut owners = Vec::new();
        for event in batch {
            let Some(id) = event.stream.as_deref() else { continue };
            let Some(account) = accounts.get_mut(id) else { continue };
            total.forget(account);
            evolve(account, event)?;
            total.add(account);
            if event.event_type == "account-opened" {
                owners.push((view::owner_key(&account.owner, id)?, ()));
            }
        }
        view.put_many(owners)?;
        view.put_many(accounts)?;
        view.put(view::TOTAL, &total)
    }
}

/// The accounts that a batch is about, as the view has them; one that it does not have yet is empty.
fn accounts_of<'a>(batch: &'a [Event], view: &View) -> Result<BTreeMap<&'a str, Account>, Problem> {
    let mut ids: Vec<&str> = batch.iter().filter_map(|event| event.stream.as_deref()).collect();
    ids.sort_unstable();
    ids.dedup();
    let kept = view.get_many(&ids)?;
    Ok(ids.into_iter().zip(kept.into_iter().map(Option::unwrap_or_default)).collect())
}

fn evolve(account: &mut Account, event: &Event) -> Result<(), Problem> {
    match event.event_type.as_str() {
        "account-opened" => {
            account.owner = event.json::<Opened>()?.owner.name;
            account.open = true;
        }
        "deposited" | "withdrawn" => account.balance = event.json::<Moved>()?.balance,
        "account-closed" => account.open = false,
        _ => return Ok(()),
    }
    account.version = event.version.unwrap_or(account.version);
    Ok(())
}

/// An account in the answer to `by-owner`.
#[derive(Serialize)]
struct Found<'a> {
    account: &'a str,
    balance: u64,
    open: bool,
    version: u64,
}

impl Queries for AccountBalances {
    fn query(&mut self, name: &str, params: &Params, view: &View) -> Result<Answer, Problem> {
        match name {
            "total" => Answer::of(&view.get::<Total>(view::TOTAL)?.unwrap_or_default()),
            "by-owner" => by_owner(&params.require::<String>("owner")?, params.get("after")?, view),
            _ => Err(Problem::unknown_query(name)),
        }
    }
}

fn by_owner(owner: &str, after: Option<String>, view: &View) -> Result<Answer, Problem> {
    let prefix = view::owner_key(owner, "")?;
    let after = after.map(|id| prefix.clone() + &id);
    let page = view.scan_raw(&prefix, after.as_deref(), PAGE_ACCOUNTS_MAX);
    let ids: Vec<&str> = page.iter().filter_map(|(key, _)| key.strip_prefix(&prefix)).collect();
    let accounts = view.get_many::<Account>(&ids)?;
    let found = ids.into_iter().zip(accounts).filter_map(|(id, account)| {
        // The key knows only the beginning of a very long name.
        let Account { balance, open, version, .. } = account.filter(|account| account.owner == owner)?;
        Some(Found { account: id, balance, open, version })
    });
    Answer::of(&found.collect::<Vec<_>>())
}

export_projection_with_queries!(AccountBalances);
