//! The rounds. For each number of connections everything takes its turn, so that what is compared stands close together;
//! in the next round somebody else comes first.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use weir_bench::Failure;

use super::figures::{Key, Measurements, Settings, Taken};
use super::peer::{Peer, Programs, Store};
use super::{APPEND, APPEND_GROWING};
use crate::append::{self, Checksum, Space};
use crate::case::EVENTS_PER_REQUEST;
use crate::child::Scratch;
use crate::cpu::{cpu_time, cpu_time_of_all};
use crate::load;
use crate::measured::{Measured, settled_within};

/// Every case runs for so long before it is measured.
const WARMUP: Duration = Duration::from_millis(500);
/// How long is waited for what a store does behind its answers.
const SETTLE_MAX: Duration = Duration::from_secs(2);

/// A port that was free is somebody else's now and then when a store comes to listen on it.
const STARTS_MAX: u32 = 3;

/// What was measured, and who failed at it, with the reason.
#[derive(Default)]
pub struct Done {
    pub cases: Measurements,
    pub failed: Vec<(&'static str, String)>,
}

pub struct Run<'a> {
    settings: &'a Settings,
    programs: &'a Programs,
    dir: &'a Path,
    numbers: Arc<AtomicU64>,
}

impl<'a> Run<'a> {
    pub fn new(settings: &'a Settings, programs: &'a Programs, dir: &'a Path) -> Self {
        Self { settings, programs, dir, numbers: Arc::default() }
    }

    /// Whoever fails is left out from then on; the figures of all others must not go with it.
    pub async fn all(&self, peers: &[&dyn Peer], file: bool) -> Result<Done, Failure> {
        let (mut done, mut peers) = (Done::default(), peers.to_vec());
        for round in 1..=self.settings.rounds {
            for &connections in &self.settings.connections {
                eprintln!("round {round} of {}, {connections} connections:", self.settings.rounds);
                if file {
                    self.file(connections, &mut done.cases).await?;
                }
                let mut able = Vec::with_capacity(peers.len());
                for peer in peers {
                    match self.peer(peer, connections, &mut done.cases).await {
                        Ok(()) => able.push(peer),
                        Err(error) => {
                            eprintln!("\n*** FAILED: {} is not measured any more: {error}\n", peer.name());
                            done.failed.push((peer.name(), format!("failed at {connections} connections: {error}")));
                        }
                    }
                }
                peers = able;
            }
            if !peers.is_empty() {
                peers.rotate_left(1);
            }
        }
        Ok(done)
    }

    async fn start(&self, peer: &dyn Peer) -> Result<(Box<dyn Store>, Scratch), Failure> {
        for _ in 1..STARTS_MAX {
            let home = Scratch::new(self.dir, "home")?;
            match peer.start(self.programs, home.path()).await {
                Ok(store) => return Ok((store, home)),
                Err(error) => eprintln!("  {} did not start, once more: {error}", peer.name()),
            }
        }
        let home = Scratch::new(self.dir, "home")?;
        Ok((peer.start(self.programs, home.path()).await?, home))
    }

    /// Starts it, measures its cases, stops it. Its directory goes before the next one comes, and what is still to be
    /// written with it: nobody pays for the one before.
    async fn peer(&self, peer: &dyn Peer, connections: usize, all: &mut Measurements) -> Result<(), Failure> {
        let (mut store, home) = self.start(peer).await?;
        let mut acknowledged = 0;
        for events in EVENTS_PER_REQUEST {
            self.load(&mut *store, connections, events, WARMUP.min(self.settings.time()), &mut acknowledged).await?;
            let taken = self.load(&mut *store, connections, events, self.settings.time(), &mut acknowledged).await?;
            eprintln!("  {:<20} {events:>3} a request: {}", peer.name(), taken.line());
            all.add(Key::new(peer.name(), connections, events), taken);
        }
        drop(store);
        drop(home);
        rustix::fs::sync();
        Ok(())
    }

    async fn load(
        &self,
        store: &mut dyn Store,
        connections: usize,
        events: usize,
        time: Duration,
        acknowledged: &mut u64,
    ) -> Result<Taken, Failure> {
        let (own, pid) = (std::process::id(), store.pid());
        let clients = store.clients(connections, events).await?;
        let (client_before, before) = (cpu_time(own)?, cpu_time_of_all(pid)?);
        let done = load::drive_all(clients, events, time, &self.numbers).await?;
        let client = cpu_time(own)?.saturating_sub(client_before);
        let (after, settle) = settled_within(SETTLE_MAX, || cpu_time_of_all(pid)).await?;
        *acknowledged += done.events;
        store.check_sample(&done, events, *acknowledged)?;
        counted(store, *acknowledged).await?;
        let client_cpu_us_per_event = client.as_secs_f64() * 1e6 / done.events.max(1) as f64;
        let cpu = after.saturating_sub(before);
        let measured = Measured::new(done.events, done.took, done.latencies_ns, cpu, settle);
        Ok(Taken { measured, client_cpu_us_per_event })
    }

    /// What the disk alone does with the bytes of so many events, with a checksum before them.
    async fn file(&self, connections: usize, all: &mut Measurements) -> Result<(), Failure> {
        for (name, space) in [(APPEND, Space::Preallocated), (APPEND_GROWING, Space::Growing)] {
            for events in EVENTS_PER_REQUEST {
                let (dir, time) = (self.dir.to_owned(), self.settings.time());
                let work = move || append::run(&dir, space, Checksum::Crc32, events, time);
                let measured = tokio::task::spawn_blocking(work).await??;
                let taken = Taken { measured, client_cpu_us_per_event: 0.0 };
                eprintln!("  {name:<20} {events:>3} a request: {}", taken.line());
                all.add(Key::new(name, connections, events), taken);
            }
        }
        Ok(())
    }
}

/// Its own count must be what it acknowledged. A count may lag behind the answers, but not for long.
async fn counted(store: &mut dyn Store, acknowledged: u64) -> Result<(), Failure> {
    const LOOKS: u32 = 50;
    const PAUSE: Duration = Duration::from_millis(100);
    let mut last = None;
    for _ in 0..LOOKS {
        last = store.count().await?;
        match last {
            Some(count) if count < acknowledged => tokio::time::sleep(PAUSE).await,
            _ => break,
        }
    }
    match last {
        Some(count) if count != acknowledged => {
            Err(format!("{acknowledged} events were acknowledged, but it counts {count}").into())
        }
        _ => Ok(()),
    }
}
