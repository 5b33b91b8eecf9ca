//! What must hold of a bank, whatever happened in it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::bank::{Bank, Moves};

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Completed,
    Failed,
    Stuck,
    /// It was called failed, and then a late refund was refused.
    RefundStuck,
}

impl Bank {
    /// All that people brought is in the accounts, or has left one and not arrived.
    pub fn check_sum(&self) {
        let kept: u64 = self.states.values().map(|account| account.balance).sum();
        let under_way: u64 = self.moves.values().filter(|moves| moves.is_under_way()).map(|moves| moves.amount).sum();
        assert_eq!(self.brought, (kept + under_way) as i64);
    }

    /// When nothing is to come any more: every transfer has one end, and its money is where that end says.
    pub fn check_ends(&self) -> Vec<End> {
        assert!(self.timers.is_empty(), "timers that nobody cancelled: {:?}", self.timers);
        let told = self.told();
        let ends: Vec<End> = (0..self.requested).map(|number| self.check_end(&format!("t{number}"), &told)).collect();
        assert_eq!(told.len(), ends.len());
        ends
    }

    /// What the events tell of each transfer: their types, and the amount that is stuck.
    fn told(&self) -> BTreeMap<&str, (Vec<&str>, u64)> {
        let mut told: BTreeMap<&str, (Vec<&str>, u64)> = BTreeMap::new();
        let events =
            self.log.iter().filter(|event| event.topic == "transfers" && event.event_type != "transfer-requested");
        for event in events {
            let (types, stuck) = told.entry(event.stream.as_deref().expect("a transfer")).or_default();
            types.push(&event.event_type);
            if event.event_type.ends_with("-stuck") {
                *stuck += event.json::<Value>().expect("JSON")["amount"].as_u64().expect("cents");
            }
        }
        told
    }

    fn check_end(&self, id: &str, told: &BTreeMap<&str, (Vec<&str>, u64)>) -> End {
        let (types, stuck) = told.get(id).unwrap_or_else(|| panic!("{id} has no end"));
        let (end, state) = match types[..] {
            ["transfer-completed"] => (End::Completed, "completed"),
            ["transfer-failed"] => (End::Failed, "failed"),
            ["transfer-stuck"] => (End::Stuck, "stuck"),
            ["transfer-failed", "refund-stuck"] => (End::RefundStuck, "failed"),
            _ => panic!("{id} ends with {types:?}"),
        };
        let view = self.host.view().get::<Value>(id).expect("JSON").expect("an ended transfer is remembered");
        assert_eq!(view, serde_json::json!({ "state": state }), "{id}");
        let moves = self.moves.get(id);
        let under_way = moves.filter(|moves| moves.is_under_way()).map_or(0, |moves| moves.amount);
        assert_eq!(under_way, *stuck, "{id}: what is under way is what a person was told");
        let arrived_by = moves.and_then(|moves| moves.arrived_by.as_deref());
        let expected = match end {
            End::Completed => Some(format!("{id}/deposit")),
            End::Failed if moves.is_some() => Some(format!("{id}/refund")),
            _ => None,
        };
        assert_eq!(arrived_by, expected.as_deref(), "{id}");
        end
    }
}

impl Moves {
    fn is_under_way(&self) -> bool {
        self.withdrawn && self.arrived_by.is_none()
    }
}
