//! One loop per consumer and topic: wait for the head, read a page, deliver it, move the checkpoint. In order, and the
//! position moves only after success (or into the dead letters), so nothing is lost and a restart goes on where it was.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::consumer::{Consumer, DeadLetter, ProgressState, checkpoint_key, dead_letter_key, dead_letter_prefix};
use crate::engine::{Engine, EngineError, Topic};
use crate::model::{Event, Filter, Sequence, TopicName};
use crate::plugin::{Fault, PluginError, Receipt, Rest};
use crate::storage::{Change, StorageError};

pub(super) struct Runner {
    pub engine: Arc<Engine>,
    pub consumer: Arc<Consumer>,
    pub topic: TopicName,
    /// Becomes true when the server stops or the consumer is deleted.
    pub stop: watch::Receiver<bool>,
}

/// How an attempt ended.
enum Outcome {
    /// So many events from the first were accepted, all of the batch or up to a failure.
    Accepted { count: usize, failure: Option<Failure> },
    /// Nothing was tried: no plugin, or no free instance. It does not count as an attempt.
    NotTried(String),
}

enum Failure {
    Retry { after_ms: Option<u64>, reason: String },
    Poison(String),
    Gone(String),
}

/// Where a runner stands between attempts.
struct Cursor {
    /// The last sequence that is done, as `Progress` shows it.
    done: Sequence,
    /// Failed attempts in a row for the event after `done`.
    failures: u32,
    /// Events in the next batch: halved by a failure, so that one bad event is soon alone; doubled by a success.
    batch: usize,
}

impl Runner {
    /// Runs until told to stop, or until the target is gone for good. A delivery on its way is finished first.
    pub async fn run(self) {
        let Some(topic) = self.unless_stopped(self.wait_for_topic()).await else { return };
        let mut cursor = match self.load(&topic).await {
            Ok(done) => Cursor { done, failures: 0, batch: self.consumer.definition.batch_events_max },
            Err(reason) => return self.give_up(&reason),
        };
        let mut head = topic.store.log.head();
        while !*self.stop.borrow() {
            head.mark_unchanged();
            let filter = Filter { types: self.consumer.definition.types.clone(), ..Filter::default() };
            let page = match self.engine.page(&topic, cursor.done + 1, filter, cursor.batch).await {
                Ok(page) => page,
                Err(error @ (EngineError::Plugin(_) | EngineError::UpcastRefused(_))) => {
                    self.wait_for_plugin(&error.to_string()).await;
                    continue;
                }
                Err(error) => {
                    self.wait_after(&format!("reading failed: {error}"), Duration::from_secs(5)).await;
                    continue;
                }
            };
            if page.events.is_empty() {
                match page.next {
                    // Nothing matched so far; the position moves in memory only, it is found again after a restart.
                    Some(next) => self.pass(&mut cursor, next - 1),
                    None => match self.unless_stopped(head.changed()).await {
                        Some(Ok(())) => {}
                        // The log has no reason to end while we hold it; if it does, there is nothing left to wait for.
                        Some(Err(_)) | None => return,
                    },
                }
                continue;
            }
            if !self.step(&topic, &mut cursor, &page.events).await {
                return;
            }
        }
    }

    /// Consumers may outlive a topic that lived in memory; they go on when it is made again.
    async fn wait_for_topic(&self) -> Arc<Topic> {
        let mut changes = self.engine.topic_changes();
        loop {
            changes.mark_unchanged();
            match self.engine.topic(&self.topic) {
                Ok(topic) => return topic,
                Err(_) if changes.changed().await.is_err() => std::future::pending().await,
                Err(_) => {}
            }
        }
    }

