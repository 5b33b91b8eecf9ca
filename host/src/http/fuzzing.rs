//! Requests that nobody would send, for the fuzz targets. Dev code: it panics when a parser breaks a promise.

use super::read_query::{Of, ReadQuery};
use crate::model::TopicName;

/// The query string of each kind of read.
pub fn query(text: &str) {
    let Ok(topic) = TopicName::parse("t") else { return };
    for of in [Of::Store, Of::Topic(&topic), Of::Stream(&topic)] {
        if let Ok(query) = ReadQuery::parse(Some(text), of) {
            assert!(query.selection.limit != Some(0) && query.wait_s <= 60, "{text:?}");
        }
    }
}
