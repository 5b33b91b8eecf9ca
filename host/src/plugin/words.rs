//! What the rooms above see of plugins: values in, values out. No WIT type and no wasmtime type leaves this room.

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

use super::sidecar::PluginLimits;
use super::{CallStats, Kept, OnTrap, Replay};
use crate::model::{Event, Metadata, NewEvent, PROVENANCE_KEY, Payload, StreamName, Tag, TopicName};

/// A topic as its creator described it: what a validator is configured with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSetting {
    pub topic: TopicName,
    /// Grows whenever the setting changes, so that a warm instance knows that what it remembers is old.
    pub revision: u64,
    /// `{"schemas":[…]}`, the bytes that the client sent for the list.
    pub config_json: Arc<str>,
}

/// What a view or a state is made by, besides the events: two of the same recipe are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    pub state_version: u32,
    /// The start of its configuration's SHA-256, in hex.
    pub config: String,
}

/// Why a guest refused something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Stable, machine readable.
    pub code: String,
    pub message: String,
    /// JSON pointer into the payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}

impl Refusal {
    /// What they say.
    pub fn messages(refusals: &[Self]) -> String {
        refusals.iter().map(|refusal| refusal.message.as_str()).collect::<Vec<_>>().join("; ")
    }

    /// The end of a sentence that says what was refused; nothing, if no reason is given.
    pub fn because(refusals: &[Self]) -> String {
        if refusals.is_empty() { String::new() } else { format!(": {}", Self::messages(refusals)) }
    }
}

/// What a validator says of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Accept,
    Replace(Payload),
    Reject(Vec<Refusal>),
}

/// Whom a sink delivers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub id: String,
    pub config_json: Arc<str>,
}

/// What a sink did with a batch: `accepted` events from the first, then `rest` for the one after them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub accepted: usize,
    pub rest: Rest,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rest {
    Done,
    /// Try again, after this many milliseconds if the other side said so.
    Retry {
        after_ms: Option<u64>,
        reason: String,
    },
    /// This event can never be delivered.
    Poison(Refusal),
    /// The target is gone for good.
    Gone(Refusal),
}

/// A wish that something happens, for a decider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Names it in the metadata of its events.
    pub id: String,
    pub name: String,
    pub topic: TopicName,
    pub stream: StreamName,
    pub payload: Payload,
    /// Who wishes it.
    pub actor: Option<String>,
    /// Labels that its events have besides their own.
    pub tags: Vec<Tag>,
    pub metadata: Metadata,
    /// Unix milliseconds.
    pub time_ms: u64,
}

/// Why a decider makes no events of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// The command itself is wrong.
    Invalid(Vec<Refusal>),
    /// The state does not allow it.
    Conflict(Refusal),
    UnknownCommand,
}

/// What a process manager asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Append(NewEvent),
    Execute(Command),
    /// A timer of the same key takes the place of the old one.
    SetTimer(Timer),
    CancelTimer(String),
}

/// A process manager's alarm clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    pub key: String,
    /// When it is due, in Unix milliseconds.
    pub at_ms: u64,
    pub payload: Payload,
}

/// Which plugin, so that every fault and every changed event can name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginId {
    pub name: String,
    pub version: String,
    /// SHA-256 of the component file, in hex.
    pub digest: String,
}

impl PluginId {
    /// Notes in an event's metadata that this plugin made or changed it; several are noted in their order.
    pub fn sign(&self, metadata: &mut Metadata) {
        let signature = [self.name.as_str(), " ", &self.version, " sha256:", &self.digest].concat();
        match metadata.iter_mut().find(|(key, _)| key == PROVENANCE_KEY) {
            Some((_, value)) => {
                value.push_str(", ");
                value.push_str(&signature);
            }
            None => metadata.push((PROVENANCE_KEY.to_owned(), signature)),
        }
    }
}

/// Why a call to a plugin gave no answer. The server and all other plugins go on.
#[derive(Debug, Clone, thiserror::Error)]
#[error("plugin '{}' {} ({}): {fault}", .plugin.name, .plugin.version, &.plugin.digest[..12.min(.plugin.digest.len())])]
pub struct PluginError {
    pub plugin: PluginId,
    pub fault: Fault,
}

/// What went wrong in a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("trapped: {0}")]
    Trap(String),
    #[error("used up its CPU limit ({0})")]
    Cpu(String),
    #[error("took longer than {0} ms")]
    Timeout(u64),
    #[error("needed more than its {0} bytes of memory")]
    Memory(u64),
    #[error("gave a wrong answer: {0}")]
    Answer(String),
    /// More than it may have, of something that the host counts.
    #[error("went over a limit: {0}")]
    Limit(String),
    /// Something that it was not granted, or that its kind must not do.
    #[error("did what it must not: {0}")]
    Denied(String),
    #[error("could not be started: {0}")]
    Start(String),
    /// Not the guest's fault: the host could not give it what it has a right to.
    #[error("was let down by its host: {0}")]
    Host(String),
    /// It failed too often, and nobody calls it for a while.
    #[error("is suspended for {seconds} s more: {faults} of its calls failed within a minute")]
    Suspended { faults: u32, seconds: u64 },
    /// Not the guest's fault: all instances are busy and the queue is full.
    #[error("is busy: {0} calls wait already")]
    Busy(usize),
}

