//! The shape of the events, and the topic's schema that every event is checked against.

use serde::Serialize;
use serde_json::{Value, json};

use crate::numstat::Commit;

pub const TOPIC: &str = "commits";
pub const EVENT_TYPE: &str = "commit-made";

/// An event as `POST /events` takes it.
#[derive(Serialize)]
pub struct Event<'a> {
    topic: &'static str,
    #[serde(rename = "type")]
    event_type: &'static str,
    /// All of one author's commits: `GET /topics/commits/streams/author:ann-lee` reads them.
    stream: String,
    payload: &'a Commit,
}

/// A commit as an event.
pub fn of(commit: &Commit) -> Event<'_> {
    Event { topic: TOPIC, event_type: EVENT_TYPE, stream: format!("author:{}", slug(&commit.author)), payload: commit }
}

impl Event<'_> {
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// Names of streams have few letters: the others become a dash. Names without any become `unknown`.
fn slug(name: &str) -> String {
    const CHARS_MAX: usize = 100;
    let plain: String =
        name.chars().map(|one| if one.is_ascii_alphanumeric() { one.to_ascii_lowercase() } else { ' ' }).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    match words.join("-") {
        slug if slug.is_empty() => "unknown".to_owned(),
        slug => slug.chars().take(CHARS_MAX).collect(),
    }
}

/// The body of `POST /topics`.
pub fn topic() -> Value {
    let count = json!({ "type": "integer", "minimum": 0 });
    json!({
        "name": TOPIC,
        "schemas": [{
            "eventType": EVENT_TYPE,
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "A commit was made",
            "type": "object",
            "properties": {
                "hash": { "type": "string", "pattern": "^([0-9a-f]{40}|[0-9a-f]{64})$" },
                "time": { "type": "string", "format": "date-time" },
                "author": { "type": "string" },
                "subject": { "type": "string" },
                "files": count,
                "insertions": count,
                "deletions": count
            },
            "required": ["hash", "time", "author", "subject", "files", "insertions", "deletions"],
            "additionalProperties": false
        }]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_all_that_the_schema_requires_and_nothing_else() {
        let event = of(&Commit { author: "Ann Lee".to_owned(), ..Commit::default() }).to_json().expect("JSON");
        let event: Value = serde_json::from_str(&event).expect("JSON");
        let keys: Vec<&String> = event["payload"].as_object().expect("an object").keys().collect();
        let mut required: Vec<Value> = topic()["schemas"][0]["required"].as_array().expect("a list").clone();
        required.sort_by_key(ToString::to_string);
        assert_eq!(json!(keys), json!(required));
        assert_eq!(event["stream"], "author:ann-lee");
    }

    #[test]
    fn every_author_has_a_stream() {
        for (name, expected) in
            [("Zoë  O'Neil..", "zo-o-neil"), ("", "unknown"), ("李雷", "unknown"), ("a@b/c", "a-b-c")]
        {
            assert_eq!(slug(name), expected);
        }
        assert_eq!(slug(&"x".repeat(500)).len(), 100);
    }
}
