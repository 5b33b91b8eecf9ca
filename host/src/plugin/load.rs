//! From a file to a generation that may serve: pin → form → componentise → kind → compile → link → describe → grants →
//! init → rehearse → warm. Each step either holds or ends with one clear sentence; nothing here touches what serves now.

use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::breaker::Breaker;
use super::cache::Cache;
use super::engines::Engines;
use super::generation::Generation;
use super::grants::AppendGrant;
use super::http::HttpDoor;
use super::instance::{Blueprint, Linked, StartError};
use super::manifest::Manifest;
use super::pool::Pool;
use super::rehearse::rehearse;
use super::reporter::Reporter;
use super::secrets::Secrets;
use super::sidecar::Bounds;
use super::slot::Role;
use super::workshop::Workshop;
use super::{
    Fault, HttpClient, HttpGrant, Kind, LoadError, PluginId, PluginsError, Pulse, Rehearsal, Replay, Sidecar, inspect,
};
use crate::model::hex;
use crate::model::limits::{PLUGIN_TRIAL_MS, PREWARMED_INSTANCES};

/// Makes generations. It holds all that is shared between plugins.
pub(super) struct Loader {
    engines: Arc<Engines>,
    workshop: Workshop,
    cache: Arc<Cache>,
    http: Arc<dyn HttpClient>,
    secrets: Secrets,
}

/// A file to be tried, with what the operator says about it.
pub(super) struct Candidate {
    pub name: String,
    pub bytes: Cow<'static, [u8]>,
    /// SHA-256 of `bytes`, in hex.
    pub digest: String,
    pub sidecar: Sidecar,
    pub source: &'static str,
    /// It served before, so it is not tried on events again: what was recorded since must not keep it from coming back.
    pub served: bool,
}

/// A generation that may serve.
pub(super) struct Loaded {
    pub generation: Arc<Generation>,
    /// What it answered to recent events.
    pub replay: Replay,
    /// It was compiled before.
    pub cached: bool,
}

/// The SHA-256 of a component file, in hex.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

impl Loader {
    pub fn new(
        cache: Cache,
        http: Arc<dyn HttpClient>,
        secrets: Secrets,
        pulse: Arc<Pulse>,
    ) -> Result<Self, PluginsError> {
        let (engines, workshop) = (Arc::new(Engines::new()?), Workshop::new(pulse)?);
        Ok(Self { engines, workshop, cache: Arc::new(cache), http, secrets })
    }

    /// From now on loading gives way to requests.
    pub fn step_back(&self) {
        self.workshop.step_back();
    }

    /// `before` is what serves now: what the new one would answer differently is noted.
    pub async fn load(
        &self,
        candidate: Candidate,
        rehearsal: &dyn Rehearsal,
        before: Option<&Role>,
    ) -> Result<Loaded, LoadError> {
        let started = Instant::now();
        let Candidate { name, bytes, digest, sidecar, source, served } = candidate;
        if let Some(pinned) = sidecar.pin().filter(|pinned| *pinned != digest) {
            return Err(LoadError::Pin { found: digest, pinned });
        }
        let (linked, cached) = self.link(name.clone(), bytes).await?;
        let compiled = started.elapsed();
        let trial = async {
            let generation = self.try_out(name, digest, linked, &sidecar, source).await?;
            let events_max = sidecar.reload.replay_events;
            let replay = match served {
                true => Replay::default(),
                false => rehearse(&Role::of(&generation), before, rehearsal, events_max).await?,
            };
            generation.pool.warm(PREWARMED_INSTANCES).await.map_err(start_error)?;
            Ok(Loaded { generation, replay, cached })
        };
        let trial = tokio::time::timeout(Duration::from_millis(PLUGIN_TRIAL_MS), trial).await;
        let loaded = trial.map_err(|_| LoadError::Trial(PLUGIN_TRIAL_MS))??;
        let (compile_ms, total_ms) = (compiled.as_millis(), started.elapsed().as_millis());
        let (PluginId { name, version, digest }, kind) = (&loaded.generation.id, loaded.generation.kind);
        tracing::info!(plugin = name, version, digest, ?kind, cached, compile_ms, total_ms, "plugin loaded");
        Ok(loaded)
    }

    /// All that is heavy and needs no runtime.
    async fn link(&self, name: String, bytes: Cow<'static, [u8]>) -> Result<(Linked, bool), LoadError> {
        let (engines, cache) = (self.engines.clone(), self.cache.clone());
        let job = move || {
            let component = match inspect::form(&name, &bytes)? {
                inspect::Form::Component => bytes,
                inspect::Form::ModuleWithType => Cow::Owned(inspect::componentise(&bytes)?),
            };
            let shape = inspect::shape(&component)?;
            let engine = engines.of(shape.kind);
            let (component, cached) = cache.compiled(engine, &component)?;
            Ok((Linked::new(engine, &component, shape)?, cached))
        };
        self.workshop.run(job).await
    }

    /// All that runs the guest.
    async fn try_out(
        &self,
        name: String,
        digest: String,
        linked: Linked,
        sidecar: &Sidecar,
        source: &'static str,
    ) -> Result<Arc<Generation>, LoadError> {
        let kind = linked.kind;
        let (on_trap, consistency, topics) =
            (sidecar.on_trap(kind)?, sidecar.consistency(kind)?, sidecar.topics(kind)?);
        let linked = Arc::new(linked);
        let bounds = Bounds::of(kind, &sidecar.limits);
        let id = PluginId { name, version: String::new(), digest };
        let reporter = |id: &PluginId| Arc::new(Reporter::new(id.clone(), bounds.log_lines_per_second));
        let (linked_here, http, config_json) = (linked.clone(), None, "{}".to_owned());
        let shut = Blueprint {
            linked: linked_here,
            bounds: bounds.clone(),
            reporter: reporter(&id),
            stats: Arc::default(),
            breaker: Breaker::new(0),
            http,
            config_json,
        };
        let manifest = Manifest::ask(&shut).await?;

        let id = PluginId { version: manifest.version.clone(), ..id };
        let grant = HttpGrant::meet(&manifest.http, &sidecar.grants);
        let append = AppendGrant::meet(&manifest.append, &sidecar.grants.append)?;
        let secrets = self.secrets.of(&manifest.secrets, &sidecar.grants.secrets)?;
        let http = (kind == Kind::Sink).then(|| HttpDoor {
            client: self.http.clone(),
            grant: Arc::new(grant.clone()),
            secrets: Arc::new(secrets),
            timeout_ms_max: bounds.call_timeout_ms,
            response_bytes_max: bounds.response_bytes_max,
        });
        let reporter = reporter(&id);
        let (stats, breaker) = (Arc::default(), Breaker::new(sidecar.faults.per_minute));
        let config_json = sidecar.config_json()?;
        let pool = Pool::new(Blueprint { linked, bounds, reporter, stats, breaker, http, config_json });
        pool.warm(1).await.map_err(start_error)?;
        let probation_ms = sidecar.reload.probation_ms;
        Ok(Arc::new(Generation {
            id,
            kind,
            manifest,
            grant,
            append,
            topics,
            on_trap,
            consistency,
            probation_ms,
            pool,
            source,
        }))
    }
}

fn start_error(error: StartError) -> LoadError {
    match error {
        StartError::Fault(Fault::Start(text)) => LoadError::Init(text),
        StartError::Fault(fault) => LoadError::Start(fault),
        StartError::Refused(text) => LoadError::Init(text),
    }
}
