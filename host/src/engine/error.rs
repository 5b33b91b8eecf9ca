//! Everything a verb of the engine can answer instead of success. HTTP maps each to a status in one exhaustive match.

use crate::model::{EventId, NameError, PluginName, StreamName, TopicName, Version};
use crate::plugin::{Kind, PluginError, PluginId, Refusal};
use crate::storage::{AppendError, RecordsError, StorageError};

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("Topic '{0}' not found")]
    TopicUnknown(TopicName),
    #[error("Topic '{0}' already exists")]
    TopicExists(TopicName),
    #[error("there are {limit} topics already, the most that one server keeps")]
    TopicsFull { limit: usize },
    #[error("there are {limit} followers already, the most that one server serves; try again later")]
    FollowersFull { limit: usize },
    #[error("adapter '{given}' does not exist; this server has: {}", known.join(", "))]
    AdapterUnknown { given: String, known: Vec<&'static str> },
    #[error("Cannot remove schemas. Missing eventTypes: {}", .0.join(", "))]
    SchemasRemoved(Vec<String>),
    /// The schemas cannot be used; nothing was stored.
    #[error("{}", .0.iter().map(|refusal| refusal.message.as_str()).collect::<Vec<_>>().join("; "))]
    SchemasRefused(Vec<Refusal>),
    /// All or nothing needs one log: the topics of a request must share a store.
    #[error(
        "topics '{first}' ({first_adapter}) and '{other}' ({other_adapter}) live in different stores; publish to them in separate requests"
    )]
    StoresMixed { first: TopicName, first_adapter: &'static str, other: TopicName, other_adapter: &'static str },
    /// A validator refused an event; nothing was stored.
    #[error("{}", refused_text(refusals))]
    Refused { index: usize, plugin: String, refusals: Vec<Refusal> },
    /// A topic's events must be validated, and nothing can do it now: publishing fails closed.
    #[error("events of topic '{topic}' must be validated by plugin '{plugin}', which is not active; see GET /plugins")]
    ValidatorMissing { topic: TopicName, plugin: &'static str },
    /// A read was to begin at an event that its store does not have.
    #[error("event '{0}' is not in this store; give the id of an event that is")]
    EventUnknown(EventId),
    /// An upcaster has no form of today for recorded events: nothing is served.
    #[error(transparent)]
    UpcastRefused(#[from] Box<UpcastRefused>),
    #[error(
        "topic '{0}' has no decider; bind one with the topic's member \"decider\", or with topics = [\"{0}\"] in a decider's side-car"
    )]
    NoDecider(TopicName),
    #[error("plugin '{plugin}' decides for topic '{topic}', and is not active; see GET /plugins")]
    DeciderMissing { topic: TopicName, plugin: String },
    #[error("plugin '{plugin}' is a {}, and no decider", kind.word())]
    DeciderWrong { plugin: PluginName, kind: Kind },
    #[error("plugin '{plugin}' does not know the command '{name}'")]
    CommandUnknown { plugin: String, name: String },
    /// Nothing was written.
    #[error("plugin '{plugin}' refused the command{}", Refusal::because(refusals))]
    CommandRefused { plugin: String, why: Refused, refusals: Vec<Refusal> },
    /// The state that a command would make is not as the topic asks; nothing was written.
    #[error("the state would not be as topic '{topic}' asks{}", Refusal::because(refusals))]
    StateRefused { topic: TopicName, refusals: Vec<Refusal> },
    /// A decider cannot read the events that its state is to be made of.
    #[error(transparent)]
    StateUnreadable(#[from] Box<StateUnreadable>),
    /// Others wrote to the stream every time; nothing was written.
    #[error(
        "stream '{stream}' of topic '{topic}' changed {attempts} times while the command was decided; send it again"
    )]
    CommandLost { topic: TopicName, stream: StreamName, attempts: usize },
    #[error("{limit} commands wait for their turn at this aggregate already; try again later")]
    CommandsWaiting { limit: usize },
    #[error("stream '{stream}' of topic '{topic}' has {head} events; there is no version {version}")]
    VersionUnknown { topic: TopicName, stream: StreamName, version: Version, head: Version },
    /// Retention took events away that a state is to be made of.
    #[error(
        "version {version} of stream '{stream}' in topic '{topic}' was deleted, so its state cannot be made any more"
    )]
    HistoryDeleted { topic: TopicName, stream: StreamName, version: Version },
    #[error(transparent)]
    Plugin(#[from] PluginError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Records(#[from] RecordsError),
    #[error(transparent)]
    Name(#[from] NameError),
}

/// Who refused a command, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The decider: the command itself is wrong.
    Invalid,
    /// The decider: not in this state.
    Conflict,
    /// A validator that guards commands.
    Guarded,
}

/// An upcaster's own words about what it was to upcast.
#[derive(Debug, thiserror::Error)]
#[error("plugin '{}' {} cannot upcast events from '{first}' on: {}", .plugin.name, .plugin.version, .refusal.message)]
pub struct UpcastRefused {
    pub plugin: PluginId,
    /// The first event that it was handed.
    pub first: EventId,
    pub refusal: Refusal,
}

/// A decider's own words about events of a stream.
#[derive(Debug, thiserror::Error)]
#[error("plugin '{}' {} cannot read the events of stream '{stream}' in topic '{topic}': {}", .plugin.name, .plugin.version, .refusal.message)]
pub struct StateUnreadable {
    pub plugin: PluginId,
    pub topic: TopicName,
    pub stream: StreamName,
    pub refusal: Refusal,
}

/// The code with which the schema plugin says that a type has no schema: its words are the whole message.
const SCHEMA_MISSING: &str = "schema-missing";

fn refused_text(refusals: &[Refusal]) -> String {
    if let [only] = refusals
        && only.code == SCHEMA_MISSING
    {
        return only.message.clone();
    }
    let parts: Vec<String> = refusals
        .iter()
        .map(|refusal| match refusal.pointer.as_deref() {
            Some(pointer) if !pointer.is_empty() => format!("{pointer}: {}", refusal.message),
            _ => refusal.message.clone(),
        })
        .collect();
    format!("Validation failed: {}", parts.join("; "))
}
