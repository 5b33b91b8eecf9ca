//! One component on its own, without a server and a directory: what the tools for plugin authors work with. It goes
//! through the same pipeline as a file that an operator drops in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::cache::Cache;
use super::load::{Candidate, Loaded, Loader, digest};
use super::plugins::make_dir;
use super::secrets::Secrets;
use super::slot::Role;
use super::{
    Decider, HttpClient, LoadError, PluginsError, ProcessManager, Projection, Rehearsal, Serving, Sidecar, Sink,
    TopicSetting, Upcaster, Validator,
};
use crate::model::{Event, StreamName, TopicName};

/// Loads components for tools.
pub struct Workbench {
    loader: Loader,
}

/// A component that could serve.
pub struct Workpiece {
    role: Role,
    serving: Serving,
    /// It was compiled before, and the compiled code was still there.
    pub cached: bool,
    /// Milliseconds from the file's bytes to an instance that answers.
    pub load_ms: u64,
}

impl Workbench {
    /// `cache_dir` keeps compiled components; secrets are files in `secrets_dir`.
    pub fn new(cache_dir: &Path, secrets_dir: PathBuf, http: Arc<dyn HttpClient>) -> Result<Self, PluginsError> {
        make_dir(cache_dir)?;
        Ok(Self { loader: Loader::new(Cache::open(cache_dir)?, http, Secrets::new(secrets_dir))? })
    }

    /// Takes a component as a server with no topics and no events would.
    pub async fn load(&self, name: &str, bytes: Vec<u8>, sidecar: Sidecar) -> Result<Workpiece, LoadError> {
        let started = std::time::Instant::now();
        let digest = digest(&bytes);
        let candidate = Candidate { name: name.to_owned(), bytes: bytes.into(), digest, sidecar, source: "file" };
        let Loaded { generation, cached, .. } = self.loader.load(candidate, &EmptyStage, None).await?;
        let load_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let serving = generation.serving(1, super::now_ms());
        Ok(Workpiece { role: Role::of(&generation), serving, cached, load_ms })
    }
}

impl Workpiece {
    /// What `GET /plugins` would show of it, as it was when it was loaded.
    pub fn serving(&self) -> &Serving {
        &self.serving
    }

    pub fn validator(&self) -> Option<&Validator> {
        if let Role::Validator(it) = &self.role { Some(it) } else { None }
    }

    pub fn upcaster(&self) -> Option<&Upcaster> {
        if let Role::Upcaster(it) = &self.role { Some(it) } else { None }
    }

    pub fn decider(&self) -> Option<&Decider> {
        if let Role::Decider(it) = &self.role { Some(it) } else { None }
    }

    pub fn projection(&self) -> Option<&Projection> {
        if let Role::Projection(it) = &self.role { Some(it) } else { None }
    }

    pub fn process_manager(&self) -> Option<&ProcessManager> {
        if let Role::ProcessManager(it) = &self.role { Some(it) } else { None }
    }

    pub fn sink(&self) -> Option<&Sink> {
        if let Role::Sink(it) = &self.role { Some(it) } else { None }
    }

    /// What its calls have cost so far.
    pub fn stats(&self) -> super::CallStats {
        self.role.generation().pool.blueprint.stats.read()
    }
}

/// No topics, no events.
pub(super) struct EmptyStage;

#[async_trait]
impl Rehearsal for EmptyStage {
    fn settings(&self) -> Vec<Arc<TopicSetting>> {
        Vec::new()
    }

    fn topics(&self) -> Vec<TopicName> {
        Vec::new()
    }

    async fn recent(&self, _topic: &TopicName, _limit: usize) -> Vec<Event> {
        Vec::new()
    }

    async fn stream(&self, _topic: &TopicName, _stream: &StreamName, _limit: usize) -> Vec<Event> {
        Vec::new()
    }
}
