//! What becomes of each command. A payload is looked at before the account, so that a bad one is called bad whatever state
//! the account is in.

use serde_json::json;
use weir_plugin_sdk::{Command, NewEvent, Rejection};

use crate::events::{Moved, Opened, Owner};
use crate::fields::Fields;
use crate::{Account, BALANCE_MAX};

pub fn open(account: &Account, command: &Command, currency: &str) -> Result<NewEvent, Rejection> {
    let fields = Fields::of(command)?;
    let name = fields.owner()?;
    fields.currency(currency)?;
    let id = &command.stream;
    if account.open {
        return Err(Rejection::conflict("ALREADY_OPEN", format!("Account '{id}' is open already")));
    }
    // Money that is still on its way to a closed account must not reach whoever came after its owner.
    if !account.owner.is_empty() {
        return Err(Rejection::conflict("CLOSED", format!("Account '{id}' was closed; open one with another id")));
    }
    let opened = Opened { owner: Owner { name }, currency: currency.into() };
    Ok(command.event("account-opened", &opened)?)
}

pub fn deposit(account: &Account, command: &Command) -> Result<NewEvent, Rejection> {
    let fields = Fields::of(command)?;
    let (amount, transfer) = (fields.amount()?, fields.transfer()?);
    let Account { balance, .. } = must_be_open(account, command)?;
    let Some(balance) = balance.checked_add(amount).filter(|sum| *sum <= BALANCE_MAX) else {
        let message =
            format!("Account '{}' holds {balance}; with {amount} more it would hold too much", command.stream);
        return Err(Rejection::conflict("FULL", message));
    };
    Ok(command.event("deposited", &Moved { amount, balance, transfer })?)
}

pub fn withdraw(account: &Account, command: &Command) -> Result<NewEvent, Rejection> {
    let fields = Fields::of(command)?;
    let (amount, transfer) = (fields.amount()?, fields.transfer()?);
    let Account { balance, .. } = must_be_open(account, command)?;
    let Some(balance) = balance.checked_sub(amount) else {
        let message = format!("Account '{}' holds {balance}, which is less than {amount}", command.stream);
        return Err(Rejection::conflict("OVERDRAWN", message));
    };
    Ok(command.event("withdrawn", &Moved { amount, balance, transfer })?)
}

pub fn close(account: &Account, command: &Command) -> Result<NewEvent, Rejection> {
    match must_be_open(account, command)?.balance {
        0 => Ok(command.event("account-closed", &json!({}))?),
        balance => {
            let message = format!("Account '{}' holds {balance}; withdraw it before closing", command.stream);
            Err(Rejection::conflict("NOT_EMPTY", message))
        }
    }
}

fn must_be_open<'a>(account: &'a Account, command: &Command) -> Result<&'a Account, Rejection> {
    let closed = || Rejection::conflict("NOT_OPEN", format!("Account '{}' is not open", command.stream));
    if account.open { Ok(account) } else { Err(closed()) }
}
