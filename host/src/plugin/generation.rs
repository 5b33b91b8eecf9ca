//! One generation of one plugin: a file that was taken, with all that belongs to it. It never changes; a new file makes a
//! new generation, and the old one lives until its last call has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::manifest::Manifest;
use super::pool::Pool;
use super::{Fault, HttpGrant, Kind, OnTrap, PluginError, PluginId, Serving, grants};

pub(super) struct Generation {
    pub id: PluginId,
    pub kind: Kind,
    pub manifest: Manifest,
    pub grant: HttpGrant,
    pub on_trap: OnTrap,
    pub pool: Arc<Pool>,
    pub source: &'static str,
    calls: AtomicU64,
    faults: AtomicU64,
}

impl Generation {
    pub fn new(
        id: PluginId,
        manifest: Manifest,
        grant: HttpGrant,
        on_trap: OnTrap,
        pool: Arc<Pool>,
        source: &'static str,
    ) -> Arc<Self> {
        let kind = pool.blueprint.linked.kind;
        let (calls, faults) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { id, kind, manifest, grant, on_trap, pool, source, calls, faults })
    }

    /// Counts a call and puts the plugin's name on its fault.
    pub fn settle<T>(&self, outcome: Result<T, Fault>) -> Result<T, PluginError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        outcome.map_err(|fault| {
            // A full queue is no fault of the guest.
            if !matches!(fault, Fault::Busy(_)) {
                self.faults.fetch_add(1, Ordering::Relaxed);
            }
            // Through the plugin's own mouth, and so limited: a plugin that always fails must not fill a disk.
            self.pool.blueprint.reporter.line(tracing::Level::WARN, &format!("a call failed: it {fault}"));
            PluginError { plugin: self.id.clone(), fault }
        })
    }

    /// How many calls there were, and how many of them failed.
    pub fn counts(&self) -> (u64, u64) {
        (self.calls.load(Ordering::Relaxed), self.faults.load(Ordering::Relaxed))
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
            instances: self.pool.alive(),
            wishes: self.manifest.wishes.clone(),
            grants: self.grant.rules.iter().map(|rule| grants::show(&rule.host, &rule.methods)).collect(),
        }
    }
}
