//! The WASI that guests get: linked, because language runtimes ask for it, and with every door shut. No files, no
//! environment, no arguments, no network; what is printed goes to tracing.
//!
//! **Invariant:** in a pure kind nothing here differs between two runs: the clock shows the time of the events, the random
//! numbers start from a fixed seed in each call.

use async_trait::async_trait;
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng, TryRng};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder};

use super::reporter::{Reporter, lock};
use crate::model::limits::GUEST_LOG_LINE_BYTES_MAX;

/// The world's WASI half for one instance. `last_words` receives the newest line on stderr: a panic's message.
pub(super) fn context(world: Option<&World>, reporter: &Arc<Reporter>, last_words: &LastWords) -> WasiCtx {
    let mut builder = WasiCtxBuilder::new();
    builder.stdout(Printer::new(reporter, None)).stderr(Printer::new(reporter, Some(last_words.clone())));
    builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    if let Some(world) = world {
        builder.wall_clock(world.clone()).monotonic_clock(world.clone());
        builder.secure_random(world.clone()).insecure_random(world.clone());
        builder.insecure_random_seed(u128::from(SEED));
    }
    builder.build()
}

const SEED: u64 = 0x5745_4952;

/// The newest line that a guest printed to stderr.
#[derive(Clone, Default)]
pub(super) struct LastWords(Arc<(AtomicBool, Mutex<String>)>);

impl LastWords {
    /// A Rust panic prints its place first and then its message; a hint about backtraces says nothing.
    fn say(&self, line: &str) {
        let mut words = lock(&self.0.1);
        if line.starts_with("note:") || words.len() + line.len() >= GUEST_LOG_LINE_BYTES_MAX {
            return;
        }
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(line);
        self.0.0.store(true, Ordering::Relaxed);
    }

    pub fn forget(&self) {
        // Most calls say nothing.
        if self.0.0.load(Ordering::Relaxed) {
            self.0.0.store(false, Ordering::Relaxed);
            lock(&self.0.1).clear();
        }
    }

    pub fn get(&self) -> String {
        lock(&self.0.1).clone()
    }
}

/// Clock and randomness for pure kinds. Every call begins with the same dice, and at the time of its events; the clock moves
/// a microsecond whenever it is read, so that code which waits for time to pass ends, at the same place each time.
#[derive(Clone, Default)]
pub(super) struct World {
    now_us: Arc<AtomicU64>,
    dice: Arc<Mutex<Option<StdRng>>>,
    thrown: Arc<AtomicBool>,
}

impl World {
    /// Begins a call at a time in Unix milliseconds.
    pub fn begin(&self, time_ms: u64) {
        self.now_us.store(time_ms.saturating_mul(1_000), Ordering::Relaxed);
        // Most guests never throw them.
        if self.thrown.load(Ordering::Relaxed) {
            self.thrown.store(false, Ordering::Relaxed);
            *lock(&self.dice) = None;
        }
    }

    fn throw<T>(&self, throw: impl FnOnce(&mut StdRng) -> T) -> T {
        self.thrown.store(true, Ordering::Relaxed);
        throw(lock(&self.dice).get_or_insert_with(|| StdRng::seed_from_u64(SEED)))
    }
}

impl HostWallClock for World {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn now(&self) -> Duration {
        Duration::from_micros(self.now_us.fetch_add(1, Ordering::Relaxed))
    }
}

impl HostMonotonicClock for World {
    fn resolution(&self) -> u64 {
        1_000
    }

    fn now(&self) -> u64 {
        self.now_us.fetch_add(1, Ordering::Relaxed).saturating_mul(1_000)
    }
}

impl TryRng for World {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.throw(|dice| dice.next_u32()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.throw(|dice| dice.next_u64()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.throw(|dice| dice.fill_bytes(bytes));
        Ok(())
    }
}

/// Standard output or error of a guest: cut into lines, each a tracing event.
#[derive(Clone)]
struct Printer {
    reporter: Arc<Reporter>,
    line: Arc<Mutex<Vec<u8>>>,
    last_words: Option<LastWords>,
}

impl Printer {
    fn new(reporter: &Arc<Reporter>, last_words: Option<LastWords>) -> Self {
        Self { reporter: reporter.clone(), line: Arc::default(), last_words }
    }

    fn end_line(&self, line: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(line);
        if !text.trim().is_empty() {
            // A guest prints to stderr by habit; only what it logs itself has a level.
            self.reporter.line(tracing::Level::INFO, &text);
            if let Some(last) = &self.last_words {
                last.say(text.trim());
            }
        }
        line.clear();
    }
}

impl IsTerminal for Printer {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Printer {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // WASI 0.2 guests print through `p2_stream`; nobody asks for this one.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Printer {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Printer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut line = lock(&self.line);
        for byte in bytes {
            if byte == b'\n' {
                self.end_line(&mut line);
            } else if line.len() <= GUEST_LOG_LINE_BYTES_MAX {
                line.push(byte);
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(8 << 10)
    }
}
