//! Snapshots: states that are kept beside the log, so that a long stream need not be read from its first event. They are written
//! behind, by whoever comes by, and never needed: a missing or worthless one costs time only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::{Aggregate, Held, MadeBy};
use crate::model::limits::{SNAPSHOT_BYTES_MAX, SNAPSHOT_EVERY, SNAPSHOTS_WRITING_MAX};
use crate::model::{Payload, Version};
use crate::storage::Change;

const KEY_PREFIX: &str = "snapshot/";

/// What stands in front of a snapshot's state, in a line of its own.
#[derive(Serialize, Deserialize)]
struct Head {
    version: Version,
    decider: String,
    state_version: u32,
    form: Form,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    Json,
    Bytes,
}

pub(super) struct Snapshots {
    writing: Arc<Semaphore>,
    written: Arc<AtomicU64>,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self { writing: Arc::new(Semaphore::new(SNAPSHOTS_WRITING_MAX)), written: Arc::default() }
    }
}

impl Aggregate {
    /// No topic has a `/` in its name, so that no two streams share a key.
    pub(super) fn snapshot_key(&self) -> String {
        format!("{KEY_PREFIX}{}/{}", self.topic.name, self.stream)
    }
}

impl Snapshots {
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// The snapshot of an aggregate, if this decider can use it. It is no later than `until`.
    pub async fn find(&self, aggregate: &Aggregate, until: Version) -> Option<Held> {
        if until < SNAPSHOT_EVERY {
            return None;
        }
        let record = match aggregate.topic.store.records.get(&aggregate.snapshot_key()).await {
            Ok(record) => record?,
            Err(error) => {
                tracing::warn!(topic = %aggregate.topic.name, stream = %aggregate.stream, %error, "a snapshot cannot be read");
                return None;
            }
        };
        let (head, payload) = read(&record.value)?;
        let MadeBy { plugin, state_version } = &aggregate.made_by;
        let fits = head.decider == *plugin && head.state_version == *state_version;
        (fits && head.version <= until).then_some(Held {
            version: head.version,
            payload: Some(payload),
            snapshot: head.version,
        })
    }

    /// Notes in `held` that it is kept, and has it written, when it is time. When too many are being written it is left out: the
    /// next event brings the next chance.
    pub fn keep(&self, aggregate: &Aggregate, held: &mut Held) {
        let is_due = held.version.saturating_sub(held.snapshot) >= SNAPSHOT_EVERY;
        let Some(payload) = held.payload.as_ref().filter(|_| is_due && held.bytes() <= SNAPSHOT_BYTES_MAX) else {
            return;
        };
        let Ok(permit) = self.writing.clone().try_acquire_owned() else { return };
        let Some(value) = write(held.version, &aggregate.made_by, payload) else { return };
        let change = Change::put(aggregate.snapshot_key(), value);
        let (records, written) = (aggregate.topic.store.records.clone(), self.written.clone());
        held.snapshot = held.version;
        tokio::spawn(async move {
            match records.commit(vec![change]).await {
                Ok(()) => _ = written.fetch_add(1, Ordering::Relaxed),
                Err(error) => tracing::debug!(%error, "a snapshot was not kept"),
            }
            drop(permit);
        });
    }
}

fn write(version: Version, made_by: &MadeBy, payload: &Payload) -> Option<Bytes> {
    let form = match payload {
        Payload::Json(_) => Form::Json,
        Payload::Bytes(_) => Form::Bytes,
    };
    let head = Head { version, decider: made_by.plugin.clone(), state_version: made_by.state_version, form };
    let mut value = serde_json::to_vec(&head).ok()?;
    value.push(b'\n');
    value.extend_from_slice(payload.as_bytes());
    Some(value.into())
}

/// One that another version of this program wrote in another way is as good as none.
fn read(value: &Bytes) -> Option<(Head, Payload)> {
    let end = value.iter().position(|byte| *byte == b'\n')?;
    let head: Head = serde_json::from_slice(&value[..end]).ok()?;
    let state = value.slice(end + 1..);
    let payload = match head.form {
        Form::Json => {
            serde_json::from_slice::<&serde_json::value::RawValue>(&state).ok()?;
            Payload::Json(state)
        }
        Form::Bytes => Payload::Bytes(state),
    };
    Some((head, payload))
}
