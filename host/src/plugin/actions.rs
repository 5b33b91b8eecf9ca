//! What operators do to a plugin that runs: pause, resume, reload, roll back.

use super::directory;
use super::refresh::{Asked, refresh, revive, sidecar};
use super::slot::RolledBack;
use super::{LoadError, PluginStatus, Plugins, State};

/// Why an action was not done. Nothing has changed then.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ActionError {
    #[error("Plugin '{0}' not found")]
    Unknown(String),
    #[error("{0}")]
    Conflict(String),
    #[error("plugin '{name}' {error}")]
    Failed { name: String, error: LoadError },
}

impl Plugins {
    /// Calls it no more, until it is resumed; a restart does not resume it. Calls that run end.
    pub fn pause(&self, name: &str) -> Result<PluginStatus, ActionError> {
        self.set_paused(name, true)
    }

    pub fn resume(&self, name: &str) -> Result<PluginStatus, ActionError> {
        self.set_paused(name, false)
    }

    fn set_paused(&self, name: &str, paused: bool) -> Result<PluginStatus, ActionError> {
        let done = self.room.change_known(name, |slot| slot.memory.paused = paused);
        done.ok_or_else(|| ActionError::Unknown(name.to_owned()))?;
        tracing::info!(plugin = name, paused, "plugin paused or resumed");
        self.known(name)
    }

    /// Takes the file of the directory as it is now, even one that waits, was rolled back, or did not change.
    pub async fn reload(&self, name: &str) -> Result<PluginStatus, ActionError> {
        let turn = self.room.turn(name).await;
        self.known(name)?;
        let files = directory::scan(&self.room.config.dir);
        let files =
            files.map_err(|error| ActionError::Conflict(format!("the plugin directory cannot be read: {error}")))?;
        let (room, name_too) = (self.room.clone(), name.to_owned());
        let files = files.get(name).copied().unwrap_or_default();
        let work = async move {
            let _turn = turn;
            refresh(&room, name_too, files, Asked::BySomebody).await;
        };
        // In the background, and to its end even if the one who asked goes away.
        let done = self.room.background().spawn(work).await;
        done.map_err(|error| ActionError::Conflict(format!("the reload ended early: {error}")))?;
        let status = self.known(name)?;
        match status.state {
            State::Failed => Err(ActionError::Conflict(status.reason.unwrap_or_default())),
            _ => Ok(status),
        }
    }

    /// Lets the generation before serve again, and refuses the file of the one that served.
    pub async fn roll_back(&self, name: &str) -> Result<PluginStatus, ActionError> {
        let _turn = self.room.turn(name).await;
        let status = self.known(name)?;
        if self.room.change_known(name, |slot| slot.roll_back(name, RolledBack::BySomebody)) == Some(true) {
            tracing::warn!(plugin = name, "a plugin was rolled back by hand");
            return self.known(name);
        }
        // After a restart the one before is on disk only.
        let nothing = || ActionError::Conflict(format!("plugin '{name}' has no generation to go back to"));
        let serving = status.serving.ok_or_else(nothing)?;
        let before = self.room.look(|slots| Some(slots.get(name)?.memory.before(&serving.digest)?.digest.clone()));
        let before = before.ok_or_else(nothing)?;
        let failed = |error| ActionError::Failed { name: name.to_owned(), error };
        let generation = revive(&self.room, name, &before, &sidecar(&self.room, name).await).await.map_err(failed)?;
        self.room.change_known(name, |slot| {
            slot.memory.refuse(serving.digest);
            slot.activate(generation);
            slot.state = State::RolledBack;
            slot.reason = Some(format!(
                "plugin '{name}' {} was rolled back: somebody asked for it; put in another file, or reload this one",
                serving.version
            ));
        });
        self.known(name)
    }

    fn known(&self, name: &str) -> Result<PluginStatus, ActionError> {
        self.status(name).ok_or_else(|| ActionError::Unknown(name.to_owned()))
    }
}
