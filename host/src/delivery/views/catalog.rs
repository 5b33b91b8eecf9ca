//! Which generations of a view there are: one small record, so that a switch from one to another is one commit.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::folder::Folder;
use crate::model::PluginName;
use crate::plugin::{PluginId, Recipe};
use crate::storage::{Change, Records, StorageError};

/// One generation, as it was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    pub number: u64,
    pub recipe: Recipe,
    /// The plugin that began it.
    pub version: String,
    pub digest: String,
    pub begun_ms: u64,
    /// It is a process manager's, which asks for more than a view.
    #[serde(default)]
    pub manager: bool,
}

/// The generations of one plugin's view. **Invariant:** a file that is not named here is nobody's, and is removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Catalog {
    /// The last number that was given.
    pub last: u64,
    /// What is read.
    pub live: Option<Made>,
    /// What is being built beside it.
    pub building: Option<Made>,
    /// What was live before, for a way back.
    pub kept: Option<Made>,
}

impl Catalog {
    pub fn begin(&mut self, folder: &Folder, begun_ms: u64) -> Made {
        self.last += 1;
        let PluginId { version, digest, .. } = folder.id().clone();
        Made { number: self.last, recipe: folder.recipe(), version, digest, begun_ms, manager: folder.is_manager() }
    }

    pub fn names(&self, number: u64) -> bool {
        [&self.live, &self.building, &self.kept].into_iter().flatten().any(|made| made.number == number)
    }

    pub async fn load(records: &dyn Records, name: &PluginName) -> Result<Self, StorageError> {
        let key = key(name);
        let Some(record) = records.get(&key).await? else { return Ok(Self::default()) };
        let damaged = |error: serde_json::Error| StorageError::Corrupt {
            place: format!("record '{key}'"),
            detail: error.to_string(),
        };
        serde_json::from_slice(&record.value).map_err(damaged)
    }

    pub async fn store(&self, records: &dyn Records, name: &PluginName) -> Result<(), String> {
        let value = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        records.commit(vec![Change::put(key(name), value)]).await.map_err(|error| error.to_string())
    }
}

fn key(name: &PluginName) -> String {
    format!("view/{name}")
}

/// The file of a generation, in the directory of its plugin's views.
pub fn file(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number}.redb"))
}

/// Removes the files of a directory that no generation has.
pub fn sweep(dir: &Path, catalog: &Catalog) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if !number.is_some_and(|number| catalog.names(number)) {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}
