//! Redis streams, with an append-only file that is synced before every answer.

use std::net::SocketAddr;
use std::path::Path;

use async_trait::async_trait;
use weir_bench::Failure;

use super::peer::{Peer, Programs, Store, bound_command, debian, free_address};
use super::resp::{Reply, command};
use super::wire::Wire;
use crate::child::Server;
use crate::events::{Batch, EVENT_TYPE, payload};
use crate::publisher::Publisher;

const PROGRAM: &str = "redis-server";
const STREAM: &str = "orders";

pub struct Redis;

#[async_trait]
impl Peer for Redis {
    fn name(&self) -> &'static str {
        "Redis streams"
    }

    fn promise(&self) -> &'static str {
        "on disk before the answer: `appendonly yes`, `appendfsync always`; one XADD an event, a batch is one MULTI … EXEC; \
         no snapshots and no rewriting of the file during the run, in its favour; all data stays in memory"
    }

    fn version(&self, _: &Programs) -> Result<String, Failure> {
        debian(PROGRAM, &["--version"], PROGRAM)
    }

    async fn start(&self, _: &Programs, dir: &Path) -> Result<Box<dyn Store>, Failure> {
        let address = free_address()?;
        let mut command = bound_command(Path::new(PROGRAM), None);
        command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--dir"]).arg(dir);
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
        command.args(["--auto-aof-rewrite-percentage", "0"]);
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
        let request = request(events);
        let mut clients: Vec<Box<dyn Publisher>> = Vec::with_capacity(connections);
        for _ in 0..connections {
            clients.push(Box::new(Client::open(self.0.address, request.clone()).await?));
        }
        Ok(clients)
    }

    async fn count(&mut self) -> Result<Option<u64>, Failure> {
        match Wire::open(self.0.address).await?.call(&["XLEN", STREAM]).await? {
            Reply::Number(count) => Ok(Some(count)),
            other => Err(format!("XLEN answered {other:?}").into()),
        }
    }
}

/// One XADD, or as many in a transaction, so that they are written and synced together whatever pieces they arrive in.
fn request(events: usize) -> Batch {
    let add = command(&["XADD", STREAM, "*", "type", EVENT_TYPE, "payload", &payload()]);
    if events == 1 {
        return Batch::of(add);
    }
    let mut bytes = command(&["MULTI"]);
    (0..events).for_each(|_| bytes.extend_from_slice(&add));
    bytes.extend_from_slice(&command(&["EXEC"]));
    Batch::of(bytes)
}

struct Client {
    wire: Wire,
    request: Batch,
}

impl Client {
    async fn open(address: SocketAddr, request: Batch) -> Result<Self, Failure> {
        Ok(Self { wire: Wire::open(address).await?, request })
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
        let events = self.request.events();
        if events == 1 {
            return id(&self.wire.reply().await?);
        }
        // MULTI and each XADD are only taken note of.
        for _ in 0..=events {
            self.wire.reply().await?;
        }
        match self.wire.reply().await? {
            Reply::List(ids) if ids.len() == events => ids.iter().try_for_each(id),
            other => Err(format!("EXEC answered {other:?}").into()),
        }
    }
}

fn id(reply: &Reply) -> Result<(), Failure> {
    match reply {
        Reply::Text(id) if id.contains('-') => Ok(()),
        other => Err(format!("XADD answered {other:?}, which is no id").into()),
    }
}
