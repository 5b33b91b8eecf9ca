//! The single writer: takes what is queued, gives places, writes one record, syncs, publishes, answers.
//!
//! An OS thread of its own, because a task of a shared runtime would wait for other tasks' time slices. Never a fixed
//! delay: a group is what came in while the last one was being written, and in a crowd what is brought by those who are
//! ready to run then. Where one publisher waits for one answer at a time,
//! two cores would be woken for each, and that costs as much as the disk; so a batch that comes alone, after others that
//! did, is committed by the thread that brings it. **Invariant:** nobody is answered, and nothing is readable, before its
//! group is durable; a failed write stops the log for ever.

use std::io;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::batch::{Answer, Checked, Prepared, Slot};
use super::chunk::{Group, KeyUse};
use super::group;
use super::heads::{Heads, TopicIndex};
use super::plan::{Plan, index};
use super::prefix::Reached;
use super::shared::{FailOnPanic, Shared};
use super::wal::{Wal, WalEnd};
use crate::model::{Condition, Conflict, Filter, IdempotencyKey, Position, StreamName, TopicName, Version};
use crate::storage::{AppendError, Clock, Place, StorageError, codec};

/// So many groups of one batch in a row, and the next one is taken to be alone too.
const ALONE_ROW: u32 = 4;
/// After a group of more batches than this others are on their way. After smaller ones the core would go to whatever else
/// wants it, like a plugin that computes, and few would profit.
const CROWD: usize = 8;
/// A write that took longer waited for a disk where no request should wait.
const QUICK: Duration = Duration::from_millis(2);

pub struct Writer {
    pub shared: Arc<Shared>,
    pub wal: Wal,
    pub heads: Heads,
    pub clock: Clock,
    /// The last group that was committed.
    pub last: Reached,
    /// How many groups in a row were one batch, and written quickly.
    pub alone: u32,
}

/// Works until nobody can queue batches any more, and what is queued is done.
pub fn run(writer: &Mutex<Writer>, shared: &Shared, queue: &Receiver<Prepared>) {
    let _guard = FailOnPanic(shared);
    let (mut left_over, mut last) = (None, 0);
    while let Some(first) = left_over.take().or_else(|| queue.recv().ok()) {
        if last > CROWD {
            // Requests that are ready to run on this core come first: what they bring is written with the others.
            thread::yield_now();
        }
        let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
        let batches = gather(queue, first, shared.config.group_bytes_max, &mut left_over);
        last = batches.len();
        writer.commit(batches);
    }
}

/// Whatever is queued now, up to the size of one group; what does not fit opens the next.
fn gather(
    queue: &Receiver<Prepared>,
    first: Prepared,
    bytes_max: usize,
    left_over: &mut Option<Prepared>,
) -> Vec<Prepared> {
    let mut bytes = first.bytes.len();
    let mut batches = vec![first];
    while let Ok(batch) = queue.try_recv() {
        bytes += batch.bytes.len();
        if bytes > bytes_max {
            *left_over = Some(batch);
            break;
        }
        batches.push(batch);
    }
    batches
}

impl Writer {
    /// Whether a batch may be committed on the caller's thread: nothing that it may have to wait for is in sight but one
    /// quick write.
    pub fn is_free_for(&self, batch: &Prepared) -> bool {
        self.alone >= ALONE_ROW
            && self.wal.has_room(group::aligned(group::HEADER_BYTES + batch.bytes.len()))
            && !self.shared.state().tail.is_behind(self.shared.config.tail_bytes_max)
    }

    pub fn commit_alone(&mut self, batch: Prepared) {
        let shared = self.shared.clone();
        let _guard = FailOnPanic(&shared);
        self.commit(vec![batch]);
    }

    fn commit(&mut self, batches: Vec<Prepared>) {
        let (one, begun) = (batches.len() == 1, Instant::now());
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
        let written = if plan.events() > 0 { self.write(&mut plan) } else { Ok(()) };
        self.alone = if one && begun.elapsed() <= QUICK { self.alone.saturating_add(1) } else { 0 };
        plan.answer(written);
    }