    /// The checkpoint, or where the consumer registered to begin.
    async fn load(&self, topic: &Topic) -> Result<Sequence, String> {
        let definition = &self.consumer.definition;
        let start = definition.topics.get(&self.topic).copied().unwrap_or(0);
        if !definition.durable {
            return Ok(start);
        }
        let key = checkpoint_key(&definition.id, &self.topic);
        let record = topic.store.records.get(&key).await.map_err(|error| error.to_string())?;
        let done = match record {
            None => start.min(topic.sequence()),
            Some(record) => serde_json::from_slice(&record.value).map_err(|_| format!("record '{key}' is damaged"))?,
        };
        // Invariant: checkpoint <= head. A checkpoint ahead of its log would skip events silently.
        if done > topic.sequence() {
            return Err(format!("checkpoint {done} is beyond the topic's last event {}", topic.sequence()));
        }
        let dead_letters = self.count_dead_letters(topic).await.map_err(|error| error.to_string())?;
        self.consumer.update(&self.topic, |progress| {
            progress.sequence = done;
            progress.dead_letters = dead_letters;
        });
        Ok(done)
    }

    async fn count_dead_letters(&self, topic: &Topic) -> Result<u64, StorageError> {
        let prefix = dead_letter_prefix(&self.consumer.definition.id, &self.topic);
        let (mut count, mut after) = (0, None);
        loop {
            let page = topic.store.records.scan(&prefix, after.as_deref(), 1_000).await?;
            let Some((last, _)) = page.last() else { return Ok(count) };
            after = Some(last.clone());
            count += page.len() as u64;
        }
    }

    /// Attempts one batch and moves on by what became of it. False when the consumer is gone.
    async fn step(&self, topic: &Topic, cursor: &mut Cursor, events: &[Event]) -> bool {
        let (count, failure) = match self.attempt(events).await {
            Outcome::Accepted { count, failure } => (count, failure),
            Outcome::NotTried(reason) => {
                self.wait_for_plugin(&reason).await;
                return true;
            }
        };
        if count > 0 {
            self.save(topic, cursor, events[count - 1].sequence, count, None).await;
            cursor.failures = 0;
        }
        let policy = &self.consumer.definition.retry;
        match failure {
            None => {
                let most = self.consumer.definition.batch_events_max;
                cursor.batch = (cursor.batch * 2).min(most);
                self.consumer.update(&self.topic, |progress| progress.state = ProgressState::Active);
                true
            }
            Some(Failure::Retry { after_ms, reason }) => {
                cursor.failures += 1;
                if cursor.failures >= policy.max_attempts && events.len() == 1 {
                    self.bury(topic, cursor, &events[count], &reason).await;
                    return true;
                }
                // The last attempt is made with the event alone, so that no other is given up on with it.
                let last = cursor.failures + 1 >= policy.max_attempts;
                cursor.batch = if last { 1 } else { (cursor.batch / 2).max(1) };
                self.wait_after(&reason, policy.delay(cursor.failures, after_ms, rand::random())).await;
                true
            }
            Some(Failure::Poison(reason)) => {
                cursor.failures += 1;
                self.bury(topic, cursor, &events[count], &reason).await;
                true
            }
            Some(Failure::Gone(reason)) => {
                self.give_up(&reason);
                false
            }
        }
    }

    async fn attempt(&self, events: &[Event]) -> Outcome {
        let definition = &self.consumer.definition;
        let Some(sink) = self.engine.plugins().sink(definition.sink.as_str()) else {
            return Outcome::NotTried(format!("plugin '{}' is not active; see GET /plugins", definition.sink));
        };
        match sink.deliver(&self.consumer.target, events).await {
            Ok(receipt) => outcome(receipt, events.len()),
            Err(error @ PluginError { fault: Fault::Busy(_), .. }) => Outcome::NotTried(error.to_string()),
            Err(error) => {
                let failure = Some(Failure::Retry { after_ms: None, reason: error.to_string() });
                Outcome::Accepted { count: 0, failure }
            }
        }
    }

    /// Moves the position past events that the filter left out.
    fn pass(&self, cursor: &mut Cursor, sequence: Sequence) {
        cursor.done = cursor.done.max(sequence);
        self.consumer.update(&self.topic, |progress| progress.sequence = cursor.done);
    }

