//! What the view keeps of a document.

use weir_json_patch::{Document, Json, Members, after};
use weir_plugin_sdk::{Event, Payload, Problem};

use crate::{keys, time};

/// Bytes of an entry besides its id, topic and state: about so many.
const MEMBERS_BYTES: usize = 160;

/// `{"id", "topic", "version", "createdAt", "updatedAt", "state"}`
pub struct Entry {
    id: String,
    topic: String,
    version: u64,
    created_at: String,
    updated_at: String,
    pub state: Document,
}

impl Entry {
    /// The entry after an event of its stream; none if there is no document any more.
    pub fn after(entry: Option<Self>, event: &Event) -> Result<Option<Self>, Problem> {
        let (created_at, document) = match entry {
            Some(entry) => (Some(entry.created_at), entry.state),
            None => (None, Document::default()),
        };
        let state = after(document, event)?;
        let updated_at = time::rfc_3339(event.time_ms);
        Ok(state.json().is_some().then(|| Self {
            id: event.stream.clone().unwrap_or_default(),
            topic: event.topic.clone(),
            version: event.version.unwrap_or_default(),
            created_at: created_at.unwrap_or_else(|| updated_at.clone()),
            updated_at,
            state,
        }))
    }

    pub fn read(key: &str, kept: &Payload) -> Result<Self, Problem> {
        let entry = kept.as_json().and_then(|text| Self::parse(&Shown::read(text)?));
        entry.ok_or_else(|| keys::unexpected(key))
    }

    fn parse(shown: &Shown<'_>) -> Option<Self> {
        Some(Self {
            id: string(shown.id)?,
            topic: string(shown.topic)?,
            version: shown.version.parse().ok()?,
            created_at: string(shown.created_at)?,
            updated_at: string(shown.updated_at)?,
            state: Document::read(shown.state).ok()?,
        })
    }

    pub fn write(&self) -> Payload {
        let text = |text: &str| Json::from(text).to_string();
        let Self { id, topic, version, created_at, updated_at, state } = self;
        let mut out = String::with_capacity(state.bytes() + id.len() + topic.len() + MEMBERS_BYTES);
        out.push_str(&format!(r#"{{"id":{},"topic":{},"version":{version}"#, text(id), text(topic)));
        out.push_str(&format!(r#","createdAt":"{created_at}","updatedAt":"{updated_at}","state":"#));
        state.json().unwrap_or(&Json::Null).write(&mut out);
        out.push('}');
        Payload::Json(out)
    }
}

fn string(text: &str) -> Option<String> {
    match Json::read(text) {
        Ok(Json::Text(text)) => Some(text.into()),
        _ => None,
    }
}

/// The texts of an entry's members, for a list that shows them as they are.
#[derive(Default)]
pub struct Shown<'t> {
    pub id: &'t str,
    topic: &'t str,
    pub version: &'t str,
    pub created_at: &'t str,
    pub updated_at: &'t str,
    pub state: &'t str,
}

impl<'t> Shown<'t> {
    /// Only of what `write` wrote: the state is its last member, and is not gone over.
    pub fn read(text: &'t str) -> Option<Self> {
        let mut shown = Self::default();
        for member in Members::with_last(text, "state") {
            let (name, value) = member.ok()?;
            match name.as_ref() {
                "id" => shown.id = value,
                "topic" => shown.topic = value,
                "version" => shown.version = value,
                "createdAt" => shown.created_at = value,
                "updatedAt" => shown.updated_at = value,
                "state" => shown.state = value,
                _ => return None,
            }
        }
        Some(shown).filter(|shown| !shown.state.is_empty())
    }
}
