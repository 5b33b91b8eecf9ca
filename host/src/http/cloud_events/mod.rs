//! CloudEvents 1.0 over HTTP: the border where CloudEvents become events, and events CloudEvents. `structured.rs` reads
//! JSON, `binary.rs` reads and writes headers, `intake.rs` makes new events, `outgoing.rs` looks at recorded ones as
//! CloudEvents, `write.rs` puts them into JSON. docs/cloudevents.md has the mapping. No version but 1.0, no format but
//! JSON, and no rules of Weir's own: an event that came as a CloudEvent is published like any other.

mod attributes;
mod binary;
mod fault;
mod intake;
mod outgoing;
mod own;
mod structured;
#[cfg(test)]
mod tests;
mod uri;
mod write;

use axum::http::{HeaderMap, StatusCode, header};

use super::accept::best;
use super::body::Body;
use super::problem::Problem;
use crate::model::{Condition, NewEvent, TopicName};

pub use binary::answer as binary_answer;
pub use write::{write_batch, write_event};

/// The media type of binary mode: it names no event format, because the event is in none.
const BINARY: &str = "application/cloudevents";
pub const STRUCTURED: &str = "application/cloudevents+json";
pub const BATCH: &str = "application/cloudevents-batch+json";

/// How one or more CloudEvents stand in an HTTP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Structured,
    Batch,
    Binary,
}

impl Mode {
    fn parse(media_type: &str) -> Option<Self> {
        let all = [Self::Structured, Self::Batch, Self::Binary];
        all.into_iter().find(|mode| mode.media_type().eq_ignore_ascii_case(media_type))
    }

    /// The mode of a request's body, or none: then it is not CloudEvents.
    fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let content_type = essence(content_type);
        match Self::parse(content_type) {
            Some(mode @ (Self::Structured | Self::Batch)) => Ok(Some(mode)),
            _ if is_cloud_events(content_type) => Err(unknown_format(content_type)),
            _ => Ok(binary::is_binary(headers).then_some(Self::Binary)),
        }
    }

    /// The mode that the client asks for, of those that its answer can have. None is the ordinary JSON.
    pub fn accepted(headers: &HeaderMap, offered: &[Self]) -> Option<Self> {
        let json = ("application/json", true, None);
        let offers = offered.iter().map(|mode| (mode.media_type(), false, Some(*mode)));
        best(headers, &std::iter::once(json).chain(offers).collect::<Vec<_>>()).flatten()
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Structured => STRUCTURED,
            Self::Batch => BATCH,
            Self::Binary => BINARY,
        }
    }
}

/// The specification's own rule: what begins so is CloudEvents, in whatever format.
fn is_cloud_events(content_type: &str) -> bool {
    content_type.get(..BINARY.len()).is_some_and(|start| start.eq_ignore_ascii_case(BINARY))
}

/// A media type without its parameters.
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

fn unknown_format(content_type: &str) -> Problem {
    let shown: String = content_type.chars().take(80).collect();
    let detail = format!("content type '{shown}' is not known here; send {STRUCTURED}, {BATCH}, or ce- headers");
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", detail)
}

/// New events, and the conditions that they carry.
type Read = (Vec<NewEvent>, Vec<Condition>);

/// Reads the CloudEvents of a publish request; none if it has no CloudEvents. `path` is the topic that the path names.
pub fn read(body: &Body, path: Option<&TopicName>) -> Result<Option<Read>, Problem> {
    match Mode::of(&body.1)? {
        None => Ok(None),
        Some(Mode::Structured) => structured::read(body, path).map(Some),
        Some(Mode::Batch) => structured::read_batch(body, path).map(Some),
        Some(Mode::Binary) => binary::read(body, path).map(Some),
    }
}
