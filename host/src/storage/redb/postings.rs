//! Posting lists: rising positions as a checksum, a count and varint differences.
//!
//! One row holds positions of one topic, stream, tag or event type, at most `POSTINGS_MAX` of them. The checksum covers the
//! row's key too, so a row that lies under another's key is damage.

use crc32fast::Hasher;

use crate::model::Position;
use crate::storage::codec::Damage;

pub use crate::model::limits::POSTING_POSITIONS_MAX as POSTINGS_MAX;

const HEADER_BYTES: usize = 8;

pub fn encode(key: &[u8], positions: &[Position]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + 2 + positions.len() * 2);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(positions.len() as u32).to_le_bytes());
    let mut last = 0;
    for &position in positions {
        put_varint(position - last, &mut out);
        last = position;
    }
    let crc = checksum(key, &out[4..]);
    out[..4].copy_from_slice(&crc.to_le_bytes());
    out
}

fn checksum(key: &[u8], rest: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(key);
    hasher.update(rest);
    hasher.finalize()
}

/// How many positions a row has, without reading them.
pub fn count(key: &[u8], row: &[u8]) -> Result<u64, Damage> {
    let (crc, rest) = row.split_first_chunk::<4>().ok_or(Damage("a posting list without a checksum"))?;
    let count = rest.first_chunk::<4>().ok_or(Damage("a posting list without a count"))?;
    if u32::from_le_bytes(*crc) != checksum(key, rest) {
        return Err(Damage("a posting list whose checksum does not match"));
    }
    Ok(u64::from(u32::from_le_bytes(*count)))
}

pub fn decode(key: &[u8], row: &[u8]) -> Result<Vec<Position>, Damage> {
    let count = count(key, row)? as usize;
    let mut rest = &row[HEADER_BYTES..];
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

/// Makes the checksum right, whatever the rest is.
pub fn dress_up(key: &[u8], row: &mut [u8]) {
    if let Some((crc, rest)) = row.split_first_chunk_mut::<4>() {
        *crc = checksum(key, rest).to_le_bytes();
    }
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
            let row = encode(b"key", &positions);
            assert_eq!(count(b"key", &row), Ok(positions.len() as u64));
            assert_eq!(decode(b"key", &row), Ok(positions));
            assert!(decode(b"kez", &row).is_err(), "another key");
        }
    }

    #[test]
    fn cut_flipped_and_random_rows_are_refused_without_a_panic() {
        let row = encode(b"key", &[5, 900, 1 << 33]);
        for at in 0..row.len() {
            assert!(decode(b"key", &row[..at]).is_err(), "cut at {at}");
            let mut bad = row.clone();
            bad[at] ^= 4;
            assert!(decode(b"key", &bad).is_err(), "flipped at {at}");
        }
        let (mut dice, mut taken) = (Dice::new(9), 0);
        for _ in 0..20_000 {
            let mut row: Vec<u8> = (0..dice.below(30)).map(|_| dice.below(5) as u8).collect();
            if row.len() >= HEADER_BYTES {
                row[4..HEADER_BYTES].copy_from_slice(&(dice.below(24) as u32).to_le_bytes());
                let crc = checksum(b"", &row[4..]);
                row[..4].copy_from_slice(&crc.to_le_bytes());
            }
            if let Ok(positions) = decode(b"", &row) {
                assert!(positions.is_sorted() && positions.len() <= row.len());
                taken += 1;
            }
        }
        assert!(taken > 50, "rows with a right checksum and a right shape were among them: {taken}");
    }
}
