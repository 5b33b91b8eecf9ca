//! One instance of a machine: what the view keeps of it, and the names that its timers and commands have outside.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The timer of a state's own `after`.
pub const AFTER: &str = "after";

/// The view's value of `<machine>/<key>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    pub state: String,
    /// What `set` stored.
    pub data: Json,
    /// How many transitions it made.
    pub version: u64,
    /// Of the last event that moved it.
    pub position: u64,
    /// When it moved last, in Unix milliseconds.
    pub time: u64,
    /// Timers that are set, and when they are due.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub timers: BTreeMap<String, u64>,
    /// Why the last transition that should have been made was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Instance {
    pub fn new(initial: &str) -> Self {
        let data = Json::Object(Default::default());
        let timers = BTreeMap::new();
        Self { state: initial.into(), data, version: 0, position: 0, time: 0, timers, error: None }
    }
}

/// What a timer brings back.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reminder {
    /// The instance's version when it was set: two timers of one name may be due at the same time, one after the other.
    pub version: u64,
    #[serde(default)]
    pub payload: Json,
}

/// `<machine>/<key>/<name>`. Only the key may have a '/'.
pub fn timer_key(machine: &str, key: &str, name: &str) -> String {
    format!("{machine}/{key}/{name}")
}

/// Machine, key and name.
pub fn read_timer_key(text: &str) -> Option<(&str, &str, &str)> {
    let (machine, rest) = text.split_once('/')?;
    let (key, name) = rest.rsplit_once('/')?;
    Some((machine, key, name))
}

/// `<machine>/<key>/<cause>/<index>`: done again for the same cause, it is the same command.
pub fn command_id(machine: &str, key: &str, cause: &str, index: usize) -> String {
    format!("{machine}/{key}/{cause}/{index}")
}

/// Machine, key, cause and index.
pub fn read_command_id(text: &str) -> Option<(&str, &str, &str, &str)> {
    let (machine, rest) = text.split_once('/')?;
    let (rest, index) = rest.rsplit_once('/')?;
    let (key, cause) = rest.rsplit_once('/')?;
    Some((machine, key, cause, index))
}
