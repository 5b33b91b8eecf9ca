//! The rules: find the topic, validate, append; read in pages, follow; decide on commands. It knows no framework, no JSON of the API and no
//! transport. **Invariant:** events reach a log only through `publish` and `execute`, and those of a topic with schemas only validated.

mod aggregates;
mod answers;
mod backup;
mod channel;
mod error;
mod follow;
mod live;
mod places;
mod publish;
mod read;
mod rehearsal;
mod retention;
mod selection;
#[cfg(test)]
mod tests;
mod topics;
mod upcast;
mod validate;
mod verify;

use std::sync::Arc;

pub use aggregates::{CommandCounts, Executed, Execution, OUTCOMES, State};
pub use answers::KeptAnswer;
pub use backup::Backup;
pub use channel::LiveEvent;
pub use error::{EngineError, Refused};
pub use follow::{Follower, Found, Reached};
pub use live::{Live, Subscription};
pub use publish::{Publication, Published};
pub use read::Cursor;
pub use retention::Retention;
pub use selection::{Selection, Start, Target};
pub use topics::{NewTopic, Topic, TopicChange};
pub use validate::SCHEMA_PLUGIN;
pub use verify::Verification;

use tokio::sync::RwLock;

use crate::plugin::Plugins;
use crate::storage::{Clock, Cuts, Kept, Store};

/// The rules over some stores and the plugins.
pub struct Engine {
    /// The first one is the default: topics that name no adapter, and all records that belong to no topic.
    stores: Vec<Store>,
    topics: topics::Topics,
    /// What retention deleted, in all stores: a topic is in one of them.
    cuts: Arc<Cuts>,
    /// Read by backups, written by what gives the room of deleted events back.
    copying: Arc<RwLock<()>>,
    plugins: Plugins,
    clock: Clock,
    aggregates: aggregates::Aggregates,
}

impl Engine {
    /// Loads the topics of `stores`. At least one store is needed; the first is the default.
    pub async fn open(stores: Vec<Store>, plugins: Plugins, clock: Clock) -> Result<Arc<Self>, EngineError> {
        let cuts = Arc::new(Cuts::default());
        retention::load(&stores, &cuts).await?;
        let kept = |store: Store| Store { log: Arc::new(Kept { log: store.log, cuts: cuts.clone() }), ..store };
        let stores: Vec<Store> = stores.into_iter().map(kept).collect();
        let topics = topics::Topics::load(&stores, clock()).await?;
        let aggregates = aggregates::Aggregates::default();
        Ok(Arc::new(Self { stores, topics, cuts, copying: Arc::default(), plugins, clock, aggregates }))
    }

    pub fn default_store(&self) -> &Store {
        &self.stores[0]
    }

    pub(super) fn stores(&self) -> &[Store] {
        &self.stores
    }

    pub fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    pub fn now_ms(&self) -> u64 {
        (self.clock)()
    }

    /// Why a store takes no more events, if one stopped by itself.
    pub fn failure(&self) -> Option<String> {
        self.stores.iter().find_map(|store| store.log.failure())
    }

    /// Whether a store stopped for want of room that is there again.
    pub fn heals(&self) -> bool {
        self.stores.iter().any(|store| store.log.heals())
    }

    /// Finishes what is queued and lets go of the stores' files.
    pub async fn close(&self) {
        for store in &self.stores {
            store.log.close().await;
            store.records.close().await;
        }
    }
}
