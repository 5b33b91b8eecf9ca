//! Whoever publishes over one connection, with one request on its way at a time; and the one that speaks HTTP.

use std::net::SocketAddr;

use async_trait::async_trait;
use weir_bench::Failure;

use crate::connection::Connection;
use crate::events::Batch;

#[async_trait]
pub trait Publisher: Send {
    /// Makes the next request ready, its events numbered from `first` on. Its time is not measured.
    fn prepare(&mut self, first: u64) -> Result<(), Failure>;

    /// Sends it and waits for the answer; one that does not acknowledge all of its events is an error.
    async fn publish(&mut self) -> Result<(), Failure>;

    /// The body of the last answer, where it is looked at once more in the end.
    fn answer(&self) -> &[u8] {
        &[]
    }
}

/// Looks at the body of every answer.
pub type Check = fn(&[u8], usize) -> Result<(), Failure>;

/// A prepared HTTP request, sent again and again.
pub struct Http {
    connection: Connection,
    request: Batch,
    status: u16,
    check: Check,
}

/// So many, each with a connection of its own, that publish to a Weir server or to what stands for one. Bodies are looked
/// at in the end only, as parsing JSON costs more than sending it.
pub async fn of_weir(
    address: SocketAddr,
    request: &Batch,
    connections: usize,
) -> Result<Vec<Box<dyn Publisher>>, Failure> {
    over_http(address, request, connections, 201, |_, _| Ok(())).await
}

/// The same for any server; whatever has another status is an error.
pub async fn over_http(
    address: SocketAddr,
    request: &Batch,
    connections: usize,
    status: u16,
    check: Check,
) -> Result<Vec<Box<dyn Publisher>>, Failure> {
    let mut publishers: Vec<Box<dyn Publisher>> = Vec::with_capacity(connections);
    for _ in 0..connections {
        let connection = Connection::open(address).await?;
        publishers.push(Box::new(Http { connection, request: request.clone(), status, check }));
    }
    Ok(publishers)
}

#[async_trait]
impl Publisher for Http {
    fn prepare(&mut self, first: u64) -> Result<(), Failure> {
        self.request.numbered(first);
        Ok(())
    }

    async fn publish(&mut self) -> Result<(), Failure> {
        let answer = self.connection.exchange(self.request.bytes()).await?;
        if answer.status != self.status {
            let body = String::from_utf8_lossy(answer.body);
            return Err(format!("the answer was {}, not {}: {body:.500}", answer.status, self.status).into());
        }
        (self.check)(answer.body, self.request.events())
    }

    fn answer(&self) -> &[u8] {
        self.connection.last_body()
    }
}
