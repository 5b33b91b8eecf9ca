//! S2 lite, over its HTTP API with Protocol Buffers, on a directory instead of an object storage.

use std::net::SocketAddr;
use std::path::Path;

use async_trait::async_trait;
use serde_json::{Value, json};
use weir_bench::Failure;

use super::peer::{Peer, Programs, Store, bound_command, built, free_address};
use super::proto;
use crate::child::Server;
use crate::connection::Connection;
use crate::events::{Batch, payload};
use crate::publisher::{self, Publisher};

const PROGRAM: &str = "s2";
const BASIN: &str = "weir-bench";
const STREAM: &str = "orders";

pub struct S2Lite;

#[async_trait]
impl Peer for S2Lite {
    fn name(&self) -> &'static str {
        "S2 lite"
    }

    fn promise(&self) -> &'static str {
        "on disk (fsync of a new file) before the answer, every 5 ms (its default for a directory); one stream, a batch is \
         one append; records are bytes, nothing looks into them"
    }

    fn version(&self, programs: &Programs) -> Result<String, Failure> {
        built(programs, PROGRAM)
    }

    async fn start(&self, programs: &Programs, dir: &Path) -> Result<Box<dyn Store>, Failure> {
        let (address, init) = (free_address()?, dir.join("init.json"));
        std::fs::write(&init, json!({ "basins": [{ "name": BASIN, "streams": [{ "name": STREAM }] }] }).to_string())?;
        let mut command = bound_command(&programs.peers.join("bin").join(PROGRAM), None);
        command.args(["lite", "--no-dashboard", "--port", &address.port().to_string(), "--init-file"]).arg(&init);
        // It writes a line about every answer otherwise.
        command.arg("--local-root").arg(dir.join("root")).env("RUST_LOG", "error");
        Ok(Box::new(Running(Server::start_at(address, &mut command, dir).await?)))
    }
}

struct Running(Server);

#[async_trait]
impl Store for Running {
    fn pid(&self) -> u32 {
        self.0.pid()
    }

    async fn clients(&mut self, connections: usize, events: usize) -> Result<Vec<Box<dyn Publisher>>, Failure> {
        publisher::over_http(self.0.address, &request(events), connections, 200, check).await
    }

    async fn count(&mut self) -> Result<Option<u64>, Failure> {
        tail(self.0.address).await.map(Some)
    }
}

async fn tail(address: SocketAddr) -> Result<u64, Failure> {
    let mut connection = Connection::open(address).await?;
    let request = format!("GET /v1/streams/{STREAM}/records/tail HTTP/1.1\r\nhost: bench\r\ns2-basin: {BASIN}\r\n\r\n");
    let answer = connection.exchange(request.as_bytes()).await?;
    let body: Value = serde_json::from_slice(answer.body)?;
    Ok(body["tail"]["seq_num"].as_u64().ok_or_else(|| format!("a stream without tail: {body}"))?)
}

fn request(events: usize) -> Batch {
    let (mut record, mut body) = (Vec::new(), Vec::new());
    proto::put(&mut record, 3, payload().as_bytes());
    (0..events).for_each(|_| proto::put(&mut body, 1, &record));
    let mut bytes = format!(
        "POST /v1/streams/{STREAM}/records HTTP/1.1\r\nhost: bench\r\ns2-basin: {BASIN}\r\n\
         content-type: application/protobuf\r\naccept: application/protobuf\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(&body);
    Batch::of(bytes)
}

/// The acknowledgement says the first place and the one behind the last.
fn check(answer: &[u8], events: usize) -> Result<(), Failure> {
    let place = |field| match proto::get(answer, field)? {
        Some(proto::Value::Bytes(position)) => proto::number(position, 1),
        _ => Err(format!("no acknowledgement: {answer:?}").into()),
    };
    let (start, end) = (place(1)?, place(2)?);
    if end.checked_sub(start) == Some(events as u64) {
        return Ok(());
    }
    Err(format!("{start} to {end} are not {events} events").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_counts_its_events() {
        // From 5 to 7, each with a time; the first place of a stream, 0, is not sent.
        let answer = [10, 4, 8, 5, 16, 9, 18, 4, 8, 7, 16, 9];
        assert!(check(&answer, 2).is_ok());
        assert!(check(&answer, 1).is_err());
        assert!(check(&[10, 2, 16, 9, 18, 4, 8, 1, 16, 9], 1).is_ok());
        assert!(check(&[], 1).is_err());
        assert_eq!(request(100).events(), 100);
    }
}
