//! The single writer: takes what is queued, gives places, writes one record, syncs, publishes, answers.
//!
//! An OS thread of its own, because a task of a shared runtime would wait for other tasks' time slices. Never a fixed
//! delay: a group is what came in while the last one was being written. **Invariant:** nobody is answered, and nothing
//! is readable, before its group is durable; a failed write stops the log for ever.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use tokio::sync::oneshot;

use super::batch::{Answer, Prepared, Slot};
use super::chunk::Group;
use super::group;
use super::heads::{Heads, TopicIndex};
use super::prefix::Reached;
use super::shared::{FailOnPanic, Shared};
use super::wal::{Wal, WalEnd};
use crate::model::{Conflict, Position, StreamName, TopicName, Version};
use crate::storage::{AppendError, Clock, Place, StorageError, codec};

pub struct Writer {
    pub shared: Arc<Shared>,
    pub queue: Receiver<Prepared>,
    pub wal: Wal,
    pub heads: Heads,
    pub clock: Clock,
    /// The last group that was committed.
    pub last: Reached,
}

impl Writer {
    /// Works until nobody can queue batches any more, and what is queued is done.
    pub fn run(mut self) {
        let shared = self.shared.clone();
        let _guard = FailOnPanic(&shared);
        let mut left_over = None;
        while let Some(first) = left_over.take().or_else(|| self.queue.recv().ok()) {
            let batches = self.gather(first, &mut left_over);
            self.commit(batches);
        }
    }

    /// Whatever is queued now, up to the size of one group; what does not fit opens the next.
    fn gather(&self, first: Prepared, left_over: &mut Option<Prepared>) -> Vec<Prepared> {
        let mut bytes = first.bytes.len();
        let mut batches = vec![first];
        while let Ok(batch) = self.queue.try_recv() {
            bytes += batch.bytes.len();
            if bytes > self.shared.config.group_bytes_max {
                *left_over = Some(batch);
                break;
            }
            batches.push(batch);
        }
        batches
    }

    fn commit(&mut self, batches: Vec<Prepared>) {
        // Conditions that fail only make the group smaller.
        let body_bytes = batches.iter().map(|batch| batch.bytes.len()).sum();
        let room = self.room_in_tail().and_then(|()| self.room_on_disk(body_bytes));
        if let Err(refusal) = room {
            batches.into_iter().for_each(|batch| drop(batch.answer.send(Err(refusal.clone()))));
            return;
        }
        let mut plan = Plan::new(self.last.position + 1, (self.clock)().max(self.last.time_ms), body_bytes);
        for batch in batches {
            self.place(batch, &mut plan);
        }
        if plan.events() > 0
            && let Err(failure) = self.write(&mut plan)
        {
            plan.placed.into_iter().for_each(|placed| drop(placed.answer.send(Err(failure.clone()))));
            let stopped = AppendError::Stopped { reason: failure.to_string() };
            plan.refused.into_iter().for_each(|(answer, _)| drop(answer.send(Err(stopped.clone()))));
            return;
        }
        plan.placed.into_iter().for_each(|placed| drop(placed.answer.send(Ok(placed.places))));
        // Refusals wait for the disk too: they may rest on batches of the same group.
        plan.refused.into_iter().for_each(|(answer, error)| drop(answer.send(Err(error))));
    }

    /// Waits while redb is behind by more than memory shall hold.
    fn room_in_tail(&self) -> Result<(), AppendError> {
        let mut state = self.shared.state();
        loop {
            if let Some(reason) = self.shared.failure() {
                return Err(AppendError::Stopped { reason: reason.clone() });
            }
            if !state.tail.is_behind(self.shared.config.tail_bytes_max) {
                return Ok(());
            }
            if let Some(detail) = &state.fill_full {
                return Err(AppendError::Full { detail: detail.clone() });
            }
            state = self.shared.room.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// A full disk refuses this group and no more; any other failure is not one that we know to be harmless.
    fn room_on_disk(&mut self, body_bytes: usize) -> Result<(), AppendError> {
        let bytes = group::aligned(group::HEADER_BYTES + body_bytes);
        match self.wal.reserve(bytes) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                Err(AppendError::Full { detail: format!("no room for {bytes} bytes in the write-ahead log: {error}") })
            }
            Err(error) => {
                let reason = format!("could not prepare a write-ahead log segment: {error}");
                self.shared.fail(reason.clone());
                Err(AppendError::Stopped { reason })
            }
        }
    }

    /// Checks a batch's conditions and gives its events their places, or notes why not.
    fn place(&mut self, batch: Prepared, plan: &mut Plan) {
        let slots = self.conflicts(&batch).and_then(|conflicts| match conflicts.is_empty() {
            true => self.resolve(&batch.slots),
            false => Err(AppendError::Conflict(conflicts)),
        });
        match slots {
            Ok(slots) => self.take(batch, slots, plan),
            Err(error) => plan.refused.push((batch.answer, error)),
        }
    }

    fn conflicts(&mut self, batch: &Prepared) -> Result<Vec<Conflict>, AppendError> {
        let mut conflicts = vec![];
        for condition in &batch.conditions {
            let topic = self.heads.topic(&condition.topic);
            let actual = self.version(topic, &condition.topic, &condition.stream)?;
            if !condition.expected.holds(actual) {
                conflicts.push(Conflict { condition: condition.clone(), actual });
            }
        }
        Ok(conflicts)
    }

