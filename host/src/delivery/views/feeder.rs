//! Feeds one generation of a view: reads events in the order of their commits, has them folded, and commits what was written
//! together with how far it came.
//!
//! While it catches up, what several batches wrote is gathered and committed at once; once it has, each batch is shown as it
//! comes. **Invariant:** a batch that failed wrote nothing, and the view never shows a part of one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::agenda::{self, Note};
use super::folder::{Folded, Folder};
use super::generation::{Base, Generation, ViewState};
use super::letters;
use crate::engine::{Engine, EngineError};
use crate::model::limits::{FOLD_EVENTS_MAX, FOLD_GATHERED_BYTES, PAGE_EVENTS_MAX, VIEW_DURABLE_MS, VIEW_SHOWN_MS};
use crate::model::{Event, Payload, Position};
use crate::plugin::{Fault, Overlay, PluginError, ViewWrites};
use crate::storage::StorageError;
use crate::storage::views::{Shown, ViewCommit};

/// Wait after what may be over soon.
const A_WHILE: Duration = Duration::from_secs(1);
/// Longest sleep until a timer: the clock may be set meanwhile.
const TIMER_LOOK_MS_MAX: u64 = 60_000;
/// How often a single event is tried that a guest fails on; a pure guest fails on it again, but for want of time.
const ATTEMPTS: u32 = 3;

pub struct Feeder {
    pub engine: Arc<Engine>,
    pub generation: Arc<Generation>,
    /// Who folds; none while the plugin is paused or not there.
    pub folder: watch::Receiver<Option<Folder>>,
    pub stop: watch::Receiver<bool>,
    /// The generation that is live meanwhile, if this one is being built for a process manager: it must not get ahead of what
    /// that one has asked for, and asks for nothing itself.
    pub behind: Option<Arc<Generation>>,
}

/// What was folded and is not committed yet.
struct Gathered {
    writes: Arc<ViewWrites>,
    bytes: u64,
    notes: Vec<Note>,
    /// Everything up to here is in it.
    position: Position,
    since: Instant,
}

/// What a feeder remembers between batches.
pub(super) struct Desk {
    pub shown: Arc<Shown>,
    gathered: Gathered,
    /// Events in the next batch: halved by a failure, so that one bad event is soon alone; doubled by a success.
    batch: usize,
    failures: u32,
    /// Whether what is shown outlives a power failure, and since when at the latest.
    durable: bool,
    durable_at: Instant,
    /// Up to here a process manager asks for nothing.
    quiet_until: Position,
}

/// Events that were read, in order, and the position that all of them reach.
struct Piece {
    events: Vec<Event>,
    end: Position,
    /// There is nothing behind it yet.
    last: bool,
}

/// Why a batch was not taken.
pub(super) enum Failure {
    /// Fewer events at once may do, or another attempt.
    Fewer(usize),
    /// What it needs is not there for now.
    Wait(String),
    /// The event is the reason.
    Event(String),
}

