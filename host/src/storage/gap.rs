//! What is left in the log of neighbouring events that retention deleted: which positions they had, and where the topics and
//! streams that they were of stood behind them. With that, sequences and versions go on from where they were, and the hash
//! chain of what was kept can be verified from the last deleted event on.
//!
//! ```text
//!  0 format u8 · zeros · 4 length of all bytes u32 · 8 CRC-32 of all others u32 · 12 topics u32
//! 16 first position u64 · 24 last position u64 · 32 time of the last event u64, in Unix milliseconds
//! 40 (length u8, topic) · sequence u64 · hash, 32 bytes · streams u32 · ((length u8, stream) · version u64)… …
//! ```
//!
//! Length and position lie where an event has them (`codec.rs`). Numbers are little-endian.

use std::collections::BTreeMap;

use crc32fast::Hasher;

use super::codec::{Cursor, Damage, View, number, put_short};
use super::{Hash, Tip};
use crate::model::{Position, StreamName, TopicName, Version};

/// The first byte of a gap, where an event has its own format's number.
pub const GAP_FORMAT: u8 = 3;
const HEADER_BYTES: usize = 40;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    pub first: Position,
    pub last: Position,
    /// When the last of the events was committed.
    pub time_ms: u64,
    pub topics: BTreeMap<TopicName, Left>,
}

/// Where a topic, and its streams of which events were deleted here, stood behind them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Left {
    pub tip: Tip,
    pub streams: BTreeMap<StreamName, Version>,
}

/// Notes what was left later.
pub fn add_left(known: &mut BTreeMap<TopicName, Left>, later: BTreeMap<TopicName, Left>) {
    for (topic, left) in later {
        let known = known.entry(topic).or_default();
        known.tip = left.tip;
        known.streams.extend(left.streams);
    }
}

/// Whether these are the bytes of a gap, and not of an event. Checks nothing.
pub fn is_gap(stored: &[u8]) -> bool {
    stored.first() == Some(&GAP_FORMAT)
}

impl Gap {
    /// What one event leaves.
    pub fn of(view: &View<'_>) -> Result<Self, Damage> {
        let place = view.place;
        let bad = |_| Damage("a name that is none");
        let mut left = Left { tip: Tip { sequence: place.sequence, hash: view.hash }, streams: BTreeMap::new() };
        if let (Some(stream), Some(version)) = (view.stream, place.version) {
            left.streams.insert(StreamName::parse(stream).map_err(bad)?, version);
        }
        let topics = BTreeMap::from([(TopicName::parse(view.topic).map_err(bad)?, left)]);
        Ok(Self { first: place.position, last: place.position, time_ms: view.place.time_ms, topics })
    }

