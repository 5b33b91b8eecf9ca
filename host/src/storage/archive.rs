//! The bytes of a backup: records and events of one store, in one stream that can be checked from its own bytes.
//!
//! ```text
//! "weir-backup 1\n" · frames…
//! frame: kind u8 · length u32 · CRC-32 of the bytes u32 · bytes
//! R: key length u32 · key · value     E: stored events (see codec.rs), one behind the other     Z: the end, as JSON
//! ```
//!
//! **Invariant:** a stream without its end frame is no backup; the end frame has the SHA-256 of all bytes before it.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, Read};

use crate::model::limits::BATCH_BYTES_MAX;
use crate::model::{Position, hex};

const MAGIC: &[u8] = b"weir-backup 1\n";
const FRAME_HEADER_BYTES: usize = 9;

/// What a frame holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A record; a later one of the same key replaces it.
    Record {
        key: String,
        value: Vec<u8>,
    },
    /// Stored events, in order, each with its own length.
    Events(Vec<u8>),
    End(End),
}

/// How a backup ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The last position; there are as many events.
    pub head: Position,
    pub records: u64,
    /// Of all bytes before this frame, in hexadecimal digits.
    pub sha256: String,
}

/// What is wrong with a backup.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("it is not a backup of this program: it does not begin with 'weir-backup 1'")]
    Other,
    #[error("it is damaged at byte {at}: {detail}")]
    Damaged { at: u64, detail: &'static str },
    #[error("it ends at byte {at} without its end mark: the copy was cut short")]
    Cut { at: u64 },
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// Makes the bytes, piece by piece.
pub struct Writer {
    digest: Sha256,
    records: u64,
    begun: bool,
}

impl Default for Writer {
    fn default() -> Self {
        Self { digest: Sha256::new(), records: 0, begun: false }
    }
}

impl Writer {
    /// **Invariant:** keys and values are far below 4 GiB.
    pub fn record(&mut self, key: &str, value: &[u8]) -> Vec<u8> {
        self.records += 1;
        self.frame(b'R', &[&(key.len() as u32).to_le_bytes(), key.as_bytes(), value])
    }

    pub fn events(&mut self, stored: &[u8]) -> Vec<u8> {
        self.frame(b'E', &[stored])
    }

    pub fn end(mut self, head: Position) -> (Vec<u8>, End) {
        let mut before = self.begin();
        let sha256 = hex(&self.digest.clone().finalize());
        let end = End { head, records: self.records, sha256 };
        let json = serde_json::to_vec(&end).unwrap_or_default();
        before.extend(self.frame(b'Z', &[&json]));
        (before, end)
    }

    fn begin(&mut self) -> Vec<u8> {
        let begun = std::mem::replace(&mut self.begun, true);
        let magic = if begun { &[] } else { MAGIC };
        self.digest.update(magic);
        magic.to_vec()
    }

    fn frame(&mut self, kind: u8, parts: &[&[u8]]) -> Vec<u8> {
        let mut out = self.begin();
        let start = out.len();
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut crc = crc32fast::Hasher::new();
        parts.iter().for_each(|part| crc.update(part));
        out.push(kind);
        out.extend_from_slice(&(length as u32).to_le_bytes());
        out.extend_from_slice(&crc.finalize().to_le_bytes());
        parts.iter().for_each(|part| out.extend_from_slice(part));
        self.digest.update(&out[start..]);
        out
    }
}

/// Reads the bytes, frame by frame, and checks each.
pub struct Reader<R> {
    from: R,
    digest: Sha256,
    at: u64,
    records: u64,
    ended: bool,
}

impl<R: Read> Reader<R> {
    pub fn new(mut from: R) -> Result<Self, ArchiveError> {
        let mut magic = [0; MAGIC.len()];
        match from.read_exact(&mut magic) {
            Ok(()) if magic == MAGIC => {}
            Ok(()) => return Err(ArchiveError::Other),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(ArchiveError::Other),
            Err(error) => return Err(error.into()),
        }
        Ok(Self { from, digest: Sha256::new_with_prefix(MAGIC), at: MAGIC.len() as u64, records: 0, ended: false })
    }

    /// Bytes read so far.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next frame; `None` after the end frame.
    pub fn frame(&mut self) -> Result<Option<Frame>, ArchiveError> {
        if self.ended {
            return Ok(None);
        }
        let mut header = [0; FRAME_HEADER_BYTES];
        self.fill(&mut header)?;
        let [kind, l0, l1, l2, l3, c0, c1, c2, c3] = header;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if length > BATCH_BYTES_MAX * 2 {
            return Err(self.damaged("a frame that is too long"));
        }
        // Grown as it is read: a damaged length must not take memory that the file does not fill.
        let mut bytes = Vec::new();
        (&mut self.from).take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() < length {
            return Err(ArchiveError::Cut { at: self.at + bytes.len() as u64 });
        }
        if crc32fast::hash(&bytes) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err(self.damaged("a frame whose checksum does not match"));
        }
        let before = self.digest.clone();
        self.digest.update(header);
        self.digest.update(&bytes);
        let frame = self.parse(kind, bytes, &before)?;
        self.at += (FRAME_HEADER_BYTES + length) as u64;
        Ok(Some(frame))
    }

    fn parse(&mut self, kind: u8, bytes: Vec<u8>, before: &Sha256) -> Result<Frame, ArchiveError> {
        match kind {
            b'R' => {
                self.records += 1;
                let parsed = bytes.split_first_chunk::<4>().and_then(|(length, rest)| {
                    let (key, value) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
                    Some(Frame::Record { key: String::from_utf8(key.to_vec()).ok()?, value: value.to_vec() })
                });
                parsed.ok_or_else(|| self.damaged("a record without a key"))
            }
            b'E' => Ok(Frame::Events(bytes)),
            b'Z' => {
                let end: End = serde_json::from_slice(&bytes).map_err(|_| self.damaged("an end mark that is none"))?;
                if end.records != self.records || end.sha256 != hex(&before.clone().finalize()) {
                    return Err(self.damaged("the end mark does not fit what came before it"));
                }
                self.ended = true;
                Ok(Frame::End(end))
            }
            _ => Err(self.damaged("a kind of frame that this program does not know")),
        }
    }

    fn damaged(&self, detail: &'static str) -> ArchiveError {
        ArchiveError::Damaged { at: self.at, detail }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), ArchiveError> {
        self.from.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ArchiveError::Cut { at: self.at },
            _ => error.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut writer = Writer::default();
        let mut bytes = writer.record("topic/a", b"value");
        bytes.extend(writer.record("", b""));
        bytes.extend(writer.events(b"some events"));
        bytes.extend(writer.end(7).0);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<Frame>, ArchiveError> {
        let mut reader = Reader::new(bytes)?;
        let mut frames = vec![];
        while let Some(frame) = reader.frame()? {
            frames.push(frame);
        }
        Ok(frames)
    }

    #[test]
    fn a_backup_comes_back_as_it_was() {
        let frames = read(&sample()).expect("a backup");
        let record = |key: &str, value: &[u8]| Frame::Record { key: key.to_owned(), value: value.to_vec() };
        assert_eq!(frames[..3], [record("topic/a", b"value"), record("", b""), Frame::Events(b"some events".to_vec())]);
        assert!(matches!(&frames[3], Frame::End(End { head: 7, records: 2, .. })));
        let (empty, _) = Writer::default().end(0);
        assert_eq!(read(&empty).expect("a backup").len(), 1);
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_found() {
        let whole = sample();
        for at in 0..whole.len() {
            assert!(read(&whole[..at]).is_err(), "cut at {at}");
            let mut bad = whole.clone();
            bad[at] ^= 1;
            assert!(read(&bad).is_err(), "flipped at {at}");
        }
    }

    #[test]
    fn a_frame_that_is_left_out_or_doubled_is_found() {
        let mut writer = Writer::default();
        let (first, second) = (writer.events(b"one"), writer.events(b"two"));
        let (end, _) = writer.end(2);
        assert!(read(&[first.clone(), second.clone(), end.clone()].concat()).is_ok());
        assert!(read(&[first.clone(), end.clone()].concat()).is_err());
        assert!(read(&[first, second.clone(), second, end].concat()).is_err());
    }
}
