//! A client of server-sent events on a plain socket: cheap enough that a test opens thousands of them. It understands the
//! answers of this server and no others.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An open stream.
pub struct Follower {
    socket: TcpStream,
    /// What was received and not looked at yet, with the marks of the transfer in it.
    raw: Vec<u8>,
    /// Bytes that are still to come of the piece that is being received.
    piece: usize,
    text: Vec<u8>,
    /// Up to here the text has no empty line.
    searched: usize,
    ended: bool,
    pub status: u16,
    pub head: String,
}

/// One event of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub id: Option<String>,
    /// What the `event:` line says; `message` without one.
    pub name: String,
    pub data: String,
}

impl Told {
    /// The data as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}

impl Follower {
    /// Sends the request and reads the head of the answer. `more` are header lines, each with its line break.
    ///
    /// # Panics
    /// When nobody answers.
    pub async fn open(base: &str, path: &str, more: &str) -> Self {
        let address = base.strip_prefix("http://").expect("a base URL");
        let mut socket = TcpStream::connect(address).await.expect("connected");
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\naccept: text/event-stream\r\n{more}\r\n");
        socket.write_all(request.as_bytes()).await.expect("sent");
        let mut raw = Vec::new();
        let end = loop {
            if let Some(end) = find(&raw, b"\r\n\r\n") {
                break end + 4;
            }
            assert!(socket.read_buf(&mut raw).await.expect("a head") > 0, "no head: {}", String::from_utf8_lossy(&raw));
        };
        let head = String::from_utf8_lossy(&raw[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        raw.drain(..end);
        Self { socket, raw, piece: 0, text: Vec::new(), searched: 0, ended: false, status, head }
    }

    /// The next event; `None` at the end of a whole stream.
    ///
    /// # Errors
    /// When the transfer was broken off.
    pub async fn next(&mut self) -> Result<Option<Told>, String> {
        loop {
            if let Some(end) = find(&self.text[self.searched..], b"\n\n").map(|end| self.searched + end) {
                let told = parse(&self.text[..end]);
                self.text.drain(..end + 2);
                self.searched = 0;
                return Ok(Some(told));
            }
            self.searched = self.text.len().saturating_sub(1);
            if self.unwrap_pieces() {
                continue;
            }
            if self.ended {
                return if self.text.is_empty() { Ok(None) } else { Err("it ends within an event".into()) };
            }
            let read = self.socket.read_buf(&mut self.raw).await.map_err(|error| error.to_string())?;
            if read == 0 {
                return Err("broken off".into());
            }
        }
    }

    /// The next event, which must come within twenty seconds.
    ///
    /// # Panics
    /// When it does not.
    pub async fn told(&mut self) -> Told {
        let next = tokio::time::timeout(std::time::Duration::from_secs(20), self.next()).await;
        next.expect("something is told in time").expect("a whole stream").expect("not the end")
    }

    /// The ids of the events up to `caught-up`.
    ///
    /// # Panics
    /// When something else comes.
    pub async fn past(&mut self) -> Vec<String> {
        let mut ids = Vec::new();
        loop {
            let told = self.told().await;
            match told.name.as_str() {
                "message" => ids.push(told.id.expect("an id")),
                "caught-up" => return ids,
                "heartbeat" => {}
                _ => panic!("not expected: {told:?}"),
            }
        }
    }

    /// Takes the text out of the pieces of the transfer. True when there was some.
    fn unwrap_pieces(&mut self) -> bool {
        let mut at = 0;
        let before = self.text.len();
        while at < self.raw.len() {
            if self.piece > 0 {
                let take = self.piece.min(self.raw.len() - at);
                // The last two bytes of a piece are its line break.
                let text = take.saturating_sub(2_usize.saturating_sub(self.piece - take));
                self.text.extend_from_slice(&self.raw[at..at + text]);
                self.piece -= take;
                at += take;
                continue;
            }
            let Some(line) = find(&self.raw[at..], b"\r\n") else { break };
            let size = std::str::from_utf8(&self.raw[at..at + line]).ok();
            let size = size.and_then(|size| usize::from_str_radix(size, 16).ok()).expect("the size of a piece");
            at += line + 2;
            self.ended |= size == 0;
            self.piece = size + 2;
        }
        self.raw.drain(..at);
        self.text.len() > before
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn parse(text: &[u8]) -> Told {
    let mut told = Told { id: None, name: "message".to_owned(), data: String::new() };
    for line in String::from_utf8_lossy(text).lines() {
        match line.split_once(": ") {
            Some(("id", id)) => told.id = Some(id.to_owned()),
            Some(("event", name)) => told.name = name.to_owned(),
            Some(("data", data)) => told.data.push_str(data),
            _ => panic!("a line that is none of server-sent events: {line}"),
        }
    }
    told
}
