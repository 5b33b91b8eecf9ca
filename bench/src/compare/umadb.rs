//! UmaDB, over gRPC spoken with hyper: its own client brings a TLS that this project does not build.

use std::net::SocketAddr;
use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{HeaderMap, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use weir_bench::Failure;

use super::peer::{Peer, Programs, Store, bound_command, built, free_address};
use super::proto;
use crate::child::Server;
use crate::events::{Batch, EVENT_TYPE, payload};
use crate::publisher::Publisher;

const PROGRAM: &str = "umadb";

pub struct UmaDb;

#[async_trait]
impl Peer for UmaDb {
    fn name(&self) -> &'static str {
        "UmaDB"
    }

    fn promise(&self) -> &'static str {
        "on disk (data, then its header page, each synced) before the answer; requests that wait are committed together; \
         events without tags and conditions, a batch is one append"
    }

    fn version(&self, programs: &Programs) -> Result<String, Failure> {
        built(programs, PROGRAM)
    }

    async fn start(&self, programs: &Programs, dir: &Path) -> Result<Box<dyn Store>, Failure> {
        let address = free_address()?;
        let mut command = bound_command(&programs.peers.join("bin").join(PROGRAM), None);
        command.args(["--listen", &address.to_string(), "--db-path"]).arg(dir.join("uma.db"));
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
        let mut clients: Vec<Box<dyn Publisher>> = Vec::with_capacity(connections);
        for _ in 0..connections {
            let grpc = Grpc::open(self.0.address).await?;
            clients.push(Box::new(Client { grpc, request: request(events), position: 0 }));
        }
        Ok(clients)
    }

    async fn count(&mut self) -> Result<Option<u64>, Failure> {
        let head = Grpc::open(self.0.address).await?.call("Head", Bytes::from_static(&[0; FRAME_BYTES])).await?;
        Ok(Some(proto::number(&head, 1)?))
    }
}

/// A message's frame: whether it is compressed, and its length in four bytes.
const FRAME_BYTES: usize = 5;

struct Grpc {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
}

impl Grpc {
    async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, address })
    }

    /// The message that answers a framed one.
    async fn call(&mut self, method: &str, message: Bytes) -> Result<Bytes, Failure> {
        let uri = format!("http://{}/umadb.v1.DCB/{method}", self.address);
        let request = Request::post(uri).header("content-type", "application/grpc").header("te", "trailers");
        self.sender.ready().await?;
        let answer = self.sender.send_request(request.body(Full::new(message))?).await?;
        status(answer.headers())?;
        let body = answer.into_body().collect().await?;
        body.trailers().map_or(Ok(()), status)?;
        let mut bytes = body.to_bytes();
        if bytes.len() < FRAME_BYTES {
            return Err(format!("{method} was not answered").into());
        }
        Ok(bytes.split_off(FRAME_BYTES))
    }
}

/// Where there is one, it must be 0.
fn status(headers: &HeaderMap) -> Result<(), Failure> {
    match headers.get("grpc-status") {
        Some(status) if status != "0" => Err(format!("the answer is an error: {headers:?}").into()),
        _ => Ok(()),
    }
}

fn request(events: usize) -> Batch {
    let (mut event, mut message) = (Vec::new(), Vec::new());
    proto::put(&mut event, 1, EVENT_TYPE.as_bytes());
    proto::put(&mut event, 3, payload().as_bytes());
    (0..events).for_each(|_| proto::put(&mut message, 1, &event));
    let mut bytes = vec![0];
    bytes.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(&message);
    Batch::of(bytes)
}

struct Client {
    grpc: Grpc,
    request: Batch,
    /// Of its last event.
    position: u64,
}

#[async_trait]
impl Publisher for Client {
    fn prepare(&mut self, first: u64) -> Result<(), Failure> {
        self.request.numbered(first);
        Ok(())
    }

    async fn publish(&mut self) -> Result<(), Failure> {
        let answer = self.grpc.call("Append", Bytes::copy_from_slice(self.request.bytes())).await?;
        let (position, events) = (proto::number(&answer, 1)?, self.request.events() as u64);
        if position < self.position + events {
            return Err(format!("the answer {position} to {events} events came after {}", self.position).into());
        }
        self.position = position;
        Ok(())
    }
}
