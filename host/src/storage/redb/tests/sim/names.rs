//! One simulated directory: the names that are seen, those that are durable, and what was changed since the last sync.

use std::collections::BTreeMap;

use crate::storage::contract::dice::Dice;

/// Which file or directory a name stands for.
pub type Inode = usize;

#[derive(Clone, Default)]
pub struct Names {
    pub seen: BTreeMap<String, Inode>,
    durable: BTreeMap<String, Inode>,
    unsynced: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Put(String, Inode),
    Rename(String, String, Inode),
    Remove(String),
}

impl Change {
    fn apply(self, names: &mut BTreeMap<String, Inode>) {
        match self {
            Change::Put(name, inode) => drop(names.insert(name, inode)),
            Change::Rename(from, to, inode) => {
                names.remove(&from);
                names.insert(to, inode);
            }
            Change::Remove(name) => drop(names.remove(&name)),
        }
    }
}

impl Names {
    fn change(&mut self, change: Change) {
        change.clone().apply(&mut self.seen);
        self.unsynced.push(change);
    }

    pub fn put(&mut self, name: &str, inode: Inode) {
        self.change(Change::Put(name.into(), inode));
    }

    /// Answers whether the name was there.
    pub fn rename(&mut self, from: &str, to: &str) -> bool {
        let inode = self.seen.get(from).copied();
        if let Some(inode) = inode {
            self.change(Change::Rename(from.into(), to.into(), inode));
        }
        inode.is_some()
    }

    /// Answers whether the name was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let known = self.seen.contains_key(name);
        if known {
            self.change(Change::Remove(name.into()));
        }
        known
    }

    pub fn sync(&mut self) {
        self.write_back(|| true);
    }

    fn write_back(&mut self, mut arrives: impl FnMut() -> bool) {
        for change in std::mem::take(&mut self.unsynced) {
            if arrives() {
                change.apply(&mut self.durable);
            }
        }
    }

    /// Every change that was not synced is kept or lost by itself.
    pub fn lose_power(&mut self, dice: &mut Dice) {
        let eighths = [0, 4, 8][dice.below(3) as usize];
        self.write_back(|| dice.below(8) < eighths);
        self.seen.clone_from(&self.durable);
    }
}