impl Feeder {
    /// Runs until told to stop; what was gathered is committed then.
    pub async fn run(mut self) {
        let shown = self.generation.view.shown();
        let gathered = Gathered::after(shown.checkpoint);
        let (durable, durable_at) = (true, Instant::now());
        let Some(quiet_until) = self.quiet_until(&shown).await else { return };
        let batch = FOLD_EVENTS_MAX;
        let mut desk = Desk { shown, gathered, batch, failures: 0, durable, durable_at, quiet_until };
        let mut live = self.behind.as_ref().map(|live| live.watch());
        let mut head = self.engine.default_store().log.head();
        let mut ahead: Option<Piece> = None;
        while !self.is_stopped() {
            if let Some(from) = self.generation.take_replay() {
                ahead = None;
                self.go_back(&mut desk, from).await;
            }
            let Some(folder) = self.folder.borrow_and_update().clone() else {
                self.commit(&mut desk, true).await;
                self.generation.stands(ViewState::Waiting, "its plugin is not active; see GET /plugins".into());
                self.woken().await;
                continue;
            };
            if folder.is_manager()
                && self.behind.is_none()
                && let Err(failure) = self.run_errands(&mut desk, &folder).await
            {
                self.failed(&mut desk, failure).await;
                continue;
            }
            let piece = match ahead.take() {
                Some(piece) => piece,
                None => {
                    head.mark_unchanged();
                    live.iter_mut().for_each(watch::Receiver::mark_unchanged);
                    match self.read(desk.gathered.position + 1).await {
                        Ok(piece) => piece,
                        Err(error) => {
                            self.wait(&mut desk, format!("reading failed: {error}")).await;
                            continue;
                        }
                    }
                }
            };
            if piece.events.is_empty() && piece.end <= desk.gathered.position {
                self.commit(&mut desk, false).await;
                if let Err(failure) = self.tell(&mut desk, &folder, piece.end).await {
                    self.failed(&mut desk, failure).await;
                    continue;
                }
                let mut timer = None;
                if folder.is_manager() && self.behind.is_none() {
                    // Nothing that came before may still take a timer back.
                    match self.fire(&mut desk, &folder).await {
                        Ok(true) => continue,
                        Ok(false) => timer = self.until_due(&desk),
                        Err(failure) => {
                            self.failed(&mut desk, failure).await;
                            continue;
                        }
                    }
                }
                self.generation.runs();
                let due = async { tokio::time::sleep(timer.unwrap_or_default()).await };
                let grown = async {
                    match &mut live {
                        Some(live) => drop(live.changed().await),
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    changed = head.changed() => if changed.is_err() { break },
                    () = self.woken() => {}
                    () = grown => {}
                    () = due, if timer.is_some() => {}
                    // What was shown shall be durable soon, though nothing comes any more.
                    () = tokio::time::sleep(Duration::from_millis(VIEW_DURABLE_MS)), if !desk.durable => {
                        self.commit(&mut desk, true).await;
                    }
                }
                continue;
            }
            ahead = self.take(&mut desk, &folder, piece).await;
        }
        self.commit(&mut desk, true).await;
        let folder = self.folder.borrow().clone();
        if let Some(folder) = folder.filter(|_| self.behind.is_some()) {
            // The live one may have been told something last, and stands still now if this one is to take its place.
            let position = desk.position();
            if let Err(Failure::Event(reason) | Failure::Wait(reason)) = self.tell(&mut desk, &folder, position).await {
                tracing::warn!(reason, "a view was not told what the one before was told last");
            }
            self.commit(&mut desk, true).await;
        }
    }

    /// Up to where nothing is asked for. Not to know it is no reason to ask for something again; `None` when it is to stop.
    async fn quiet_until(&self, shown: &Shown) -> Option<Position> {
        while !self.is_stopped() {
            match agenda::quiet_until(shown) {
                Ok(position) => return Some(position),
                Err(error) => {
                    self.generation.stands(ViewState::Waiting, format!("its view cannot be read: {error}"));
                    tokio::time::sleep(A_WHILE).await;
                }
            }
        }
        None
    }

    /// Folds a piece, batch by batch, while the next one is read; answers it.
    async fn take(&mut self, desk: &mut Desk, folder: &Folder, piece: Piece) -> Option<Piece> {
        let Piece { mut events, end, last } = piece;
        events.retain(|event| folder.interested_in(event));
        let (this, mut rest) = (&*self, events.as_slice());
        let next = async {
            match last {
                true => None,
                false => this.read(end + 1).await.ok(),
            }
        };
        let folding = async {
            while !rest.is_empty() {
                let quiet = this.is_quiet(desk, &rest[0]);
                let untold = match this.tell(desk, folder, rest[0].position - 1).await {
                    Ok(untold) => untold,
                    Err(failure) => return Some(failure),
                };
                let together = if folder.is_manager() { this.together(desk, rest, quiet, untold) } else { rest.len() };
                let (batch, after) = rest.split_at(desk.batch.min(together));
                match this.fold(desk, folder, batch, quiet).await {
                    Ok(()) => rest = after,
                    Err(Failure::Fewer(events)) => desk.batch = events.max(1),
                    Err(failure) => return Some(failure),
                }
            }
            let told = this.tell(desk, folder, end).await;
            desk.gathered.position = end;
            told.err()
        };
        let (failure, next) = tokio::join!(folding, next);
        if let Some(failure) = failure {
            self.failed(desk, failure).await;
            return None;
        }
        self.generation.runs();
        if last || desk.gathered.is_due() {
            let durable = desk.durable_at.elapsed() >= Duration::from_millis(VIEW_DURABLE_MS);
            self.commit(desk, durable).await;
        }
        next
    }

    /// Whether what an event asks for is not done: it was, by a generation before, or by the one that is live.
    fn is_quiet(&self, desk: &Desk, event: &Event) -> bool {
        self.behind.is_some() || event.position <= desk.quiet_until
    }

    /// How many events of a process manager go into one call: those that are alike quiet, and up to where it is told something.
    fn together(&self, desk: &Desk, events: &[Event], quiet: bool, untold: Option<Position>) -> usize {
        let alike = |event: &&Event| {
            self.is_quiet(desk, event) == quiet && untold.is_none_or(|untold| event.position <= untold)
        };
        events.iter().take_while(alike).count().max(1)
    }

    /// Tells one that is being built what the live one was told behind positions up to this one; answers where it is told the
    /// next thing.
    async fn tell(&self, desk: &mut Desk, folder: &Folder, position: Position) -> Result<Option<Position>, Failure> {
        loop {
            match self.untold(desk)? {
                Some(heard) if heard.position <= position => self.tell_again(desk, folder, heard).await?,
                other => return Ok(other.map(|heard| heard.position)),
            }
        }
    }

    fn until_due(&self, desk: &Desk) -> Option<Duration> {
        let at_ms = agenda::next_due(&desk.shown).ok().flatten()?;
        Some(Duration::from_millis(at_ms.saturating_sub(self.engine.now_ms()).clamp(1, TIMER_LOOK_MS_MAX)))
    }

    pub(super) fn is_stopped(&self) -> bool {
        // Who let go of it without a word wants nothing of it any more either.
        *self.stop.borrow() || self.stop.has_changed().is_err()
    }

    /// Commits; tries again until it is done, or the server stops.
    pub(super) async fn commit_surely(&self, desk: &mut Desk, durable: bool) {
        loop {
            self.commit(desk, durable).await;
            if desk.is_shown() || self.is_stopped() {
                return;
            }
        }
    }

    async fn read(&self, from: Position) -> Result<Piece, EngineError> {
        let live = self.behind.as_ref().map(|live| live.reached());
        if live.is_some_and(|live| from > live) {
            return Ok(Piece { events: Vec::new(), end: from - 1, last: true });
        }
        let (mut page, head) = self.engine.store_page(from, PAGE_EVENTS_MAX).await?;
        if let Some(live) = live.filter(|live| page.next.is_none_or(|next| next > *live)) {
            page.events.retain(|event| event.position <= live);
            return Ok(Piece { events: page.events, end: live, last: true });
        }
        let last = page.events.last().map_or(0, |event| event.position);
        Ok(match page.next {
            Some(next) => Piece { events: page.events, end: next - 1, last: false },
            // What was deleted is passed as well.
            None => Piece { events: page.events, end: last.max(head), last: true },
        })
    }

    /// Has a batch folded over what is gathered.
    async fn fold(&self, desk: &mut Desk, folder: &Folder, batch: &[Event], quiet: bool) -> Result<(), Failure> {
        let reason = match folder.fold(desk.view(), batch).await {
            Ok(Ok(Folded { writes, actions })) => {
                // First of all: what it wrote is not taken without what it asked for.
                let notes = self.asked(desk, folder, actions, batch, quiet)?;
                desk.taken(writes, batch);
                self.generation.note(|standing| standing.events += batch.len() as u64);
                return self.send(desk, folder, notes).await;
            }
            Ok(Err(refusal)) => refusal.message,
            Err(PluginError { fault: fault @ (Fault::Busy(_) | Fault::Suspended { .. } | Fault::Host(_)), .. }) => {
                return Err(Failure::Wait(format!("its plugin {fault}")));
            }
            Err(error) => error.to_string(),
        };
        match batch {
            [event] => self.refused(desk, folder, event, reason),
            _ => Err(Failure::Fewer(batch.len() / 2)),
        }
    }

    /// An event came to nothing: after some attempts it is left out, if the operator said so, or the reason to stop.
    fn refused(&self, desk: &mut Desk, folder: &Folder, event: &Event, reason: String) -> Result<(), Failure> {
        desk.failures += 1;
        if desk.failures < ATTEMPTS {
            return Err(Failure::Fewer(1));
        }
        desk.failures = 0;
        let reason = format!("event {} at position {}: {reason}", event.id(), event.position);
        if !folder.skips() {
            return Err(Failure::Event(reason));
        }
        tracing::warn!(plugin = folder.id().name, reason, "left out, as the side-car says");
        desk.gathered.notes.push(letters::letter(event, &reason, self.engine.now_ms()));
        desk.gathered.position = event.position;
        self.generation.note(|standing| standing.skipped += 1);
        Ok(())
    }

    async fn failed(&mut self, desk: &mut Desk, failure: Failure) {
        match failure {
            Failure::Fewer(_) => {}
            Failure::Wait(reason) => self.wait(desk, reason).await,
            Failure::Event(reason) => {
                self.commit(desk, true).await;
                tracing::warn!(view = self.generation.made.number, reason, "a view is paused");
                self.generation.stands(ViewState::Paused, reason);
                self.woken().await;
            }
        }
    }

    /// Goes back, or on, to a position that somebody asked for.
    async fn go_back(&mut self, desk: &mut Desk, from: Position) {
        self.commit_surely(desk, true).await;
        // What a process manager asked for already is not asked for again.
        let quiet = desk.quiet_until.max(desk.gathered.position);
        desk.note(agenda::quiet_up_to(quiet));
        desk.quiet_until = quiet;
        desk.gathered.position = from.saturating_sub(1);
        (desk.failures, desk.batch) = (0, FOLD_EVENTS_MAX);
        self.commit_surely(desk, true).await;
    }

    async fn wait(&mut self, desk: &mut Desk, reason: String) {
        self.commit(desk, true).await;
        self.generation.stands(ViewState::Waiting, reason);
        tokio::select! {
            () = tokio::time::sleep(A_WHILE) => {}
            () = self.woken() => {}
        }
    }

    /// Waits until something about it changed: who folds, or that it shall stop or go back.
    async fn woken(&mut self) {
        tokio::select! {
            _ = self.folder.changed() => {}
            _ = self.stop.wait_for(|stop| *stop) => {}
            () = self.generation.woken.notified() => {}
        }
    }

    /// Commits what is gathered: view, notes and position at once. Events that meant nothing to it are passed in memory, until
    /// a durable commit.
    async fn commit(&self, desk: &mut Desk, durable: bool) {
        let Gathered { writes, notes, position, .. } = &mut desk.gathered;
        let unchanged = writes.is_empty() && notes.is_empty();
        let kept = desk.durable && *position == desk.shown.checkpoint;
        if unchanged && (!durable || kept) {
            return self.generation.reach(*position);
        }
        let entries = std::mem::take(writes);
        let entries = Arc::try_unwrap(entries).unwrap_or_else(|shared| (*shared).clone());
        let commit = ViewCommit { entries, notes: std::mem::take(notes), checkpoint: *position, durable };
        let (commit, generation) = (Arc::new(commit), self.generation.clone());
        let of = commit.clone();
        // A disk that fails may be well again; the log goes on meanwhile, and the view stays as it is.
        let written = tokio::task::spawn_blocking(move || generation.commit(&of)).await;
        let panicked = |error: tokio::task::JoinError| {
            Err(StorageError::Io { what: "writing a view".into(), detail: error.to_string() })
        };
        match written.unwrap_or_else(panicked) {
            Ok(shown) => {
                desk.shown = shown;
                desk.gathered = Gathered::after(commit.checkpoint);
                desk.durable = durable;
                if durable {
                    desk.durable_at = Instant::now();
                }
            }
            Err(error) => {
                let reason = format!("its view cannot be written: {error}");
                tracing::error!(reason, "a view waits");
                self.generation.stands(ViewState::Waiting, reason);
                let ViewCommit { entries, notes, .. } = Arc::unwrap_or_clone(commit);
                (desk.gathered.writes, desk.gathered.notes) = (Arc::new(entries), notes);
                tokio::time::sleep(A_WHILE).await;
            }
        }
    }
}

impl Desk {
    pub fn position(&self) -> Position {
        self.gathered.position
    }

