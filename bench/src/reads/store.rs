//! The store that is read: filled over HTTP with so many events, of which some belong to streams that are spread over it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde_json::{Value, json};
use weir_bench::Failure;

use super::figures::FirstByte;
use crate::bare;
use crate::child::Server;
use crate::connection::Connection;
use crate::events::{self, Batch};
use crate::fill;
use crate::measured::settled;
use crate::reader::{LINES, Reader};
use crate::site::{self, Site};

pub const TOPIC: &str = "orders-open";
/// Events of each stream, at equal distances in the log, as those of an order that lives for long.
pub const STREAM_EVENTS: u64 = 50;
pub const STREAMS: u64 = 20;
/// For a page of a thousand beside the streams.
pub const EVENTS_MIN: u64 = 2 * STREAM_EVENTS * STREAMS;
/// From here on, powers of ten are sizes at which the first byte is waited for.
const SIZE_MIN: u64 = 10_000;

pub struct Store {
    pub site: Site,
    pub server: Server,
    pub events: u64,
    numbers: Arc<AtomicU64>,
}

/// What comes when so many events are there.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// The next event of every stream.
    Streams,
    FirstByte,
}

/// Steps by the number of events before them, in order; the last one is at the end.
fn plan(events: u64) -> Vec<(u64, Step)> {
    let places = (1..=STREAM_EVENTS).map(|at| at * (events / STREAM_EVENTS) - STREAMS);
    let mut steps: Vec<(u64, Step)> = places.map(|at| (at, Step::Streams)).collect();
    let sizes = std::iter::successors(Some(SIZE_MIN), |size| size.checked_mul(10)).take_while(|size| *size < events);
    // A size that falls into a step of the streams waits for it.
    steps.extend(sizes.chain([events]).map(|size| (size, Step::FirstByte)));
    steps.sort();
    steps
}

impl Store {
    pub async fn open(binary: &Path, dir: &Path) -> Result<Self, Failure> {
        let site = Site::new(binary, dir.join("home"), dir.join("cache"));
        let (server, _) = site.open().await?;
        let mut connection = Connection::open(server.address).await?;
        if let Some(refusal) = site::make_topic(&mut connection, TOPIC).await? {
            return Err(format!("a topic was not made: {refusal}").into());
        }
        Ok(Self { site, server, events: 0, numbers: Arc::default() })
    }

    /// Fills it, and looks at some sizes how soon a full scan begins.
    pub async fn fill(&mut self, events: u64, tries: u32, echo: &Server) -> Result<Vec<FirstByte>, Failure> {
        let mut first_bytes = Vec::new();
        for (at, step) in plan(events) {
            let missing = at.saturating_sub(self.events);
            let make = |events| Batch::request(TOPIC, events, "/events");
            fill::run(self.server.address, &make, missing, &self.numbers).await?;
            self.events += missing;
            match step {
                Step::Streams => self.extend_streams().await?,
                Step::FirstByte => first_bytes.push(self.first_byte(tries, echo).await?),
            }
        }
        settled(self.server.pid()).await?;
        match site::head(self.server.address).await? {
            head if head == self.events && head == events => Ok(first_bytes),
            head => Err(format!("{} events were acknowledged, but the store has {head}", self.events).into()),
        }
    }

    async fn extend_streams(&mut self) -> Result<(), Failure> {
        let payload: Value = serde_json::from_str(&events::payload())?;
        let event = |stream| json!({ "topic": TOPIC, "type": events::EVENT_TYPE, "payload": payload, "stream": Self::stream(stream) });
        let body = Value::Array((0..STREAMS).map(event).collect()).to_string();
        let mut connection = Connection::open(self.server.address).await?;
        let answer = connection.call("POST", "/events", &body).await?;
        if answer.status != 201 {
            return Err(format!("streams were not extended: {}", String::from_utf8_lossy(answer.body)).into());
        }
        self.events += STREAMS;
        Ok(())
    }

    /// One that has all of its events in the end.
    pub fn stream(number: u64) -> String {
        format!("fifty:{}", number % STREAMS)
    }

    /// Scans that are broken off after their first byte, taking turns with the HTTP stack alone.
    async fn first_byte(&self, tries: u32, echo: &Server) -> Result<FirstByte, Failure> {
        settled(self.server.pid()).await?;
        eprintln!("{} events: {tries} scans are begun", self.events);
        let (mut weir, mut bare) = (Vec::new(), Vec::new());
        let path = bare::path(self.events * 1_200, 1 << 20);
        for _ in 0..tries {
            weir.push(Reader::open(self.server.address).await?.first_byte("/events", LINES).await?);
            bare.push(Reader::open(echo.address).await?.first_byte(&path, LINES).await?);
        }
        Ok(FirstByte::new(self.events, weir, bare))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_spread_over_exactly_so_many_events() {
        for events in [EVENTS_MIN, 10_000, 1_000_000] {
            let steps = plan(events);
            let streams: Vec<u64> = steps.iter().filter(|step| step.1 == Step::Streams).map(|step| step.0).collect();
            assert_eq!(streams.len() as u64, STREAM_EVENTS);
            assert!(streams.iter().all(|at| at + STREAMS <= events), "{events}: {streams:?}");
            assert_eq!(steps.last(), Some(&(events, Step::FirstByte)));
        }
        let sizes: Vec<u64> =
            plan(1_000_000).into_iter().filter(|step| step.1 == Step::FirstByte).map(|s| s.0).collect();
        assert_eq!(sizes, [10_000, 100_000, 1_000_000]);
    }
}
