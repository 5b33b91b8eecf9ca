//! SierraDB, over RESP. Each client writes a stream of its own, which spreads them over SierraDB's partitions.

use std::path::Path;

use async_trait::async_trait;
use weir_bench::Failure;

use super::peer::{Peer, Programs, Store, bound_command, built, free_address};
use super::resp::{Reply, command};
use super::wire::Wire;
use crate::child::Server;
use crate::events::{Batch, EVENT_TYPE, payload};
use crate::publisher::Publisher;

const PROGRAM: &str = "sierradb";
/// As many as its configuration says.
const PARTITIONS: usize = 32;

pub struct SierraDb;

#[async_trait]
impl Peer for SierraDb {
    fn name(&self) -> &'static str {
        "SierraDB"
    }

    fn promise(&self) -> &'static str {
        "on disk (fdatasync) before the answer, after at most 5 ms or from 4 KB or 50 events on (its defaults); one node, \
         32 partitions with an order each and none over all, a stream a client; without compression, in its favour; a \
         batch is one transaction (EMAPPEND)"
    }

    fn version(&self, programs: &Programs) -> Result<String, Failure> {
        built(programs, PROGRAM)
    }

    async fn start(&self, programs: &Programs, dir: &Path) -> Result<Box<dyn Store>, Failure> {
        let (address, config) = (free_address()?, dir.join("sierra.toml"));
        // Without strict versioning, as nobody else has to say a version either.
        let text = "[append]\nstrict_versioning = false\n[network]\ncluster_enabled = false\n\
                    [segment]\ncompression = false\n";
        std::fs::write(&config, text)?;
        let mut command = bound_command(&programs.peers.join("bin").join(PROGRAM), None);
        command.arg("--config").arg(&config).arg("--dir").arg(dir.join("db")).args(["--log", "warn"]);
        command.args(["--client-address", &address.to_string()]).current_dir(dir);
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
        for index in 0..connections {
            let wire = Wire::open(self.0.address).await?;
            clients.push(Box::new(Client { wire, request: request(index, events) }));
        }
        Ok(clients)
    }

    /// What is in all partitions; their sequences begin at 0.
    async fn count(&mut self) -> Result<Option<u64>, Failure> {
        let (mut wire, mut count) = (Wire::open(self.0.address).await?, 0);
        for partition in 0..PARTITIONS {
            count += match wire.call(&["EPSEQ", &partition.to_string()]).await? {
                Reply::Number(last) => last + 1,
                Reply::Null => 0,
                other => return Err(format!("EPSEQ answered {other:?}").into()),
            };
        }
        Ok(Some(count))
    }
}

/// A partition key whose bits 46 to 61 are this number: SierraDB finds the partition in them.
fn key(index: usize) -> String {
    let id = (4_u128 << 76) | (2_u128 << 62) | ((index as u128 & 0xffff) << 46);
    let hex = format!("{id:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn request(index: usize, events: usize) -> Batch {
    let (stream, key, payload) = (format!("order-{index}"), key(index), payload());
    if events == 1 {
        let words = ["EAPPEND", &stream, EVENT_TYPE, "PARTITION_KEY", &key, "PAYLOAD", &payload];
        return Batch::of(command(&words));
    }
    let mut words = vec!["EMAPPEND", &key];
    for _ in 0..events {
        words.extend([stream.as_str(), EVENT_TYPE, "PAYLOAD", &payload]);
    }
    Batch::of(command(&words))
}

struct Client {
    wire: Wire,
    request: Batch,
}

#[async_trait]
impl Publisher for Client {
    fn prepare(&mut self, first: u64) -> Result<(), Failure> {
        self.request.numbered(first);
        Ok(())
    }

    async fn publish(&mut self) -> Result<(), Failure> {
        self.wire.send(self.request.bytes()).await?;
        let Reply::List(answer) = self.wire.reply().await? else { return Err("the answer is no map".into()) };
        let events = self.request.events() as u64;
        let good = if events == 1 {
            number(&answer, "partition_sequence").is_some()
        } else {
            let [first, last] =
                ["first_partition_sequence", "last_partition_sequence"].map(|name| number(&answer, name));
            first.zip(last).is_some_and(|(first, last)| last.checked_sub(first) == Some(events - 1))
        };
        if good { Ok(()) } else { Err(format!("not an answer to {events} events: {answer:?}").into()) }
    }
}

/// What stands behind a name in a map.
fn number(answer: &[Reply], name: &str) -> Option<u64> {
    let at = answer.iter().position(|item| matches!(item, Reply::Text(text) if text == name))?;
    match answer.get(at + 1)? {
        Reply::Number(number) => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_in_the_bits_that_choose_the_partition() {
        assert_eq!(key(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(key(33), "00000000-0000-4000-8008-400000000000");
    }
}
