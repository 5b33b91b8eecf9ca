//! Reading views: what there is, how fresh it is, and waiting until it is fresh enough.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::timeout;

use super::folder::Folder;
use super::generation::{Base, Generation};
use super::keeper::Keeping;
use super::letters::letters;
use super::{Letter, Made, Standing, ViewState, Views};
use crate::model::limits::{INLINE_WAIT_MS, LETTERS_SHOWN_MAX};
use crate::model::{Payload, Position, TopicName};
use crate::plugin::{PluginError, Refusal};
use crate::storage::StorageError;

#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    #[error("there is no projection '{0}'; see GET /projections")]
    Unknown(String),
    #[error("the view of '{0}' is not there yet; try again")]
    NotYet(String),
    #[error(
        "the view has reached position {reached}, not {wanted}; wait longer, or see GET /projections why it is behind"
    )]
    Behind { wanted: Position, reached: Position },
    #[error("a replay from {from} would leave a gap: the view has reached position {reached}, so from may be 1 to {}", .reached + 1)]
    Gap { from: Position, reached: Position },
    #[error("{0}")]
    Conflict(String),
    #[error("the view cannot answer queries while its plugin is not active; see GET /plugins")]
    NoQueries,
    /// The plugin does not like the query.
    #[error("{}", .0.message)]
    Refused(Refusal),
    #[error(transparent)]
    Plugin(#[from] PluginError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What a reader asks besides: the view must have reached a position, and how long to wait for it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fresh {
    pub position: Position,
    pub wait: Duration,
}

/// An answer, and everything up to which position is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading<T> {
    pub value: T,
    pub position: Position,
    pub generation: u64,
}

/// One generation as operators see it.
pub struct GenerationStatus {
    pub made: Made,
    pub standing: Standing,
    pub position: Position,
    /// Of all keys and values.
    pub bytes: u64,
}

/// One view as operators see it.
pub struct ViewStatus {
    pub name: String,
    pub kind: &'static str,
    pub inline: bool,
    pub has_queries: bool,
    pub head: Position,
    pub live: Option<GenerationStatus>,
    pub building: Option<GenerationStatus>,
    pub kept: Option<Made>,
    pub failure: Option<String>,
}

impl Views {
    pub async fn get_key(&self, name: &str, key: String, fresh: Fresh) -> Result<Reading<Option<Payload>>, ViewError> {
        let live = self.fresh(name, fresh).await?;
        let (position, shown) = live.read();
        let value = on_blocking_thread(move || shown.get(&key)).await?;
        Ok(Reading { value, position, generation: live.made.number })
    }

    pub async fn scan(
        &self,
        name: &str,
        (prefix, after, limit): (String, Option<String>, usize),
        fresh: Fresh,
    ) -> Result<Reading<Vec<(String, Payload)>>, ViewError> {
        let live = self.fresh(name, fresh).await?;
        let (position, shown) = live.read();
        let value = on_blocking_thread(move || shown.scan(&prefix, after.as_deref(), limit)).await?;
        Ok(Reading { value, position, generation: live.made.number })
    }

    /// Asks the plugin. It must be of the recipe that the view was made by: another one does not know what it says.
    pub async fn query(
        &self,
        name: &str,
        query: &str,
        params: &[(&str, &str)],
        fresh: Fresh,
    ) -> Result<Reading<String>, ViewError> {
        let keeping = self.known(name)?;
        let live = self.fresh(name, fresh).await?;
        let folder = keeping.look(|faces| faces.folder.clone());
        let Some(Folder::Projection(projection)) = folder.filter(|folder| folder.recipe() == live.made.recipe) else {
            return Err(ViewError::NoQueries);
        };
        let (position, shown) = live.read();
        let answer = projection.query(Arc::new(Base(shown)), query, params).await?;
        let value = answer.map_err(ViewError::Refused)?;
        Ok(Reading { value, position, generation: live.made.number })
    }

