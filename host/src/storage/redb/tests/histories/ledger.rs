//! What must be in the log: every batch that was sent, what became of it, and the oracle that had the same appended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::tally::Tally;
use crate::model::{Condition, Event, Expected, IdempotencyKey, NewEvent, Scope};
use crate::storage::contract::{dice::Dice, forward, histories, key, read_all, stream, topic};
use crate::storage::{AppendError, Appended, Batch, Cuts, EventLog, Kept, Place, Store, memory};

/// Index into the batches that were sent.
pub type Id = usize;

pub struct Ledger {
    pub oracle: Store,
    /// The oracle's clock.
    now: Arc<AtomicU64>,
    sent: Vec<Batch>,
    /// Nobody was told what became of them, since the store was opened.
    unknown: BTreeSet<Id>,
    /// With a key, and of unknown outcome at some time.
    pub doubtful: BTreeSet<Id>,
    /// What was deleted, and the last position of that: conditions look at nothing before it.
    pub cuts: Arc<Cuts>,
    deleted: u64,
    /// Keys keep the events that they were used for, and those behind them.
    keyless: bool,
    /// For random reads.
    pub history: histories::History,
    pub tally: Tally,
}

const NOTE: &str = "batch";

impl Ledger {
    pub fn new(keyless: bool) -> Self {
        let now = Arc::new(AtomicU64::new(0));
        let oracle = memory::open(super::super::standing(&now));
        let (sent, unknown, doubtful) = (vec![], BTreeSet::new(), BTreeSet::new());
        let (cuts, history, tally) = (Arc::default(), histories::History::default(), Tally::default());
        Self { oracle, now, sent, unknown, doubtful, cuts, deleted: 0, keyless, history, tally }
    }

    /// Deletes some of a topic's first events.
    pub async fn cut(&mut self, dice: &mut Dice) {
        let name = topic(["a", "ab", "orders"][dice.below(3) as usize]);
        let through = self.oracle.log.tip(&name).sequence.saturating_sub(dice.below(20));
        let last = self.oracle.log.read(&forward(Scope::Topic(name.clone()), through)).await.expect("a page");
        if let (1.., Some(last)) = (through, last.events.first()) {
            self.deleted = self.deleted.max(last.position);
            self.cuts.cut(&name, through);
        }
    }

    /// A log as the engine sees it.
    pub fn kept(&self, log: &Arc<dyn EventLog>) -> Kept {
        Kept { log: log.clone(), cuts: self.cuts.clone() }
    }

    pub fn head(&self) -> u64 {
        *self.oracle.log.head().borrow()
    }

    /// A batch that the store has not seen, with conditions and a key at random.
    pub async fn random_batch(&mut self, dice: &mut Dice) -> (Id, Batch) {
        let key = dice.chance(3).then(|| key(dice.below(12) as u8, dice.below(2) as u8)).filter(|_| !self.keyless);
        let conditions = self.conditions(dice).await;
        self.send(dice, conditions, key)
    }

    /// One that nothing can be said against.
    pub fn plain_batch(&mut self, dice: &mut Dice) -> (Id, Batch) {
        self.send(dice, vec![], None)
    }

    /// Each event says which batch it is of.
    fn send(&mut self, dice: &mut Dice, conditions: Vec<Condition>, key: Option<IdempotencyKey>) -> (Id, Batch) {
        let id = self.sent.len();
        let mut events = histories::random_batch(dice);
        let count = events.len();
        for (n, event) in events.iter_mut().enumerate() {
            event.metadata.push((NOTE.into(), format!("{id} {n} {count}")));
        }
        let batch = Batch { events, conditions, key };
        self.sent.push(batch.clone());
        (id, batch)
    }

    /// One that was sent before, with its key.
    pub fn again(&mut self, dice: &mut Dice) -> Option<(Id, Batch)> {
        let keyed: Vec<Id> = (0..self.sent.len()).filter(|id| self.sent[*id].key.is_some()).collect();
        let id = *keyed.get(dice.below(keyed.len() as u64) as usize)?;
        Some((id, self.batch(id)))
    }

    pub fn batch(&mut self, id: Id) -> Batch {
        for condition in &mut self.sent[id].conditions {
            if let Condition::Query { after, .. } = condition {
                *after = self.deleted.max(*after);
            }
        }
        self.sent[id].clone()
    }

