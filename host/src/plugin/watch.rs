//! Follows the plugin directory: notices that something changed, waits until it is still, and has it loaded.
//!
//! What the system announces is a hint and no more; the directory is also looked at every few seconds, because watches
//! lose events. **Invariant:** a file that cannot be taken never takes the place of one that serves.

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::directory::{self, Files};
use super::plugins::Room;
use super::refresh::{Asked, refresh};
use super::slot::RolledBack;
use crate::model::limits::PLUGINS_MAX;

/// How often a file may change under our eyes before it is left for the next look.
const SETTLE_ROUNDS: u32 = 20;

/// Loads what there is, and hands back the task that follows what changes.
pub(super) async fn begin(room: Arc<Room>) -> impl Future<Output = ()> + Send {
    let mut follower = Follower { room, hint: Arc::default(), watched: None, unreadable: false };
    // Watched before the first look, so that nothing falls between the two.
    follower.watch();
    follower.pass(true).await;
    // A directory that cannot be read is not an empty one.
    if !follower.unreadable {
        follower.room.archive.all_seen();
    }
    follower.room.loader.step_back();
    follower.follow()
}

struct Follower {
    room: Arc<Room>,
    hint: Arc<Notify>,
    /// The watch and the directory that it is on: a directory that was made anew needs a new one.
    watched: Option<((u64, u64), RecommendedWatcher)>,
    /// Said once, not every five seconds.
    unreadable: bool,
}

impl Follower {
    async fn follow(mut self) {
        let mut stop = self.room.stop.subscribe();
        loop {
            let rescan = Duration::from_millis(self.room.config.rescan_ms);
            let wait = self.next_retry().map_or(rescan, |at| at.saturating_duration_since(Instant::now()).min(rescan));
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = self.hint.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
            self.watch();
            self.roll_back();
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = self.pass(false) => {}
            }
        }
    }

    /// Takes back new generations that fail most of their calls.
    fn roll_back(&self) {
        for name in self.room.failing() {
            self.room.change_known(&name, |slot| {
                if slot.roll_back(&name, RolledBack::ByFaults) {
                    tracing::error!(plugin = name, reason = slot.reason, "a plugin was rolled back");
                }
            });
        }
    }

    fn next_retry(&self) -> Option<Instant> {
        self.room.look(|slots| slots.values().filter_map(|slot| slot.retry.as_ref().map(|retry| retry.at)).min())
    }

    /// Asks the system for hints. Without them the rescan alone finds changes, a little later.
    fn watch(&mut self) {
        let dir = &self.room.config.dir;
        let now = directory::identity(dir);
        if now.is_none() || now == self.watched.as_ref().map(|(identity, _)| *identity) {
            return;
        }
        self.watched = None;
        let hint = self.hint.clone();
        let on_event = move |event: notify::Result<notify::Event>| {
            // Reading is no change, or our own look would be the next hint.
            let read = matches!(event, Ok(notify::Event { kind: EventKind::Access(_), .. }));
            if !read {
                hint.notify_one();
            }
        };
        let watcher = notify::recommended_watcher(on_event).and_then(|mut watcher| {
            watcher.watch(dir, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        match watcher {
            Ok(watcher) => self.watched = now.map(|identity| (identity, watcher)),
            Err(error) => {
                tracing::warn!(%error, dir = %dir.display(), "the plugin directory is only looked at now and then")
            }
        }
    }

    /// Looks until everything is still and handled. At the start, files that are old enough are still already.
    async fn pass(&mut self, starting: bool) {
        let settle = Duration::from_millis(self.room.config.settle_ms);
        let Some(mut before) = self.scan() else { return };
        for round in 0..SETTLE_ROUNDS {
            let mut due = self.due(&before);
            if due.is_empty() {
                return;
            }
            let mut still = due.clone();
            if starting && round == 0 {
                still.retain(|_, files| files.is_older_than(settle));
            } else {
                tokio::time::sleep(settle).await;
                let Some(after) = self.scan() else { return };
                still.retain(|name, files| after.get(name).copied().unwrap_or_default() == *files);
                before = after;
            }
            due.retain(|name, _| !still.contains_key(name));
            self.refresh_all(still).await;
            if due.is_empty() && starting {
                return;
            }
        }
    }

    /// The directory, or `None` if it cannot be read: then nothing is known, and nothing changes. A volume that went away
    /// must not switch validators off.
    fn scan(&mut self) -> Option<BTreeMap<String, Files>> {
        let dir = &self.room.config.dir;
        match directory::scan(dir) {
            Ok(mut found) => {
                self.unreadable = false;
                while found.len() > PLUGINS_MAX {
                    let dropped = found.pop_last().map(|(name, _)| name);
                    tracing::warn!(plugin = dropped, "more than {PLUGINS_MAX} plugins; this one is left out");
                }
                for embedded in &self.room.config.embedded {
                    found.entry(embedded.name.to_owned()).or_default();
                }
                Some(found)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.unreadable, true) {
                    let dir = dir.display();
                    tracing::warn!(%error, %dir, "the plugin directory cannot be read; what serves goes on");
                }
                None
            }
        }
    }

    /// What must be handled: files that changed, names that went, failures whose time to try again has come.
    fn due(&self, found: &BTreeMap<String, Files>) -> BTreeMap<String, Files> {
        let now = Instant::now();
        self.room.look(|slots| {
            let gone =
                slots.keys().filter(|name| !found.contains_key(*name)).map(|name| (name.clone(), Files::default()));
            let changed = found.iter().filter(|(name, files)| {
                slots.get(*name).is_none_or(|slot| {
                    slot.files != Some(**files) || slot.retry.as_ref().is_some_and(|retry| retry.at <= now)
                })
            });
            changed.map(|(name, files)| (name.clone(), *files)).chain(gone).collect()
        })
    }

    /// Side by side, so that a slow plugin does not hold up the others.
    async fn refresh_all(&self, due: BTreeMap<String, Files>) {
        let mut running = JoinSet::new();
        for (name, files) in due {
            let room = self.room.clone();
            running.spawn(async move {
                let _turn = room.turn(&name).await;
                refresh(&room, name, files, Asked::ByTheDirectory).await
            });
        }
        while let Some(done) = running.join_next().await {
            if let Err(error) = done {
                tracing::error!(%error, "loading a plugin ended in a panic");
            }
        }
    }
}
