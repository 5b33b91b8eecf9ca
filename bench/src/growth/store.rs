//! A store that grows: filled to each size, looked at, killed, stopped and opened again.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::task::JoinSet;
use weir_bench::Failure;

use super::axis::{Axis, TOPIC};
use super::figures::{Grown, Rebuilt};
use super::look::Point;
use super::rates;
use crate::child::{Scratch, Server};
use crate::connection::Connection;
use crate::cpu::cpu_time;
use crate::events;
use crate::fill;
use crate::footprint::Memory;
use crate::load::{self, Load};
use crate::measured::settled;
use crate::site::{self, Site};

/// What all stores of a run share.
pub struct Run {
    pub binary: PathBuf,
    pub dir: PathBuf,
    /// Of appending.
    pub window: Duration,
    pub rounds: u32,
    /// Of the store that is made anew at each size.
    pub fresh_events: u64,
    pub numbers: Arc<AtomicU64>,
}

/// Connections that make topics.
const MAKERS: u64 = 16;
/// How long a store is appended to, at most, before it is killed in the midst of it.
const BEFORE_KILL: Duration = Duration::from_millis(500);

impl Run {
    fn site(&self, home: &Scratch) -> Site {
        Site::new(&self.binary, home.path().to_owned(), self.dir.join("cache"))
    }

    pub async fn grow(&self, axis: Axis, sizes: &[u64]) -> Result<Grown, Failure> {
        // Compiles the plugins into the cache: the servers that are measured find them there.
        let (home, server) = self.fresh(axis).await?;
        drop((server, home));
        let home = Scratch::new(&self.dir, axis.name())?;
        let site = self.site(&home);
        let (mut server, _) = site.open().await?;
        if axis != Axis::Topics {
            make_topic(&server, TOPIC).await?;
        }
        let mut grown = Grown { axis, points: Vec::new(), note: None, rebuilt: None };
        let mut before = 0;
        for &size in sizes {
            eprintln!("{} {}: filling", axis.name(), size);
            if let Some(note) = self.fill(axis, &server, before, size).await? {
                eprintln!("{} {size}: {note}", axis.name());
                grown.note = Some(note);
                break;
            }
            let point;
            (server, point) = self.measure(axis, &site, server, size).await?;
            eprintln!("{} {size}: {}", axis.name(), point.line());
            grown.points.push(point);
            before = size;
        }
        if axis == Axis::Events {
            grown.rebuilt = Some(rebuild(&site, server).await?);
        }
        Ok(grown)
    }

    /// Fills it up to a size. `Some` tells why the server does not let it grow so far.
    async fn fill(&self, axis: Axis, server: &Server, before: u64, size: u64) -> Result<Option<String>, Failure> {
        let make = |events| axis.batch(size, events);
        match axis {
            Axis::Topics => {
                if let Some(refusal) = make_topics(server, before, size).await? {
                    return Ok(Some(refusal));
                }
                // Each topic has an event at least.
                fill::run(server.address, &make, size, &self.numbers).await?;
            }
            Axis::Events | Axis::Streams => {
                let missing = size.saturating_sub(site::head(server.address).await?);
                fill::run(server.address, &make, missing, &self.numbers).await?;
            }
        }
        Ok(None)
    }

    /// A small new server beside the one that grows, with its directory.
    pub async fn fresh(&self, axis: Axis) -> Result<(Scratch, Server), Failure> {
        let home = Scratch::new(&self.dir, "fresh")?;
        let (server, _) = self.site(&home).open().await?;
        let topic = if axis == Axis::Topics { events::numbered_topic(0) } else { TOPIC.to_owned() };
        make_topic(&server, &topic).await?;
        fill::run(server.address, &|events| axis.batch(1, events), self.fresh_events, &self.numbers).await?;
        settled(server.pid()).await?;
        Ok((home, server))
    }

    async fn measure(&self, axis: Axis, site: &Site, server: Server, size: u64) -> Result<(Server, Point), Failure> {
        settled(server.pid()).await?;
        let mut point = self.look(axis, site, &server, size).await?;
        let head = site::head(server.address).await?;
        let time = rates::window(head, point.batch.grown.median, BEFORE_KILL);
        self.append_and_kill(axis, server, size, time).await?;
        let (server, killed) = site.open().await?;
        let kept = site::head(server.address).await?;
        if kept < head {
            return Err(format!("{head} events were there before the kill, {kept} are there after it").into());
        }
        settled(server.pid()).await?;
        let (server, stopped) = site.reopen(server).await?;
        (point.open_killed_s, point.open_stopped_s) = (killed.as_secs_f64(), stopped.as_secs_f64());
        Ok((server, point))
    }

    /// `kill -9` while batches are appended: what has to be read back is as much as it can be.
    async fn append_and_kill(&self, axis: Axis, server: Server, size: u64, time: Duration) -> Result<(), Failure> {
        let (address, request) = (server.address, axis.batch(size, 100));
        let load = Load { address, request, connections: 16, time: Duration::from_secs(60) };
        let numbers = self.numbers.clone();
        tokio::select! {
            // The connections break, if not before the kill.
            ended = load::run(load, &numbers) => ended.map(|_| ()),
            () = tokio::time::sleep(time) => {
                drop(server);
                Ok(())
            }
        }
    }
}

/// The index is removed and made anew from the log.
async fn rebuild(site: &Site, server: Server) -> Result<Rebuilt, Failure> {
    let events = site::head(server.address).await?;
    eprintln!("{events} events: the index is made anew");
    let (server, took) = site.reopen_without_index(server).await?;
    let cpu_seconds = cpu_time(server.pid())?.as_secs_f64();
    let found = site::head(server.address).await?;
    if found != events {
        return Err(format!("the new index has {found} events, not {events}").into());
    }
    let seconds = took.as_secs_f64();
    let (events_per_second, peak) = (events as f64 / seconds, Memory::of(server.pid())?.peak);
    Ok(Rebuilt { events, seconds, events_per_second, cpu_seconds, peak })
}

async fn make_topic(server: &Server, name: &str) -> Result<(), Failure> {
    let mut connection = Connection::open(server.address).await?;
    match site::make_topic(&mut connection, name).await? {
        None => Ok(()),
        Some(refusal) => Err(format!("a topic was not made: {refusal}").into()),
    }
}

/// Topics by number, made over some connections; ends with the first refusal.
async fn make_topics(server: &Server, from: u64, to: u64) -> Result<Option<String>, Failure> {
    let mut tasks = JoinSet::new();
    for maker in 0..MAKERS {
        let mut connection = Connection::open(server.address).await?;
        tasks.spawn(async move {
            for number in (from..to).filter(|number| number % MAKERS == maker) {
                if let Some(refusal) = site::make_topic(&mut connection, &events::numbered_topic(number)).await? {
                    return Ok::<_, Failure>(Some(format!("topic {} is refused: {refusal}", number + 1)));
                }
            }
            Ok(None)
        });
    }
    while let Some(done) = tasks.join_next().await {
        let refusal = done??;
        if refusal.is_some() {
            return Ok(refusal);
        }
    }
    Ok(None)
}
