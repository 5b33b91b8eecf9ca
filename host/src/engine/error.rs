//! Everything a verb of the engine can answer instead of success. HTTP maps each to a status in one exhaustive match.

use crate::model::{EventId, NameError, TopicName};
use crate::plugin::{PluginError, PluginId, Refusal};
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

/// An upcaster's own words about what it was to upcast.
#[derive(Debug, thiserror::Error)]
#[error("plugin '{}' {} cannot upcast events from '{first}' on: {}", .plugin.name, .plugin.version, .refusal.message)]
pub struct UpcastRefused {
    pub plugin: PluginId,
    /// The first event that it was handed.
    pub first: EventId,
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