    /// Waits while the index is behind by more than memory shall hold.
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
                Err(AppendError::Full { detail: format!("no room for {bytes} bytes in the log: {error}") })
            }
            Err(error) => {
                let reason = format!("could not prepare a log segment: {error}");
                self.shared.fail(reason.clone());
                Err(AppendError::Stopped { reason })
            }
        }
    }

    /// Checks a batch's key and conditions and gives its events their places, or notes why not.
    fn place(&mut self, batch: Prepared, plan: &mut Plan) {
        match self.admit(&batch, plan) {
            Ok(Admitted::New(slots)) => self.take(batch, slots, plan),
            Ok(Admitted::Told(told)) => plan.told.push((batch.answer, told)),
            Err(error) => plan.told.push((batch.answer, Err(error))),
        }
    }

    fn admit(&mut self, batch: &Prepared, plan: &mut Plan) -> Result<Admitted, AppendError> {
        if let Some(key) = &batch.key
            && let Some(used) = self.known(key, batch.checked.up_to, plan)?
        {
            return Ok(Admitted::Told(used.answer(key)));
        }
        let conflicts = self.conflicts(batch, plan)?;
        if !conflicts.is_empty() {
            return Err(AppendError::Conflict(conflicts));
        }
        self.resolve(&batch.slots).map(Admitted::New)
    }

    /// What a key was used for, if that was after what the caller looked at.
    fn known(&self, key: &IdempotencyKey, up_to: Position, plan: &Plan) -> Result<Option<KeyUse>, StorageError> {
        if let Some(used) = plan.keys.get(&key.key) {
            return Ok(Some(*used));
        }
        let (known, prefix) = {
            let state = self.shared.state();
            (state.tail.key(&key.key), state.tail.prefix.clone())
        };
        if known.is_none() && prefix.position > up_to { prefix.key(&key.key) } else { Ok(known) }
    }

    fn conflicts(&mut self, batch: &Prepared, plan: &mut Plan) -> Result<Vec<Conflict>, AppendError> {
        let mut conflicts = vec![];
        for (index, condition) in batch.conditions.iter().enumerate() {
            let actual = self.actual(index, condition, &batch.checked, plan)?;
            if !condition.holds(actual) {
                conflicts.push(Conflict { condition: condition.clone(), actual });
            }
        }
        Ok(conflicts)
    }

    /// What a condition looks at. See `Conflict::actual`.
    fn actual(
        &mut self,
        index: usize,
        condition: &Condition,
        checked: &Checked,
        plan: &mut Plan,
    ) -> Result<u64, StorageError> {
        match condition {
            Condition::Stream { topic, stream, .. } => {
                let topic_index = self.heads.topic(topic);
                self.version(topic_index, topic, stream)
            }
            Condition::Head(_) => Ok(plan.head()),
            Condition::Query { filter, after } => match plan.newest(filter) {
                0 => {
                    let since = self.newest(filter, checked.up_to.max(*after))?;
                    Ok(since.max(checked.newest.get(index).copied().unwrap_or(0)))
                }
                newest => Ok(newest),
            },
        }
    }

    /// The last position after `after` that matches, of what is committed. What came since a moment ago is in the tail.
    fn newest(&self, filter: &Filter, after: Position) -> Result<Position, StorageError> {
        if self.last.position <= after { Ok(0) } else { self.shared.newest(filter, after) }
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

    fn take(&mut self, mut batch: Prepared, mut slots: Vec<(TopicIndex, Version)>, plan: &mut Plan) {
        let base = plan.record.len();
        plan.record.extend_from_slice(&batch.bytes);
        let mut start = base;
        for event in &mut batch.events {
            let slot = event.slot as usize;
            let (topic, version) = &mut slots[slot];
            *version += 1;
            let tip = self.heads.tip(*topic);
            tip.sequence += 1;
            let place = Place {
                position: plan.first + plan.events() as Position,
                sequence: tip.sequence,
                version: batch.slots[slot].stream.as_ref().map(|_| *version),
                time_ms: plan.time_ms,
            };
            let end = base + event.end as usize;
            tip.hash = codec::seal(&mut plan.record[start..end], &event.body, &place, &tip.hash);
            event.hash = tip.hash;
            plan.ends.push(end as u32);
            batch.places.push(place);
            start = end;
        }
        for (slot, (topic, version)) in batch.slots.iter().zip(slots) {
            if let Some(stream) = &slot.stream {
                self.heads.set_version(topic, stream, version);
            }
        }
        plan.push(batch);
    }

    /// One write, one sync; then readers may see it. A failure here leaves the disk unknown, so it is the last one.
    fn write(&mut self, plan: &mut Plan) -> Result<(), AppendError> {
        let (number, mut record) = (self.last.group + 1, std::mem::take(&mut plan.record));
        group::seal(&mut record, number, plan.first, plan.events(), self.shared.directory.salt);
        let written = self.shared.directory.starved.note(self.wal.write(&record));
        let published = written
            .map_err(|error| error.to_string())
            .and_then(|end| self.publish(plan, record, number, end).map_err(|damage| damage.to_string()));
        published.map_err(|detail| {
            self.shared.fail(format!("writing the log failed: {detail}"));
            AppendError::Unknown { detail }
        })
    }

    fn publish(&mut self, plan: &mut Plan, record: Vec<u8>, number: u64, end: WalEnd) -> Result<(), codec::Damage> {
        let (first, time_ms, ends) = (plan.first, plan.time_ms, std::mem::take(&mut plan.ends));
        let at = WalEnd { offset: end.offset - record.len() as u64, ..end };
        let group = Group { number, first, record: record.into(), start: group::HEADER_BYTES, ends, time_ms, at, end };
        self.last = Reached { position: group.last(), time_ms, group: number, wal: end };
        let mut state = self.shared.state();
        for placed in &plan.placed {
            index(placed, &mut state.tail)?;
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

/// What a batch's key and conditions say.
enum Admitted {
    /// Nothing is against it; where its streams stand.
    New(Vec<(TopicIndex, Version)>),
    /// Its key is known.
    Told(Answer),
}
