//! The life of a transfer as one table: what is known of it, what happens to it, what becomes of it and what is to be done.
//! It knows neither events nor commands; those are made in `words`.
//!
//! Money has left `from` and not come to rest in `depositing`, `overdue`, `refunding` and `returning`, and nowhere else.

use serde::{Deserialize, Serialize};

use Fact::*;
use State::*;
use Step::*;

/// Where a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The withdrawal is asked for.
    Withdrawing,
    /// It took too long and was called failed; should the withdrawal still be made, it is given back.
    Cancelled,
    /// The money is on its way to `to`.
    Depositing,
    /// The same, and it takes longer than it should.
    Overdue,
    /// `to` does not take it: it is on its way back, and then the transfer has failed.
    Refunding,
    /// It is on its way back after the transfer was called failed already.
    Returning,
    Completed,
    Failed,
    Stuck,
}

/// What happens to a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    Withdrawn,
    WithdrawRefused,
    Deposited,
    DepositRefused,
    Refunded,
    RefundRefused,
    TimedOut,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Withdraw,
    Deposit,
    Refund,
    CancelTimer,
    TellCompleted,
    TellFailed,
    /// Money is nowhere, and a person must put it somewhere: as the end of a transfer, or after it was called failed.
    TellStuck,
    TellRefundStuck,
}

impl State {
    /// What a fact makes of a transfer; `None` if it means nothing to it, as with all that comes again.
    pub fn after(self, fact: Fact) -> Option<(State, &'static [Step])> {
        Some(match (self, fact) {
            (Withdrawing, Withdrawn) => (Depositing, &[Deposit]),
            (Withdrawing, WithdrawRefused) => (Failed, &[CancelTimer, TellFailed]),
            (Withdrawing, TimedOut) => (Cancelled, &[TellFailed]),

            (Cancelled, Withdrawn) => (Returning, &[Refund]),
            (Cancelled, WithdrawRefused) => (Failed, &[]),

            (Depositing, Deposited) => (Completed, &[CancelTimer, TellCompleted]),
            (Depositing, DepositRefused) => (Refunding, &[CancelTimer, Refund]),
            // It can't be called back. So it is left alone, and whoever looks at the view sees that it is late.
            (Depositing, TimedOut) => (Overdue, &[]),

            (Overdue, Deposited) => (Completed, &[TellCompleted]),
            (Overdue, DepositRefused) => (Refunding, &[Refund]),

            (Refunding, Refunded) => (Failed, &[TellFailed]),
            (Refunding, RefundRefused) => (Stuck, &[TellStuck]),

            (Returning, Refunded) => (Failed, &[]),
            (Returning, RefundRefused) => (Failed, &[TellRefundStuck]),
            _ => return None,
        })
    }

    /// Nothing can happen to it any more.
    pub fn has_ended(self) -> bool {
        matches!(self, Completed | Failed | Stuck)
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