    /// Dead-letters one event and moves past it, in one commit.
    async fn bury(&self, topic: &Topic, cursor: &mut Cursor, event: &Event, reason: &str) {
        let letter = DeadLetter {
            event_id: event.id().to_string(),
            reason: reason.to_owned(),
            attempts: cursor.failures,
            at_ms: self.engine.now_ms(),
        };
        tracing::warn!(consumer = %self.consumer.definition.id, event = %letter.event_id, reason, "dead-lettered");
        self.save(topic, cursor, event.sequence, 0, Some(letter)).await;
        cursor.failures = 0;
    }

    /// Saves the position, and goes on only when it is saved.
    async fn save(
        &self,
        topic: &Topic,
        cursor: &mut Cursor,
        sequence: Sequence,
        count: usize,
        dead: Option<DeadLetter>,
    ) {
        let id = &self.consumer.definition.id;
        let mut changes = vec![Change::put(checkpoint_key(id, &self.topic), sequence.to_string())];
        let buried = u64::from(dead.is_some());
        if let Some(letter) = dead
            && let Ok(value) = serde_json::to_vec(&letter)
        {
            changes.push(Change::put(dead_letter_key(id, &self.topic, sequence), value));
        }
        // The position of a transient consumer vanishes with it, and its dead letters do too.
        if self.consumer.definition.durable && !self.commit(topic, changes).await {
            return;
        }
        cursor.done = sequence;
        self.consumer.update(&self.topic, |progress| {
            progress.sequence = sequence;
            progress.delivered += count as u64;
            progress.dead_letters += buried;
        });
    }

    /// Tries until it is committed. False when the runner was told to stop first.
    async fn commit(&self, topic: &Topic, changes: Vec<Change>) -> bool {
        loop {
            let Err(error) = topic.store.records.commit(changes.clone()).await else { return true };
            self.wait_after(&format!("saving the position failed: {error}"), Duration::from_secs(1)).await;
            if *self.stop.borrow() {
                return false;
            }
        }
    }

    /// A new generation of the plugin may bring it back at once; else it is looked for again soon.
    async fn wait_for_plugin(&self, reason: &str) {
        let mut changes = self.engine.plugins().changes();
        tokio::select! {
            () = self.wait_after(reason, Duration::from_secs(1)) => {}
            _ = changes.changed() => {}
        }
    }

    /// `None` when the runner was told to stop first.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.clone();
        tokio::select! {
            done = work => Some(done),
            _ = stop.wait_for(|stop| *stop) => None,
        }
    }

    async fn wait_after(&self, reason: &str, wait: Duration) {
        tracing::debug!(consumer = %self.consumer.definition.id, topic = %self.topic, reason, ?wait, "will try again");
        self.consumer.update(&self.topic, |progress| {
            progress.state = ProgressState::Retrying;
            progress.last_error = Some(reason.to_owned());
        });
        self.unless_stopped(tokio::time::sleep(wait)).await;
    }

    fn give_up(&self, reason: &str) {
        tracing::warn!(consumer = %self.consumer.definition.id, topic = %self.topic, reason, "delivery ended");
        self.consumer.update(&self.topic, |progress| {
            progress.state = ProgressState::Gone;
            progress.last_error = Some(reason.to_owned());
        });
    }
}

/// Reads a receipt. The plugin room has checked that `accepted` is at most the batch, and all of it when `rest` is done.
fn outcome(receipt: Receipt, batch: usize) -> Outcome {
    let failure = match receipt.rest {
        Rest::Done => None,
        _ if receipt.accepted >= batch => None,
        Rest::Retry { after_ms, reason } => Some(Failure::Retry { after_ms, reason }),
        Rest::Poison(refusal) => Some(Failure::Poison(refusal.message)),
        Rest::Gone(refusal) => Some(Failure::Gone(refusal.message)),
    };
    Outcome::Accepted { count: receipt.accepted.min(batch), failure }
}