    async fn conditions(&self, dice: &mut Dice) -> Vec<Condition> {
        let mut conditions = vec![];
        while dice.chance(3) && conditions.len() < 3 {
            let head = self.head();
            let (of, name) = (topic(["a", "ab"][dice.below(2) as usize]), stream(["1", "2"][dice.below(2) as usize]));
            let version = self.oracle.log.stream_head(&of, &name).await.expect("a head");
            conditions.push(match dice.below(6) {
                0 => Condition::Stream { topic: of, stream: name, expected: Expected::Exists },
                1 => Condition::Stream { topic: of, stream: name, expected: Expected::None },
                2 => {
                    Condition::Stream { topic: of, stream: name, expected: Expected::Exactly(version + dice.below(2)) }
                }
                3 => Condition::Head(head + u64::from(dice.chance(4))),
                4 => Condition::Query {
                    filter: histories::random_filter(dice),
                    after: dice.below(head + 2).max(self.deleted),
                },
                _ => Condition::Query { filter: histories::random_filter(dice), after: head },
            });
        }
        conditions
    }

    /// An answer to a batch that nobody else was appending beside. `trouble` says that the disk had some.
    pub async fn note(&mut self, id: Id, ours: Result<Appended, AppendError>, now: u64, trouble: bool) {
        self.count(&ours);
        match ours {
            Ok(_) | Err(AppendError::Conflict(_) | AppendError::KeyReused) => {
                let theirs = self.append(id, now).await;
                assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "batch {id}");
            }
            Err(error) => self.note_failure(id, &error, trouble),
        }
    }

    fn count(&mut self, ours: &Result<Appended, AppendError>) {
        let tally = &mut self.tally;
        *match ours {
            Ok(Appended { replayed: false, .. }) => &mut tally.acknowledged,
            Ok(_) => &mut tally.replayed,
            Err(AppendError::Conflict(_) | AppendError::KeyReused) => &mut tally.conflicts,
            Err(AppendError::Unknown { .. }) => &mut tally.unknown,
            Err(_) => &mut tally.refused,
        } += 1;
    }

    fn note_failure(&mut self, id: Id, error: &AppendError, trouble: bool) {
        assert!(trouble, "batch {id}: nothing is wrong with the disk, but {error}");
        if let AppendError::Unknown { .. } = error {
            self.unknown.insert(id);
            self.doubtful.extend(self.sent[id].key.map(|_| id));
        }
    }

    async fn append(&mut self, id: Id, now: u64) -> Result<Appended, AppendError> {
        self.now.store(now, Ordering::Relaxed);
        let appended = self.oracle.log.append(self.sent[id].clone()).await;
        if let Ok(Appended { places, replayed: false }) = &appended {
            self.history.record(self.sent[id].events.clone(), places);
        }
        appended
    }

    /// Answers to batches that were appended beside each other: there must be an order in which the oracle gives the same.
    pub async fn note_all(&mut self, answers: Vec<(Id, Result<Appended, AppendError>)>, now: u64, trouble: bool) {
        let (mut placed, mut replayed, mut refused) = (BTreeMap::new(), vec![], vec![]);
        for (id, answer) in answers {
            self.count(&answer);
            match answer {
                Ok(Appended { places, replayed: false }) => drop(placed.insert(places[0].position, (id, places))),
                Ok(appended) => replayed.push((id, appended)),
                Err(error @ (AppendError::Conflict(_) | AppendError::KeyReused)) => refused.push((id, error)),
                Err(error) => self.note_failure(id, &error, trouble),
            }
        }
        self.explain(&mut refused).await;
        for (id, places) in placed.into_values() {
            let theirs = self.append(id, now).await;
            assert_eq!(theirs.expect("the oracle appends it too"), Appended { places, replayed: false }, "batch {id}");
            self.explain(&mut refused).await;
        }
        assert!(refused.is_empty(), "no order of the batches explains {refused:?}");
        for (id, ours) in replayed {
            let theirs = self.append(id, now).await;
            assert_eq!(theirs.expect("the oracle knows it too"), ours, "batch {id}");
        }
    }

    /// Takes out those refusals that the oracle would have given at this moment.
    async fn explain(&self, refused: &mut Vec<(Id, AppendError)>) {
        let mut left = vec![];
        for (id, error) in refused.drain(..) {
            let Batch { conditions, key, .. } = self.sent[id].clone();
            let known = match key {
                Some(key) => self.oracle.log.recall(&key.key).await.expect("looks"),
                None => None,
            };
            let theirs = match (known, key) {
                (Some(known), Some(key)) if known.request != key.request => Some(AppendError::KeyReused),
                (Some(_), _) => None,
                (None, _) => self.oracle.log.append(Batch { conditions, ..Batch::default() }).await.err(),
            };
            if theirs.is_none_or(|theirs| format!("{theirs:?}") != format!("{error:?}")) {
                left.push((id, error));
            }
        }
        *refused = left;
    }

    /// Holds a store that was just opened against what is known, and learns what became of the batches that were unknown.
    pub async fn settle(&mut self, log: &Arc<dyn EventLog>) {
        let found = read_all(&self.kept(log), forward(Scope::Store, 1)).await;
        let known = read_all(&self.kept(&self.oracle.log), forward(Scope::Store, 1)).await;
        assert!(found.len() >= known.len(), "{} events were acknowledged, {} are there", known.len(), found.len());
        let (kept, mut rest) = found.split_at(known.len());
        if let Some((ours, theirs)) = kept.iter().zip(&known).find(|(ours, theirs)| ours != theirs) {
            panic!("position {}: {ours:?} is there, not {theirs:?}", theirs.position);
        }
        while let Some(first) = rest.first() {
            let (id, count) = batch_of(first);
            assert!(self.unknown.remove(&id), "position {}: batch {id} was refused, or is there twice", first.position);
            assert!(rest.len() >= count, "only a part of batch {id} is there");
            let (events, after) = rest.split_at(count);
            self.adopt(id, events).await;
            self.tally.adopted += 1;
            rest = after;
        }
        self.unknown.clear();
        self.same_state(&**log).await;
    }

    /// A batch of unknown outcome is there: the oracle has it appended now.
    async fn adopt(&mut self, id: Id, events: &[Event]) {
        let batch = self.batch(id);
        assert!(
            events.iter().zip(&batch.events).all(|(event, new)| is_of(event, new)),
            "batch {id} is there, but not as it was sent"
        );
        assert_eq!(events.len(), batch.events.len(), "batch {id}");
        let theirs = self.append(id, events[0].time_ms).await.expect("its conditions held, and its key was free");
        let place = |event: &Event| Place {
            position: event.position,
            sequence: event.sequence,
            version: event.stream.as_ref().map(|(_, version)| *version),
            time_ms: event.time_ms,
        };
        let places: Vec<_> = events.iter().map(place).collect();
        assert_eq!(theirs, Appended { places, replayed: false }, "batch {id}");
        assert!(events.iter().all(|event| event.time_ms == events[0].time_ms), "batch {id}");
    }

    /// Heads, chains and keys.
    async fn same_state(&self, log: &dyn EventLog) {
        let oracle = &self.oracle.log;
        assert_eq!(*log.head().borrow(), self.head());
        for name in ["a", "ab", "orders"].map(topic) {
            assert_eq!(log.tip(&name), oracle.tip(&name), "the chain of {name}");
            for of in ["1", "2", "12", "x:y/z"].map(stream) {
                let (ours, theirs) = (log.stream_head(&name, &of).await, oracle.stream_head(&name, &of).await);
                assert_eq!(ours.expect("a head"), theirs.expect("a head"), "{name}/{of}");
            }
        }
        for n in 0..12 {
            let (ours, theirs) = (log.recall(&[n; 16]).await, oracle.recall(&[n; 16]).await);
            assert_eq!(ours.expect("looks"), theirs.expect("looks"), "key {n}");
        }
    }
}

/// Which batch an event is of, and how many events that has. **Invariant:** it is the first of them.
fn batch_of(event: &Event) -> (Id, usize) {
    let note = event.metadata.iter().find(|(key, _)| key == NOTE).map(|(_, value)| value.as_str());
    let mut words = note.expect("every event has one").split(' ').map(|word| word.parse().expect("a number"));
    let (id, n, count) = (words.next().expect("id"), words.next().expect("n"), words.next().expect("count"));
    assert_eq!(n, 0, "position {}: batch {id} is there without its first event", event.position);
    (id, count)
}

fn is_of(event: &Event, new: &NewEvent) -> bool {
    event.topic == new.topic
        && event.stream.as_ref().map(|(stream, _)| stream) == new.stream.as_ref()
        && event.event_type == new.event_type
        && event.payload == new.payload
        && event.tags == new.tags
        && event.metadata == new.metadata
}