impl Fault {
    /// What cannot be: the loader gives each kind its own role.
    pub(super) fn wrong_kind() -> Self {
        Self::Host("it is of another kind".into())
    }

    /// Whether the guest did something wrong.
    pub fn is_the_guests(&self) -> bool {
        !matches!(self, Self::Busy(_) | Self::Host(_) | Self::Suspended { .. })
    }

    /// One word, for metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Trap(_) => "trap",
            Self::Cpu(_) => "cpu",
            Self::Timeout(_) => "timeout",
            Self::Memory(_) => "memory",
            Self::Answer(_) => "answer",
            Self::Limit(_) => "limit",
            Self::Denied(_) => "denied",
            Self::Start(_) => "start",
            Self::Host(_) => "host",
            Self::Suspended { .. } => "suspended",
            Self::Busy(_) => "busy",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Validator,
    Upcaster,
    Decider,
    Projection,
    ProcessManager,
    Sink,
}

impl Kind {
    /// As people say it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Validator => "validator",
            Self::Upcaster => "upcaster",
            Self::Decider => "decider",
            Self::Projection => "projection",
            Self::ProcessManager => "process manager",
            Self::Sink => "sink",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Being read, compiled or tried; an older generation may be serving.
    Loading,
    Active,
    /// The newest file passed its trial and waits until somebody lets it serve; `replay` says what it would change.
    Held,
    /// Switched off until somebody resumes it.
    Paused,
    /// The newest file was taken back, by itself or by somebody; a generation before it serves.
    RolledBack,
    /// The newest file could not be taken; `reason` says why. `serving` tells whether an older generation serves.
    Failed,
    /// Switched off by its side-car.
    Disabled,
}

/// One plugin as `GET /plugins` shows it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginStatus {
    pub name: String,
    pub state: State,
    /// One sentence: why it failed or is disabled; absent when all is well.
    pub reason: Option<String>,
    /// The digest of the newest file seen, whether or not it serves.
    pub digest: Option<String>,
    /// `embedded` or `directory`.
    pub source: &'static str,
    /// What the newest file answered to recent events, against the one before it.
    pub replay: Option<Replay>,
    /// The generation that answers calls now; of a paused plugin, the one that will.
    pub serving: Option<Serving>,
    /// Generations to go back to, oldest first; the one that serves is the last.
    pub kept: Vec<Kept>,
    /// Digests that were rolled back.
    pub refused: Vec<String>,
}

/// The generation that answers calls.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Serving {
    pub kind: Kind,
    /// What the component calls itself.
    pub name: String,
    pub version: String,
    pub description: String,
    pub digest: String,
    /// Counts up with every swap of this plugin, from 1.
    pub generation: u64,
    /// Unix milliseconds of the swap.
    pub since_ms: u64,
    pub source: &'static str,
    pub calls: u64,
    pub faults: u64,
    /// It failed too often; nobody calls it for so many seconds more.
    pub suspended_s: Option<u64>,
    pub on_trap: OnTrap,
    /// Events that it wants to see, and what its state and config are, as the component says.
    pub interests: Vec<Interest>,
    pub state_version: u32,
    pub config_schema: Option<Value>,
    /// What one call and one instance may use up: the operator's numbers, or the defaults.
    pub limits: PluginLimits,
    pub instances: usize,
    pub stats: CallStats,
    /// What the component asks for, and what the operator gives, as short texts (`http POST *`).
    pub wishes: Vec<String>,
    pub grants: Vec<String>,
}

/// Real input for trying a new generation before it serves. The engine implements it; the plugin room stays below.
#[async_trait]
pub trait Rehearsal: Send + Sync + 'static {
    /// All topics that have a setting.
    fn settings(&self) -> Vec<Arc<TopicSetting>>;
    /// All topics.
    fn topics(&self) -> Vec<TopicName>;
    /// The last events of a topic, oldest first.
    async fn recent(&self, topic: &TopicName, limit: usize) -> Vec<Event>;
    /// The first events of a stream.
    async fn stream(&self, topic: &TopicName, stream: &StreamName, limit: usize) -> Vec<Event>;
}

/// Outbound HTTP for sinks. The delivery room implements it with its HTTP library.
#[async_trait]
pub trait HttpClient: Send + Sync + 'static {
    async fn send(&self, grant: &HttpGrant, request: HttpRequest) -> Result<HttpResponse, HttpError>;
}

/// Where a plugin may send requests: its wish, cut down to what the operator grants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpGrant {
    pub rules: Vec<HttpRule>,
    /// Addresses that are not public (loopback, link-local, private networks) may be called too.
    pub private_addresses: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRule {
    /// A host name, `*.suffix`, or `*`.
    pub host: String,
    /// Upper-case methods; empty means any.
    pub methods: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub timeout_ms: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpError {
    Denied(String),
    Timeout,
    Connect(String),
    TooLarge(u64),
    Protocol(String),
}

/// A set of topics and event types that a plugin asks to see. Empty lists mean all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Interest {
    pub topics: Vec<String>,
    pub event_types: Vec<String>,
}
