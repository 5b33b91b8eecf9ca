//! Topics that the operator keeps in files, `topics/<name>.json` in the config directory: each as the body of `POST /topics`. When
//! the server starts they are made, or changed to be as their files say; what a file does not name stays as it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use axum::http::HeaderMap;
use serde_json::Value;
use serde_json::value::RawValue;

use super::body::Body;
use super::problem::Problem;
use super::topics::new_topic;
use crate::engine::{Engine, NewTopic, Topic, TopicChange};
use crate::model::TopicName;
use crate::model::limits::{TOPIC_FILE_BYTES_MAX, TOPICS_MAX};

/// The first file that cannot be followed.
#[derive(Debug, thiserror::Error)]
#[error("topic file {path}: {why}")]
pub struct DeclareError {
    path: String,
    why: String,
}

/// What a file came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Made,
    Changed,
    Same,
}

/// Makes the topics of a directory, which need not be there.
pub async fn declare_topics(engine: &Engine, dir: &Path) -> Result<(), DeclareError> {
    let failed = |path: &Path, why: String| DeclareError { path: path.display().to_string(), why };
    for (name, path) in files(dir).map_err(|error| failed(dir, error.to_string()))? {
        match declare(engine, &name, &path).await {
            Ok(Done::Same) => {}
            Ok(done) => tracing::info!(topic = name, ?done, "as its file says"),
            Err(why) => return Err(failed(&path, why)),
        }
    }
    Ok(())
}

/// The files by the names of their topics.
fn files(dir: &Path) -> std::io::Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        // Editors' temporary files begin with these.
        if is_json && path.is_file() && !stem.starts_with(['.', '#', '~']) {
            found.insert(stem, path);
        }
        if found.len() > TOPICS_MAX {
            return Err(std::io::Error::other(format!("it has more than {TOPICS_MAX} files")));
        }
    }
    Ok(found)
}

async fn declare(engine: &Engine, name: &str, path: &Path) -> Result<Done, String> {
    let told = |problem: Problem| problem.body()["detail"].as_str().unwrap_or_default().to_owned();
    let topic = TopicName::parse(name).map_err(|error| error.to_string())?;
    let bytes = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if bytes > TOPIC_FILE_BYTES_MAX {
        return Err(format!("it has {bytes} bytes, and may have {TOPIC_FILE_BYTES_MAX}"));
    }
    let text = std::fs::read(path).map_err(|error| error.to_string())?;
    let (given, new) = new_topic(&Body(text.into(), HeaderMap::new())).map_err(told)?;
    if given.is_some_and(|given| given != name) {
        return Err(format!("the name in it must be '{name}', as the file is called, or left out"));
    }
    let Ok(there) = engine.topic(&topic) else {
        engine.create_topic(topic, new).await.map_err(|error| told(error.into()))?;
        return Ok(Done::Made);
    };
    if new.adapter.as_ref().is_some_and(|adapter| adapter != there.store.adapter) {
        let adapter = there.store.adapter;
        return Err(format!("the topic's events are in '{adapter}' already; events are not moved to another adapter"));
    }
    let Some(change) = difference(&there, new) else { return Ok(Done::Same) };
    engine.change_topic(&topic, change).await.map_err(|error| told(error.into()))?;
    Ok(Done::Changed)
}

/// What is to be changed, if anything is.
fn difference(there: &Topic, new: NewTopic) -> Option<TopicChange> {
    let NewTopic { adapter: _, schemas, retention, decider, state_schema } = new;
    let change = TopicChange {
        schemas: schemas.filter(|new| !is_same(there.schemas.as_deref(), new)),
        retention: retention.filter(|new| there.retention != Some(*new)).map(Some),
        decider: decider.filter(|new| there.decider.as_ref() != Some(new)).map(Some),
        state_schema: state_schema.filter(|new| !is_same(there.state_schema.as_deref(), new)).map(Some),
    };
    let TopicChange { schemas, retention, decider, state_schema } = &change;
    let changes = schemas.is_some() || retention.is_some() || decider.is_some() || state_schema.is_some();
    changes.then_some(change)
}

/// Whether two texts mean the same JSON.
fn is_same(there: Option<&RawValue>, new: &RawValue) -> bool {
    let value = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).ok();
    there.is_some_and(|there| value(there) == value(new))
}
