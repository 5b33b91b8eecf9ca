//! The words of the house as values: names, events, conditions, reads and limits.
//!
//! Nothing here does I/O, waits, or knows a framework. **Invariant:** a value of these types is well formed: it was
//! parsed at the door, so no room above checks it again.

mod condition;
mod event;
pub mod limits;
mod names;
mod read;
mod text;

pub use condition::{Condition, Conflict, Expected, IdempotencyKey};
pub use event::{
    COMMAND_KEY, Event, EventId, Metadata, NewEvent, PROVENANCE_KEY, Payload, Position, SERVER_KEYS, Sequence, Version,
};
pub use names::{CommandName, EventType, NameError, PluginName, StreamName, Tag, TopicName};
pub use read::{Direction, Filter, Form, Page, Read, Scope};
pub use text::{hex, one_line};
