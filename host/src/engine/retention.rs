//! Retention: what a topic no longer keeps. Every look at a topic finds the last event that is beyond its bounds; that cut is
//! recorded first and made then, so that no start brings back what was gone.
//!
//! **Invariant:** sequences, positions and ids of deleted events are never given again, and the last event's hash still
//! covers them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::places::first_place;
use super::topics::{Topic, corrupt};
use super::{Engine, EngineError};
use crate::model::{Scope, Sequence, TopicName};
use crate::storage::{Change, Cuts, Store};

const KEY_PREFIX: &str = "retention/";
/// Records that are read at once.
const RECORDS_AT_ONCE: usize = 500;

/// What a topic keeps. The oldest events that are beyond any of these bounds are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retention {
    /// Events that were committed longer ago are deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u64>,
    /// So many of the last events are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_events: Option<u64>,
    /// At least so many stored bytes of the last events are kept, and up to some MiB more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
}

/// A cut as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cut {
    /// The last deleted sequence.
    through: Sequence,
    deleted_at_ms: u64,
    /// What the topic kept when it was made.
    retention: Retention,
}

impl Retention {
    /// Why it makes no sense, if it does not.
    pub fn check(&self) -> Result<(), &'static str> {
        let Self { max_age_seconds, max_events, max_bytes } = self;
        let bounds = [max_age_seconds, max_events, max_bytes];
        match bounds.iter().filter_map(|bound| **bound).min() {
            None => Err("retention needs at least one of maxAgeSeconds, maxEvents and maxBytes"),
            Some(0) => Err("maxAgeSeconds, maxEvents and maxBytes must be at least 1"),
            Some(_) => Ok(()),
        }
    }
}

/// Takes back what was cut before.
pub(super) async fn load(stores: &[Store], cuts: &Cuts) -> Result<(), EngineError> {
    for store in stores {
        let mut after = None;
        loop {
            let records = store.records.scan(KEY_PREFIX, after.as_deref(), RECORDS_AT_ONCE).await?;
            let Some((last, _)) = records.last() else { break };
            after = Some(last.clone());
            for (key, record) in &records {
                let cut: Cut = serde_json::from_slice(&record.value).map_err(|error| corrupt(key, &error))?;
                cuts.cut(&TopicName::parse(&key[KEY_PREFIX.len()..])?, cut.through);
            }
        }
    }
    Ok(())
}

impl Engine {
    /// The first sequence of a topic that was not deleted; one after its last if there is none.
    pub fn first_sequence(&self, topic: &Topic) -> Sequence {
        self.cuts.through(&topic.name) + 1
    }

    /// Deletes what topics no longer keep, every `look`, until `stop` becomes true.
    pub async fn keep_retention(self: Arc<Self>, look: Duration, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(look) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            for topic in self.topics() {
                if let Some(retention) = topic.retention
                    && let Err(error) = self.retain(&topic, retention).await
                {
                    tracing::warn!(topic = %topic.name, %error, "old events could not be deleted; tried again later");
                }
            }
            self.give_room_back().await;
        }
    }

    async fn give_room_back(&self) {
        let mut stores: Vec<(&Store, HashMap<TopicName, Sequence>)> = vec![];
        let (topics, cuts) = (self.topics(), self.cuts.all());
        for topic in &topics {
            let Some(through) = cuts.get(&topic.name) else { continue };
            let cut = (topic.name.clone(), *through);
            match stores.iter_mut().find(|(store, _)| Arc::ptr_eq(&store.log, &topic.store.log)) {
                Some((_, cuts)) => cuts.extend([cut]),
                None => stores.push((&topic.store, HashMap::from([cut]))),
            }
        }
        for (store, cuts) in stores {
            // Between two rounds a backup may begin.
            while let Ok(_alone) = self.copying.try_write() {
                match store.log.scavenge(cuts.clone()).await {
                    Ok(0) => break,
                    Ok(bytes) => {
                        tracing::info!(store = store.adapter, bytes, "the room of deleted events was given back")
                    }
                    Err(error) => {
                        tracing::warn!(store = store.adapter, %error, "deleted events keep their room for now");
                        break;
                    }
                }
            }
        }
    }

    async fn retain(&self, topic: &Topic, retention: Retention) -> Result<(), EngineError> {
        let through = self.beyond(topic, retention).await?;
        let before = self.cuts.through(&topic.name);
        if through <= before {
            return Ok(());
        }
        let cut = Cut { through, deleted_at_ms: self.now_ms(), retention };
        let key = format!("{KEY_PREFIX}{}", topic.name);
        let value = serde_json::to_vec(&cut).map_err(|error| corrupt(&key, &error))?;
        topic.store.records.commit(vec![Change::put(key, value)]).await?;
        self.cuts.cut(&topic.name, through);
        tracing::info!(topic = %topic.name, from = before + 1, through, "old events deleted");
        Ok(())
    }

    /// The last sequence that is beyond a bound; 0 if none is.
    async fn beyond(&self, topic: &Topic, retention: Retention) -> Result<Sequence, EngineError> {
        let (log, head) = (&*topic.store.log, topic.sequence());
        let mut through = retention.max_events.map_or(0, |events| head.saturating_sub(events));
        if let Some(bytes) = retention.max_bytes {
            through = through.max(log.beyond(&topic.name, bytes).await?);
        }
        if let Some(seconds) = retention.max_age_seconds {
            let since_ms = self.now_ms().saturating_sub(seconds.saturating_mul(1_000));
            let places = self.first_sequence(topic).min(head + 1)..head + 1;
            let scope = Scope::Topic(topic.name.clone());
            let first = first_place(log, &scope, places, |event| event.time_ms < since_ms).await?;
            through = through.max(first - 1);
        }
        Ok(through)
    }
}
