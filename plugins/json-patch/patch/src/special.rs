//! Which bytes of a string are not themselves in JSON: quotes, backslashes and control characters. Reading and writing
//! both go from one to the next, and most strings have none.

/// How many bytes come before the first special one.
pub fn plain_bytes(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(together) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        match first_mark(together) {
            None => at += TOGETHER,
            Some(mark) => return at + mark,
        }
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    at + bytes[at..].iter().position(special).unwrap_or(bytes.len() - at)
}

/// Bytes that are looked at together.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
const TOGETHER: usize = 16;

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[inline]
fn first_mark(together: &[u8; TOGETHER]) -> Option<usize> {
    use std::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_splat, u64x2, v128_or};
    let number = u128::from_le_bytes(*together);
    let vector = u64x2(number as u64, (number >> 64) as u64);
    let quotes_and_backslashes = v128_or(u8x16_eq(vector, u8x16_splat(b'"')), u8x16_eq(vector, u8x16_splat(b'\\')));
    let marks = u8x16_bitmask(v128_or(quotes_and_backslashes, u8x16_lt(vector, u8x16_splat(0x20))));
    (marks != 0).then(|| marks.trailing_zeros() as usize)
}

/// Bytes that are looked at together.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
const TOGETHER: usize = 8;

/// The highest bit of each byte is its mark. The lowest mark is right; above it there may be wrong ones, as borrows run
/// upwards.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
#[inline]
fn first_mark(together: &[u8; TOGETHER]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let bytes = u64::from_le_bytes(*together);
    let zero = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes;
    let (quotes, backslashes) = (bytes ^ (ONES * u64::from(b'"')), bytes ^ (ONES * u64::from(b'\\')));
    let controls = bytes.wrapping_sub(ONES * 0x20) & !bytes;
    let marks = (zero(quotes) | zero(backslashes) | controls) & (ONES * 0x80);
    (marks != 0).then(|| marks.trailing_zeros() as usize / 8)
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
