//! JSON Patch (RFC 6902), merge patches (RFC 7386) and the difference of two documents, and what the events `created`,
//! `patched` and `deleted` do to a document. Two plugins share this: the decider `json-patch`, which makes such events,
//! and the projection `current-state`, which folds them.
//!
//! It has its own JSON value, because numbers must stay what they were written as. serde_json can do that too
//! (`arbitrary_precision`), but Cargo would switch it on for every crate that is built in the same call, the server
//! too.

#![warn(missing_docs)]

mod apply;
mod arrays;
mod decimal;
mod diff;
mod document;
mod history;
mod json;
pub mod limits;
mod measure;
mod members;
mod merge;
mod object;
mod operation;
mod path;
mod read;
mod selection;
mod skip;
mod special;
mod write;

pub use decimal::Decimal;
pub use diff::difference;
pub use document::Document;
pub use history::{CREATED, DELETED, PATCHED, after};
pub use json::{Json, Number};
pub use members::Members;
pub use merge::merged;
pub use object::Object;
pub use operation::{Fault, Operation, Patch, PatchError};
pub use path::Path;
pub use read::ReadError;
pub use selection::Selection;