    /// Grows by the gap that follows.
    pub fn join(&mut self, next: Self) -> Result<(), Damage> {
        if next.first != self.last + 1 {
            return Err(Damage("a gap that does not go on from the one before"));
        }
        (self.last, self.time_ms) = (next.last, next.time_ms);
        add_left(&mut self.topics, next.topics);
        Ok(())
    }

    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Damage> {
        let start = out.len();
        out.extend_from_slice(&[GAP_FORMAT, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        out.extend_from_slice(&(self.topics.len() as u32).to_le_bytes());
        for number in [self.first, self.last, self.time_ms] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for (topic, Left { tip, streams }) in &self.topics {
            put_short(topic.as_str(), out)?;
            out.extend_from_slice(&tip.sequence.to_le_bytes());
            out.extend_from_slice(&tip.hash);
            out.extend_from_slice(&(streams.len() as u32).to_le_bytes());
            for (stream, version) in streams {
                put_short(stream.as_str(), out)?;
                out.extend_from_slice(&version.to_le_bytes());
            }
        }
        let length = u32::try_from(out.len() - start).map_err(|_| Damage("longer than 4 GiB"))?;
        out[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
        let crc = checksum(&out[start..]);
        out[start + 8..start + 12].copy_from_slice(&crc.to_le_bytes());
        Ok(())
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, Damage> {
        if bytes.len() < HEADER_BYTES || !is_gap(bytes) {
            return Err(Damage("no gap where one should be"));
        }
        if number::<4>(bytes, 4) != bytes.len() as u64 || number::<4>(bytes, 8) != u64::from(checksum(bytes)) {
            return Err(Damage("a gap whose length or checksum does not match its bytes"));
        }
        let (first, last, time_ms) = (number::<8>(bytes, 16), number::<8>(bytes, 24), number::<8>(bytes, 32));
        if first == 0 || last < first {
            return Err(Damage("a gap without a position"));
        }
        let bad = |_| Damage("a name that is none");
        let (mut rest, mut topics) = (Cursor { bytes, at: HEADER_BYTES }, BTreeMap::new());
        for _ in 0..number::<4>(bytes, 12) {
            let topic = TopicName::parse(rest.sized::<1>()?).map_err(bad)?;
            let mut left = Left { tip: Tip { sequence: rest.number::<8>()?, hash: rest.hash()? }, ..Left::default() };
            for _ in 0..rest.number::<4>()? {
                left.streams.insert(StreamName::parse(rest.sized::<1>()?).map_err(bad)?, rest.number::<8>()?);
            }
            topics.insert(topic, left);
        }
        if rest.at != bytes.len() {
            return Err(Damage("a gap longer than what it tells"));
        }
        Ok(Self { first, last, time_ms, topics })
    }
}

/// The position of an event, or the first and last of a gap, that a header claims. **Invariant:** `claims` found a header.
pub fn positions(stored: &[u8]) -> std::ops::RangeInclusive<Position> {
    let first = number::<8>(stored, 16);
    first..=if is_gap(stored) { number::<8>(stored, 24) } else { first }
}

/// Makes format, length and checksum right, whatever the rest is; `false` if there is no header.
pub fn dress_up(bytes: &mut [u8]) -> bool {
    let Ok(length) = u32::try_from(bytes.len()) else { return false };
    if bytes.len() < HEADER_BYTES {
        return false;
    }
    bytes[0] = GAP_FORMAT;
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    let crc = checksum(bytes);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    true
}

fn checksum(gap: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&gap[..8]);
    hasher.update(&gap[12..]);
    hasher.finalize()
}

impl Cursor<'_> {
    fn number<const WIDTH: usize>(&mut self) -> Result<u64, Damage> {
        Ok(number::<WIDTH>(self.take(WIDTH)?, 0))
    }

    fn hash(&mut self) -> Result<Hash, Damage> {
        let mut hash = Hash::default();
        hash.copy_from_slice(self.take(32)?);
        Ok(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::codec::claims;
    use crate::storage::contract::{stream, topic};

    fn gap(first: Position, last: Position, sequence: u64, streams: &[(&str, Version)]) -> Gap {
        let streams = streams.iter().map(|(name, version)| (stream(name), *version)).collect();
        let left = Left { tip: Tip { sequence, hash: [sequence as u8; 32] }, streams };
        Gap { first, last, time_ms: last * 10, topics: BTreeMap::from([(topic("orders"), left)]) }
    }

    fn encoded(gap: &Gap) -> Vec<u8> {
        let mut bytes = vec![];
        gap.encode(&mut bytes).expect("fits");
        bytes
    }

    #[test]
    fn a_gap_comes_back_as_it_was_and_claims_its_place_as_an_event_does() {
        let whole = gap(7, 900, 44, &[("a", 3), ("b", 9)]);
        let bytes = encoded(&whole);
        assert_eq!(Gap::parse(&bytes), Ok(whole));
        assert_eq!(claims(&bytes), Some((bytes.len(), 7)));
        assert_eq!(positions(&bytes), 7..=900);
    }

    #[test]
    fn neighbouring_gaps_become_one_and_others_do_not() {
        let mut joined = gap(7, 9, 44, &[("a", 3), ("b", 9)]);
        joined.join(gap(10, 12, 46, &[("b", 10), ("c", 1)])).expect("they are neighbours");
        assert_eq!(joined, gap(7, 12, 46, &[("a", 3), ("b", 10), ("c", 1)]));
        assert!(joined.join(gap(14, 15, 47, &[])).is_err());
    }

    #[test]
    fn a_cut_or_changed_gap_is_refused() {
        let bytes = encoded(&gap(7, 900, 44, &[("a", 3)]));
        for at in 0..bytes.len() {
            assert!(Gap::parse(&bytes[..at]).is_err(), "cut at {at}");
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(Gap::parse(&bad).is_err(), "flipped at {at}");
        }
    }
}
