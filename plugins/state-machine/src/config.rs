//! The configuration as the side-car has it. Each level is read by itself, so that what is wrong is told with its
//! place.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};
use weir_plugin_cel::Globs;

use crate::mistake::{Checked, mistake};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default)]
    pub machines: Vec<Json>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    pub name: String,
    pub topic: Globs,
    pub key: Option<String>,
    pub initial: String,
    pub states: BTreeMap<String, Json>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    #[serde(default)]
    pub on: Vec<Json>,
    pub after: Option<Json>,
    #[serde(default)]
    pub on_refused: Vec<Json>,
    #[serde(default, rename = "final")]
    pub is_final: bool,
}

/// What all transitions have; what starts one was [taken](take) out of it before.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    pub guard: Option<String>,
    pub to: Option<String>,
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    #[serde(default)]
    pub actions: Vec<Json>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Execute(Execute),
    Append(Append),
    Timer(Timer),
    Cancel(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Execute {
    pub command: String,
    pub topic: String,
    pub stream: String,
    pub payload: Option<Json>,
    pub actor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Append {
    pub topic: String,
    #[serde(rename = "type")]
    pub event_type: String,
    pub stream: Option<String>,
    pub payload: Option<Json>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timer {
    pub name: String,
    pub ms: Json,
    pub payload: Option<Json>,
}

pub fn read<T: DeserializeOwned>(json: Json) -> Checked<T> {
    serde_json::from_value(json).or_else(|error| mistake(error.to_string()))
}

pub fn object(json: Json) -> Checked<Map<String, Json>> {
    match json {
        Json::Object(members) => Ok(members),
        other => mistake(format!("a table is needed here, not {other}")),
    }
}

/// A member, which is not left behind.
pub fn take<T: DeserializeOwned>(members: &mut Map<String, Json>, name: &str) -> Checked<Option<T>> {
    members.remove(name).map(read).transpose()
}
