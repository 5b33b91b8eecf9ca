//! What the host keeps beside one guest instance: its WASI, its limits and its doors. The host functions that a guest
//! calls are methods of this.

use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::Level;
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime::{Engine, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::bindings::weir::plugin as wit;
use super::http::HttpDoor;
use super::memory::MemoryLimit;
use super::reporter::{Reporter, clean};
use super::sidecar::Bounds;
use super::view::OpenView;
use super::wasi::{self, LastWords, World};
use super::{Kind, LoadError};
use crate::model::limits::{GUEST_LOG_FIELDS_MAX, GUEST_LOG_LINE_BYTES_MAX, GUEST_TICK_MS};

pub(super) struct Guest {
    wasi: WasiCtx,
    table: ResourceTable,
    /// Of pure kinds.
    pub world: Option<World>,
    pub memory: MemoryLimit,
    pub last_words: LastWords,
    pub cpu: CpuClock,
    reporter: Arc<Reporter>,
    pub(super) http: Option<HttpDoor>,
    /// The view of the call that runs, for kinds that have one.
    pub(super) view: Option<OpenView>,
}

impl Guest {
    pub fn new(kind: Kind, bounds: &Bounds, reporter: &Arc<Reporter>, http: Option<HttpDoor>) -> Self {
        let last_words = LastWords::default();
        let world = kind.is_pure().then(World::default);
        Self {
            wasi: wasi::context(world.as_ref(), reporter, &last_words),
            world,
            table: ResourceTable::new(),
            memory: MemoryLimit::new(bounds.memory_bytes_max),
            last_words,
            cpu: CpuClock::default(),
            reporter: reporter.clone(),
            http,
            view: None,
        }
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Tells wasmtime that host functions work on the whole of `Guest`.
pub(super) struct Host;

impl HasData for Host {
    type Data<'a> = &'a mut Guest;
}

/// Everything that a component of this kind may import, and nothing else.
pub(super) fn linker(engine: &Engine, kind: Kind) -> Result<Linker<Guest>, wasmtime::Error> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wit::log::add_to_linker::<_, Host>(&mut linker, |guest| guest)?;
    match kind {
        Kind::Sink => {
            wit::http::add_to_linker::<_, Host>(&mut linker, |guest| guest)?;
            wit::clock::add_to_linker::<_, Host>(&mut linker, |guest| guest)?;
        }
        Kind::Projection | Kind::ProcessManager => {
            wit::view::add_to_linker::<_, Host>(&mut linker, |guest| guest)?;
        }
        Kind::Validator | Kind::Upcaster | Kind::Decider => {}
    }
    Ok(linker)
}

impl wit::types::Host for Guest {}

impl wit::log::Host for Guest {
    fn write(&mut self, level: wit::log::Level, message: String, fields: Vec<(String, String)>) {
        let level = match level {
            wit::log::Level::Trace => Level::TRACE,
            wit::log::Level::Debug => Level::DEBUG,
            wit::log::Level::Info => Level::INFO,
            wit::log::Level::Warn => Level::WARN,
            wit::log::Level::Error => Level::ERROR,
        };
        let mut text = message;
        for (key, value) in fields.iter().take(GUEST_LOG_FIELDS_MAX) {
            if text.len() > GUEST_LOG_LINE_BYTES_MAX {
                break;
            }
            text.push_str(&format!(" {key}={value}"));
        }
        self.reporter.line(level, &text);
    }

    fn count(&mut self, name: String, delta: u64) {
        self.reporter.count(&name, delta);
    }

    fn gauge(&mut self, name: String, value: f64) {
        self.reporter.gauge(&name, value);
    }
}

impl wit::clock::Host for Guest {
    fn now_ms(&mut self) -> u64 {
        super::now_ms()
    }
}

/// CPU time of the call that runs in an instance of a kind with effects, in slices of one tick.
///
/// A tick also passes while the guest waits in a host call or for its turn, so each slice counts at most two ticks: the
/// sum is right for a guest that computes and small for one that waits.
#[derive(Default)]
pub(super) struct CpuClock {
    used: Duration,
    since: Option<Instant>,
}

/// The error that ends a call which used up its CPU time.
#[derive(Debug, thiserror::Error)]
#[error("{0} ms of CPU time")]
pub(super) struct CpuSpent(pub u64);

impl CpuClock {
    /// Begins a call, or goes on after a wait in the host.
    pub fn resume(&mut self) {
        self.since = Some(Instant::now());
    }

    pub fn reset(&mut self) {
        self.used = Duration::ZERO;
        self.resume();
    }

    pub fn pause(&mut self) {
        if let Some(since) = self.since.take() {
            self.used += since.elapsed().min(Duration::from_millis(2 * GUEST_TICK_MS));
        }
    }
}

/// Called when a tick has passed while a guest ran: counts it, lets other tasks run, or ends the call.
pub(super) fn on_tick(mut store: StoreContextMut<'_, Guest>, cpu_ms_max: u64) -> wasmtime::Result<UpdateDeadline> {
    let cpu = &mut store.data_mut().cpu;
    cpu.pause();
    if cpu.used >= Duration::from_millis(cpu_ms_max) {
        return Err(CpuSpent(cpu_ms_max).into());
    }
    cpu.resume();
    Ok(UpdateDeadline::Yield(1))
}

/// A wasmtime error as one line, without the list of frames that it prints below.
pub(super) fn one_line(error: &wasmtime::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        let first = text.lines().next().unwrap_or_default().trim().to_owned();
        if !first.is_empty() && !first.starts_with("error while executing at wasm backtrace") && !texts.contains(&first)
        {
            texts.push(first);
        }
    }
    clean(&texts.join(": "))
}

pub(super) fn link_error(error: wasmtime::Error) -> LoadError {
    LoadError::Link(one_line(&error))
}
