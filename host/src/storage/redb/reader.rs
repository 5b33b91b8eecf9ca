//! A segment file read to its end, in bounded memory.

use std::io;

use super::disk::FileRef;

/// How much is read in one go.
const READ_BYTES: usize = 1 << 20;

pub struct Reader {
    file: FileRef,
    length: u64,
    /// Where in the file `bytes` starts.
    base: u64,
    bytes: Vec<u8>,
    at: usize,
}

impl Reader {
    /// Reads from an offset on that the file has.
    pub fn new(file: FileRef, offset: u64) -> io::Result<Self> {
        let length = file.size()?;
        Ok(Self { file, length, base: offset.min(length), bytes: vec![], at: 0 })
    }

    /// Where in the file it stands.
    pub fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// Bytes of the file from here on.
    pub fn left(&self) -> usize {
        (self.length - self.offset()) as usize
    }

    /// The next bytes, without going on; `None` if the file has fewer.
    pub fn peek(&mut self, count: usize) -> io::Result<Option<&[u8]>> {
        if count > self.left() {
            return Ok(None);
        }
        if self.bytes.len() - self.at < count {
            self.base = self.offset();
            self.bytes.drain(..std::mem::take(&mut self.at));
            let held = self.bytes.len();
            let more = (count - held).max(READ_BYTES).min((self.length - self.base) as usize - held);
            self.bytes.resize(held + more, 0);
            self.file.read_exact_at(&mut self.bytes[held..], self.base + held as u64)?;
        }
        Ok(Some(&self.bytes[self.at..self.at + count]))
    }

    /// Goes on. **Invariant:** no further than the file goes.
    pub fn skip(&mut self, count: usize) {
        let held = (self.bytes.len() - self.at).min(count);
        self.at += held;
        if held < count {
            self.bytes.clear();
            (self.base, self.at) = (self.base + (self.at + count - held) as u64, 0);
        }
    }
}
