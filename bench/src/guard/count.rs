//! The cases, and what one of them cost.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use weir_bench::Failure;

use super::callgrind::Callgrind;
use super::layers::{SHA256, layers};
use crate::connection::Connection;
use crate::events::Batch;
use crate::weir::{self, Weir};

#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    schema: bool,
    /// Events of a request.
    events: usize,
    /// Requests of a round.
    requests: u64,
}

pub const CASES: [Case; 3] = [
    Case { name: "open topic", schema: false, events: 1, requests: 500 },
    Case { name: "topic with a schema", schema: true, events: 1, requests: 500 },
    Case { name: "100 a request, with a schema", schema: true, events: 100, requests: 20 },
];

/// The middle one is taken: work behind the publish path, such as filling the index, may fall into one of them.
const ROUNDS: usize = 5;

/// The first requests of a kind find nothing prepared.
const WARMUP_PART: u64 = 5;

/// Instructions an event by layer, of the round in the middle.
pub struct Counted {
    case: Case,
    layers: BTreeMap<String, u64>,
    /// What each round counted in all.
    rounds: Vec<u64>,
}

impl Counted {
    pub async fn count(case: Case, server: &mut Callgrind) -> Result<Self, Failure> {
        let mut publisher = Publisher::new(case, server.weir()).await?;
        publisher.publish(case.requests / WARMUP_PART).await?;
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            server.zero()?;
            publisher.publish(case.requests).await?;
            let layers = layers(&server.counts()?);
            rounds.push((layers.values().sum::<u64>(), layers));
        }
        rounds.sort();
        let events = case.requests * case.events as u64;
        let (_, layers) = rounds.get(ROUNDS / 2).cloned().unwrap_or_default();
        let layers = layers.into_iter().map(|(layer, count)| (layer, count / events)).collect();
        Ok(Self { case, layers, rounds: rounds.iter().map(|(count, _)| count / events).collect() })
    }

    fn sha256(&self) -> u64 {
        self.layers.get(SHA256).copied().unwrap_or(0)
    }

    /// What is compared with the baseline: all but SHA-256, and SHA-256.
    pub fn figures(&self) -> [(String, u64); 2] {
        let all: u64 = self.layers.values().sum();
        let name = self.case.name;
        [(name.to_owned(), all - self.sha256()), (format!("{name}, SHA-256"), self.sha256())]
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: rounds of {:?} instructions an event", self.case.name, self.rounds)
    }
}

/// Instructions an event, a row a layer and a column a case, the largest first.
pub fn profile(counted: &[Counted]) -> String {
    let all = |one: &Counted| one.layers.values().sum::<u64>();
    let mut names: Vec<&String> = counted.iter().flat_map(|one| one.layers.keys()).collect();
    names.sort();
    names.dedup();
    let most = |name: &str| counted.iter().filter_map(|one| one.layers.get(name)).max().copied().unwrap_or(0);
    names.sort_by_key(|name| std::cmp::Reverse(most(name)));
    let mut table = String::from("| instructions an event |");
    // Writing into a text never fails.
    for one in counted {
        let _ = write!(table, " {} | % |", one.case.name);
    }
    let _ = write!(table, "\n| --- |{}", " --- | --- |".repeat(counted.len()));
    for name in names {
        let _ = write!(table, "\n| {name} |");
        for one in counted {
            let count = one.layers.get(name).copied().unwrap_or(0);
            let _ = write!(table, " {count} | {:.1} |", count as f64 * 100.0 / all(one).max(1) as f64);
        }
    }
    let _ = write!(table, "\n| all |");
    for one in counted {
        let _ = write!(table, " {} | 100 |", all(one));
    }
    table + "\n"
}

/// One connection that sends one request after the other.
struct Publisher {
    connection: Connection,
    request: Batch,
    case: Case,
    sent: u64,
}

impl Publisher {
    async fn new(case: Case, weir: &Weir) -> Result<Self, Failure> {
        let connection = Connection::open(weir.server().address).await?;
        Ok(Self {
            connection,
            request: Batch::request(weir::topic(case.schema), case.events, "/events"),
            case,
            sent: 0,
        })
    }

    async fn publish(&mut self, requests: u64) -> Result<(), Failure> {
        for _ in 0..requests {
            let answer = self.connection.exchange(self.request.numbered(self.sent)).await?;
            if answer.status != 201 {
                return Err(format!("a publish was refused: {:.500}", String::from_utf8_lossy(answer.body)).into());
            }
            // Topics are shared by cases, so what was acknowledged before is not known here.
            weir::check_answer(answer.body, weir::topic(self.case.schema), self.case.events, u64::MAX)?;
            self.sent += self.case.events as u64;
        }
        Ok(())
    }
}
