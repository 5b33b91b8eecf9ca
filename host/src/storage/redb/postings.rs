//! Posting lists: rising positions as a count and varint differences.
//!
//! One row holds the places of one topic or stream in one fill of redb, at most `POSTINGS_MAX` of them.

use crate::model::Position;
use crate::storage::codec::Damage;

pub use crate::model::limits::POSTING_POSITIONS_MAX as POSTINGS_MAX;

pub fn encode(positions: &[Position]) -> Vec<u8> {
    let mut out = Vec::with_capacity(6 + positions.len() * 2);
    out.extend_from_slice(&(positions.len() as u32).to_le_bytes());
    let mut last = 0;
    for &position in positions {
        put_varint(position - last, &mut out);
        last = position;
    }
    out
}

/// How many positions a row has, without reading them.
pub fn count(row: &[u8]) -> Result<u64, Damage> {
    let count = row.first_chunk::<4>().ok_or(Damage("a posting list without a count"))?;
    Ok(u64::from(u32::from_le_bytes(*count)))
}

pub fn decode(row: &[u8]) -> Result<Vec<Position>, Damage> {
    let count = count(row)? as usize;
    let mut rest = &row[4..];
    if count > rest.len() {
        return Err(Damage("a posting list shorter than its count"));
    }
    let mut positions = Vec::with_capacity(count);
    let mut last: Position = 0;
    for _ in 0..count {
        let difference = varint(&mut rest).filter(|d| *d > 0).ok_or(Damage("a posting that is no rising number"))?;
        last = last.checked_add(difference).ok_or(Damage("a posting that overflows"))?;
        positions.push(last);
    }
    if rest.is_empty() { Ok(positions) } else { Err(Damage("a posting list longer than its count")) }
}

fn put_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::contract::dice::Dice;

    #[test]
    fn positions_come_back_as_they_were() {
        for positions in [vec![], vec![1], vec![1, 2, 3], vec![127, 128, 300, 1 << 40, u64::MAX]] {
            let row = encode(&positions);
            assert_eq!(count(&row), Ok(positions.len() as u64));
            assert_eq!(decode(&row), Ok(positions));
        }
    }

    #[test]
    fn cut_and_random_rows_are_refused_without_a_panic() {
        let row = encode(&[5, 900, 1 << 33]);
        for at in 0..row.len() {
            assert!(decode(&row[..at]).is_err(), "cut at {at}");
        }
        let mut dice = Dice::new(9);
        for _ in 0..10_000 {
            let row: Vec<u8> = (0..dice.below(30)).map(|_| dice.below(256) as u8).collect();
            if let Ok(positions) = decode(&row) {
                assert!(positions.is_sorted() && positions.len() <= row.len());
            }
        }
    }
}
