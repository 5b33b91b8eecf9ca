//! The calls that are measured, each kind's own.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::events::Log;
use super::report::Row;
use crate::cli::Failure;
use crate::model::{Event, NewEvent, Payload};
use crate::plugin::{Command, MemoryView, PluginError, Refusal, Target, ViewBase, ViewWrites, Workpiece};

pub struct Work<'a> {
    pub piece: &'a Workpiece,
    pub command: Option<Command>,
    pub target: Target,
}

impl Work<'_> {
    /// Calls with batches of one size until the time is over; a call of its own warms up before.
    pub async fn measure(&self, events: &[NewEvent], batch: usize, time: Duration) -> Result<Row, Failure> {
        let view = Arc::new(BenchView::default());
        let mut row = Row { batch, ..Row::default() };
        let mut log = Log { events, next: 0 };
        self.call(&log.take(batch), &view).await?;
        let fuel_before = self.piece.stats().fuel;
        let end = Instant::now() + time;
        while Instant::now() < end || row.calls == 0 {
            let batch = log.take(batch);
            let spent = self.call(&batch, &view).await?;
            row.calls += 1;
            row.events += batch.len() as u64;
            row.time += spent;
            row.times.push(spent);
        }
        row.fuel = self.piece.stats().fuel - fuel_before;
        Ok(row)
    }

    async fn call(&self, batch: &[Event], view: &Arc<BenchView>) -> Result<Duration, Failure> {
        let base: Arc<dyn ViewBase> = view.clone();
        if let Some(validator) = self.piece.validator() {
            let new: Vec<NewEvent> = batch.iter().cloned().map(NewEvent::from).collect();
            let new: Vec<&NewEvent> = new.iter().collect();
            let started = Instant::now();
            let verdicts = validator.validate(&[], &new).await;
            let spent = started.elapsed();
            verdicts.map_err(fault)?;
            return Ok(spent);
        }
        let started = Instant::now();
        if let Some(upcaster) = self.piece.upcaster() {
            let answer = upcaster.upcast(batch).await;
            let spent = started.elapsed();
            answer.map_err(fault)?.map_err(|refusal| refused(&refusal))?;
            return Ok(spent);
        }
        if let Some(projection) = self.piece.projection() {
            let answer = projection.apply(base, batch).await;
            let spent = started.elapsed();
            view.commit(answer.map_err(fault)?.map_err(|refusal| refused(&refusal))?);
            return Ok(spent);
        }
        if let Some(manager) = self.piece.process_manager() {
            let answer = manager.react(base, batch).await;
            let spent = started.elapsed();
            view.commit(answer.map_err(fault)?.map_err(|refusal| refused(&refusal))?.writes);
            return Ok(spent);
        }
        if let Some(decider) = self.piece.decider() {
            let state = decider.evolve(None, batch).await.map_err(fault)?.map_err(|refusal| refused(&refusal))?;
            if let Some(command) = &self.command {
                // A rejection is an answer like any other.
                let _ = decider.decide(state.as_ref(), command).await.map_err(fault)?;
            }
            return Ok(started.elapsed());
        }
        if let Some(sink) = self.piece.sink() {
            let receipt = sink.deliver(&self.target, batch).await;
            let spent = started.elapsed();
            let receipt = receipt.map_err(fault)?;
            if receipt.accepted < batch.len() {
                return Err(format!(
                    "the plugin delivered {} of {} events ({:?}); give it a target that it takes with --target",
                    receipt.accepted,
                    batch.len(),
                    receipt.rest
                )
                .into());
            }
            return Ok(spent);
        }
        Err("the component is of no kind that can be measured".into())
    }
}

fn fault(error: PluginError) -> Failure {
    error.to_string().into()
}

fn refused(refusal: &Refusal) -> Failure {
    format!("the plugin refused the events: {}; give it events that it takes with --events", refusal.message).into()
}

/// A view in memory that is written in place and knows its size.
#[derive(Default)]
struct BenchView(RwLock<(MemoryView, u64)>);

impl BenchView {
    fn commit(&self, writes: ViewWrites) {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let (view, size) = &mut *inner;
        for (key, value) in writes {
            let weight = |key: &str, value: &Payload| (key.len() + value.as_bytes().len()) as u64;
            let added = value.as_ref().map_or(0, |value| weight(&key, value));
            let old = view.0.get(&key).map_or(0, |value| weight(&key, value));
            *size = (*size + added).saturating_sub(old);
            match value {
                Some(value) => drop(view.0.insert(key, value)),
                None => drop(view.0.remove(&key)),
            }
        }
    }
}

impl ViewBase for BenchView {
    fn get(&self, key: &str) -> Result<Option<Payload>, String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).0.get(key)
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Payload)>, String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).0.scan(prefix, after, limit)
    }

    fn bytes(&self) -> u64 {
        self.0.read().unwrap_or_else(PoisonError::into_inner).1
    }
}
