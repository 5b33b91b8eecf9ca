//! A connection for protocols that are simple enough to be spoken by hand, which costs the load generator less than any
//! client library: it shares the machine with what it measures, and this way its share is as small for peers as for Weir.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir_bench::Failure;

/// Bytes of answers that are not read yet; more is refused.
const ANSWER_BYTES_MAX: usize = 1 << 20;

pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// What of the buffer was read from the network, and of that taken by `next`.
    filled: usize,
    taken: usize,
}

impl Wire {
    pub async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 16 << 10], filled: 0, taken: 0 })
    }

    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// Reads until `parse` finds something whole at the beginning, and takes it. `parse` says how long it is.
    pub async fn next<T>(
        &mut self,
        parse: impl Fn(&[u8]) -> Result<Option<(T, usize)>, Failure>,
    ) -> Result<T, Failure> {
        loop {
            if let Some((found, length)) = parse(&self.buffer[self.taken..self.filled])? {
                self.taken += length;
                return Ok(found);
            }
            if self.taken > 0 {
                self.buffer.copy_within(self.taken..self.filled, 0);
                (self.filled, self.taken) = (self.filled - self.taken, 0);
            }
            if self.filled == self.buffer.len() {
                if self.filled >= ANSWER_BYTES_MAX {
                    return Err("the answer is too large".into());
                }
                self.buffer.resize(self.filled * 2, 0);
            }
            match self.stream.read(&mut self.buffer[self.filled..]).await? {
                0 => return Err("the server closed the connection".into()),
                read => self.filled += read,
            }
        }
    }
}

/// The line at the beginning, without its end, and how long it is with it.
pub fn line(bytes: &[u8]) -> Result<Option<(&str, usize)>, Failure> {
    let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
    Ok(Some((std::str::from_utf8(&bytes[..end])?, end + 2)))
}
