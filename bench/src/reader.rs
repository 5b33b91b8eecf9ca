//! One kept-alive connection that reads answers of any size as they stream in, and tells when the first byte came.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use weir_bench::Failure;

use crate::body::{Body, Framing};

pub const JSON: &str = "application/json";
pub const LINES: &str = "application/x-ndjson";

const BUFFER_BYTES: usize = 256 << 10;
/// Of an answer's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Of an error's body, to be shown.
const WORDS_BYTES_MAX: usize = 500;
/// Between two reads of one answer.
const SILENCE_MAX: Duration = Duration::from_secs(60);

pub struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer that was read to its end.
#[derive(Debug, Clone, Copy)]
pub struct Got {
    pub bytes: u64,
    pub lines: u64,
    pub chunks: u64,
    pub took: Duration,
}

struct Head {
    status: u16,
    framing: Framing,
    /// Bytes up to the body.
    length: usize,
}

impl Reader {
    pub async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; BUFFER_BYTES] })
    }

    /// Reads an answer, counting its body; one that is not 200 is an error.
    pub async fn get(&mut self, path: &str, accept: &str) -> Result<Got, Failure> {
        self.run(path, accept, |_| ()).await
    }

    /// The same with the body, outside of measurements.
    pub async fn get_body(&mut self, path: &str, accept: &str) -> Result<Vec<u8>, Failure> {
        let mut kept = Vec::new();
        self.run(path, accept, |piece| kept.extend_from_slice(piece)).await?;
        Ok(kept)
    }

    async fn run(&mut self, path: &str, accept: &str, mut keep: impl FnMut(&[u8])) -> Result<Got, Failure> {
        let begin = Instant::now();
        let (mut body, filled, status) = self.ask(path, accept).await?;
        let mut words = Vec::new();
        let mut take = |body: &mut Body, bytes: &[u8]| {
            body.feed(bytes, |piece| {
                if status == 200 {
                    keep(piece);
                } else if words.len() < WORDS_BYTES_MAX {
                    words.extend_from_slice(piece);
                }
            })
        };
        take(&mut body, &self.buffer[filled.0..filled.1])?;
        while !body.is_done() {
            let read = read_some(&mut self.stream, &mut self.buffer).await?;
            take(&mut body, &self.buffer[..read])?;
        }
        let took = begin.elapsed();
        if status != 200 {
            return Err(format!("GET {path} was answered {status}: {:.500}", String::from_utf8_lossy(&words)).into());
        }
        Ok(Got { bytes: body.bytes, lines: body.lines, chunks: body.chunks, took })
    }

    /// From the request to the first byte of the body. The rest is left where it is: the connection can't be used again.
    pub async fn first_byte(mut self, path: &str, accept: &str) -> Result<Duration, Failure> {
        let begin = Instant::now();
        let (mut body, filled, status) = self.ask(path, accept).await?;
        body.feed(&self.buffer[filled.0..filled.1], |_| ())?;
        while body.bytes == 0 && !body.is_done() {
            let read = read_some(&mut self.stream, &mut self.buffer).await?;
            body.feed(&self.buffer[..read], |_| ())?;
        }
        let took = begin.elapsed();
        if status == 200 { Ok(took) } else { Err(format!("GET {path} was answered {status}").into()) }
    }

    /// Sends a request and reads up to the end of the head: where in the buffer the body's first bytes are, and the status.
    async fn ask(&mut self, path: &str, accept: &str) -> Result<(Body, (usize, usize), u16), Failure> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\naccept: {accept}\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await?;
        let mut filled = 0;
        while filled < HEAD_BYTES_MAX {
            filled += read_some(&mut self.stream, &mut self.buffer[filled..]).await?;
            if let Some(head) = parse_head(&self.buffer[..filled])? {
                return Ok((Body::new(head.framing), (head.length, filled), head.status));
            }
        }
        Err("the answer's head has no end".into())
    }
}

async fn read_some(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<usize, Failure> {
    match timeout(SILENCE_MAX, stream.read(buffer)).await.map_err(|_| "the server fell silent within an answer")?? {
        0 => Err(Error::new(ErrorKind::UnexpectedEof, "the server closed the connection within an answer").into()),
        read => Ok(read),
    }
}

/// The head, when it is there completely.
fn parse_head(bytes: &[u8]) -> Result<Option<Head>, Failure> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end])?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    let framing = lines.filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("content-length", length) => length.parse().ok().map(Framing::Length),
            ("transfer-encoding", "chunked") => Some(Framing::Chunked),
            _ => None,
        }
    });
    let (status, framing) = status.zip(framing).ok_or("the answer is not HTTP/1.1, or does not say where it ends")?;
    Ok(Some(Head { status, framing, length: end + 4 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_how_the_body_ends() {
        let head = |text: &str| parse_head(text.as_bytes()).expect("a head").map(|head| (head.status, head.framing));
        assert_eq!(head("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n"), None);
        assert_eq!(head("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nabc"), Some((200, Framing::Length(7))));
        let chunked = "HTTP/1.1 404 No\r\nx: y\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(head(chunked), Some((404, Framing::Chunked)));
        for bad in ["HTTP/1.1 200 OK\r\n\r\n", "SSH-2.0\r\ncontent-length: 1\r\n\r\n"] {
            assert!(parse_head(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
