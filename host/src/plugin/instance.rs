//! One warm guest: made from a blueprint, called within bounds, and thrown away when anything went wrong in it.
//!
//! **Invariant:** every entry into a guest stands between `begin` and `end`: fuel or deadline set before it, the outcome
//! told apart after it. A component that trapped is never entered again.

use futures_util::future::poll_immediate;
use std::collections::HashMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::component::{self, Component, InstancePre};
use wasmtime::{Engine, Store, Trap};
use wasmtime_wasi::I32Exit;

use super::bindings::exports::weir::plugin::{
    deciding, guarding, lifecycle, processing, projecting, querying, sinking, upcasting, validating,
};
use super::breaker::Breaker;
use super::guest::{CpuSpent, Guest, link_error, linker, on_tick, one_line};
use super::http::HttpDoor;
use super::inspect::Shape;
use super::reporter::Reporter;
use super::sidecar::Bounds;
use super::stats::Stats;
use super::view::{Access, OpenView, Stopped, ViewBase, ViewWrites};
use super::{Fault, Kind, LoadError};
use crate::model::TopicName;
use crate::model::limits::GUEST_FUEL_PER_SLICE;

/// A linked component: what all instances of one generation are made from.
pub(super) struct Linked {
    pub kind: Kind,
    engine: Engine,
    pre: InstancePre<Guest>,
    lifecycle: lifecycle::GuestIndices,
    exports: ExportIndices,
}

/// A kind's own interfaces, before and after a component was instantiated.
enum ExportIndices {
    Validating(validating::GuestIndices, Option<guarding::GuestIndices>),
    Upcasting(upcasting::GuestIndices),
    Deciding(deciding::GuestIndices),
    Projecting(projecting::GuestIndices, Option<querying::GuestIndices>),
    Processing(processing::GuestIndices),
    Sinking(sinking::GuestIndices),
}

#[derive(Clone)]
pub(super) enum Exports {
    Validating { validating: validating::Guest, guarding: Option<guarding::Guest> },
    Upcasting(upcasting::Guest),
    Deciding(deciding::Guest),
    Projecting { projecting: projecting::Guest, querying: Option<querying::Guest> },
    Processing(processing::Guest),
    Sinking(sinking::Guest),
}

impl ExportIndices {
    fn find(shape: Shape, pre: &InstancePre<Guest>) -> wasmtime::Result<Self> {
        Ok(match shape.kind {
            Kind::Validator => {
                let guarding = shape.extended.then(|| guarding::GuestIndices::new(pre)).transpose()?;
                Self::Validating(validating::GuestIndices::new(pre)?, guarding)
            }
            Kind::Upcaster => Self::Upcasting(upcasting::GuestIndices::new(pre)?),
            Kind::Decider => Self::Deciding(deciding::GuestIndices::new(pre)?),
            Kind::Projection => {
                let querying = shape.extended.then(|| querying::GuestIndices::new(pre)).transpose()?;
                Self::Projecting(projecting::GuestIndices::new(pre)?, querying)
            }
            Kind::ProcessManager => Self::Processing(processing::GuestIndices::new(pre)?),
            Kind::Sink => Self::Sinking(sinking::GuestIndices::new(pre)?),
        })
    }

    fn load(&self, store: &mut Store<Guest>, instance: &component::Instance) -> wasmtime::Result<Exports> {
        Ok(match self {
            Self::Validating(validating, guarding) => Exports::Validating {
                validating: validating.load(&mut *store, instance)?,
                guarding: guarding.as_ref().map(|indices| indices.load(&mut *store, instance)).transpose()?,
            },
            Self::Upcasting(indices) => Exports::Upcasting(indices.load(store, instance)?),
            Self::Deciding(indices) => Exports::Deciding(indices.load(store, instance)?),
            Self::Projecting(projecting, querying) => Exports::Projecting {
                projecting: projecting.load(&mut *store, instance)?,
                querying: querying.as_ref().map(|indices| indices.load(&mut *store, instance)).transpose()?,
            },
            Self::Processing(indices) => Exports::Processing(indices.load(store, instance)?),
            Self::Sinking(indices) => Exports::Sinking(indices.load(store, instance)?),
        })
    }
}

