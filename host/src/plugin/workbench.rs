//! One component on its own, without a server and a directory: what the tools for plugin authors work with. It goes
//! through the same pipeline as a file that an operator drops in.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::cache::Cache;
use super::instance::StartError;
use super::load::{Candidate, Loaded, Loader, digest};
use super::plugins::make_dir;
use super::secrets::Secrets;
use super::slot::Role;
use super::{
    Decider, Fault, Grants, HttpClient, HttpGrant, Interest, LoadError, PluginLimits, PluginsError, ProcessManager,
    Projection, Rehearsal, Serving, Sidecar, Sink, TopicSetting, Upcaster, Validator, grants, inspect,
};
use crate::model::{Event, StreamName, TopicName};

/// What a plugin asks for, and what of the operator's grants meets it; nothing means that it is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub text: String,
    pub granted: Vec<String>,
}

/// Loads components for tools.
pub struct Workbench {
    loader: Loader,
}

/// A component that could serve.
pub struct Workpiece {
    role: Role,
    serving: Serving,
    grants: Grants,
    /// It was compiled before, and the compiled code was still there.
    pub cached: bool,
    /// Milliseconds from the file's bytes to an instance that answers.
    pub load_ms: u64,
}

impl Workbench {
    /// `cache_dir` keeps compiled components; secrets are files in `secrets_dir`.
    pub fn new(cache_dir: &Path, secrets_dir: PathBuf, http: Arc<dyn HttpClient>) -> Result<Self, PluginsError> {
        make_dir(cache_dir)?;
        Ok(Self { loader: Loader::new(Cache::open(cache_dir)?, http, Secrets::new(secrets_dir), Arc::default())? })
    }

    /// The SHA-256 of a component file, in hex.
    pub fn digest(bytes: &[u8]) -> String {
        digest(bytes)
    }

    /// The interfaces that a file imports. It reads names and compiles nothing.
    pub fn imports(name: &str, bytes: &[u8]) -> Result<Vec<String>, LoadError> {
        match inspect::form(name, bytes)? {
            inspect::Form::Component => inspect::imports(bytes),
            inspect::Form::ModuleWithType => inspect::imports(&inspect::componentise(bytes)?),
        }
    }

    /// Takes a component as a server with no topics and no events would.
    pub async fn load(&self, name: &str, bytes: Vec<u8>, sidecar: Sidecar) -> Result<Workpiece, LoadError> {
        let started = Instant::now();
        let digest = digest(&bytes);
        let grants = sidecar.grants.clone();
        let candidate =
            Candidate { name: name.to_owned(), bytes: bytes.into(), digest, sidecar, source: "file", served: false };
        let Loaded { generation, cached, .. } = self.loader.load(candidate, &EmptyStage, None).await?;
        let load_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let serving = generation.serving(1, super::now_ms());
        Ok(Workpiece { role: Role::of(&generation), serving, grants, cached, load_ms })
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

    /// What it asked to see; an empty list means all.
    pub fn interests(&self) -> &[Interest] {
        &self.role.generation().manifest.interests_asked
    }

    pub fn state_version(&self) -> u32 {
        self.role.generation().manifest.state_version
    }

    /// The limits of its calls, all settled.
    pub fn limits(&self) -> PluginLimits {
        self.role.generation().pool.blueprint.bounds.limits()
    }

    /// Each wish with what meets it.
    pub fn wishes(&self) -> Vec<Wish> {
        let manifest = &self.role.generation().manifest;
        let http = manifest.http.iter().map(|wish| {
            let met = HttpGrant::meet(std::slice::from_ref(wish), &self.grants);
            let granted = met.rules.iter().map(|rule| grants::show(&rule.host, &rule.methods)).collect();
            Wish { text: grants::show(&wish.host, &wish.methods), granted }
        });
        let secrets = manifest.secrets.iter().map(|name| {
            let text = format!("secret {name}");
            Wish { granted: self.grants.secrets.contains(name).then(|| text.clone()).into_iter().collect(), text }
        });
        let append = manifest.append.iter().map(|topics| {
            let granted = self.grants.append.iter().map(|granted| format!("append {granted}"));
            Wish { text: format!("append {topics}"), granted: granted.collect() }
        });
        http.chain(secrets).chain(append).collect()
    }

    /// Grants that meet every wish: for tests of a plugin, never for a server.
    pub fn grants_of_all_wishes(&self) -> Grants {
        let manifest = &self.role.generation().manifest;
        Grants {
            http: manifest.http.clone(),
            private_addresses: true,
            secrets: manifest.secrets.clone(),
            append: manifest.append.clone(),
        }
    }

    /// Makes an instance, throws it away, and says how long it took to make.
    pub async fn start_instance(&self) -> Result<Duration, Fault> {
        let started = Instant::now();
        self.role.generation().pool.blueprint.instance().await.map_err(|error: StartError| Fault::from(error))?;
        Ok(started.elapsed())
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