    /// Events that the view left out.
    pub fn letters(&self, name: &str) -> Result<Vec<Letter>, ViewError> {
        let live = self.known(name)?.live().ok_or_else(|| ViewError::NotYet(name.to_owned()))?;
        Ok(letters(&live.view.shown(), LETTERS_SHOWN_MAX)?)
    }

    /// Waits, but not for long, until inline projections show a position. One that is held up delays nobody.
    pub async fn settled(&self, last: Option<(&TopicName, Position)>) {
        if self.inline.load(Ordering::Relaxed) == 0 {
            return;
        }
        let Some((topic, position)) = last else { return };
        // Positions of another store say nothing here.
        let store = self.engine.default_store().adapter;
        if !self.engine.topic(topic).is_ok_and(|topic| topic.store.adapter == store) {
            return;
        }
        let inline: Vec<_> = self.read().values().filter(is_inline).cloned().collect();
        let all = async {
            for keeping in inline {
                reaches(&keeping, position, true).await;
            }
        };
        // Who waits longer has an answer without it: the events are durable, and the view will follow.
        let _ = timeout(Duration::from_millis(INLINE_WAIT_MS), all).await;
    }

    pub fn list(&self) -> Vec<ViewStatus> {
        self.read().values().map(|keeping| self.status_of(keeping)).collect()
    }

    pub fn status(&self, name: &str) -> Result<ViewStatus, ViewError> {
        Ok(self.status_of(&self.known(name)?))
    }

    fn status_of(&self, keeping: &Arc<Keeping>) -> ViewStatus {
        let face = |generation: &Arc<Generation>| GenerationStatus {
            made: generation.made.clone(),
            standing: generation.standing(),
            position: generation.reached(),
            bytes: generation.view.shown().bytes,
        };
        let head = *self.engine.default_store().log.head().borrow();
        keeping.look(|faces| ViewStatus {
            name: keeping.name.to_string(),
            kind: if matches!(faces.folder, Some(Folder::Manager(_))) { "process-manager" } else { "projection" },
            inline: faces.folder.as_ref().is_some_and(Folder::is_inline),
            has_queries: matches!(&faces.folder, Some(Folder::Projection(it)) if it.has_queries()),
            head,
            live: faces.live.as_ref().map(face),
            building: faces.building.as_ref().map(face),
            kept: faces.kept.clone(),
            failure: faces.failure.clone(),
        })
    }

    /// The generation that is read, once it has reached what is asked for.
    async fn fresh(&self, name: &str, fresh: Fresh) -> Result<Arc<Generation>, ViewError> {
        let keeping = self.known(name)?;
        let live = || keeping.live().ok_or_else(|| ViewError::NotYet(name.to_owned()));
        if fresh.position > 0 && live().map_or(0, |live| live.reached()) < fresh.position {
            let wanted = fresh.position;
            if timeout(fresh.wait, reaches(&keeping, wanted, false)).await.is_err() {
                return Err(ViewError::Behind { wanted, reached: live()?.reached() });
            }
        }
        live()
    }
}

fn is_inline(keeping: &&Arc<Keeping>) -> bool {
    keeping.look(|faces| faces.folder.as_ref().is_some_and(Folder::is_inline))
}

/// Waits until what is read has reached a position, whichever generation that is then; or, if told so, until it is held up.
async fn reaches(keeping: &Keeping, position: Position, or_stands: bool) {
    let mut switched = keeping.switched();
    loop {
        switched.mark_unchanged();
        let Some(live) = keeping.live() else {
            let _ = switched.changed().await;
            continue;
        };
        if or_stands && live.standing().state != ViewState::Running {
            return;
        }
        let mut reached = live.watch();
        tokio::select! {
            // It ends only together with the server.
            _ = reached.wait_for(|reached| *reached >= position) => return,
            _ = switched.changed() => {}
        }
    }
}

/// A view's file may be on a disk that lets one wait.
async fn on_blocking_thread<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    let failed =
        |error: tokio::task::JoinError| StorageError::Io { what: "reading a view".into(), detail: error.to_string() };
    tokio::task::spawn_blocking(read).await.map_err(failed)?
}
