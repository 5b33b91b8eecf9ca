//! The server that is measured: the real binary on an empty directory, one topic with a schema and one without, and
//! checks that what it acknowledged is there.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde_json::{Value, json};
use weir_bench::Failure;

use crate::child::Server;
use crate::connection::Connection;
use crate::events;
use crate::load::Acknowledged;

pub struct Weir {
    server: Server,
    tally: Tally,
}

/// Events acknowledged so far, by topic: with a schema, and open.
#[derive(Default)]
pub struct Tally([u64; 2]);

/// The answer to a publish request.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Published {
    event_ids: Vec<String>,
    positions: Vec<u64>,
}

pub fn topic(schema: bool) -> &'static str {
    if schema { "orders" } else { "orders-open" }
}

/// The server in a directory that is empty or has a store of an earlier one.
pub fn command(binary: &Path, dir: &Path) -> Result<Command, Failure> {
    Ok(serving(Command::new(found(binary)?), dir))
}

/// The same for a command whose last word is the server's binary.
fn serving(mut command: Command, dir: &Path) -> Command {
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir.join("data"));
    command.arg("--config-dir").arg(dir.join("config")).env("RUST_LOG", "warn");
    // What the operator of this machine has set is for another server.
    for name in ["PORT", "WEIR_LISTEN", "WEIR_CONFIG", "WEIR_PLUGINS", "WEIR_TRACE_FORMAT"] {
        command.env_remove(name);
    }
    command
}

impl Weir {
    /// Starts it in `dir`, which must be empty.
    pub async fn start(binary: &Path, dir: &Path) -> Result<Self, Failure> {
        Self::start_as(Command::new(found(binary)?), dir).await
    }

    /// The same for a command whose last word is the server's binary.
    pub async fn start_as(command: Command, dir: &Path) -> Result<Self, Failure> {
        let server = Server::start(&mut serving(command, dir)).await?;
        let mut connection = Connection::open(server.address).await?;
        let topics = [
            json!({ "name": topic(true), "schemas": [events::schema()] }),
            json!({ "name": topic(false), "adapter": "redb" }),
        ];
        for body in topics {
            let answer = connection.call("POST", "/topics", &body.to_string()).await?;
            if answer.status != 201 {
                return Err(format!("a topic was not made: {}", String::from_utf8_lossy(answer.body)).into());
            }
        }
        Ok(Self { server, tally: Tally::default() })
    }

    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Two parts, because the one is measured while the other counts.
    pub fn parts(&mut self) -> (&Server, &mut Tally) {
        (&self.server, &mut self.tally)
    }
}

/// The binary, if it is there.
pub fn found(binary: &Path) -> Result<&Path, Failure> {
    if binary.is_file() {
        return Ok(binary);
    }
    Err(format!("there is no server at {}; `cargo build --release -p weir` makes one", binary.display()).into())
}

impl Tally {
    /// Counts what was acknowledged, and checks one answer and the topic's sequence.
    pub async fn check(
        &mut self,
        address: SocketAddr,
        schema: bool,
        done: &Acknowledged,
        per_request: usize,
    ) -> Result<(), Failure> {
        let acknowledged = &mut self.0[usize::from(!schema)];
        *acknowledged += done.events;
        let topic = topic(schema);
        check_answer(&done.sample, topic, per_request, *acknowledged)?;
        let mut connection = Connection::open(address).await?;
        let answer = connection.call("GET", &format!("/topics/{topic}"), "").await?;
        let body: Value = serde_json::from_slice(answer.body)?;
        match body["sequence"].as_u64() {
            Some(sequence) if sequence == *acknowledged => Ok(()),
            _ => Err(format!("{acknowledged} events were acknowledged, but topic '{topic}' is {body}").into()),
        }
    }
}

/// As many ids and positions as events, both counting up by one, and none beyond what was acknowledged.
pub fn check_answer(answer: &[u8], topic: &str, per_request: usize, acknowledged: u64) -> Result<(), Failure> {
    let refuse = |what: &str| format!("{what}: {:.500}", String::from_utf8_lossy(answer));
    let Published { event_ids, positions } =
        serde_json::from_slice(answer).map_err(|error| refuse(&format!("not an answer to a publish ({error})")))?;
    let sequence = |id: &String| id.strip_prefix(topic)?.strip_prefix('-')?.parse::<u64>().ok();
    let sequences: Option<Vec<u64>> = event_ids.iter().map(sequence).collect();
    let sequences = sequences.ok_or_else(|| refuse("an id of another topic"))?;
    if sequences.len() != per_request || positions.len() != per_request {
        return Err(refuse(&format!("not {per_request} ids and positions")).into());
    }
    let adjacent = |numbers: &[u64]| numbers.is_sorted_by(|a, b| a + 1 == *b);
    if !adjacent(&sequences) || !adjacent(&positions) {
        return Err(refuse("ids or positions with a gap").into());
    }
    if sequences.first() == Some(&0) || sequences.last().is_some_and(|last| *last > acknowledged) {
        return Err(refuse(&format!("an id outside of 1 to {acknowledged}")).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_answer_passes() {
        let answer = br#"{"eventIds":["t-4","t-5"],"positions":[9,10]}"#;
        assert!(check_answer(answer, "t", 2, 5).is_ok());
    }

    #[test]
    fn gaps_wrong_counts_and_foreign_ids_are_found() {
        let bad = [
            r#"{"eventIds":["t-4","t-6"],"positions":[9,10]}"#,
            r#"{"eventIds":["t-4","t-5"],"positions":[10,9]}"#,
            r#"{"eventIds":["t-4"],"positions":[9]}"#,
            r#"{"eventIds":["u-4","u-5"],"positions":[9,10]}"#,
            r#"{"eventIds":["t-5","t-6"],"positions":[9,10]}"#,
            r#"{"eventIds":["t-0","t-1"],"positions":[9,10]}"#,
            r#"{"error":"no"}"#,
        ];
        for answer in bad {
            assert!(check_answer(answer.as_bytes(), "t", 2, 5).is_err(), "{answer}");
        }
    }
}
