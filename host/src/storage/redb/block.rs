//! One redb block: neighbouring events' stored bytes behind an offset table.
//!
//! `codec u8 (0 = as they are) · 3 zero bytes · count u32 · end of each event u32… · events…`, ends counted from the
//! first event's start. The events' own checksums guard the bytes.

use std::ops::Range;

use crate::model::Position;
use crate::storage::codec::Damage;

const CODEC_PLAIN: u8 = 0;
const HEADER_BYTES: usize = 8;

/// redb rounds a big value's page up to a power of two, so a block leaves this much room for the page's own header.
pub const PAGE_SLACK_BYTES: usize = 256;

/// Collects a block.
#[derive(Default)]
pub struct BlockBuilder {
    first: Position,
    ends: Vec<u32>,
    events: Vec<u8>,
    out: Vec<u8>,
}

impl BlockBuilder {
    /// The size of the block if this event came into it too.
    pub fn bytes_with(&self, event: &[u8]) -> usize {
        HEADER_BYTES + (self.ends.len() + 1) * 4 + self.events.len() + event.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn push(&mut self, position: Position, event: &[u8]) {
        if self.ends.is_empty() {
            self.first = position;
        }
        self.events.extend_from_slice(event);
        self.ends.push(self.events.len() as u32);
    }

    /// The block's key and bytes; the builder is empty after it.
    pub fn take(&mut self) -> (Position, &[u8]) {
        self.out.clear();
        self.out.extend_from_slice(&[CODEC_PLAIN, 0, 0, 0]);
        self.out.extend_from_slice(&(self.ends.len() as u32).to_le_bytes());
        self.ends.iter().for_each(|end| self.out.extend_from_slice(&end.to_le_bytes()));
        self.out.extend_from_slice(&self.events);
        self.ends.clear();
        self.events.clear();
        (self.first, &self.out)
    }
}

/// Which positions a block holds.
pub fn positions(first: Position, block: &[u8]) -> Result<Range<Position>, Damage> {
    if block.len() < HEADER_BYTES || block[0] != CODEC_PLAIN {
        return Err(Damage("a block with no header that this program knows"));
    }
    let count = u64::from(word(block, 4)?);
    Ok(first..first.checked_add(count).ok_or(Damage("a block's count overflows"))?)
}

/// The stored bytes of the event at `index` in a block.
pub fn event(block: &[u8], index: usize) -> Result<&[u8], Damage> {
    let count = word(block, 4)? as usize;
    if index >= count {
        return Err(Damage("an event that its block does not hold"));
    }
    let start = if index == 0 { 0 } else { word(block, HEADER_BYTES + (index - 1) * 4)? };
    let end = word(block, HEADER_BYTES + index * 4)?;
    let events = block.get(HEADER_BYTES + count * 4..).ok_or(Damage("a block that ends in its offset table"))?;
    events.get(start as usize..end as usize).ok_or(Damage("an offset outside its block"))
}

fn word(block: &[u8], at: usize) -> Result<u32, Damage> {
    let bytes = block.get(at..).and_then(|rest| rest.first_chunk::<4>()).ok_or(Damage("a block that is cut off"))?;
    Ok(u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_gives_back_each_event() {
        let mut builder = BlockBuilder::default();
        for (position, event) in [(5, "one"), (6, ""), (7, "three")] {
            builder.push(position, event.as_bytes());
        }
        let (first, block) = builder.take();
        assert_eq!(positions(first, block), Ok(5..8));
        let events: Vec<_> = (0..3).map(|n| event(block, n).expect("an event")).collect();
        assert_eq!(events, [b"one".as_slice(), b"", b"three"]);
        assert!(event(block, 3).is_err());
        for at in 0..block.len() {
            assert!(event(&block[..at], 2).is_err(), "cut at {at}");
        }
    }
}
