//! One name in the list of plugins: what serves under it, and what became of the newest file.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::archive::Memory;
use super::directory::Files;
use super::generation::Generation;
use super::{
    Decider, Kept, Kind, PluginId, PluginStatus, ProcessManager, Projection, Replay, Sink, State, Upcaster, Validator,
};
use crate::model::limits::{PLUGIN_GENERATIONS_KEPT, PROBATION_FAULTS};

pub(super) struct Slot {
    pub state: State,
    pub reason: Option<String>,
    pub digest: Option<String>,
    pub source: &'static str,
    pub serving: Option<Active>,
    /// The new one is on probation until then; a burst of faults brings the one before it back.
    pub probation: Option<Instant>,
    /// Generations that served before, loaded still: to go back to them takes no time. Oldest first.
    pub retired: Vec<Active>,
    /// A new generation that waits until somebody lets it serve.
    pub held: Option<Arc<Generation>>,
    /// What the newest file answered to recent events.
    pub replay: Option<Replay>,
    /// The files as they were when they were last handled.
    pub files: Option<Files>,
    /// What those files said: the same again is no reason to load.
    pub content: Option<Content>,
    pub retry: Option<Retry>,
    /// What survives a restart.
    pub memory: Memory,
}

/// What a load depends on besides the server: the digests of component, side-car and config, and where the component is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub component: String,
    pub sidecar: Option<String>,
    pub config: Option<String>,
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
    pub fn new(source: &'static str, memory: Memory) -> Self {
        Self {
            state: State::Loading,
            reason: None,
            digest: None,
            source,
            serving: None,
            probation: None,
            retired: Vec::new(),
            held: None,
            replay: None,
            files: None,
            content: None,
            retry: None,
            memory,
        }
    }

    /// Lets a generation serve. Calls that run on the old one hold it until they end.
    pub fn activate(&mut self, generation: Arc<Generation>) {
        self.memory.generations += 1;
        let (number, since_ms) = (self.memory.generations, super::now_ms());
        let PluginId { version, digest, .. } = generation.id.clone();
        self.memory.keep(Kept { generation: number, version, digest, since_ms });
        let probation = Duration::from_millis(generation.probation_ms);
        let active = Active { role: Role::of(&generation), generation, number, since_ms };
        self.probation = None;
        let same = |old: &Active| self.memory.kept.last().is_some_and(|now| now.digest == old.generation.id.digest);
        // The same file with another side-car is nothing to go back from: who goes back refuses the file.
        if let Some(old) = self.serving.replace(active).filter(|old| !same(old)) {
            self.probation = Some(Instant::now() + probation);
            self.retire(old);
        }
    }

    /// Keeps a generation without its instances, and lets the oldest go.
    fn retire(&mut self, old: Active) {
        old.generation.pool.drain();
        self.retired.push(old);
        let surplus = self.retired.len().saturating_sub(PLUGIN_GENERATIONS_KEPT - 1);
        self.retired.drain(..surplus);
    }

    /// Whether the new generation fails so often that the one before is better. Ends its probation in time.
    pub fn is_failing(&mut self) -> bool {
        if self.probation.is_some_and(|until| Instant::now() > until) {
            self.probation = None;
        }
        let (Some(active), Some(_)) = (&self.serving, self.probation) else { return false };
        let (calls, faults) = active.generation.counts();
        !self.retired.is_empty() && faults >= PROBATION_FAULTS && faults * 2 > calls
    }

    /// Lets the generation before serve again, if it is loaded still. The file of the newer one is refused from now on.
    pub fn roll_back(&mut self, name: &str, why: RolledBack) -> bool {
        let Some(failed) = self.serving.take() else { return false };
        let good = self.retired.iter().rposition(|old| !self.memory.refused.contains(&old.generation.id.digest));
        let Some(previous) = good.map(|index| self.retired.remove(index)) else {
            self.serving = Some(failed);
            return false;
        };
        let (calls, faults) = failed.generation.counts();
        let version = &failed.generation.id.version;
        let why = match why {
            RolledBack::ByFaults => format!("{faults} of its first {calls} calls failed; mend the file"),
            RolledBack::BySomebody => "somebody asked for it; put in another file, or reload this one".to_owned(),
        };
        self.state = State::RolledBack;
        self.reason = Some(format!("plugin '{name}' {version} was rolled back: {why}"));
        self.memory.refuse(failed.generation.id.digest.clone());
        let PluginId { version, digest, .. } = previous.generation.id.clone();
        self.memory.keep(Kept { generation: previous.number, version, digest, since_ms: previous.since_ms });
        previous.generation.pool.reopen();
        self.serving = Some(previous);
        self.probation = None;
        failed.generation.pool.drain();
        true
    }

    /// What answers calls, unless it is paused.
    pub fn open(&self) -> Option<&Active> {
        self.serving.as_ref().filter(|_| !self.memory.paused)
    }

    pub fn status(&self, name: &str) -> PluginStatus {
        let (state, reason) = match self.memory.paused {
            true => (State::Paused, Some(format!("plugin '{name}' is paused; resume it to let it serve"))),
            false => (self.state, self.reason.clone()),
        };
        PluginStatus {
            name: name.to_owned(),
            state,
            reason,
            digest: self.digest.clone(),
            source: self.source,
            replay: self.replay.clone(),
            serving: self.serving.as_ref().map(|active| active.generation.serving(active.number, active.since_ms)),
            kept: self.memory.kept.clone(),
            refused: self.memory.refused.clone(),
        }
    }
}

/// Who took a generation back.
#[derive(Debug, Clone, Copy)]
pub(super) enum RolledBack {
    ByFaults,
    BySomebody,
}
