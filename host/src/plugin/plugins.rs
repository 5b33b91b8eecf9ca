//! The plugins of one server: which serve now, and what became of the others. The only handle that other rooms hold.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::archive::Archive;
use super::cache::Cache;
use super::directory::Files;
use super::load::Loader;
use super::reporter::lock;
use super::secrets::Secrets;
use super::slot::{Role, Slot};
use super::workbench::EmptyStage;
use super::{
    Bound, Decider, HttpClient, Metric, PluginId, PluginStatus, PluginsConfig, PluginsError, ProcessManager,
    Projection, Rehearsal, Sink, Upcaster, Validator,
};
use crate::model::TopicName;

/// Cheap to clone; all clones are the same plugins.
#[derive(Clone)]
pub struct Plugins {
    pub(super) room: Arc<Room>,
}

pub(super) struct Room {
    pub config: PluginsConfig,
    pub loader: Loader,
    pub archive: Archive,
    /// What exists, to try new generations on; known once the plugins are started.
    pub rehearsal: OnceLock<Arc<dyn Rehearsal>>,
    /// One file of a plugin is handled at a time.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    slots: Mutex<BTreeMap<String, Slot>>,
    serving: RwLock<Snapshot>,
    changes: watch::Sender<u64>,
    /// Counts changes while the slots are locked.
    changed: AtomicU64,
    pub stop: watch::Sender<bool>,
    watcher: Mutex<Option<JoinHandle<()>>>,
}

/// What serves, ready to be handed out without a look at the slots.
#[derive(Clone, Default)]
struct Snapshot {
    validators: Arc<[Arc<Validator>]>,
    upcasters: Arc<[Arc<Upcaster>]>,
    /// Those whose side-cars bind topics to them.
    binding: Arc<[Arc<Decider>]>,
    /// Everything, by name.
    roles: Arc<HashMap<String, Role>>,
}

/// A counter or gauge of a plugin's own.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginMetric {
    pub plugin: PluginId,
    pub name: String,
    pub value: Metric,
}

impl Plugins {
    /// Makes the engines and the directories. Nothing is loaded yet.
    pub fn new(config: PluginsConfig, http: Arc<dyn HttpClient>) -> Result<Self, PluginsError> {
        make_dir(&config.dir)?;
        let secrets = Secrets::new(config.secrets_dir.clone());
        let loader = Loader::new(Cache::open(&config.cache_dir)?, http, secrets, config.pulse.clone())?;
        let archive = Archive::open(&config.state_dir)?;
        let room = Room {
            config,
            loader,
            archive,
            rehearsal: OnceLock::new(),
            turns: Mutex::default(),
            slots: Mutex::default(),
            serving: RwLock::default(),
            changes: watch::channel(0).0,
            changed: AtomicU64::new(0),
            stop: watch::channel(false).0,
            watcher: Mutex::default(),
        };
        Ok(Self { room: Arc::new(room) })
    }

    /// Loads what there is, once; then watches the directory until `stop`.
    pub async fn start(&self, rehearsal: Arc<dyn Rehearsal>) {
        // A second start would be a second watch on the same directory; it changes nothing.
        let _ = self.room.rehearsal.set(rehearsal);
        let (room, background) = (self.room.clone(), self.room.background());
        // A panic in the first look was reported when it happened; nothing is loaded then, and nothing is watched.
        let Ok(watch) = background.spawn(super::watch::begin(room)).await else { return };
        *lock(&self.room.watcher) = Some(background.spawn(watch));
    }

    /// Those that serve, sorted by name. What is handed out stays whole while plugins change.
    pub fn validators(&self) -> Arc<[Arc<Validator>]> {
        self.room.serving(|serving| serving.validators.clone())
    }

    /// Those that serve, sorted by name.
    pub fn upcasters(&self) -> Arc<[Arc<Upcaster>]> {
        self.room.serving(|serving| serving.upcasters.clone())
    }

    pub fn validator(&self, name: &str) -> Option<Arc<Validator>> {
        one(self, name, |role| if let Role::Validator(it) = role { Some(it) } else { None })
    }

    pub fn upcaster(&self, name: &str) -> Option<Arc<Upcaster>> {
        one(self, name, |role| if let Role::Upcaster(it) = role { Some(it) } else { None })
    }

    pub fn decider(&self, name: &str) -> Option<Arc<Decider>> {
        one(self, name, |role| if let Role::Decider(it) = role { Some(it) } else { None })
    }

    /// The decider whose side-car names a topic; the first by name, if there are several.
    pub fn decider_of(&self, topic: &TopicName) -> Bound {
        let serving = self.room.serving(|serving| serving.binding.iter().find(|it| it.is_bound_to(topic)).cloned());
        if let Some(decider) = serving {
            return Bound::Serving(decider);
        }
        // Only one that is paused is known and does not serve.
        let away = |slot: &Slot| match &slot.serving.as_ref()?.role {
            Role::Decider(decider) => decider.is_bound_to(topic).then_some(()),
            _ => None,
        };
        let away = lock(&self.room.slots).iter().find_map(|(name, slot)| away(slot).map(|()| name.clone()));
        away.map_or(Bound::Nobody, Bound::Away)
    }

    pub fn projection(&self, name: &str) -> Option<Arc<Projection>> {
        one(self, name, |role| if let Role::Projection(it) = role { Some(it) } else { None })
    }

    pub fn process_manager(&self, name: &str) -> Option<Arc<ProcessManager>> {
        one(self, name, |role| if let Role::ProcessManager(it) = role { Some(it) } else { None })
    }

