//! Bytes that may be written past the system's cache: as many as whole blocks hold, at an address that is a multiple of one.

/// What disks, file systems and direct writes agree on.
pub const BLOCK: usize = 4 << 10;

/// A buffer that is filled, padded with zeros to whole blocks, and written.
pub struct Blocks {
    room: Vec<u8>,
    /// Where in `room` the first block starts.
    start: usize,
    len: usize,
    bytes_max: usize,
}

impl Blocks {
    /// For at most so many bytes, a multiple of a block.
    pub fn new(bytes_max: usize) -> Self {
        Self { room: Vec::new(), start: 0, len: 0, bytes_max }
    }

    /// Takes as much as there is room for, and answers what is left.
    pub fn fill<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let (taken, left) = bytes.split_at(bytes.len().min(self.bytes_max - self.len));
        let end = self.len + taken.len();
        self.reserve(end);
        self.room[self.start..][self.len..end].copy_from_slice(taken);
        self.len = end;
        left
    }

    /// What is there, padded.
    pub fn padded(&mut self) -> &[u8] {
        let end = self.len.next_multiple_of(BLOCK);
        self.reserve(end);
        let room = &mut self.room[self.start..];
        room[self.len..end].fill(0);
        &room[..end]
    }

    /// Forgets all whole blocks; what is behind the last one stays, as the beginning of what comes next.
    pub fn keep_rest(&mut self) {
        let whole = self.len / BLOCK * BLOCK;
        self.room[self.start..].copy_within(whole..self.len, 0);
        self.len -= whole;
    }

    pub fn clear(&mut self) {
        self.len = 0;
    }

    fn reserve(&mut self, bytes: usize) {
        if self.room.len() - self.start >= bytes {
            return;
        }
        let mut room = vec![0; bytes.next_multiple_of(BLOCK).next_power_of_two() + BLOCK];
        let start = room.as_ptr().align_offset(BLOCK).min(BLOCK);
        room[start..][..self.len].copy_from_slice(&self.room[self.start..][..self.len]);
        (self.room, self.start) = (room, start);
    }
}

/// Where the block begins in which an offset lies.
pub const fn block_start(offset: u64) -> u64 {
    offset / BLOCK as u64 * BLOCK as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_whole_aligned_and_padded_and_the_rest_comes_again() {
        let bytes: Vec<u8> = (0..5 * BLOCK + 7).map(|n| (n % 251) as u8 + 1).collect();
        let (mut blocks, mut written, mut end) = (Blocks::new(4 * BLOCK), vec![0; 6 * BLOCK], 0);
        for piece in [100, 3 * BLOCK, BLOCK - 100, BLOCK + 7] {
            let start = block_start(end as u64) as usize;
            assert!(blocks.fill(&bytes[end..end + piece]).is_empty());
            let padded = blocks.padded();
            assert_eq!((padded.len() % BLOCK, padded.as_ptr().align_offset(BLOCK)), (0, 0));
            written[start..start + padded.len()].copy_from_slice(padded);
            blocks.keep_rest();
            end += piece;
        }
        let (there, padding) = written.split_at(bytes.len());
        assert!(there == bytes && padding.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn no_more_is_taken_than_there_is_room() {
        let mut blocks = Blocks::new(2 * BLOCK);
        let bytes = vec![1; 2 * BLOCK + 1];
        assert_eq!(blocks.fill(&bytes), [1]);
        assert_eq!(blocks.padded().len(), 2 * BLOCK);
        blocks.keep_rest();
        assert!(blocks.padded().is_empty());
        assert!(blocks.fill(&[2]).is_empty());
        blocks.clear();
        assert!(blocks.padded().is_empty());
    }
}