impl Linked {
    /// Links a component, and checks that its functions have the types of the contract.
    pub fn new(engine: &Engine, component: &Component, shape: Shape) -> Result<Self, LoadError> {
        let pre =
            linker(engine, shape.kind).and_then(|linker| linker.instantiate_pre(component)).map_err(link_error)?;
        let exports = ExportIndices::find(shape, &pre).map_err(link_error)?;
        let lifecycle = lifecycle::GuestIndices::new(&pre).map_err(link_error)?;
        Ok(Self { kind: shape.kind, engine: engine.clone(), pre, lifecycle, exports })
    }

    pub fn has_queries(&self) -> bool {
        matches!(self.exports, ExportIndices::Projecting(_, Some(_)))
    }

    pub fn has_guards(&self) -> bool {
        matches!(self.exports, ExportIndices::Validating(_, Some(_)))
    }
}

/// How to make instances of one generation.
pub(super) struct Blueprint {
    pub linked: Arc<Linked>,
    pub bounds: Bounds,
    pub reporter: Arc<Reporter>,
    pub stats: Arc<Stats>,
    pub breaker: Breaker,
    pub http: Option<HttpDoor>,
    pub config_json: String,
}

/// What a new instance did wrong.
pub(super) enum StartError {
    Fault(Fault),
    /// `init` said no.
    Refused(String),
}

impl From<Fault> for StartError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<StartError> for Fault {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Fault(fault) => Fault::Start(fault.to_string()),
            StartError::Refused(text) => Fault::Start(format!("init refused: {text}")),
        }
    }
}

impl Blueprint {
    /// An instance that nothing was called in yet.
    pub async fn bare(&self) -> Result<Instance, Fault> {
        let linked = &self.linked;
        let guest = Guest::new(linked.kind, &self.bounds, &self.reporter, self.http.clone());
        let mut store = Store::new(&linked.engine, guest);
        store.limiter(|guest| &mut guest.memory);
        store.set_hostcall_fuel(self.bounds.output_bytes_max);
        if linked.kind.is_pure() {
            store.fuel_async_yield_interval(Some(GUEST_FUEL_PER_SLICE)).map_err(start_fault)?;
        } else {
            let cpu_ms = self.bounds.cpu_ms_per_call;
            store.epoch_deadline_callback(move |store| on_tick(store, cpu_ms));
        }
        begin(&mut store, linked.kind, &self.bounds)?;
        let load = async {
            let instance = linked.pre.instantiate_async(&mut store).await?;
            let lifecycle = linked.lifecycle.load(&mut store, &instance)?;
            Ok((lifecycle, linked.exports.load(&mut store, &instance)?))
        };
        let loaded = within(self.bounds.call_timeout_ms, pin!(load)).await;
        let (lifecycle, exports) = end(&store, &self.bounds, loaded)?;
        Ok(Instance {
            store,
            kind: linked.kind,
            lifecycle,
            exports,
            known: HashMap::new(),
            calls: 0,
            stats: self.stats.clone(),
            entered: Instant::now(),
        })
    }

    /// An instance that has its config and is ready for calls.
    pub async fn instance(&self) -> Result<Instance, StartError> {
        let mut instance = self.bare().await?;
        instance.begin(&self.bounds)?;
        let lifecycle = instance.lifecycle.clone();
        let answer =
            within(self.bounds.call_timeout_ms, pin!(lifecycle.call_init(&mut instance.store, &self.config_json)))
                .await;
        let answer = instance.end(&self.bounds, answer)?;
        answer.map_err(|text| StartError::Refused(super::reporter::clean(&text)))?;
        Ok(instance)
    }
}

pub(super) struct Instance {
    pub store: Store<Guest>,
    kind: Kind,
    pub lifecycle: lifecycle::Guest,
    pub exports: Exports,
    /// Topics that this instance was configured with, and the revision of each.
    pub known: HashMap<TopicName, u64>,
    pub calls: u32,
    stats: Arc<Stats>,
    entered: Instant,
}

impl Instance {
    /// Sets what one call may use up. A pure guest's clock stands at no time.
    pub fn begin(&mut self, bounds: &Bounds) -> Result<(), Fault> {
        self.begin_at(0, bounds)
    }

