//! What the view keeps of a document.

use weir_json_patch::{Document, Json, Members, after};
use weir_plugin_sdk::{Event, Payload, Problem};

use crate::{keys, time};

/// Bytes of an entry besides its id, topic and state: about so many, and at least so many before the state.
const MEMBERS_BYTES: usize = 160;
const MEMBERS_BYTES_MIN: usize = 100;

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

    pub fn write(&self) -> String {
        let text = |text: &str| Json::from(text).to_string();
        let Self { id, topic, version, created_at, updated_at, state } = self;
        let mut out = String::with_capacity(state.bytes() + id.len() + topic.len() + MEMBERS_BYTES);
        out.push_str(&format!(r#"{{"id":{},"topic":{},"version":{version}"#, text(id), text(topic)));
        out.push_str(&format!(r#","createdAt":"{created_at}","updatedAt":"{updated_at}","state":"#));
        state.json().unwrap_or(&Json::Null).write(&mut out);
        out.push('}');
        out
    }
}

fn string(text: &str) -> Option<String> {
    match Json::read(text) {
        Ok(Json::Text(text)) => Some(text.into()),
        _ => None,
    }
}

/// What comes before the state, in what `write` wrote; and how an entry begins whose state is its last member.
const STATE: &[u8; 8] = br#""state":"#;
const BEGINNING: &str = r#"{"id":"#;

/// The text of an entry's state. It is looked for where it can be at the earliest, and the state itself is not gone
/// over: a list may look at very many of them.
pub fn state<'t>(key: &str, entry: &'t str) -> Option<&'t str> {
    if !entry.starts_with(BEGINNING) {
        return Shown::read(entry).map(|shown| shown.state);
    }
    // In a name it can't stand: there its quotes would be escaped.
    let from = key.len() + MEMBERS_BYTES_MIN;
    let at = entry.as_bytes().get(from..)?.windows(STATE.len()).position(|eight| eight == STATE)?;
    entry.get(from + at + STATE.len()..entry.len() - 1)
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
    /// In what `write` wrote the state is the last member, and is not gone over.
    pub fn read(text: &'t str) -> Option<Self> {
        Self::of(Members::with_last(text, "state")).or_else(|| Self::of(Members::of(text)))
    }

    fn of(members: Members<'t>) -> Option<Self> {
        let mut shown = Self::default();
        for member in members {
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
        let Self { id, topic, version, created_at, updated_at, state } = &shown;
        let whole = ![id, topic, version, created_at, updated_at, state].iter().any(|text| text.is_empty());
        whole.then_some(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_whatever_the_order_of_its_members() {
        let one = r#"{"id":"a","topic":"t","version":1,"createdAt":"x","updatedAt":"y","state":{"state":1}}"#;
        let two = r#"{"createdAt":"x","id":"a","state":{"state":1},"topic":"t","updatedAt":"y","version":1}"#;
        for text in [one, two] {
            let shown = Shown::read(text).expect("an entry");
            assert_eq!((shown.id, shown.version, shown.state), (r#""a""#, "1", r#"{"state":1}"#));
        }
        for text in ["", "{}", "[]", r#"{"id":"a","state":1}"#, &one.replace("topic", "topics")] {
            assert!(Shown::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_state_of_what_was_written_is_found() {
        let payload = r#"{"patch":[{"op":"add","path":"","value":{"a":"\"state\":1","state":[]}}]}"#;
        for (stream, version, time_ms) in [("a", 1, 0), ("b:/x", u64::MAX, u64::MAX / 2), ("\"state\":", 7, 7)] {
            let event = weir_plugin_sdk::testing::stream_event("t", stream, version, "created", payload);
            let entry = Entry::after(None, &Event { time_ms, ..event }).expect("a patch").expect("a document");
            let text = entry.write();
            let expected = r#"{"a":"\"state\":1","state":[]}"#;
            assert_eq!(state(&keys::document("t", stream), &text), Some(expected), "{text}");
            assert_eq!(Shown::read(&text).expect("an entry").state, expected, "{text}");
        }
        let sorted = r#"{"createdAt":"x","id":"a","state":{"state":1},"topic":"t","updatedAt":"y","version":1}"#;
        assert_eq!(state("t/a", sorted), Some(r#"{"state":1}"#));
    }
}
