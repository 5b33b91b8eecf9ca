//! A batch on its way to the writer: everything that takes time is done before it is queued.

use std::collections::HashMap;
use tokio::sync::oneshot;

use super::chunk::KeyUse;
use crate::model::limits::BATCH_BYTES_MAX;
use crate::model::{Condition, EventType, IdempotencyKey, Position, StreamName, Tag, TopicName};
use crate::storage::codec::{self, Damage, Keyed};
use crate::storage::{AppendError, Batch, Hash, Place, StorageError};

pub type Answer = Result<Outcome, AppendError>;

/// What the writer did with a batch.
pub enum Outcome {
    Placed(Vec<Place>, Spent),
    /// Its key is known, and the request is the same one.
    Known(KeyUse),
}

/// What the writer needs no more. It goes back to where it came from: memory is freed most cheaply by the thread that took it.
pub struct Spent {
    _bytes: Vec<u8>,
    _events: Vec<PreparedEvent>,
    _slots: Vec<Slot>,
    _conditions: Vec<Condition>,
}

/// What was looked up before the batch was queued, so that the writer has to look only at what came since.
#[derive(Debug, Default)]
pub struct Checked {
    /// Everything that key and queries ask for was looked at up to here.
    pub up_to: Position,
    /// For each condition, the last position that a query matched; 0 for the others.
    pub newest: Vec<Position>,
}

/// Encoded events that lack only their places, and whom to tell.
pub struct Prepared {
    pub bytes: Vec<u8>,
    pub events: Vec<PreparedEvent>,
    /// Each stream (or topic without one) of the batch, once.
    pub slots: Vec<Slot>,
    pub conditions: Vec<Condition>,
    pub key: Option<IdempotencyKey>,
    pub checked: Checked,
    /// Room for each event's place.
    pub places: Vec<Place>,
    pub answer: oneshot::Sender<Answer>,
}

pub struct PreparedEvent {
    pub end: u32,
    pub body: codec::Body,
    pub event_type: EventType,
    pub tags: Vec<Tag>,
    /// Set by the writer: the event's hash.
    pub hash: Hash,
    /// Index into `slots`.
    pub slot: u32,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Slot {
    pub topic: TopicName,
    pub stream: Option<StreamName>,
}

impl Prepared {
    pub fn new(batch: Batch, checked: Checked, answer: oneshot::Sender<Answer>) -> Result<Self, AppendError> {
        let Batch { events, conditions, key } = batch;
        let mut keyed = key.map(|key| Keyed { key, events: events.len() as u32 });
        let bytes = events.iter().map(about_bytes).sum();
        if bytes > BATCH_BYTES_MAX {
            return Err(refused(format!("the batch has {bytes} bytes, the store takes {BATCH_BYTES_MAX}")));
        }
        let mut slots = Slots::default();
        let mut bytes = Vec::with_capacity(bytes);
        let mut prepared = Vec::with_capacity(events.len());
        for event in events {
            let Damage(reason) = match codec::encode(&event, keyed.take(), &mut bytes) {
                Ok(body) => {
                    let slot = slots.index(Slot { topic: event.topic, stream: event.stream });
                    let (event_type, tags, end) = (event.event_type, event.tags, bytes.len() as u32);
                    prepared.push(PreparedEvent { end, body, event_type, tags, hash: [0; 32], slot });
                    continue;
                }
                Err(damage) => damage,
            };
            return Err(refused(format!("an event has {reason}")));
        }
        let places = Vec::with_capacity(prepared.len());
        Ok(Self { bytes, events: prepared, slots: slots.list, conditions, key, checked, places, answer })
    }

    /// Tells who waits for it that it is appended.
    pub fn tell(self) {
        let Self { bytes, events, slots, conditions, places, answer, .. } = self;
        let spent = Spent { _bytes: bytes, _events: events, _slots: slots, _conditions: conditions };
        // Nobody waits any more if this fails.
        let _ = answer.send(Ok(Outcome::Placed(places, spent)));
    }
}

fn refused(detail: String) -> AppendError {
    StorageError::Io { what: "the batch can't be stored".into(), detail }.into()
}

/// Enough to hold the event's stored bytes, but for a few bytes of lengths.
fn about_bytes(event: &crate::model::NewEvent) -> usize {
    let names = event.topic.as_str().len() + event.stream.as_ref().map_or(0, |stream| stream.as_str().len());
    let tags: usize = event.tags.iter().map(|tag| tag.as_str().len() + 1).sum();
    let metadata: usize = event.metadata.iter().map(|(key, value)| key.len() + value.len() + 8).sum();
    let fixed = codec::EVENT_HEADER_BYTES + 1 + event.event_type.as_str().len();
    fixed + names + tags + metadata + event.payload.as_bytes().len()
}

#[derive(Default)]
struct Slots {
    list: Vec<Slot>,
    last: usize,
    known: HashMap<Slot, usize>,
}

impl Slots {
    /// Most batches are of one stream; the map is only for those that are not.
    fn index(&mut self, slot: Slot) -> u32 {
        if self.list.get(self.last) != Some(&slot) {
            if let (1, Some(first)) = (self.list.len(), self.list.first()) {
                self.known.insert(first.clone(), 0);
            }
            self.last = match self.known.get(&slot) {
                Some(index) => *index,
                None => self.add(slot),
            };
        }
        self.last as u32
    }

    fn add(&mut self, slot: Slot) -> usize {
        let index = self.list.len();
        if index > 0 {
            self.known.insert(slot.clone(), index);
        }
        self.list.push(slot);
        index
    }
}
