//! Views: what projections and process managers make of the events, kept beside the log and always to be made anew from it.
//!
//! One keeper a plugin decides which generation is read and which is built; one feeder a generation folds the events into it.
//! **Invariant:** a view and how far it has read change together; reads see whole batches, of one generation.

mod agenda;
mod catalog;
mod errands;
mod feeder;
mod folder;
mod generation;
mod keeper;
mod letters;
mod reading;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

pub use catalog::Made;
pub use generation::{Standing, ViewState};
pub use letters::Letter;
pub use reading::{Fresh, GenerationStatus, Reading, ViewError, ViewStatus};

use crate::engine::Engine;
use crate::model::{PluginName, limits};
use crate::plugin::{Kind, PluginStatus};
use keeper::{Ask, Keeper, Keeping};

/// All views of this server.
pub struct Views {
    engine: Arc<Engine>,
    dir: PathBuf,
    background: Handle,
    keepings: RwLock<BTreeMap<PluginName, Arc<Keeping>>>,
    keepers: Mutex<JoinSet<()>>,
    /// Plugins that a publisher's answer waits for.
    inline: AtomicUsize,
    stop: watch::Sender<bool>,
}

impl Views {
    /// Begins to keep a view for each plugin that has one, and for each that comes. What is computed for them runs on
    /// `background`.
    pub async fn start(engine: Arc<Engine>, dir: PathBuf, background: Handle) -> Arc<Self> {
        let (keepings, keepers) = (RwLock::default(), Mutex::default());
        let (inline, stop) = (AtomicUsize::new(0), watch::Sender::new(false));
        let views = Arc::new(Self { engine, dir, background, keepings, keepers, inline, stop });
        views.look().await;
        let looking = views.clone();
        views.keepers.lock().await.spawn_on(async move { looking.keep_looking().await }, &views.background);
        views
    }

    /// A plugin that is gone keeps its view: it may come back.
    async fn keep_looking(self: Arc<Self>) {
        let (mut changes, mut stopped) = (self.engine.plugins().changes(), self.stop.subscribe());
        loop {
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                _ = stopped.wait_for(|stop| *stop) => return,
            }
            self.look().await;
        }
    }

    async fn look(&self) {
        let plugins = self.engine.plugins().list();
        let is_inline = |plugin: &&PluginStatus| {
            self.engine.plugins().projection(&plugin.name).is_some_and(|projection| projection.is_inline())
        };
        self.inline.store(plugins.iter().filter(is_inline).count(), Ordering::Relaxed);
        for plugin in plugins {
            let has_view = |kind| matches!(kind, Kind::Projection | Kind::ProcessManager);
            if !plugin.serving.is_some_and(|serving| has_view(serving.kind)) {
                continue;
            }
            let Ok(name) = PluginName::parse(&plugin.name) else { continue };
            if self.get(&plugin.name).is_some() || *self.stop.borrow() {
                continue;
            }
            if self.read().len() >= limits::VIEWS_MAX {
                tracing::error!(
                    plugin = plugin.name,
                    "no view is kept for it: there are {} already",
                    limits::VIEWS_MAX
                );
                continue;
            }
            let dir = self.dir.join(name.as_str());
            let (keeper, keeping) = Keeper::new(self.engine.clone(), name.clone(), dir, self.stop.subscribe());
            self.keepings.write().unwrap_or_else(PoisonError::into_inner).insert(name, keeping);
            self.keepers.lock().await.spawn_on(keeper.run(), &self.background);
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<PluginName, Arc<Keeping>>> {
        self.keepings.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, name: &str) -> Option<Arc<Keeping>> {
        let name = PluginName::parse(name).ok()?;
        self.read().get(&name).cloned()
    }

    fn known(&self, name: &str) -> Result<Arc<Keeping>, ViewError> {
        self.get(name).ok_or_else(|| ViewError::Unknown(name.to_owned()))
    }

    /// Builds a view anew beside the one that is read.
    pub async fn rebuild(&self, name: &str) -> Result<(), ViewError> {
        self.known(name)?.ask(Ask::Rebuild).await.map_err(ViewError::Conflict)
    }

    /// Goes back to the generation before.
    pub async fn roll_back(&self, name: &str) -> Result<(), ViewError> {
        self.known(name)?.ask(Ask::RollBack).await.map_err(ViewError::Conflict)
    }

    /// Goes on from a position: the plugin gets those events again that the view has already, and skips what it knows.
    pub fn replay(&self, name: &str, from: u64) -> Result<(), ViewError> {
        let keeping = self.known(name)?;
        let live = keeping.live().ok_or_else(|| ViewError::NotYet(name.to_owned()))?;
        let reached = live.reached();
        if from == 0 || from > reached + 1 {
            return Err(ViewError::Gap { from, reached });
        }
        live.ask_replay(from);
        Ok(())
    }

    /// Stops all, after what they do; what they gathered is committed.
    pub async fn stop(&self, grace: Duration) {
        self.stop.send_replace(true);
        let mut keepers = self.keepers.lock().await;
        let all = async { while keepers.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_err() {
            tracing::warn!("some views did not end in time; they go on from their last durable commit");
        }
    }
}
