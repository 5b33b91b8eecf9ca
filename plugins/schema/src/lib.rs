//! The validator "schema": checks every payload against the JSON Schema that its topic keeps for its event type.
//! It does not store schemas: the host hands it each topic's configuration again after every start and change.

mod compile;
mod email;
mod parse;
mod tape;
mod topics;

use parse::Reader;
use topics::Topics;
use weir_plugin_sdk::{Manifest, NewEvent, NoConfig, Problem, Topic, Validator, Verdict, export_validator};

/// The compiled schemas of every topic that the host has told about.
#[derive(Default)]
pub struct Schema {
    topics: Topics,
    reader: Reader,
}

impl Validator for Schema {
    type Config = NoConfig;

    fn manifest() -> Manifest {
        Manifest::new("schema", env!("CARGO_PKG_VERSION"))
            .description("Checks payloads against the JSON Schemas of their topic")
    }

    fn init(_: NoConfig) -> Result<Self, String> {
        Ok(Self::default())
    }

    /// All or nothing: a topic that is refused keeps the schemas that it had.
    fn configure(&mut self, topic: &Topic) -> Result<(), Vec<Problem>> {
        self.topics.put(&topic.name, compile::schemas(&topic.config_json)?);
        Ok(())
    }

    fn validate(&mut self, event: &NewEvent) -> Verdict {
        let Some(schema) = self.topics.find(&event.topic, &event.event_type) else {
            let message = format!("No schema found for topic '{}' and type '{}'", event.topic, event.event_type);
            return Verdict::refuse(Problem::new("schema-missing", message));
        };
        match event.payload.as_json() {
            Some(text) => schema.judge(&mut self.reader, text),
            None => Verdict::refuse(Problem::new(
                "payload-not-json",
                "The payload is bytes, and the topic's schemas need JSON",
            )),
        }
    }
}

export_validator!(Schema);

#[cfg(test)]
mod parse_tests;
#[cfg(test)]
mod tests;
