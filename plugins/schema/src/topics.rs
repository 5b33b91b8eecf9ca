//! Compiled schemas by topic and event type, and the verdict of one of them on one payload.

use std::collections::HashMap;

use jsonschema::ValidationError;
use weir_plugin_sdk::{Problem, Verdict};

use crate::parse::Reader;
use crate::tape::{Flat, Tape};

/// More violations than this help nobody, and a hostile payload could have millions.
const VIOLATIONS_MAX: usize = 32;

/// A message quotes the value that it complains about; a megabyte of it helps nobody either.
const MESSAGE_BYTES_MAX: usize = 1_000;

/// Event type to schema.
pub type Schemas = HashMap<String, Schema>;

/// Two maps instead of one with a pair as key, so that a look-up allocates nothing.
#[derive(Default)]
pub struct Topics(HashMap<String, Schemas>);

impl Topics {
    /// Remembers a topic's schemas instead of those it had.
    pub fn put(&mut self, topic: &str, schemas: Schemas) {
        self.0.insert(topic.to_owned(), schemas);
    }

    pub fn find(&self, topic: &str, event_type: &str) -> Option<&Schema> {
        self.0.get(topic)?.get(event_type)
    }
}

/// One compiled schema.
pub struct Schema(pub jsonschema::Validator<Flat>);

impl Schema {
    /// Whether it is valid costs far less to find out than why not, and most payloads are.
    pub fn judge(&self, reader: &mut Reader, text: &str) -> Verdict {
        let verdict = reader.read(text, |payload| match self.0.is_valid(payload.root()) {
            true => Verdict::Accept,
            false => self.refuse(payload),
        });
        verdict.unwrap_or_else(|| Verdict::refuse(no_json(text)))
    }

    fn refuse(&self, payload: &Tape<'_>) -> Verdict {
        Verdict::Reject(
            self.0.iter_errors(payload.root()).take(VIOLATIONS_MAX).map(|error| violation(&error)).collect(),
        )
    }
}

/// The reader does not say why it refused; this happens too seldom to be quick.
fn no_json(text: &str) -> Problem {
    let reason = match serde_json::from_str::<serde_json::Value>(text) {
        Err(error) => error.to_string(),
        Ok(_) => "it can't be read".into(),
    };
    Problem::new("payload-not-json", format!("The payload is not JSON: {reason}"))
}

fn violation(error: &ValidationError<'_>) -> Problem {
    Problem::new("schema-violation", shortened(error.to_string())).at(error.instance_path().as_str())
}

/// Cut at a character's border, with a mark that something is missing.
pub fn shortened(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES_MAX {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        message.push('…');
    }
    message
}
