//! Chance that is the same in every run.

/// A number for each place in each row (splitmix64).
pub fn dice(row: u64, at: u64) -> u64 {
    let mut mixed = row.wrapping_shl(40).wrapping_add(at).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