    /// Where each stream of a batch stands. After this nothing can refuse the batch any more.
    fn resolve(&mut self, slots: &[Slot]) -> Result<Vec<(TopicIndex, Version)>, AppendError> {
        let mut resolved = Vec::with_capacity(slots.len());
        for slot in slots {
            let topic = self.heads.topic(&slot.topic);
            let version = match &slot.stream {
                Some(stream) => self.version(topic, &slot.topic, stream)?,
                None => 0,
            };
            resolved.push((topic, version));
        }
        Ok(resolved)
    }

    fn version(&mut self, index: TopicIndex, topic: &TopicName, stream: &StreamName) -> Result<Version, StorageError> {
        if let Some(version) = self.heads.version(index, stream) {
            return Ok(version);
        }
        let version = self.shared.stream_head(topic, stream)?;
        self.heads.set_version(index, stream, version);
        Ok(version)
    }

    fn take(&mut self, batch: Prepared, mut slots: Vec<(TopicIndex, Version)>, plan: &mut Plan) {
        let mut places = Vec::with_capacity(batch.events.len());
        let base = plan.record.len();
        plan.record.extend_from_slice(&batch.bytes);
        let mut start = base;
        for event in &batch.events {
            let slot = event.slot as usize;
            let (topic, version) = &mut slots[slot];
            *version += 1;
            let place = Place {
                position: plan.first + plan.events() as Position,
                sequence: self.heads.next_sequence(*topic),
                version: batch.slots[slot].stream.as_ref().map(|_| *version),
            };
            let end = base + event.end as usize;
            codec::seal(&mut plan.record[start..end], event.body_crc, &place, plan.time_ms);
            plan.ends.push(end as u32);
            places.push(place);
            start = end;
        }
        for (slot, (topic, version)) in batch.slots.iter().zip(slots) {
            if let Some(stream) = &slot.stream {
                self.heads.set_version(topic, stream, version);
            }
        }
        let slot_of = batch.events.iter().map(|event| event.slot).collect();
        plan.placed.push(Placed { places, slot_of, slots: batch.slots, answer: batch.answer });
    }

    /// One write, one sync; then readers may see it. A failure here leaves the disk unknown, so it is the last one.
    fn write(&mut self, plan: &mut Plan) -> Result<(), AppendError> {
        let (number, mut record) = (self.last.group + 1, std::mem::take(&mut plan.record));
        group::seal(&mut record, number, plan.first, plan.events(), self.shared.directory.salt);
        let published = self
            .wal
            .write(&record)
            .map_err(|error| error.to_string())
            .and_then(|end| self.publish(plan, record, number, end).map_err(|damage| damage.to_string()));
        published.map_err(|detail| {
            self.shared.fail(format!("writing the log failed: {detail}"));
            AppendError::Unknown { detail }
        })
    }

    fn publish(&mut self, plan: &mut Plan, record: Vec<u8>, number: u64, end: WalEnd) -> Result<(), codec::Damage> {
        let (first, time_ms, ends) = (plan.first, plan.time_ms, std::mem::take(&mut plan.ends));
        let group = Group { number, first, record: record.into(), start: group::HEADER_BYTES, ends, time_ms, end };
        self.last = Reached { position: group.last(), time_ms, group: number, wal: end };
        let mut state = self.shared.state();
        for placed in &plan.placed {
            placed.index(&mut state.tail)?;
        }
        state.tail.active().push(group);
        let sealed = state.tail.advance(self.shared.config.tail_fill_bytes);
        drop(state);
        if sealed {
            self.shared.work.notify_all();
        }
        self.shared.head.send_replace(self.last.position);
        Ok(())
    }
}

/// One group as it comes together.
struct Plan {
    first: Position,
    time_ms: u64,
    record: Vec<u8>,
    ends: Vec<u32>,
    placed: Vec<Placed>,
    refused: Vec<(oneshot::Sender<Answer>, AppendError)>,
}

/// A batch that is in the group.
struct Placed {
    places: Vec<Place>,
    slot_of: Vec<u32>,
    slots: Vec<Slot>,
    answer: oneshot::Sender<Answer>,
}

impl Plan {
    fn new(first: Position, time_ms: u64, body_bytes: usize) -> Self {
        let record = group::begin(body_bytes);
        Self { first, time_ms, record, ends: vec![], placed: vec![], refused: vec![] }
    }

    fn events(&self) -> usize {
        self.ends.len()
    }
}

impl Placed {
    /// Notes the batch in the tail's index, run by run of the same stream.
    fn index(&self, tail: &mut super::tail::Tail) -> Result<(), codec::Damage> {
        let mut start = 0;
        for run in self.slot_of.chunk_by(|a, b| a == b) {
            let end = start + run.len();
            let (slot, places) = (&self.slots[run[0] as usize], &self.places[start..end]);
            tail.active().topic(&slot.topic).add(slot.stream.as_ref(), places)?;
            tail.set_topic_head(&slot.topic, places[places.len() - 1].sequence);
            start = end;
        }
        Ok(())
    }
}
