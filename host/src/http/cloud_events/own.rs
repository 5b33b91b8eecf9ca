//! What the attributes that only Weir gives a meaning say. They are text, as any attribute, with JSON in it where they hold
//! several things.

use super::attributes::Value;
use super::fault::Reason;
use crate::http::event_body::{Entries, Text};
use crate::model::{Expected, Metadata, SERVER_KEYS, Tag, limits};

/// `weirexpectedversion`, in the words of an ordinary publish's `expectedVersion`; `any` is no condition.
pub fn expected(value: &Value<'_>) -> Result<Option<Expected>, Reason> {
    match value.to_string().as_str() {
        "none" => Ok(Some(Expected::None)),
        "exists" => Ok(Some(Expected::Exists)),
        "any" => Ok(None),
        text => text.parse().map(|version| Some(Expected::Exactly(version))).map_err(|_| Reason::ExpectedVersion),
    }
}

/// `weirtags`
pub fn tags(text: &str) -> Result<Vec<Tag>, Reason> {
    let refuse = |why: &dyn ToString| Reason::Tags(why.to_string());
    let texts: Vec<Text<'_>> = serde_json::from_str(text).map_err(|error| refuse(&error))?;
    if texts.len() > limits::EVENT_TAGS_MAX {
        return Err(Reason::Tags(format!("an event has at most {} tags", limits::EVENT_TAGS_MAX)));
    }
    texts.iter().map(|text| Tag::parse(&text.0).map_err(|error| refuse(&error))).collect()
}

/// `weirmetadata`: what of another event's metadata is no attribute; what another server added for itself is dropped.
pub fn metadata(text: &str) -> Result<Metadata, Reason> {
    let Entries(entries) = serde_json::from_str(text).map_err(|error| Reason::Metadata(error.to_string()))?;
    let ours = entries.into_iter().filter(|(key, _)| !key.starts_with(SERVER_KEYS));
    Ok(ours.map(|(key, value)| (key.into_owned(), value.into_owned())).collect())
}