    /// The same, with a pure guest's clock at the time of what it is called with.
    pub fn begin_at(&mut self, time_ms: u64, bounds: &Bounds) -> Result<(), Fault> {
        self.calls += 1;
        begin(&mut self.store, self.kind, bounds)?;
        if let Some(world) = &self.store.data().world {
            world.begin(time_ms);
        }
        self.entered = Instant::now();
        Ok(())
    }

    /// Gives the call that comes its view.
    pub fn open_view(&mut self, base: Arc<dyn ViewBase>, access: Access, bounds: &Bounds) {
        self.store.data_mut().view = Some(OpenView::new(base, access, bounds.view_bytes_max));
    }

    /// Takes it back, with what the call wrote.
    pub fn close_view(&mut self) -> ViewWrites {
        self.store.data_mut().view.take().map(OpenView::into_writes).unwrap_or_default()
    }

    /// Says what a call's outcome means.
    pub fn end<T>(&self, bounds: &Bounds, outcome: Outcome<T>) -> Result<T, Fault> {
        // Only pure kinds count instructions.
        let fuel = self.store.get_fuel().map_or(0, |left| bounds.fuel_per_call.saturating_sub(left));
        self.stats.entered(self.entered.elapsed(), fuel, self.store.data().memory.bytes() as u64);
        end(&self.store, bounds, outcome)
    }
}

/// The answer of a guest, or the failure of its call, or the milliseconds that it had and overran.
pub(super) type Outcome<T> = Result<Result<T, wasmtime::Error>, u64>;

/// Waits for a call, but not for ever: fuel and ticks do not see a guest that waits in a host function.
pub(super) async fn within<T>(
    timeout_ms: u64,
    mut call: Pin<&mut impl Future<Output = wasmtime::Result<T>>>,
) -> Outcome<T> {
    // Most calls end before they wait for anything, and then need no timer.
    if let Some(answer) = poll_immediate(call.as_mut()).await {
        return Ok(answer);
    }
    tokio::time::timeout(Duration::from_millis(timeout_ms), call).await.map_err(|_| timeout_ms)
}

fn begin(store: &mut Store<Guest>, kind: Kind, bounds: &Bounds) -> Result<(), Fault> {
    if kind.is_pure() {
        store.set_fuel(bounds.fuel_per_call).map_err(start_fault)?;
    } else {
        store.set_epoch_deadline(1);
        store.data_mut().cpu.reset();
    }
    let guest = store.data_mut();
    guest.memory.denied = false;
    guest.last_words.forget();
    Ok(())
}

fn end<T>(store: &Store<Guest>, bounds: &Bounds, outcome: Outcome<T>) -> Result<T, Fault> {
    let error = match outcome {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => error,
        Err(timeout_ms) => return Err(Fault::Timeout(timeout_ms)),
    };
    let guest = store.data();
    if let Some(Stopped(fault)) = error.downcast_ref::<Stopped>() {
        return Err(fault.clone());
    }
    if let Some(spent) = error.downcast_ref::<CpuSpent>() {
        return Err(Fault::Cpu(spent.to_string()));
    }
    if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
        return Err(Fault::Trap(format!("it called exit({code})")));
    }
    let trap = error.downcast_ref::<Trap>();
    if trap == Some(&Trap::OutOfFuel) {
        return Err(Fault::Cpu(format!("{} instructions", bounds.fuel_per_call)));
    }
    // A guest that was refused memory mostly panics or hits `unreachable`: the memory is what to mend.
    if guest.memory.denied {
        return Err(Fault::Memory(bounds.memory_bytes_max));
    }
    match trap {
        Some(trap) => {
            let last_words = guest.last_words.get();
            let said = if last_words.is_empty() { String::new() } else { format!(" ({last_words})") };
            Err(Fault::Trap(format!("{trap}{said}")))
        }
        // What is no trap went wrong at the border: text that is not UTF-8, a list outside of memory, an unknown case.
        None => {
            let text = one_line(&error);
            // wasmtime has no type for this one.
            if text.contains("fuel allocated for hostcalls") {
                let bytes = bounds.output_bytes_max;
                return Err(Fault::Limit(format!("it handed over more than {bytes} bytes at once")));
            }
            Err(Fault::Answer(text))
        }
    }
}

fn start_fault(error: wasmtime::Error) -> Fault {
    Fault::Start(one_line(&error))
}
