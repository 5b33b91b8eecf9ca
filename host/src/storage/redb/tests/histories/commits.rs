//! What must be in the records.

use std::collections::BTreeMap;

use super::tally::Tally;
use crate::storage::contract::dice::Dice;
use crate::storage::{Change, Expect, Record, Records, RecordsError, Store, memory};

/// Commits of unknown outcome that are told apart after a reopening; there are two to the power of it possibilities.
const UNKNOWN_MAX: usize = 6;

pub struct Commits {
    oracle: Store,
    /// What was committed, to make an oracle of any possible past.
    done: Vec<Vec<Change>>,
    unknown: Vec<Vec<Change>>,
    sent: u64,
    pub tally: Tally,
}

type All = BTreeMap<String, Record>;

async fn all(records: &dyn Records) -> All {
    records.scan("", None, usize::MAX).await.expect("scans").into_iter().collect()
}

impl Commits {
    pub fn new() -> Self {
        let oracle = memory::open(std::sync::Arc::new(|| 0));
        Self { oracle, done: vec![], unknown: vec![], sent: 0, tally: Tally::default() }
    }

    /// No more commits are worth while before it is known what became of the last ones.
    pub fn is_full(&self) -> bool {
        self.unknown.len() >= UNKNOWN_MAX
    }

    /// `owner` keeps commits apart that are made beside each other.
    pub async fn random(&mut self, dice: &mut Dice, owner: u64) -> Vec<Change> {
        let mut changes = vec![];
        for _ in 0..1 + dice.below(3) {
            self.sent += 1;
            let key = format!("{owner}/{}", dice.below(4));
            let known = self.oracle.records.get(&key).await.expect("readable").map_or(0, |record| record.revision);
            let change = if dice.chance(5) {
                Change::delete(key)
            } else {
                Change::put(
                    key,
                    vec![b'v'; dice.below(300) as usize]
                        .into_iter()
                        .chain(self.sent.to_string().into_bytes())
                        .collect::<Vec<_>>(),
                )
            };
            changes.push(match dice.below(4) {
                0 => change.expecting(Expect::Revision(known)),
                1 => change.expecting(if dice.chance(2) { Expect::Absent } else { Expect::Revision(known + 1) }),
                _ => change,
            });
        }
        changes
    }

    pub async fn note(&mut self, changes: Vec<Change>, ours: Result<(), RecordsError>, trouble: bool) {
        if let Err(RecordsError::Full { detail }) = ours {
            assert!(trouble, "the disk has room, but {detail}");
            return;
        }
        if let Err(RecordsError::Storage(error)) = ours {
            assert!(trouble, "nothing is wrong with the disk, but {error}");
            self.unknown.push(changes);
            self.tally.commits_unknown += 1;
            return;
        }
        let theirs = self.oracle.records.commit(changes.clone()).await;
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "{changes:?}");
        self.tally.commits += 1;
        if theirs.is_ok() {
            self.done.push(changes);
        }
    }

    /// Holds records that were just opened against what is known: each unknown commit was made whole, or not at all.
    pub async fn settle(&mut self, records: &dyn Records) {
        let found = all(records).await;
        let unknown = std::mem::take(&mut self.unknown);
        for choice in 0..1u32 << unknown.len() {
            let oracle = memory::open(std::sync::Arc::new(|| 0));
            let chosen = unknown.iter().enumerate().filter(|(n, _)| choice >> n & 1 == 1).map(|(_, changes)| changes);
            let past: Vec<_> = self.done.iter().chain(chosen).cloned().collect();
            for changes in &past {
                // One that found no longer what it expects changed nothing.
                let _ = oracle.records.commit(changes.clone()).await;
            }
            if all(&*oracle.records).await == found {
                (self.oracle, self.done) = (oracle, past);
                return;
            }
        }
        let known = all(&*self.oracle.records).await;
        panic!("records are {found:?}, not {known:?} with some of {unknown:?}");
    }
}
