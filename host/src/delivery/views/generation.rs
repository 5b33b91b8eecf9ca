//! One generation of a view while the server runs: its file, how far it is, and what holds it up.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::{Notify, watch};
use utoipa::ToSchema;

use super::catalog::{Made, file};
use crate::model::{Payload, Position};
use crate::plugin::ViewBase;
use crate::storage::StorageError;
use crate::storage::views::{Shown, View, ViewCommit};

/// What a view is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ViewState {
    /// It takes what comes.
    Running,
    /// It goes on by itself once what it waits for is there.
    Waiting,
    /// An event could not be taken; it waits for somebody.
    Paused,
}

/// How a view gets on.
#[derive(Debug, Clone)]
pub struct Standing {
    pub state: ViewState,
    /// Why it does not run.
    pub reason: Option<String>,
    /// Events that were left out and written down.
    pub skipped: u64,
    pub events: u64,
}

pub struct Generation {
    pub made: Made,
    pub view: View,
    /// Everything up to here is in the view; it passes what does not concern it without a commit.
    reached: watch::Sender<Position>,
    standing: Mutex<Standing>,
    /// Where somebody asked to go on from; the earliest, if several did.
    replay: Mutex<Option<Position>>,
    pub woken: Notify,
}

impl Generation {
    /// Opens the file of a generation, or makes it. One that is damaged is no loss: it is made anew from the events.
    pub fn open(dir: &Path, made: Made) -> Result<Self, StorageError> {
        let path = file(dir, made.number);
        let view = match View::open(&path) {
            Err(StorageError::Corrupt { detail, .. }) => {
                tracing::warn!(path = %path.display(), detail, "a view's file is damaged; the view is built anew");
                crate::storage::views::remove(&path)?;
                View::open(&path)?
            }
            view => view?,
        };
        let (reached, _) = watch::channel(view.shown().checkpoint);
        let standing = Standing { state: ViewState::Running, reason: None, skipped: 0, events: 0 };
        let (replay, woken) = (Mutex::default(), Notify::new());
        Ok(Self { made, view, reached, standing: Mutex::new(standing), replay, woken })
    }

    pub fn reached(&self) -> Position {
        *self.reached.borrow()
    }

    pub fn watch(&self) -> watch::Receiver<Position> {
        self.reached.subscribe()
    }

    pub fn reach(&self, position: Position) {
        self.reached.send_if_modified(|reached| std::mem::replace(reached, position) != position);
    }

    /// Makes a commit and shows how far it is.
    pub fn commit(&self, commit: &ViewCommit) -> Result<Arc<Shown>, StorageError> {
        let shown = self.view.commit(commit)?;
        self.reach(commit.checkpoint);
        Ok(shown)
    }

    /// What is read, and everything up to which position it shows. The position is taken first, so it is never too late.
    pub fn read(&self) -> (Position, Arc<Shown>) {
        let reached = self.reached();
        (reached, self.view.shown())
    }

    pub fn standing(&self) -> Standing {
        self.look().clone()
    }

    pub fn note(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut self.look());
    }

    fn look(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn runs(&self) {
        self.note(|standing| (standing.state, standing.reason) = (ViewState::Running, None));
    }

    pub fn stands(&self, state: ViewState, reason: String) {
        self.note(|standing| (standing.state, standing.reason) = (state, Some(reason)));
    }

    /// Asks it to go on from a position. A second request before the first is done is not lost: the earlier position counts.
    pub fn ask_replay(&self, from: Position) {
        let mut replay = self.replay.lock().unwrap_or_else(PoisonError::into_inner);
        *replay = Some(replay.map_or(from, |asked| asked.min(from)));
        drop(replay);
        self.woken.notify_one();
    }

    pub fn take_replay(&self) -> Option<Position> {
        self.replay.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A view as guests read it.
pub struct Base(pub Arc<Shown>);

impl ViewBase for Base {
    fn get(&self, key: &str) -> Result<Option<Payload>, String> {
        self.0.get(key).map_err(|error| error.to_string())
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Payload)>, String> {
        self.0.scan(prefix, after, limit).map_err(|error| error.to_string())
    }

    fn bytes(&self) -> u64 {
        self.0.bytes
    }
}
