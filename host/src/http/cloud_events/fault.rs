//! What is wrong with a CloudEvent, named with its attribute and its mend, and the Problem made of it.

use serde_json::{Value, json};

use crate::http::problem::Problem;
use crate::model::{NameError, limits};

/// One thing that is wrong with a CloudEvent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The attribute's name, shortened, or none if it is about the whole event.
    attribute: Option<String>,
    reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("is missing; a CloudEvent has at least specversion, id, source and type")]
    Missing,
    #[error("is missing; name the topic with it, or send the event to /topics/{{topic}}/events")]
    TopicMissing,
    #[error("is there more than once; send it once")]
    Repeated,
    #[error("is not an attribute's name; names have lower-case letters and digits only")]
    Name,
    #[error("is not known; names that begin with 'weir' are the server's own, see docs/cloudevents.md")]
    ServersOwn,
    #[error("is '{0}'; this server takes specversion '1.0'")]
    SpecVersion(String),
    #[error("must be a string, a boolean, or a whole number of 32 bits; send anything else as a string")]
    Type,
    #[error("must be a string")]
    NotText,
    #[error("is empty; give it a value, or leave it out")]
    Empty,
    #[error("has the character U+{0:04X}, which attributes must not have")]
    Character(u32),
    #[error("is not a URI-reference as in RFC 3986; percent-encode what a URI can't have")]
    UriReference,
    #[error("is not a URI as in RFC 3986; begin it with a scheme, and percent-encode what a URI can't have")]
    Uri,
    #[error("is not a time as in RFC 3339, like 2026-01-31T10:20:30Z")]
    Time,
    #[error("is not a media type, like application/json")]
    MediaType,
    #[error("has a '%' that begins no escape like %20; write a percent sign as %25")]
    Escape,
    #[error("has escapes that are not UTF-8")]
    EscapedUtf8,
    #[error("has bytes that are not printable ASCII; percent-encode them")]
    HeaderBytes,
    #[error("is the header content-type in binary mode; leave ce-datacontenttype out")]
    ContentType,
    #[error("is no header in binary mode: data is the body")]
    DataHeader,
    #[error("excludes data_base64; send one of them")]
    DataTwice,
    #[error("is not base64: {0}")]
    Base64(String),
    #[error("is not JSON, as the content type says it is: {0}")]
    NotJson(String),
    #[error("must be a string, because the datacontenttype is not JSON")]
    DataNotText,
    #[error("names no event type of Weir: {0}")]
    EventType(NameError),
    #[error("names no topic: {0}")]
    Topic(NameError),
    #[error("names no stream: {0}")]
    Stream(NameError),
    #[error("must be a JSON array of strings: {0}")]
    Tags(String),
    #[error("must be a JSON object whose values are strings: {0}")]
    Metadata(String),
    #[error("must be a number from 0, 'none', 'exists' or 'any'")]
    ExpectedVersion,
    #[error("needs a stream; add weirstream, or leave it out")]
    StreamMissing,
    #[error("must be a JSON object: {0}")]
    NotObject(String),
    #[error(
        "has too many or too long attributes; they may have {entries} entries and {bytes} bytes",
        entries = limits::EVENT_METADATA_ENTRIES_MAX,
        bytes = limits::EVENT_METADATA_BYTES_MAX
    )]
    TooMuch,
}

impl Reason {
    pub fn of(self, attribute: &str) -> Fault {
        // A hostile name can be a megabyte long.
        Fault { attribute: Some(attribute.chars().take(80).collect()), reason: self }
    }

    pub fn of_event(self) -> Fault {
        Fault { attribute: None, reason: self }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.attribute {
            Some(attribute) => write!(f, "attribute '{attribute}' {}", self.reason),
            None => write!(f, "a CloudEvent {}", self.reason),
        }
    }
}

impl Fault {
    pub fn is_of(&self, attribute: &str) -> bool {
        self.attribute.as_deref() == Some(attribute)
    }

    fn json(&self, event: Option<usize>) -> Value {
        let mut value = json!({ "message": self.to_string() });
        if let Some(attribute) = &self.attribute {
            value["attribute"] = attribute.as_str().into();
        }
        if let Some(event) = event {
            value["event"] = event.into();
        }
        value
    }
}

/// 400 with all faults of one event.
pub fn refuse(faults: &[Fault]) -> Problem {
    let shown = faults.iter().take(limits::CLOUD_EVENT_FAULTS_SHOWN);
    problem(faults.first().map(Fault::to_string), shown.map(|fault| fault.json(None)).collect())
}

/// 400 with the faults of a batch, each with its event's place in it.
pub fn refuse_batch(faults: &[(usize, Fault)]) -> Problem {
    let first = faults.first().map(|(event, fault)| format!("event {event}: {fault}"));
    let shown = faults.iter().take(limits::CLOUD_EVENT_FAULTS_SHOWN);
    problem(first, shown.map(|(event, fault)| fault.json(Some(*event))).collect())
}

fn problem(first: Option<String>, errors: Vec<Value>) -> Problem {
    let more = if errors.len() > 1 { "; see errors for more" } else { "" };
    let detail = format!("Not a CloudEvent that can be published: {}{more}", first.unwrap_or_default());
    Problem::bad_request("INVALID_CLOUD_EVENT", detail).with("errors", errors.into())
}
