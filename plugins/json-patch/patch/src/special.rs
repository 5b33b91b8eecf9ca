//! Which bytes of a string are not themselves in JSON: quotes, backslashes and control characters. Reading and writing both
//! go from one to the next, and most strings have none.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// How many bytes come before the first special one. Eight are looked at together, and the lowest mark is of the first of
/// them, because borrows only run upwards.
pub fn plain_bytes(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        match marks(u64::from_le_bytes(*eight)) {
            0 => at += 8,
            marks => return at + marks.trailing_zeros() as usize / 8,
        }
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    at + bytes[at..].iter().position(special).unwrap_or(bytes.len() - at)
}

/// The highest bit of each byte that is special, up to the first; above it there may be others.
fn marks(eight: u64) -> u64 {
    let quotes = eight ^ (ONES * u64::from(b'"'));
    let backslashes = eight ^ (ONES * u64::from(b'\\'));
    let controls = eight.wrapping_sub(ONES * 0x20) & !eight;
    let zero = |eight: u64| eight.wrapping_sub(ONES) & !eight;
    (zero(quotes) | zero(backslashes) | controls) & HIGHS
}

/// Bytes that a string takes in JSON, without its quotes.
pub fn escaped_bytes(text: &str) -> usize {
    let bytes = text.as_bytes();
    let plain = plain_bytes(bytes);
    plain + bytes[plain..].iter().map(|byte| escape_bytes(*byte)).sum::<usize>()
}

fn escape_bytes(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x8 | 0xc => 2,
        0..0x20 => 6,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_special_byte_is_found_wherever_it_is() {
        for len in 0..50 {
            assert_eq!(plain_bytes("é".repeat(len).as_bytes()), 2 * len);
            for at in 0..len {
                for special in [b'"', b'\\', 0, 0x1f, b'\n'] {
                    let mut bytes = vec![b'!'; len];
                    bytes[at] = special;
                    assert_eq!(plain_bytes(&bytes), at);
                }
            }
        }
    }
}