    pub fn note(&mut self, notes: Vec<Note>) {
        self.gathered.notes.extend(notes);
    }

    pub fn write(&mut self, writes: ViewWrites) {
        self.gathered.add(writes);
    }

    /// Whether nothing is left to commit.
    fn is_shown(&self) -> bool {
        self.gathered.writes.is_empty() && self.gathered.notes.is_empty()
    }

    /// What the next batch reads.
    pub fn view(&self) -> Arc<Overlay> {
        let Gathered { writes, bytes, .. } = &self.gathered;
        Arc::new(Overlay { base: Arc::new(Base(self.shown.clone())), writes: writes.clone(), write_bytes: *bytes })
    }

    /// A batch was folded: the next one may be bigger.
    fn taken(&mut self, writes: ViewWrites, batch: &[Event]) {
        self.gathered.add(writes);
        if let Some(last) = batch.last() {
            self.gathered.position = last.position;
        }
        (self.failures, self.batch) = (0, (self.batch * 2).min(FOLD_EVENTS_MAX));
    }
}

impl Gathered {
    fn after(position: Position) -> Self {
        Self { writes: Arc::default(), bytes: 0, notes: Vec::new(), position, since: Instant::now() }
    }

    fn add(&mut self, writes: ViewWrites) {
        let bytes = |(key, value): (&String, &Option<Payload>)| {
            (key.len() + value.as_ref().map_or(0, |value| value.as_bytes().len())) as u64
        };
        self.bytes += writes.iter().map(bytes).sum::<u64>();
        // The guest has let go of it, so nothing is copied.
        Arc::make_mut(&mut self.writes).extend(writes);
    }

    fn is_due(&self) -> bool {
        self.bytes >= FOLD_GATHERED_BYTES || self.since.elapsed() >= Duration::from_millis(VIEW_SHOWN_MS)
    }
}
