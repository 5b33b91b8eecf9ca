//! The same component called by wasmtime alone: the same engine settings, fuel set before each call, the same events, lowered
//! once. What the host adds is what stands between this and its own figures: the pool, limits, timeouts, statistics,
//! lowering and checking.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use wasmtime::component::{Component, HasData, InstancePre, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use weir_bench::Failure;

use crate::sample;

/// As in the host (host/src/plugin/bindings.rs), so that the generated types are the same.
mod bindings {
    pub mod values {
        wasmtime::component::bindgen!({
            path: "../../wit",
            inline: "
                package weir:bench;
                interface passing {
                    use weir:plugin/types@1.0.0.{command, event, new-command, new-event, problem};
                    into-guests: func(events: list<event>, new: list<new-event>, command: command, problems: list<problem>);
                    from-guests: func() -> tuple<list<event>, list<new-event>, new-command, list<problem>>;
                }
                world values { export passing; }
            ",
            world: "weir:bench/values",
            ownership: Borrowing { duplicate_if_necessary: true },
        });
    }

    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package weir:bench;
            world everything {
                import weir:plugin/log@1.0.0;
                import weir:plugin/http@1.0.0;
                import weir:plugin/clock@1.0.0;
                import weir:plugin/view@1.0.0;
                export weir:plugin/lifecycle@1.0.0;
                export weir:plugin/validating@1.0.0;
                export weir:plugin/upcasting@1.0.0;
                export weir:plugin/deciding@1.0.0;
                export weir:plugin/projecting@1.0.0;
                export weir:plugin/querying@1.0.0;
                export weir:plugin/processing@1.0.0;
                export weir:plugin/sinking@1.0.0;
            }
        ",
        world: "weir:bench/everything",
        with: { "weir:plugin/types": values::weir::plugin::types },
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

use bindings::exports::weir::plugin::{lifecycle, projecting, validating};
use bindings::values::weir::plugin::types;
use bindings::weir::plugin::{log, view};

/// As in the host (model/limits.rs).
const FUEL_PER_CALL: u64 = 1_000_000_000;
const FUEL_PER_SLICE: u64 = 200_000;

struct Guest {
    wasi: WasiCtx,
    table: ResourceTable,
    view: BTreeMap<String, types::PayloadResult>,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

struct Host;

impl HasData for Host {
    type Data<'a> = &'a mut Guest;
}

impl types::Host for Guest {}

impl log::Host for Guest {
    fn write(&mut self, _: log::Level, _: String, _: Vec<(String, String)>) {}
    fn count(&mut self, _: String, _: u64) {}
    fn gauge(&mut self, _: String, _: f64) {}
}

impl view::Host for Guest {
    fn get(&mut self, key: String) -> Option<types::PayloadResult> {
        self.view.get(&key).cloned()
    }

    fn get_many(&mut self, keys: Vec<String>) -> Vec<Option<types::PayloadResult>> {
        keys.iter().map(|key| self.view.get(key).cloned()).collect()
    }

    fn put(&mut self, key: String, value: types::PayloadResult) {
        self.view.insert(key, value);
    }

    fn put_many(&mut self, entries: Vec<(String, types::PayloadResult)>) {
        self.view.extend(entries);
    }

    fn delete(&mut self, key: String) {
        self.view.remove(&key);
    }

    fn scan(&mut self, _: String, _: Option<String>, _: u32) -> Vec<(String, types::PayloadResult)> {
        Vec::new()
    }
}

pub struct Raw {
    engine: Engine,
    pre: InstancePre<Guest>,
    lifecycle: lifecycle::GuestIndices,
    store: Store<Guest>,
    exports: Exports,
}

enum Exports {
    Validating(validating::Guest),
    Projecting(projecting::Guest),
}

impl Raw {
    pub async fn load(bytes: &[u8]) -> Result<Self, Failure> {
        let mut config = Config::new();
        config.wasm_component_model(true).consume_fuel(true);
        config.cranelift_nan_canonicalization(true).relaxed_simd_deterministic(true);
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        log::add_to_linker::<_, Host>(&mut linker, |guest| guest)?;
        view::add_to_linker::<_, Host>(&mut linker, |guest| guest)?;
        let pre = linker.instantiate_pre(&Component::new(&engine, bytes)?)?;
        let lifecycle = lifecycle::GuestIndices::new(&pre)?;
        let (mut store, instance) = start(&engine, &pre, &lifecycle).await?;
        let exports = match validating::GuestIndices::new(&pre) {
            Ok(indices) => Exports::Validating(indices.load(&mut store, &instance)?),
            Err(_) => Exports::Projecting(projecting::GuestIndices::new(&pre)?.load(&mut store, &instance)?),
        };
        Ok(Self { engine, pre, lifecycle, store, exports })
    }