    pub fn sink(&self, name: &str) -> Option<Arc<Sink>> {
        one(self, name, |role| if let Role::Sink(it) = role { Some(it) } else { None })
    }

    /// One plugin as `list` shows it.
    pub fn status(&self, name: &str) -> Option<PluginStatus> {
        lock(&self.room.slots).get(name).map(|slot| slot.status(name))
    }

    /// Every plugin that was seen, sorted by name.
    pub fn list(&self) -> Vec<PluginStatus> {
        lock(&self.room.slots).iter().map(|(name, slot)| slot.status(name)).collect()
    }

    /// The counters and gauges of those that serve.
    pub fn metrics(&self) -> Vec<PluginMetric> {
        let slots = lock(&self.room.slots);
        let active = slots.values().filter_map(|slot| slot.serving.as_ref()).map(|active| &active.generation);
        let metrics = active.flat_map(|generation| {
            let metrics = generation.pool.blueprint.reporter.metrics();
            metrics.into_iter().map(|(name, value)| PluginMetric { plugin: generation.id.clone(), name, value })
        });
        metrics.collect()
    }

    /// Grows whenever what serves, or what the list says, has changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.room.changes.subscribe()
    }

    /// How often that has changed so far.
    pub fn changed(&self) -> u64 {
        *self.room.changes.borrow()
    }

    /// Ends the watching. What serves goes on serving.
    pub async fn stop(&self) {
        self.room.stop.send_replace(true);
        let watcher = lock(&self.room.watcher).take();
        if let Some(watcher) = watcher {
            // It ends by itself; a panic in it was reported when it happened.
            let _ = watcher.await;
        }
    }
}

impl Room {
    /// What is asked for of those that serve, and no more: to count every part of it costs each call.
    fn serving<T>(&self, look: impl FnOnce(&Snapshot) -> T) -> T {
        look(&self.serving.read().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// Looks at the slots, and changes nothing.
    pub fn look<T>(&self, look: impl FnOnce(&BTreeMap<String, Slot>) -> T) -> T {
        look(&lock(&self.slots))
    }

    /// Notes that the files of a slot changed and say the same as before: nothing that anybody sees.
    pub fn seen(&self, name: &str, files: Files) {
        if let Some(slot) = lock(&self.slots).get_mut(name) {
            slot.files = Some(files);
        }
    }

    /// Plugins whose new generation fails most of its calls.
    pub fn failing(&self) -> Vec<String> {
        let mut slots = lock(&self.slots);
        slots.iter_mut().filter_map(|(name, slot)| slot.is_failing().then(|| name.clone())).collect()
    }

    /// What new generations are tried on. Files are looked at only after the start, which sets it.
    pub fn stage(&self) -> &dyn Rehearsal {
        self.rehearsal.get().map_or(&EmptyStage, |rehearsal| &**rehearsal)
    }

    /// Where files are loaded and tried.
    pub fn background(&self) -> Handle {
        self.config.background.clone().unwrap_or_else(Handle::current)
    }

    /// The right to handle a plugin's files.
    pub async fn turn(&self, name: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = lock(&self.turns).entry(name.to_owned()).or_default().clone();
        turn.lock_owned().await
    }

    /// Changes one slot, made when it is missing, with what is remembered of that plugin.
    pub fn change_one<T>(&self, name: &str, source: &'static str, change: impl FnOnce(&mut Slot) -> T) -> T {
        self.change(|slots| {
            change(slots.entry(name.to_owned()).or_insert_with(|| Slot::new(source, self.archive.recall(name))))
        })
    }

    /// Changes a slot that is there.
    pub fn change_known<T>(&self, name: &str, change: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        self.change(|slots| slots.get_mut(name).map(change))
    }

    /// Changes slots, and then lets everybody see it at once.
    pub fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<String, Slot>) -> T) -> T {
        let mut slots = lock(&self.slots);
        let done = change(&mut slots);
        let (mut validators, mut upcasters, mut binding, mut roles) = (vec![], vec![], vec![], HashMap::new());
        for (name, slot) in slots.iter() {
            let Some(active) = slot.open() else { continue };
            match &active.role {
                Role::Validator(validator) => validators.push(validator.clone()),
                Role::Upcaster(upcaster) => upcasters.push(upcaster.clone()),
                Role::Decider(decider) if decider.generation.topics.is_some() => binding.push(decider.clone()),
                Role::Decider(_) | Role::Projection(_) | Role::ProcessManager(_) | Role::Sink(_) => {}
            }
            roles.insert(name.clone(), active.role.clone());
        }
        let (validators, upcasters, binding) = (validators.into(), upcasters.into(), binding.into());
        let snapshot = Snapshot { validators, upcasters, binding, roles: Arc::new(roles) };
        *self.serving.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = snapshot;
        let memories = slots.iter().map(|(name, slot)| (name.clone(), slot.memory.clone())).collect();
        let number = self.changed.fetch_add(1, Ordering::Relaxed) + 1;
        drop(slots);
        self.archive.remember(number, memories);
        self.changes.send_modify(|count| *count += 1);
        done
    }
}

/// What serves under a name, if it is of the kind that is asked for.
fn one<T: Clone>(plugins: &Plugins, name: &str, kind: impl FnOnce(&Role) -> Option<&T>) -> Option<T> {
    plugins.room.serving(|serving| kind(serving.roles.get(name)?).cloned())
}

pub(super) fn make_dir(path: &Path) -> Result<(), PluginsError> {
    std::fs::create_dir_all(path).map_err(|source| PluginsError::Directory { path: path.to_owned(), source })
}
