//! One generation of one plugin: a file that was taken, with all that belongs to it. It never changes; a new file makes a
//! new generation, and the old one lives until its last call has ended.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use globset::GlobSet;
use sha2::{Digest, Sha256};
use tracing::{Instrument, Level};

use super::grants::AppendGrant;
use super::manifest::Manifest;
use super::pool::Pool;
use super::{Consistency, Fault, HttpGrant, Kind, OnTrap, PluginError, PluginId, Recipe, Serving, grants};

pub(super) struct Generation {
    pub id: PluginId,
    pub kind: Kind,
    pub manifest: Manifest,
    pub grant: HttpGrant,
    pub append: AppendGrant,
    /// Topics that a decider's side-car binds to it.
    pub topics: Option<GlobSet>,
    pub on_trap: OnTrap,
    pub consistency: Consistency,
    pub probation_ms: u64,
    pub pool: Arc<Pool>,
    pub source: &'static str,
}

impl Generation {
    /// Makes a call: in a span of its own, counted, and with the plugin's name on its fault. A call is large, and pinned where it
    /// is made, so that it is not moved on its way down.
    pub async fn call<T>(
        &self,
        function: &'static str,
        events: usize,
        call: Pin<&mut impl Future<Output = Result<T, Fault>>>,
    ) -> Result<T, PluginError> {
        let PluginId { name, version, .. } = &self.id;
        let span = tracing::debug_span!("plugin", name, version, function, events);
        // Most servers look at no spans, and the future need not carry one.
        let outcome = if span.is_disabled() { call.await } else { call.instrument(span).await };
        self.settle(events, outcome)
    }

    fn settle<T>(&self, events: usize, outcome: Result<T, Fault>) -> Result<T, PluginError> {
        let calls = self.pool.blueprint.stats.called(events, outcome.as_ref().err());
        if outcome.as_ref().is_err_and(Fault::is_the_guests) {
            self.pool.blueprint.breaker.failed(calls);
        }
        outcome.map_err(|fault| {
            // Through the plugin's own mouth, and so limited: a plugin that always fails must not fill a disk.
            self.pool.blueprint.reporter.line(Level::WARN, &format!("a call failed: it {fault}"));
            PluginError { plugin: self.id.clone(), fault }
        })
    }

    /// What a view or a state is made by, besides the events: another recipe asks for another one.
    pub fn recipe(&self) -> Recipe {
        let config = Sha256::digest(self.pool.blueprint.config_json.as_bytes());
        let config = config.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Recipe { state_version: self.manifest.state_version, config }
    }

    /// For how many seconds more nobody calls it, because it failed too often.
    pub fn suspended_s(&self) -> Option<u64> {
        self.pool.blueprint.breaker.suspended().map(|left| left.as_secs() + 1)
    }

    /// How many calls there were, and how many of them failed.
    pub fn counts(&self) -> (u64, u64) {
        self.pool.blueprint.stats.counts()
    }

    /// What it may do, as short texts.
    fn grants(&self) -> Vec<String> {
        let http = self.grant.rules.iter().map(|rule| grants::show(&rule.host, &rule.methods));
        let secrets = self.pool.blueprint.http.iter().flat_map(|door| door.secrets.names());
        http.chain(self.append.show()).chain(secrets.map(|name| format!("secret {name}"))).collect()
    }

    /// What /plugins shows. The count and the time of the swap are the caller's.
    pub fn serving(&self, generation: u64, since_ms: u64) -> Serving {
        let (calls, faults) = self.counts();
        Serving {
            kind: self.kind,
            name: self.manifest.name.clone(),
            version: self.manifest.version.clone(),
            description: self.manifest.description.clone(),
            digest: self.id.digest.clone(),
            generation,
            since_ms,
            source: self.source,
            calls,
            faults,
            suspended_s: self.suspended_s(),
            on_trap: self.on_trap,
            interests: self.manifest.interests_asked.clone(),
            state_version: self.manifest.state_version,
            config_schema: self.manifest.config_schema.clone(),
            limits: self.pool.blueprint.bounds.limits(),
            instances: self.pool.alive(),
            stats: self.pool.blueprint.stats.read(),
            wishes: self.manifest.wishes.clone(),
            grants: self.grants(),
        }
    }
}