    /// How long an instance takes that is ready for calls.
    pub async fn start_instance(&self) -> Result<Duration, Failure> {
        let started = Instant::now();
        let made = start(&self.engine, &self.pre, &self.lifecycle).await?;
        let took = started.elapsed();
        drop(made);
        Ok(took)
    }

    /// Calls it for so long; how many times, and how long it took.
    pub async fn calls(&mut self, events: usize, time: Duration) -> Result<(u64, Duration), Failure> {
        let streams: Vec<String> = (0..events).map(sample::stream).collect();
        let ids: Vec<String> = (1..=events).map(|place| format!("{}-{place}", sample::TOPIC)).collect();
        let (mut calls, started) = (0, Instant::now());
        match &self.exports {
            Exports::Validating(exports) => {
                let batch: Vec<_> = streams.iter().map(|stream| new_event(stream)).collect();
                while started.elapsed() < time {
                    self.store.set_fuel(FUEL_PER_CALL)?;
                    let verdicts = exports.call_validate(&mut self.store, &batch).await?;
                    if verdicts.len() != events || !verdicts.iter().all(|it| matches!(it, validating::Verdict::Accept))
                    {
                        return Err("it does not accept the events".into());
                    }
                    calls += 1;
                }
            }
            Exports::Projecting(exports) => {
                let events = streams.iter().zip(&ids).zip(1..).map(|((stream, id), place)| event(stream, id, place));
                let batch: Vec<_> = events.collect();
                while started.elapsed() < time {
                    self.store.set_fuel(FUEL_PER_CALL)?;
                    let answer = exports.call_apply(&mut self.store, &batch).await?;
                    answer.map_err(|problem| format!("refused: {}", problem.message))?;
                    // The host hands a call's writes up and begins the next one with the view as it was.
                    drop(std::mem::take(&mut self.store.data_mut().view));
                    calls += 1;
                }
            }
        }
        Ok((calls, started.elapsed()))
    }
}

async fn start(
    engine: &Engine,
    pre: &InstancePre<Guest>,
    lifecycle: &lifecycle::GuestIndices,
) -> Result<(Store<Guest>, wasmtime::component::Instance), Failure> {
    let guest = Guest { wasi: WasiCtx::builder().build(), table: ResourceTable::new(), view: BTreeMap::new() };
    let mut store = Store::new(engine, guest);
    store.fuel_async_yield_interval(Some(FUEL_PER_SLICE))?;
    store.set_fuel(FUEL_PER_CALL)?;
    let instance = pre.instantiate_async(&mut store).await?;
    let lifecycle = lifecycle.load(&mut store, &instance)?;
    lifecycle.call_init(&mut store, "{}").await??;
    Ok((store, instance))
}

const METADATA: &[(&str, &str)] = &[sample::ACTOR];

fn new_event(stream: &str) -> types::NewEventParam<'_> {
    types::NewEventParam {
        topic: sample::TOPIC,
        stream: Some(stream),
        event_type: sample::TYPE,
        payload: types::PayloadParam::Json(sample::PAYLOAD),
        tags: &[],
        metadata: METADATA,
    }
}

fn event<'a>(stream: &'a str, id: &'a str, place: u64) -> types::EventParam<'a> {
    types::EventParam {
        id,
        position: place,
        topic: sample::TOPIC,
        sequence: place,
        stream: Some(stream),
        version: Some(place),
        event_type: sample::TYPE,
        time_ms: place,
        payload: types::PayloadParam::Json(sample::PAYLOAD),
        tags: &[],
        metadata: METADATA,
    }
}
