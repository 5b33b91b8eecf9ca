//! The two WebAssembly engines: one for pure kinds, one for kinds with effects.
//!
//! The pure one counts instructions (fuel), so that the same input stops at the same place on every machine. The one for
//! effects counts time in ticks, which costs less and suits guests that mostly wait. Both give their thread back to
//! other tasks within a few milliseconds, however long a guest computes.

use std::thread;
use std::time::Duration;
use wasmtime::{Config, Engine};

use super::{Kind, PluginsError};
use crate::model::limits::GUEST_TICK_MS;

pub(super) struct Engines {
    pub pure: Engine,
    pub effects: Engine,
}

impl Engines {
    pub fn new() -> Result<Self, PluginsError> {
        let engine = |config: &Config| Engine::new(config).map_err(|error| PluginsError::Engine(format!("{error:#}")));
        let mut pure = common();
        pure.consume_fuel(true);
        // The same answer on every processor: NaN bits and relaxed SIMD are where they differ.
        pure.cranelift_nan_canonicalization(true).relaxed_simd_deterministic(true);
        let mut effects = common();
        effects.epoch_interruption(true);
        let engines = Self { pure: engine(&pure)?, effects: engine(&effects)? };
        engines.tick()?;
        Ok(engines)
    }

    pub fn of(&self, kind: Kind) -> &Engine {
        if kind.is_pure() { &self.pure } else { &self.effects }
    }

    /// Starts the clock of the engine for effects. It stops by itself when the engine is gone.
    fn tick(&self) -> Result<(), PluginsError> {
        let engine = self.effects.weak();
        let tick = move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(Duration::from_millis(GUEST_TICK_MS));
            }
        };
        let name = "weir-tick";
        thread::Builder::new().name(name.into()).spawn(tick).map_err(|source| PluginsError::Thread { name, source })?;
        Ok(())
    }
}

fn common() -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true);
    // Compiling happens on threads of low priority; see workshop.rs for how wasmtime's own threads get it too.
    config.parallel_compilation(true);
    config
}

impl Kind {
    /// No clock, no randomness, no network: the same input gives the same answer.
    pub fn is_pure(self) -> bool {
        match self {
            Kind::Validator | Kind::Upcaster | Kind::Decider | Kind::Projection | Kind::ProcessManager => true,
            Kind::Sink => false,
        }
    }
}
