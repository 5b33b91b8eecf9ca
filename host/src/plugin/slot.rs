//! One name in the list of plugins: what serves under it, and what became of the newest file.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::directory::Files;
use super::generation::Generation;
use super::{Decider, Kind, PluginStatus, ProcessManager, Projection, Sink, State, Upcaster, Validator};
use crate::model::limits::{PROBATION_FAULTS, PROBATION_MS};

pub(super) struct Slot {
    pub state: State,
    pub reason: Option<String>,
    pub digest: Option<String>,
    pub source: &'static str,
    pub serving: Option<Active>,
    /// What served before, for as long as the new one is on probation.
    pub previous: Option<Active>,
    /// The files as they were when they were last handled.
    pub files: Option<Files>,
    /// What those files said: the same again is no reason to load.
    pub content: Option<Content>,
    pub retry: Option<Retry>,
    pub generations: u64,
}

/// What a load depends on besides the server: the digests of component and side-car, and where the component is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub component: String,
    pub sidecar: Option<String>,
    pub source: &'static str,
}

/// When a failure that may pass by itself is tried again.
pub(super) struct Retry {
    pub at: Instant,
    times: u32,
}

impl Retry {
    /// Waits twice as long each time, from a second up to five minutes.
    pub fn after(last: Option<Retry>) -> Self {
        let times = last.map_or(0, |last| last.times.saturating_add(1));
        let wait = Duration::from_secs(1 << times.min(9)).min(Duration::from_secs(300));
        Self { at: Instant::now() + wait, times }
    }
}

/// What answers calls.
pub(super) struct Active {
    pub generation: Arc<Generation>,
    pub role: Role,
    number: u64,
    since_ms: u64,
    since: Instant,
}

/// A generation, as its kind is called.
#[derive(Clone)]
pub(super) enum Role {
    Validator(Arc<Validator>),
    Upcaster(Arc<Upcaster>),
    Decider(Arc<Decider>),
    Projection(Arc<Projection>),
    ProcessManager(Arc<ProcessManager>),
    Sink(Arc<Sink>),
}

impl Role {
    pub fn of(generation: &Arc<Generation>) -> Self {
        let own = generation.clone();
        match generation.kind {
            Kind::Validator => Self::Validator(Arc::new(Validator::new(own))),
            Kind::Upcaster => Self::Upcaster(Arc::new(Upcaster::new(own))),
            Kind::Decider => Self::Decider(Arc::new(Decider::new(own))),
            Kind::Projection => Self::Projection(Arc::new(Projection::new(own))),
            Kind::ProcessManager => Self::ProcessManager(Arc::new(ProcessManager::new(own))),
            Kind::Sink => Self::Sink(Arc::new(Sink::new(own))),
        }
    }

    pub fn generation(&self) -> &Arc<Generation> {
        match self {
            Self::Validator(it) => &it.generation,
            Self::Upcaster(it) => &it.generation,
            Self::Decider(it) => &it.generation,
            Self::Projection(it) => &it.generation,
            Self::ProcessManager(it) => &it.generation,
            Self::Sink(it) => &it.generation,
        }
    }
}

impl Slot {
    pub fn new(source: &'static str) -> Self {
        Self {
            state: State::Loading,
            reason: None,
            digest: None,
            source,
            serving: None,
            previous: None,
            files: None,
            content: None,
            retry: None,
            generations: 0,
        }
    }

    /// Lets a new generation serve. Calls that run on the old one hold it until they end.
    pub fn activate(&mut self, generation: Arc<Generation>) {
        self.generations += 1;
        let role = Role::of(&generation);
        let (number, since_ms) = (self.generations, super::now_ms());
        let since = Instant::now();
        self.previous = self.serving.replace(Active { generation, role, number, since_ms, since });
    }

    /// Whether the new generation fails so often that the one before is better. Ends its probation in time.
    pub fn is_failing(&mut self) -> bool {
        let Some(active) = &self.serving else { return false };
        if active.since.elapsed() > Duration::from_millis(PROBATION_MS) {
            self.previous = None;
        }
        let (calls, faults) = active.generation.counts();
        self.previous.is_some() && faults >= PROBATION_FAULTS && faults * 2 > calls
    }

    /// Lets the generation before serve again. Its file is not there any more, so this is a failed state.
    pub fn roll_back(&mut self, name: &str) {
        let Some(previous) = self.previous.take() else { return };
        let Some(failed) = self.serving.replace(previous) else { return };
        let (calls, faults) = failed.generation.counts();
        let version = &failed.generation.id.version;
        self.state = State::Failed;
        self.reason = Some(format!(
            "plugin '{name}' {version} was rolled back: {faults} of its first {calls} calls failed; mend the file"
        ));
    }

    pub fn status(&self, name: &str) -> PluginStatus {
        PluginStatus {
            name: name.to_owned(),
            state: self.state,
            reason: self.reason.clone(),
            digest: self.digest.clone(),
            source: self.source,
            serving: self.serving.as_ref().map(|active| active.generation.serving(active.number, active.since_ms)),
        }
    }
}
