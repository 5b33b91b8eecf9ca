//! What a plugin says of itself, checked: `describe()` is a guest's word, and so never trusted to be small or sane.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde_json::Value;
use std::pin::pin;

use super::bindings::exports::weir::plugin::lifecycle as wit;
use super::instance::{Blueprint, within};
use super::reporter::clean;
use super::sidecar::HttpAllow;
use super::{Interest, LoadError, grants};
use crate::model::limits::{CONFIG_SCHEMA_BYTES_MAX, MANIFEST_ENTRIES_MAX, MANIFEST_TEXT_BYTES_MAX};
use crate::model::{EventType, TopicName};

pub(super) struct Manifest {
    pub name: String,
    pub version: String,
    pub description: String,
    pub interests: Interests,
    /// The same as the author wrote them, to be shown.
    pub interests_asked: Vec<Interest>,
    /// Projections, process managers and deciders: a new number makes what was built before worthless.
    pub state_version: u32,
    /// JSON Schema of its config, for whoever writes a side-car. The component itself decides, in `init`.
    pub config_schema: Option<Value>,
    pub http: Vec<HttpAllow>,
    /// Names of secrets, and globs of topics, that it asks for.
    pub secrets: Vec<String>,
    pub append: Vec<String>,
    /// All wishes as short texts.
    pub wishes: Vec<String>,
}

impl Manifest {
    /// Asks a throw-away instance. `blueprint` has no doors: a guest that tries one here is refused.
    pub async fn ask(blueprint: &Blueprint) -> Result<Self, LoadError> {
        let mut instance = blueprint.bare().await.map_err(LoadError::Describe)?;
        instance.begin(&blueprint.bounds).map_err(LoadError::Describe)?;
        let lifecycle = instance.lifecycle.clone();
        let outcome =
            within(blueprint.bounds.call_timeout_ms, pin!(lifecycle.call_describe(&mut instance.store))).await;
        let manifest = instance.end(&blueprint.bounds, outcome).map_err(LoadError::Describe)?;
        Self::check(manifest)
    }

    pub(super) fn check(manifest: wit::Manifest) -> Result<Self, LoadError> {
        let refuse = |what: String| Err(LoadError::Manifest(what));
        let texts = [("name", &manifest.name), ("version", &manifest.version), ("description", &manifest.description)];
        for (key, text) in texts {
            if text.len() > MANIFEST_TEXT_BYTES_MAX {
                return refuse(format!("its {key} is {} bytes long", text.len()));
            }
        }
        if manifest.name.trim().is_empty() || manifest.version.trim().is_empty() {
            return refuse("it has no name or no version".into());
        }
        if manifest.interests.len() > MANIFEST_ENTRIES_MAX || manifest.wishes.len() > MANIFEST_ENTRIES_MAX {
            return refuse(format!("more than {MANIFEST_ENTRIES_MAX} interests or wishes"));
        }
        let config_schema = manifest.config_schema.map(|text| config_schema(&text)).transpose()?;
        let interests = manifest.interests.into_iter();
        let interests =
            interests.map(|i| Interest { topics: i.topics, event_types: i.event_types }).collect::<Vec<_>>();
        let (mut http, mut secrets, mut append, mut wishes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for wish in manifest.wishes {
            wishes.push(match wish {
                wit::Wish::Http(wish) => {
                    let text = grants::show(&wish.host, &wish.methods);
                    http.push(HttpAllow { host: wish.host, methods: wish.methods });
                    text
                }
                wit::Wish::Secret(name) => {
                    let text = format!("secret {name}");
                    secrets.push(name);
                    text
                }
                wit::Wish::Append(topics) => {
                    let text = format!("append {topics}");
                    append.push(topics);
                    text
                }
            });
        }
        Ok(Self {
            name: clean(&manifest.name),
            version: clean(&manifest.version),
            description: clean(&manifest.description),
            interests: Interests::new(&interests)?,
            interests_asked: interests,
            config_schema,
            state_version: manifest.state_version,
            http,
            secrets,
            append,
            wishes: wishes.iter().map(|wish| clean(wish)).collect(),
        })
    }
}

/// A text that must be a JSON object or a boolean, as every JSON Schema is.
fn config_schema(text: &str) -> Result<Value, LoadError> {
    if text.len() > CONFIG_SCHEMA_BYTES_MAX {
        return Err(LoadError::Manifest(format!("its config-schema is {} bytes long", text.len())));
    }
    match serde_json::from_str(text) {
        Ok(schema @ (Value::Object(_) | Value::Bool(_))) => Ok(schema),
        Ok(_) => {
            Err(LoadError::Manifest("its config-schema is no JSON Schema: neither an object nor a boolean".into()))
        }
        Err(error) => Err(LoadError::Manifest(clean(&format!("its config-schema is no JSON: {error}")))),
    }
}

/// Which events a plugin asked to see. No interests at all, and empty lists in one, mean all.
pub(super) struct Interests(Vec<(Option<GlobSet>, Option<GlobSet>)>);

impl Interests {
    pub fn new(interests: &[Interest]) -> Result<Self, LoadError> {
        let pairs = interests.iter().map(|i| Ok((globs(&i.topics)?, globs(&i.event_types)?)));
        Ok(Self(pairs.collect::<Result<_, LoadError>>()?))
    }

    pub fn in_topic(&self, topic: &TopicName) -> bool {
        self.0.is_empty() || self.0.iter().any(|(topics, _)| matches(topics, topic.as_str()))
    }

    pub fn matches(&self, topic: &TopicName, event_type: &EventType) -> bool {
        let of_both = |(topics, types): &(Option<GlobSet>, Option<GlobSet>)| {
            matches(topics, topic.as_str()) && matches(types, event_type.as_str())
        };
        self.0.is_empty() || self.0.iter().any(of_both)
    }
}

fn matches(globs: &Option<GlobSet>, text: &str) -> bool {
    globs.as_ref().is_none_or(|globs| globs.is_match(text))
}

pub(super) fn globs(patterns: &[String]) -> Result<Option<GlobSet>, LoadError> {
    if patterns.is_empty() || patterns.iter().any(|pattern| pattern == "*") {
        return Ok(None);
    }
    glob_set(patterns).map(Some)
}

pub(super) fn glob_set(patterns: &[String]) -> Result<GlobSet, LoadError> {
    if patterns.len() > MANIFEST_ENTRIES_MAX {
        return Err(LoadError::Manifest(format!("more than {MANIFEST_ENTRIES_MAX} globs in one list")));
    }
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let bad =
            |error: globset::Error| LoadError::Manifest(clean(&format!("'{pattern}' is no glob: {}", error.kind())));
        set.add(GlobBuilder::new(pattern).literal_separator(false).build().map_err(bad)?);
    }
    set.build().map_err(|error| LoadError::Manifest(clean(&error.to_string())))
}
