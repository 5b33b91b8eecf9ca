//! What the operator says: which topics, and which fields are to be found quickly.

use serde::Deserialize;
use weir_json_patch::{Json, Object};
use weir_plugin_sdk::{Payload, Problem, View};

use crate::field::Field;
use crate::keys;

/// Indexes of one plugin: each is one more entry for a document.
pub const INDEXES_MAX: usize = 64;

/// JSON Schema of the config.
pub const SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "topics": {
      "type": "array",
      "items": {"type": "string"},
      "description": "Only these topics; without it all of them"
    },
    "indexes": {
      "type": "array",
      "maxItems": 64,
      "description": "Fields whose equal values are found without looking at every document. A change needs a rebuild",
      "items": {
        "type": "object",
        "additionalProperties": false,
        "required": ["topic", "field"],
        "properties": {"topic": {"type": "string"}, "field": {"type": "string"}}
      }
    }
  }
}"#;

/// The config as it is in the side-car.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    topics: Vec<String>,
    indexes: Vec<IndexConfig>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct IndexConfig {
    topic: String,
    field: String,
}

impl Config {
    pub fn check(self) -> Result<(Vec<String>, Indexes), String> {
        let names = self.topics.iter().chain(self.indexes.iter().map(|index| &index.topic));
        if let Some(name) = names.into_iter().find(|name| !keys::is_topic(name)) {
            return Err(format!("'{name}' is no name of a topic: letters, digits, '.', '_' and '-'"));
        }
        if self.indexes.len() > INDEXES_MAX {
            return Err(format!("there are {} indexes; have at most {INDEXES_MAX}", self.indexes.len()));
        }
        let mut indexes: Vec<Index> = Vec::new();
        for (place, IndexConfig { topic, field }) in self.indexes.into_iter().enumerate() {
            let field = Field::read(&field).map_err(|reason| format!("indexes[{place}]: {reason}"))?;
            let index = Index { topic, field };
            if indexes.contains(&index) {
                return Err(format!("indexes[{place}] is there twice; take one away"));
            }
            indexes.push(index);
        }
        Ok((self.topics, Indexes(indexes)))
    }
}

/// A field of the documents of a topic that has entries of its own in the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    pub topic: String,
    pub field: Field,
}

/// The indexes; an index is named by its place here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Indexes(Vec<Index>);

impl Indexes {
    /// Those that the view is built with; none if it is not begun.
    pub fn stored(view: &View) -> Result<Option<Self>, Problem> {
        view.get_raw(keys::BUILT_WITH)
            .map(|kept| Self::parse(&kept).ok_or_else(|| keys::unexpected(keys::BUILT_WITH)))
            .transpose()
    }

    pub fn store(&self, view: &View) {
        let index = |index: &Index| {
            let (topic, field) = (index.topic.as_str().into(), index.field.as_str().into());
            Json::Object(Object::of(vec![("topic".into(), topic), ("field".into(), field)]))
        };
        let indexes = Json::Array(self.0.iter().map(index).collect());
        view.put_raw(keys::BUILT_WITH, &Payload::Json(indexes.to_string()));
    }

    fn parse(kept: &Payload) -> Option<Self> {
        let Ok(Json::Array(items)) = Json::read(kept.as_json()?) else { return None };
        let index = |item: Json| {
            let text = |name: &str| match item.at(&[name.into()]) {
                Some(Json::Text(text)) => Some(text.to_string()),
                _ => None,
            };
            Some(Index { topic: text("topic")?, field: Field::read(&text("field")?).ok()? })
        };
        items.into_iter().map(index).collect::<Option<_>>().map(Self)
    }

    /// The indexes of a topic, each with its place.
    pub fn of_topic(&self, topic: &str) -> impl Iterator<Item = (usize, &Field)> {
        let indexes = self.0.iter().enumerate();
        indexes.filter(move |(_, index)| index.topic == topic).map(|(place, index)| (place, &index.field))
    }
}
