//! What is read, and by whom: each read in each round by Weir, then the same bytes from the HTTP stack alone, then from the
//! log's files.

use std::fs::File;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use weir_bench::Failure;

use super::raw;
use super::store::{STREAM_EVENTS, Store, TOPIC};
use crate::bare;
use crate::child::Server;
use crate::dice::dice;
use crate::measured::settled;
use crate::reader::{Got, JSON, LINES, Reader};

const PAGE_EVENTS: u64 = 1_000;
/// Requests of one case: a bound for a loop that the clock should end long before.
const REQUESTS_MAX: u32 = 10_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    Page,
    Scan,
    ScanTopic,
    Stream,
    Event,
}

impl What {
    pub const ALL: [Self; 5] = [Self::Page, Self::Scan, Self::ScanTopic, Self::Stream, Self::Event];

    pub fn name(self) -> &'static str {
        match self {
            Self::Page => "page of 1,000, JSON",
            Self::Scan => "full scan, NDJSON",
            Self::ScanTopic => "full scan of the topic, NDJSON",
            Self::Stream => "stream of 50",
            Self::Event => "event by id",
        }
    }

    pub fn is_scan(self) -> bool {
        matches!(self, Self::Scan | Self::ScanTopic)
    }

    fn accept(self) -> &'static str {
        if self.is_scan() { LINES } else { JSON }
    }

    /// Where `dice` chooses what is read.
    fn path(self, events: u64, dice: u64) -> String {
        match self {
            Self::Page => {
                format!("/topics/{TOPIC}/events?from={}&limit={PAGE_EVENTS}", 1 + dice % (events - PAGE_EVENTS))
            }
            Self::Scan => "/events".to_owned(),
            Self::ScanTopic => format!("/topics/{TOPIC}/events"),
            Self::Stream => format!("/topics/{TOPIC}/streams/{}", Store::stream(dice)),
            Self::Event => format!("/events/{TOPIC}-{}", 1 + dice % events),
        }
    }
}

/// One reader in one round.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    pub requests: usize,
    pub bytes: u64,
    pub mb_per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
}

impl Taken {
    fn new(bytes: u64, took: &mut [Duration]) -> Self {
        took.sort_unstable();
        let micros = |part: usize| {
            let rank = (took.len() * part).div_ceil(100);
            took.get(rank.saturating_sub(1)).map_or(f64::NAN, |took| took.as_secs_f64() * 1e6)
        };
        let seconds = took.iter().sum::<Duration>().as_secs_f64();
        let (p50_us, p99_us) = (micros(50), micros(99));
        Self { requests: took.len(), bytes, mb_per_second: bytes as f64 / 1e6 / seconds, p50_us, p99_us }
    }
}

/// One read in one round, by all three.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Round {
    pub weir: Taken,
    pub bare: Taken,
    pub raw: Taken,
}

pub struct Rounds<'a> {
    pub store: &'a Store,
    pub echo: &'a Server,
    pub time: Duration,
}

impl Rounds<'_> {
    pub async fn all(&self, rounds: u32) -> Result<Vec<(What, Vec<Round>)>, Failure> {
        let mut cases: Vec<(What, Vec<Round>)> = What::ALL.into_iter().map(|what| (what, Vec::new())).collect();
        self.check().await?;
        for round in 1..=rounds {
            for (what, done) in &mut cases {
                eprintln!("round {round} of {rounds}: {}", what.name());
                let one = self.round(*what, u64::from(round)).await;
                done.push(one.map_err(|error| format!("{}: {error}", what.name()))?);
            }
        }
        Ok(cases)
    }

    /// That what is measured is what it is said to be; this also warms up.
    async fn check(&self) -> Result<(), Failure> {
        let mut reader = Reader::open(self.store.server.address).await?;
        for (what, events) in [(What::Page, PAGE_EVENTS), (What::Stream, STREAM_EVENTS)] {
            let path = what.path(self.store.events, 7);
            let body: Value = serde_json::from_slice(&reader.get_body(&path, JSON).await?)?;
            if body["events"].as_array().is_none_or(|found| found.len() as u64 != events) {
                return Err(format!("GET {path} has not {events} events").into());
            }
        }
        let path = What::Event.path(self.store.events, 7);
        let body: Value = serde_json::from_slice(&reader.get_body(&path, JSON).await?)?;
        if body["sequence"] != 8 {
            return Err(format!("GET {path} is not that event: {body:.200}").into());
        }
        Ok(())
    }

    async fn round(&self, what: What, round: u64) -> Result<Round, Failure> {
        let (events, store) = (self.store.events, &self.store.server);
        let mut reader = Reader::open(store.address).await?;
        let mut last = None;
        let weir = self.repeat(round, async |dice| {
            let got = reader.get(&what.path(events, dice), what.accept()).await?;
            if what.is_scan() && got.lines != events {
                return Err(format!("a scan of {events} events has {} lines", got.lines).into());
            }
            last = Some(got);
            Ok((got.bytes, got.took))
        });
        let weir = weir.await?;
        let got: Got = last.ok_or("nothing was read")?;
        settled(store.pid()).await?;
        let mut reader = Reader::open(self.echo.address).await?;
        let path = bare::path(got.bytes, got.bytes.div_ceil(got.chunks.max(1)));
        let bare = self.repeat(round, async |_| {
            let got = reader.get(&path, LINES).await?;
            Ok((got.bytes, got.took))
        });
        let bare = bare.await?;
        let raw = self.raw(what, got.bytes, round).await?;
        Ok(Round { weir, bare, raw })
    }

    async fn raw(&self, what: What, bytes: u64, round: u64) -> Result<Taken, Failure> {
        let segments = self.store.site.segments()?;
        if what.is_scan() {
            return self.repeat(round, async |_| raw::scan(&segments)).await;
        }
        let open = |(path, length): &(std::path::PathBuf, u64)| Ok((File::open(path)?, *length));
        let files: Vec<(File, u64)> = segments.iter().map(open).collect::<Result<_, std::io::Error>>()?;
        let mut buffer = Vec::new();
        self.repeat(round, async |dice| raw::piece(&files, bytes, dice, &mut buffer)).await
    }

    /// The same read again and again until the time is up, at least once.
    async fn repeat(
        &self,
        seed: u64,
        mut read: impl AsyncFnMut(u64) -> Result<(u64, Duration), Failure>,
    ) -> Result<Taken, Failure> {
        let (begin, mut times, mut sum) = (Instant::now(), Vec::new(), 0);
        for at in 0..REQUESTS_MAX {
            let (bytes, took) = read(dice(seed, u64::from(at))).await?;
            times.push(took);
            sum += bytes;
            if begin.elapsed() >= self.time {
                break;
            }
        }
        Ok(Taken::new(sum, &mut times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_lies_within_the_store() {
        for dice in (0..1_000).map(|at| dice(1, at)) {
            let from = What::Page.path(2_000, dice);
            let from: u64 = from.split(['=', '&']).nth(1).and_then(|n| n.parse().ok()).expect("a place");
            assert!((1..=1_000).contains(&from));
        }
        assert_eq!(What::Event.path(10, 9), "/events/orders-open-10");
    }

    #[test]
    fn rates_are_of_the_time_that_answers_took() {
        let mut took = [1, 3, 2, 4].map(Duration::from_millis);
        let taken = Taken::new(10_000_000, &mut took);
        assert_eq!((taken.requests, taken.p50_us, taken.p99_us), (4, 2_000.0, 4_000.0));
        assert!((taken.mb_per_second - 1_000.0).abs() < 1e-6);
    }
}
