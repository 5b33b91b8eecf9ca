//! One simulated file: what reads see, what the platter has, and what was written since the last sync.

use std::collections::BTreeSet;

use crate::storage::contract::dice::Dice;

/// What is written whole or not at all.
pub const SECTOR_BYTES: usize = 512;

#[derive(Clone, Default)]
pub struct Content {
    cache: Vec<u8>,
    /// May be longer than `disk_len`: sectors that arrived before the length that covers them.
    disk: Vec<u8>,
    disk_len: usize,
    unsynced: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    /// Whole sectors as they were after the write, because that is what a page cache writes back.
    Sectors {
        first: usize,
        bytes: Vec<u8>,
    },
    Grow(usize),
    Cut(usize),
}

impl Content {
    pub fn len(&self) -> usize {
        self.cache.len()
    }

    pub fn read(&self, out: &mut [u8], at: usize) -> bool {
        let found = at.checked_add(out.len()).and_then(|end| self.cache.get(at..end));
        found.map(|bytes| out.copy_from_slice(bytes)).is_some()
    }

    pub fn write(&mut self, bytes: &[u8], at: usize) {
        let end = at + bytes.len();
        if end > self.cache.len() {
            self.set_len(end);
        }
        self.cache[at..end].copy_from_slice(bytes);
        let first = at / SECTOR_BYTES;
        let end = end.next_multiple_of(SECTOR_BYTES);
        let mut sectors = self.cache[first * SECTOR_BYTES..end.min(self.cache.len())].to_vec();
        sectors.resize(end - first * SECTOR_BYTES, 0);
        self.unsynced.push(Change::Sectors { first, bytes: sectors });
    }

    pub fn set_len(&mut self, len: usize) {
        if len != self.cache.len() {
            self.unsynced.push(if len < self.cache.len() { Change::Cut(len) } else { Change::Grow(len) });
            self.cache.resize(len, 0);
        }
    }

    pub fn sync(&mut self) {
        self.write_back(|| true);
    }

    /// Each unsynced sector and length arrives on the platter or does not.
    fn write_back(&mut self, mut arrives: impl FnMut() -> bool) {
        for change in std::mem::take(&mut self.unsynced) {
            match change {
                Change::Sectors { first, bytes } => {
                    for (n, sector) in bytes.chunks(SECTOR_BYTES).enumerate().filter(|_| arrives()) {
                        self.put(first + n, sector);
                    }
                }
                Change::Grow(len) if arrives() => self.disk_len = self.disk_len.max(len),
                Change::Cut(len) if arrives() => {
                    self.disk.truncate(len);
                    self.disk_len = len;
                }
                Change::Grow(_) | Change::Cut(_) => {}
            }
        }
    }

    fn put(&mut self, sector: usize, bytes: &[u8]) {
        let at = sector * SECTOR_BYTES;
        if self.disk.len() < at + bytes.len() {
            self.disk.resize(at + bytes.len(), 0);
        }
        self.disk[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// The power goes: of what was not synced an arbitrary part arrived, from nothing to all.
    pub fn lose_power(&mut self, dice: &mut Dice) {
        let eighths = [0, 1, 4, 7, 8][dice.below(5) as usize];
        self.write_back(|| dice.below(8) < eighths);
        self.disk.resize(self.disk_len, 0);
        self.cache.clone_from(&self.disk);
    }

    /// A sync fails as it does on Linux: every sector that was to be written arrived, or was lost while the cache goes on
    /// showing it, or was lost there too. None of them is written again by a later sync. Lengths are the journal's, and are.
    pub fn fail_sync(&mut self, dice: &mut Dice) {
        let mut latest = BTreeSet::new();
        let mut lengths = vec![];
        for change in std::mem::take(&mut self.unsynced) {
            match change {
                Change::Sectors { first, bytes } => latest.extend(first..first + bytes.len() / SECTOR_BYTES),
                length => lengths.push(length),
            }
        }
        self.unsynced = lengths;
        let fates = [[0, 0, 0], [1, 1, 1], [2, 2, 2], [0, 1, 2], [0, 1, 1], [0, 2, 2]][dice.below(6) as usize];
        for sector in latest {
            match fates[dice.below(3) as usize] {
                0 => {
                    let bytes = sector_of(&self.cache, sector);
                    self.put(sector, &bytes);
                }
                1 => {}
                _ => self.show_platter(sector),
            }
        }
    }

    /// The cache forgets what it need not keep, so that reads see the platter again.
    pub fn evict(&mut self) {
        let kept: BTreeSet<usize> = (self.unsynced.iter())
            .flat_map(|change| match change {
                Change::Sectors { first, bytes } => *first..*first + bytes.len() / SECTOR_BYTES,
                Change::Grow(_) | Change::Cut(_) => 0..0,
            })
            .collect();
        for sector in (0..self.cache.len().div_ceil(SECTOR_BYTES)).filter(|sector| !kept.contains(sector)) {
            self.show_platter(sector);
        }
    }

    fn show_platter(&mut self, sector: usize) {
        let bytes = sector_of(&self.disk, sector);
        let at = sector * SECTOR_BYTES;
        let end = (at + SECTOR_BYTES).min(self.cache.len());
        if at < end {
            self.cache[at..end].copy_from_slice(&bytes[..end - at]);
        }
    }
}

/// A sector of a file, with zeros behind its end.
fn sector_of(bytes: &[u8], sector: usize) -> [u8; SECTOR_BYTES] {
    let mut out = [0; SECTOR_BYTES];
    let at = (sector * SECTOR_BYTES).min(bytes.len());
    let found = &bytes[at..(at + SECTOR_BYTES).min(bytes.len())];
    out[..found.len()].copy_from_slice(found);
    out
}
