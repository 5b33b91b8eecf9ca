//! A group as the log holds it: one checksummed record of the events that were committed together.
//!
//! ```text
//!  0 magic u32 · 4 CRC-32 of the rest of the header u32 · 8 group number u64 · 16 first position u64
//! 24 bytes of events u32 · 28 positions u32 · 32 CRC-32 of the events u32 · 36 further groups u32 · 40 events · zeros to 8
//! ```
//!
//! A record that was written when deleted events were let go of may hold several groups, and gaps (`gap.rs`) beside events.
//!
//! **Invariant:** both checksums start from the store's random salt, so no payload can look like a record, wherever a
//! scan for later records comes across it.

use crc32fast::Hasher;
use std::ops::RangeInclusive;

use crate::model::Position;

pub const HEADER_BYTES: usize = 40;
/// Records start at multiples of this.
pub const ALIGN: u64 = 8;
const MAGIC: u32 = u32::from_le_bytes(*b"WeiG");

/// Random, once a store, from its `FORMAT` file.
pub type Salt = u32;

/// What a record's header says. **Invariant:** its checksum held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Of the first group, and of the last.
    pub number: u64,
    pub last: u64,
    pub first: Position,
    pub body_bytes: usize,
    /// Positions that its events and gaps have.
    pub events: usize,
    body_crc: u32,
}

/// Rounds up to where the next record may start.
pub const fn aligned(bytes: usize) -> usize {
    bytes.next_multiple_of(ALIGN as usize)
}

/// A record to be filled with events: room for the header, and for this many bytes behind it.
pub fn begin(body_bytes: usize) -> Vec<u8> {
    let mut record = Vec::with_capacity(aligned(HEADER_BYTES + body_bytes));
    record.resize(HEADER_BYTES, 0);
    record
}

/// Writes the header of a record whose events are all there, and pads it.
pub fn seal(record: &mut Vec<u8>, number: u64, first: Position, events: usize, salt: Salt) {
    seal_all(record, number..=number, first, events, salt);
}

/// Writes the header of a record that holds several groups.
pub fn seal_all(record: &mut Vec<u8>, numbers: RangeInclusive<u64>, first: Position, events: usize, salt: Salt) {
    let (number, further) = (*numbers.start(), numbers.end() - numbers.start());
    let body_bytes = record.len() - HEADER_BYTES;
    let body_crc = salted(salt, &record[HEADER_BYTES..]);
    record[..4].copy_from_slice(&MAGIC.to_le_bytes());
    record[8..16].copy_from_slice(&number.to_le_bytes());
    record[16..24].copy_from_slice(&first.to_le_bytes());
    record[24..28].copy_from_slice(&(body_bytes as u32).to_le_bytes());
    record[28..32].copy_from_slice(&(events as u32).to_le_bytes());
    record[32..36].copy_from_slice(&body_crc.to_le_bytes());
    record[36..40].copy_from_slice(&(further as u32).to_le_bytes());
    let header_crc = salted(salt, &record[8..HEADER_BYTES]);
    record[4..8].copy_from_slice(&header_crc.to_le_bytes());
    record.resize(aligned(record.len()), 0);
}

/// Whether bytes start as a record does. Checks nothing.
pub fn has_magic(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC.to_le_bytes())
}

/// The header at the start of `bytes`, if an intact one is there.
pub fn header(bytes: &[u8], salt: Salt) -> Option<Header> {
    let header = bytes.first_chunk::<HEADER_BYTES>()?;
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let wide = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
    if word(0) != MAGIC || word(4) != salted(salt, &header[8..]) {
        return None;
    }
    let (body_bytes, events) = (word(24) as usize, word(28) as usize);
    let (number, last) = (wide(8), wide(8).checked_add(u64::from(word(36)))?);
    Some(Header { number, last, first: wide(16), body_bytes, events, body_crc: word(32) })
}

/// The header of a record that is intact as a whole.
pub fn record(bytes: &[u8], salt: Salt) -> Option<Header> {
    let found = header(bytes, salt)?;
    let body = bytes.get(HEADER_BYTES..HEADER_BYTES.checked_add(found.body_bytes)?)?;
    (salted(salt, body) == found.body_crc).then_some(found)
}

impl Header {
    /// Bytes of the whole record, with its padding.
    pub fn record_bytes(&self) -> usize {
        aligned(HEADER_BYTES + self.body_bytes)
    }
}

fn salted(salt: Salt, bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(salt);
    hasher.update(bytes);
    hasher.finalize()
}

/// The offsets at which a record that may follow `offset` could start: cheap to test, before any checksum is.
pub fn candidates(bytes: &[u8], offset: usize) -> impl Iterator<Item = usize> + '_ {
    let magic = MAGIC.to_le_bytes();
    let words = bytes.get(aligned(offset)..).unwrap_or_default().chunks_exact(8).enumerate();
    words.filter(move |(_, word)| word[..4] == magic).map(move |(index, _)| aligned(offset) + index * 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(salt: Salt) -> Vec<u8> {
        let mut record = begin(11);
        record.extend_from_slice(b"some events");
        seal(&mut record, 9, 4, 2, salt);
        record
    }

    #[test]
    fn a_record_is_found_by_its_own_store_only() {
        let bytes = sample(77);
        let found = record(&bytes, 77).expect("a record");
        assert_eq!((found.number, found.first, found.events, found.record_bytes()), (9, 4, 2, bytes.len()));
        assert_eq!(record(&bytes, 78), None);
        assert_eq!(candidates(&[vec![0; 24], bytes].concat(), 3).collect::<Vec<_>>(), [24]);
    }

    #[test]
    fn a_cut_or_changed_record_is_none() {
        let bytes = sample(1);
        // Padding is no part of the record.
        let length = HEADER_BYTES + 11;
        for at in 0..length {
            assert_eq!(record(&bytes[..at], 1), None, "cut at {at}");
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert_eq!(record(&bad, 1), None, "flipped at {at}");
        }
    }
}
