//! The body of an HTTP/1.1 answer while it comes in, with a length or in chunks. It is counted and handed on, and not kept:
//! a full scan is larger than memory.

use std::io::{Error, ErrorKind};

/// How a body says where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Length(u64),
    Chunked,
}

/// What came so far, and what is to come next.
pub struct Body {
    state: State,
    chunked: bool,
    pub bytes: u64,
    pub lines: u64,
    /// Pieces in which the server wrote it.
    pub chunks: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the line that tells the size of a chunk, so far.
    Size(u64),
    Data(u64),
    /// The line break behind a chunk.
    Break,
    /// The line break behind the chunk of size 0.
    End,
    Done,
}

impl Body {
    pub fn new(framing: Framing) -> Self {
        let (state, chunks) = match framing {
            Framing::Length(0) => (State::Done, 0),
            Framing::Length(length) => (State::Data(length), 1),
            Framing::Chunked => (State::Size(0), 0),
        };
        Self { state, chunked: framing == Framing::Chunked, bytes: 0, lines: 0, chunks }
    }

    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes what was read; the parts that belong to the body go to `keep`.
    pub fn feed(&mut self, mut read: &[u8], mut keep: impl FnMut(&[u8])) -> Result<(), Error> {
        // Each turn takes at least a byte.
        while let Some((&byte, rest)) = read.split_first() {
            if let State::Data(left) = self.state {
                let (piece, rest) = read.split_at(read.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
                self.take(piece, left);
                keep(piece);
                read = rest;
            } else {
                self.state = self.step(byte)?;
                read = rest;
            }
        }
        Ok(())
    }

    fn take(&mut self, piece: &[u8], left: u64) {
        self.bytes += piece.len() as u64;
        self.lines += line_breaks(piece);
        self.state = match (left - piece.len() as u64, self.chunked) {
            (0, true) => State::Break,
            (0, false) => State::Done,
            (left, _) => State::Data(left),
        };
    }

    /// One byte of what stands between chunks.
    fn step(&mut self, byte: u8) -> Result<State, Error> {
        Ok(match (self.state, byte) {
            (State::Size(0), b'\n') => State::End,
            (State::Size(size), b'\n') => {
                self.chunks += 1;
                State::Data(size)
            }
            (State::Break, b'\n') => State::Size(0),
            (State::End, b'\n') => State::Done,
            (State::Size(_) | State::Break | State::End, b'\r') => self.state,
            (State::Size(size), digit) => State::Size(add_digit(size, digit).ok_or_else(|| broken("no chunk size"))?),
            _ => return Err(broken("bytes where there should be none")),
        })
    }
}

fn broken(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

fn add_digit(size: u64, digit: u8) -> Option<u64> {
    let digit = char::from(digit).to_digit(16)?;
    size.checked_mul(16)?.checked_add(u64::from(digit))
}

/// In blocks whose count fits into a byte, as that is what compilers make vectors of: the load shares the cores with the
/// server that it measures.
fn line_breaks(bytes: &[u8]) -> u64 {
    let block = |block: &[u8]| u64::from(block.iter().map(|byte| u8::from(*byte == b'\n')).sum::<u8>());
    bytes.chunks(255).map(block).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(framing: Framing, pieces: &[&[u8]]) -> Result<(Body, Vec<u8>), Error> {
        let (mut body, mut kept) = (Body::new(framing), Vec::new());
        pieces.iter().try_for_each(|piece| body.feed(piece, |part| kept.extend_from_slice(part)))?;
        Ok((body, kept))
    }

    #[test]
    fn chunks_are_joined_wherever_reading_was_cut() {
        let sent = b"3\r\na\nb\r\nA\r\n\n123456789\r\n0\r\n\r\n";
        for cut in 0..=sent.len() {
            let (body, kept) = fed(Framing::Chunked, &[&sent[..cut], &sent[cut..]]).expect("a body");
            assert!(body.is_done());
            assert_eq!((body.bytes, body.lines, body.chunks, kept.as_slice()), (13, 2, 2, &b"a\nb\n123456789"[..]));
        }
        let (body, _) = fed(Framing::Chunked, &[&sent[..sent.len() - 1]]).expect("a part");
        assert!(!body.is_done());
    }

    #[test]
    fn a_body_with_a_length_ends_there() {
        let (body, kept) = fed(Framing::Length(4), &[b"a\n", b"b\n"]).expect("a body");
        assert!(body.is_done());
        assert_eq!((body.bytes, body.lines, kept.as_slice()), (4, 2, &b"a\nb\n"[..]));
        assert!(Body::new(Framing::Length(0)).is_done());
        assert!(fed(Framing::Length(1), &[b"ab"]).is_err());
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for bad in [&b"x\r\n"[..], b"1\r\nab", b"0\r\n\r\nmore", b"fffffffffffffffff\r\n"] {
            assert!(fed(Framing::Chunked, &[bad]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn many_line_breaks_are_all_counted() {
        assert_eq!(line_breaks(&[b'\n'; 1_000]), 1_000);
    }
}
