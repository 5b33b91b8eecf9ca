//! One group as it comes together: what the batches before it in the same group did counts for the next one.

use std::collections::HashMap;
use tokio::sync::oneshot;

use super::batch::{Answer, Prepared};
use super::chunk::KeyUse;
use super::group;
use super::labels::{Labels, nearest};
use super::tail::Tail;
use crate::model::{Direction, Filter, Position};
use crate::storage::AppendError;
use crate::storage::codec::{Damage, Keyed};

pub struct Plan {
    pub first: Position,
    pub time_ms: u64,
    pub record: Vec<u8>,
    pub ends: Vec<u32>,
    /// Batches that are in the group; the places of their events are known.
    pub placed: Vec<Prepared>,
    /// Batches that are refused, or were appended before, perhaps in this very group.
    pub told: Vec<(oneshot::Sender<Answer>, Answer)>,
    pub keys: HashMap<[u8; 16], KeyUse>,
    /// Of the first so many batches, made when a condition asks.
    labels: Labels,
    labelled: usize,
}

impl Plan {
    pub fn new(first: Position, time_ms: u64, body_bytes: usize) -> Self {
        Self {
            first,
            time_ms,
            record: group::begin(body_bytes),
            ends: vec![],
            placed: vec![],
            told: vec![],
            keys: HashMap::new(),
            labels: Labels::default(),
            labelled: 0,
        }
    }

    pub fn events(&self) -> usize {
        self.ends.len()
    }

    /// The last position as the next batch finds it.
    pub fn head(&self) -> Position {
        self.first + self.events() as Position - 1
    }

    pub fn push(&mut self, placed: Prepared) {
        if let Some((key, used)) = key_use(&placed) {
            self.keys.insert(key, used);
        }
        self.placed.push(placed);
    }

    /// The last position in this group whose event matches; 0 if there is none.
    pub fn newest(&mut self, filter: &Filter) -> Position {
        for placed in &self.placed[self.labelled..] {
            for (event, place) in placed.events.iter().zip(&placed.places) {
                self.labels.add(&event.event_type, &event.tags, place.position);
            }
        }
        self.labelled = self.placed.len();
        let Some(mut lists) = self.labels.lists(filter) else { return 0 };
        nearest(&mut lists, self.head(), Direction::Backward, self.first).unwrap_or(0)
    }

    /// Tells everybody, once it is known whether the group is durable. Refusals and repetitions waited for the disk too:
    /// they may rest on batches of the same group.
    pub fn answer(self, written: Result<(), AppendError>) {
        let Err(failure) = written else {
            self.placed.into_iter().for_each(Prepared::tell);
            self.told.into_iter().for_each(|(answer, told)| drop(answer.send(told)));
            return;
        };
        self.placed.into_iter().for_each(|placed| drop(placed.answer.send(Err(failure.clone()))));
        let stopped = AppendError::Stopped { reason: failure.to_string() };
        self.told.into_iter().for_each(|(answer, _)| drop(answer.send(Err(stopped.clone()))));
    }
}

fn key_use(batch: &Prepared) -> Option<([u8; 16], KeyUse)> {
    let keyed = Keyed { key: batch.key?, events: batch.places.len() as u32 };
    Some(KeyUse::of(&keyed, batch.places.first()?.position))
}

/// Notes a batch that has its places in the tail's index, run by run of the same stream.
pub fn index(batch: &Prepared, tail: &mut Tail) -> Result<(), Damage> {
    let (mut start, mut bytes) = (0, 0);
    for run in batch.events.chunk_by(|a, b| a.slot == b.slot) {
        let end = start + run.len();
        let bytes_end = run[run.len() - 1].end as usize;
        let (slot, places) = (&batch.slots[run[0].slot as usize], &batch.places[start..end]);
        let (last, hash) = (places[places.len() - 1].sequence, run[run.len() - 1].hash);
        tail.active().topic(&slot.topic).add(slot.stream.as_ref(), places, bytes_end - bytes, hash)?;
        tail.set_tip(&slot.topic, last, hash);
        (start, bytes) = (end, bytes_end);
    }
    let chunk = tail.active();
    for (event, place) in batch.events.iter().zip(&batch.places) {
        chunk.labels.add(&event.event_type, &event.tags, place.position);
    }
    chunk.keys.extend(key_use(batch));
    Ok(())
}
