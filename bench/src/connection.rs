//! One kept-alive HTTP/1.1 connection, as cheap as it can be: a prepared request goes out in one write, and of the answer
//! only the status and the body are looked at. It is no general client: an answer must say its `content-length`.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::ops::Range;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes of an answer's head and body; more is refused.
const ANSWER_BYTES_MAX: usize = 1 << 20;

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Where the last answer's body is.
    body: Range<usize>,
}

pub struct Answer<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

/// The parts of an answer's head, and where its body begins and ends.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    start: usize,
    end: usize,
}

fn broken(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 16 << 10], body: 0..0 })
    }

    /// Sends a request and waits for all of its answer.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>, Error> {
        self.stream.write_all(request).await?;
        let mut filled = 0;
        let Head { status, start, end } = loop {
            if filled == self.buffer.len() {
                self.buffer.resize(filled * 2, 0);
            }
            match self.stream.read(&mut self.buffer[filled..]).await? {
                0 => return Err(Error::new(ErrorKind::UnexpectedEof, "the server closed the connection")),
                read => filled += read,
            }
            match parse_head(&self.buffer[..filled])? {
                Some(head) if head.end <= filled => break head,
                _ if filled >= ANSWER_BYTES_MAX => return Err(broken("the answer is too large")),
                _ => {}
            }
        };
        self.body = start..end;
        Ok(Answer { status, body: &self.buffer[start..end] })
    }

    pub fn last_body(&self) -> &[u8] {
        self.buffer.get(self.body.clone()).unwrap_or_default()
    }

    /// A request outside of measurements.
    pub async fn call(&mut self, method: &str, path: &str, body: &str) -> Result<Answer<'_>, Error> {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        self.exchange(request.as_bytes()).await
    }
}

/// The head, when it is there completely.
fn parse_head(bytes: &[u8]) -> Result<Option<Head>, Error> {
    let Some(length) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..length]).map_err(|_| broken("the answer's head is not text"))?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    let body = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    match (status, body) {
        (Some(status), Some(body)) => Ok(Some(Head { status, start: length + 4, end: length + 4 + body })),
        (None, _) => Err(broken("the answer is not HTTP/1.1")),
        (_, None) => Err(broken("the answer has no content-length")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_complete() {
        let answer = b"HTTP/1.1 201 Created\r\ncontent-type: x\r\nContent-Length: 2\r\n\r\nok";
        for cut in 0..answer.len() - 2 {
            assert_eq!(parse_head(&answer[..cut]).expect("no error"), None);
        }
        let start = answer.len() - 2;
        assert_eq!(parse_head(answer).expect("a head"), Some(Head { status: 201, start, end: start + 2 }));
    }

    #[test]
    fn an_answer_without_length_or_of_another_protocol_is_refused() {
        for bad in ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "SSH-2.0\r\ncontent-length: 1\r\n\r\n"] {
            assert!(parse_head(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
