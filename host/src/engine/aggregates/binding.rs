//! Who decides for a topic: the decider that the topic names, or else the one whose side-car names the topic.

use std::sync::{Arc, OnceLock};

use super::{Aggregate, MadeBy};
use crate::engine::{Engine, EngineError, Topic};
use crate::model::{PluginName, StreamName, TopicName};
use crate::plugin::{Bound, Decider, Kind};

impl Engine {
    pub(super) fn aggregate(&self, topic: &TopicName, stream: &StreamName) -> Result<Aggregate, EngineError> {
        let topic = self.topic(topic)?;
        let decider = self.decider(&topic)?;
        let (stream, made_by) = (stream.clone(), MadeBy::decider(&decider));
        Ok(Aggregate { topic, stream, decider, made_by, entry: OnceLock::new() })
    }

    fn decider(&self, topic: &Topic) -> Result<Arc<Decider>, EngineError> {
        let missing = |plugin: String| EngineError::DeciderMissing { topic: topic.name.clone(), plugin };
        if let Some(name) = &topic.decider {
            return self.plugins.decider(name.as_str()).ok_or_else(|| missing(name.to_string()));
        }
        match self.plugins.decider_of(&topic.name) {
            Bound::Serving(decider) => Ok(decider),
            Bound::Away(plugin) => Err(missing(plugin)),
            Bound::Nobody => Err(EngineError::NoDecider(topic.name.clone())),
        }
    }

    /// The plugin that decides for a topic, whoever bound it.
    pub fn decider_name(&self, topic: &Topic) -> Option<String> {
        match &topic.decider {
            Some(name) => Some(name.to_string()),
            None => match self.plugins.decider_of(&topic.name) {
                Bound::Serving(decider) => Some(decider.id().name.clone()),
                Bound::Away(plugin) => Some(plugin),
                Bound::Nobody => None,
            },
        }
    }

    /// A decider may be put in after its topic was made; a plugin of another kind will not become one.
    pub(in crate::engine) fn check_decider(&self, name: &PluginName) -> Result<(), EngineError> {
        let serving = self.plugins.status(name.as_str()).and_then(|status| status.serving);
        match serving.map(|serving| serving.kind) {
            None | Some(Kind::Decider) => Ok(()),
            Some(kind) => Err(EngineError::DeciderWrong { plugin: name.clone(), kind }),
        }
    }
}
