//! NATS JetStream with a stream in files, over NATS's own protocol.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use weir_bench::Failure;

use super::peer::{Peer, Programs, Store, bound_command, debian, free_address};
use super::wire::{Wire, line};
use crate::child::Server;
use crate::events::{Batch, EVENT_TYPE, payload};
use crate::publisher::Publisher;

const PROGRAM: &str = "nats-server";

pub struct Nats;

#[async_trait]
impl Peer for Nats {
    fn name(&self) -> &'static str {
        "NATS JetStream"
    }

    fn promise(&self) -> &'static str {
        "**not on disk** when it answers: it writes into the page cache and syncs every two minutes (this version has no \
         setting for that); survives the end of the process, not of the machine. A batch is 100 messages that are \
         published together and acknowledged one by one"
    }

    fn version(&self, _: &Programs) -> Result<String, Failure> {
        debian(PROGRAM, &["--version"], PROGRAM)
    }

    async fn start(&self, _: &Programs, dir: &Path) -> Result<Box<dyn Store>, Failure> {
        let address = free_address()?;
        let mut command = bound_command(Path::new(PROGRAM), None);
        command.args(["--addr", "127.0.0.1", "--port", &address.port().to_string(), "--jetstream", "--store_dir"]);
        let server = Server::start_at(address, command.arg(dir.join("store")), dir).await?;
        let made = Client::open(address, 0).await?.call("$JS.API.STREAM.CREATE.ORDERS", &definition()).await?;
        if made["config"]["storage"] != "file" {
            return Err(format!("the stream was not made in files: {made}").into());
        }
        Ok(Box::new(Running(server)))
    }
}

fn definition() -> Value {
    json!({
        "name": "ORDERS", "subjects": ["orders.>"], "storage": "file", "retention": "limits", "discard": "old",
        "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0, "max_msg_size": -1, "num_replicas": 1,
    })
}

struct Running(Server);

#[async_trait]
impl Store for Running {
    fn pid(&self) -> u32 {
        self.0.pid()
    }

    async fn clients(&mut self, connections: usize, events: usize) -> Result<Vec<Box<dyn Publisher>>, Failure> {
        let mut clients: Vec<Box<dyn Publisher>> = Vec::with_capacity(connections);
        for _ in 0..connections {
            clients.push(Box::new(Client::open(self.0.address, events).await?));
        }
        Ok(clients)
    }

    async fn count(&mut self) -> Result<Option<u64>, Failure> {
        let info = Client::open(self.0.address, 0).await?.call("$JS.API.STREAM.INFO.ORDERS", &Value::Null).await?;
        Ok(Some(info["state"]["messages"].as_u64().ok_or_else(|| format!("a stream without messages: {info}"))?))
    }
}

struct Client {
    wire: Wire,
    request: Batch,
    inbox: String,
}

/// The acknowledgement of one message.
#[derive(Deserialize)]
struct Ack {
    seq: u64,
}

impl Client {
    async fn open(address: SocketAddr, events: usize) -> Result<Self, Failure> {
        // Connections must not hear each other's answers.
        static INBOXES: AtomicU64 = AtomicU64::new(0);
        let inbox = format!("_INBOX.{}", INBOXES.fetch_add(1, Ordering::Relaxed));
        let mut wire = Wire::open(address).await?;
        let hello = format!("CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\nSUB {inbox} 1\r\n");
        wire.send(hello.as_bytes()).await?;
        let payload = payload();
        let one = format!("PUB orders.{EVENT_TYPE} {inbox} {}\r\n{payload}\r\n", payload.len());
        Ok(Self { wire, request: Batch::of(one.repeat(events).into_bytes()), inbox })
    }

    /// The next answer to what was sent. Bounded: a server has little else to say.
    async fn message(&mut self) -> Result<Vec<u8>, Failure> {
        const OTHERS_MAX: usize = 100;
        for _ in 0..OTHERS_MAX {
            match self.wire.next(parse).await? {
                Said::Message(bytes) => return Ok(bytes),
                Said::Ping => self.wire.send(b"PONG\r\n").await?,
                Said::Other => {}
            }
        }
        Err("the server says much, but does not answer".into())
    }

    async fn call(&mut self, subject: &str, body: &Value) -> Result<Value, Failure> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!("PUB {subject} {} {}\r\n{body}\r\n", self.inbox, body.len());
        self.wire.send(request.as_bytes()).await?;
        Ok(serde_json::from_slice(&self.message().await?)?)
    }
}

#[async_trait]
impl Publisher for Client {
    fn prepare(&mut self, first: u64) -> Result<(), Failure> {
        self.request.numbered(first);
        Ok(())
    }

    async fn publish(&mut self) -> Result<(), Failure> {
        self.wire.send(self.request.bytes()).await?;
        for _ in 0..self.request.events() {
            let message = self.message().await?;
            match serde_json::from_slice(&message) {
                Ok(Ack { seq: 1.. }) => {}
                _ => return Err(format!("no acknowledgement: {:.500}", String::from_utf8_lossy(&message)).into()),
            }
        }
        Ok(())
    }
}

/// What the server says.
#[derive(Debug, PartialEq)]
enum Said {
    Message(Vec<u8>),
    Ping,
    Other,
}

/// `MSG subject sid length`, then the message; all else is one line.
fn parse(bytes: &[u8]) -> Result<Option<(Said, usize)>, Failure> {
    let Some((head, start)) = line(bytes)? else { return Ok(None) };
    let said = match head.split(' ').next() {
        Some("MSG") => {
            let length = head.rsplit(' ').next().and_then(|length| length.parse::<usize>().ok());
            let end = start + length.ok_or_else(|| format!("a message without length: {head:.100}"))?;
            let whole = bytes.len() >= end + 2;
            return Ok(whole.then(|| (Said::Message(bytes[start..end].to_vec()), end + 2)));
        }
        Some("PING") => Said::Ping,
        Some("-ERR") => return Err(format!("the server says: {head:.500}").into()),
        _ => Said::Other,
    };
    Ok(Some((said, start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_once_they_are_complete() {
        let bytes = b"MSG _INBOX.1 1 9\r\n{\"seq\":1}\r\nPING\r\n";
        for cut in 0..bytes.len() - 6 {
            assert_eq!(parse(&bytes[..cut]).expect("no error"), None);
        }
        assert_eq!(parse(bytes).expect("no error"), Some((Said::Message(b"{\"seq\":1}".to_vec()), bytes.len() - 6)));
        assert_eq!(parse(b"PING\r\n").expect("no error"), Some((Said::Ping, 6)));
        assert!(parse(b"-ERR 'no'\r\n").is_err());
    }
}
