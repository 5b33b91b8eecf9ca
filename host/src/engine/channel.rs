//! The last few events of one topic, or of a whole store, at hand for all who follow it: upcast once and rendered once,
//! however many they are. It is no queue: nobody takes anything out of it, and the log has all of it too.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use tokio::sync::{OnceCell, watch};

use super::EngineError;
use super::upcast::upcast;
use crate::model::{Event, limits};
use crate::plugin::Plugins;

/// An event on its way to followers.
#[derive(Debug)]
pub struct LiveEvent {
    pub event: Event,
    /// What the room above made of it, for all who send it. The engine does not look at it.
    rendered: OnceLock<Bytes>,
}

impl LiveEvent {
    pub fn new(event: Event) -> Arc<Self> {
        Arc::new(Self { event, rendered: OnceLock::new() })
    }

    /// Renders it, unless that was done already. There is one way to render, whoever asks.
    pub fn rendered(&self, render: impl FnOnce(&Event) -> Bytes) -> &Bytes {
        self.rendered.get_or_init(|| render(&self.event))
    }
}

/// Events of a channel that were read together.
pub(super) struct Batch {
    /// The place of the first; those of the others follow without a gap.
    pub first: u64,
    pub stored: Vec<Event>,
    current: OnceCell<Current>,
}

/// Events as upcasters made them.
struct Current {
    /// How often plugins had changed before.
    changed: u64,
    events: Vec<Arc<LiveEvent>>,
}

/// What a channel has at a place.
pub(super) enum Look {
    /// The batch that holds the place.
    Batch(Arc<Batch>),
    /// Nothing yet.
    Nothing,
    /// It had it; the log has it still.
    Gone,
}

/// What those who wait at a channel are told.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Signal {
    /// The place after the last one that was handed out.
    pub next: u64,
    pub closed: bool,
}

#[derive(Default)]
pub(super) struct Channel {
    recent: Mutex<Recent>,
    signal: watch::Sender<Signal>,
}

#[derive(Default)]
struct Recent {
    batches: VecDeque<Arc<Batch>>,
    events: usize,
    bytes: usize,
    next: u64,
}

impl Batch {
    pub fn new(first: u64, stored: Vec<Event>) -> Arc<Self> {
        Arc::new(Self { first, stored, current: OnceCell::new() })
    }

    /// The place after the last.
    pub fn end(&self) -> u64 {
        self.first + self.stored.len() as u64
    }

    /// The events as upcasters make them: the first who asks has them made, all others wait for it. `None` when they
    /// were made by plugins that have changed since.
    pub async fn current(&self, plugins: &Plugins) -> Result<Option<&[Arc<LiveEvent>]>, EngineError> {
        let changed = plugins.changed();
        let make = async || {
            let events = upcast(plugins, self.stored.clone()).await?;
            Ok::<_, EngineError>(Current { changed, events: events.into_iter().map(LiveEvent::new).collect() })
        };
        let current = self.current.get_or_try_init(make).await?;
        Ok((current.changed == changed).then_some(&*current.events))
    }

    fn bytes(&self) -> usize {
        // Once as recorded, and about once more when it is rendered.
        self.stored.iter().map(|event| 2 * (event.payload.as_bytes().len() + size_of::<Event>())).sum()
    }
}

impl Channel {
    pub fn signal(&self) -> watch::Receiver<Signal> {
        self.signal.subscribe()
    }

    pub fn close(&self) {
        self.signal.send_modify(|signal| signal.closed = true);
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn look(&self, at: u64) -> Look {
        let recent = self.recent();
        if at >= recent.next {
            return Look::Nothing;
        }
        let index = recent.batches.partition_point(|batch| batch.end() <= at);
        match recent.batches.get(index).filter(|batch| batch.first <= at) {
            Some(batch) => Look::Batch(batch.clone()),
            None => Look::Gone,
        }
    }

    /// Adds a batch and wakes those who wait. Answers what becomes of `bytes`, which counts those of all channels.
    pub fn push(&self, batch: Arc<Batch>, bytes: usize) -> usize {
        let mut recent = self.recent();
        let before = recent.bytes;
        let next = batch.end();
        recent.next = next;
        recent.events += batch.stored.len();
        recent.bytes += batch.bytes();
        recent.batches.push_back(batch);
        while (recent.events > limits::LIVE_EVENTS_MAX || recent.bytes > limits::LIVE_BYTES_MAX)
            && recent.batches.len() > 1
            && let Some(oldest) = recent.batches.pop_front()
        {
            recent.events -= oldest.stored.len();
            recent.bytes -= oldest.bytes();
        }
        let after = recent.bytes;
        drop(recent);
        self.signal.send_modify(|signal| signal.next = next);
        bytes + after - before
    }

    /// Lets go of what is at hand, and answers how many bytes that was.
    pub fn clear(&self) -> usize {
        let mut recent = self.recent();
        recent.batches.clear();
        recent.events = 0;
        std::mem::take(&mut recent.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EventType, Payload, TopicName};

    fn event(sequence: u64, bytes: usize) -> Event {
        Event {
            position: sequence + 100,
            topic: TopicName::parse("t").expect("a name"),
            sequence,
            stream: None,
            event_type: EventType::parse("made").expect("a name"),
            time_ms: 0,
            payload: Payload::Bytes(vec![b'x'; bytes].into()),
            tags: vec![],
            metadata: vec![],
        }
    }

    fn found(look: Look) -> Option<Vec<u64>> {
        match look {
            Look::Batch(batch) => Some(batch.stored.iter().map(|event| event.sequence).collect()),
            Look::Nothing => Some(vec![]),
            Look::Gone => None,
        }
    }

    #[test]
    fn a_channel_tells_what_it_has_what_is_to_come_and_what_is_gone() {
        let channel = Channel::default();
        assert_eq!(found(channel.look(1)), Some(vec![]), "nothing was handed out yet");
        channel.push(Batch::new(5, vec![event(5, 1), event(6, 1)]), 0);
        channel.push(Batch::new(7, vec![event(7, 1)]), 0);
        let looks: Vec<_> = (4..=9).map(|at| found(channel.look(at))).collect();
        let (first, second) = (Some(vec![5, 6]), Some(vec![7]));
        assert_eq!(looks, [None, first.clone(), first, second, Some(vec![]), Some(vec![])]);
        channel.clear();
        assert_eq!((found(channel.look(7)), found(channel.look(8))), (None, Some(vec![])));
    }

    #[test]
    fn a_channel_keeps_so_many_bytes_and_events_and_always_the_last() {
        let channel = Channel::default();
        let mut bytes = 0;
        for n in 1..=1_000 {
            bytes = channel.push(Batch::new(n, vec![event(n, 10)]), bytes);
        }
        let kept = (1..=1_000).filter(|n| matches!(channel.look(*n), Look::Batch(_))).count();
        assert_eq!(kept, 256);
        assert_eq!(bytes, channel.recent().bytes);
        bytes = channel.push(Batch::new(1_001, vec![event(1_001, limits::LIVE_BYTES_MAX)]), bytes);
        assert_eq!((found(channel.look(1_000)), found(channel.look(1_001))), (None, Some(vec![1_001])));
        assert_eq!(channel.clear(), bytes);
        assert_eq!(channel.clear(), 0);
    }
}
