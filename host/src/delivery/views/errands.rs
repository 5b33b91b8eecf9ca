//! A process manager's errands and timers: done by the feeder of its view, and by nobody else, so that whatever comes of them
//! is folded in one order.
//!
//! An errand is noted in one durable commit with the view that asked for it, and only then done, under a key that makes doing it
//! again the same as having done it: so each is done once, wherever the process is stopped. **Invariant:** errands for one stream
//! are done in their order.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::stream::iter;

use super::agenda::{self, Deed, Draft, Due, Errand, Heard, News, Note};
use super::feeder::{Desk, Failure, Feeder};
use super::folder::{Folded, Folder};
use super::letters;
use crate::engine::{EngineError, Execution};
use crate::model::Event;
use crate::model::limits::{ERRANDS_AT_ONCE, ERRANDS_PARALLEL};
use crate::plugin::{Action, Command, PluginError, Refusal, Timer};
use crate::storage::{AppendError, Batch, StorageError};

/// What became of an errand.
enum Ended {
    Done,
    /// It will never be, for these reasons.
    Refused(Vec<Refusal>),
    /// It may be, later.
    Later(String),
}

impl Feeder {
    /// Does what is to be done, until nothing is left.
    pub(super) async fn run_errands(&self, desk: &mut Desk, folder: &Folder) -> Result<(), Failure> {
        while !self.is_stopped() {
            let errands = agenda::errands(&desk.shown, ERRANDS_AT_ONCE).map_err(broken)?;
            if errands.is_empty() {
                break;
            }
            let mut lanes: BTreeMap<_, Vec<Errand>> = BTreeMap::new();
            for errand in errands {
                lanes.entry(errand.deed.lane()).or_default().push(errand);
            }
            let done: Vec<_> = iter(lanes.into_values())
                .map(|lane| self.run_lane(lane))
                .buffer_unordered(ERRANDS_PARALLEL)
                .collect()
                .await;
            self.ended_errands(desk, folder, done.into_iter().flatten().collect()).await?;
        }
        Ok(())
    }

    /// Notes what became of errands, all in one commit: a plugin may hear of many refusals.
    async fn ended_errands(
        &self,
        desk: &mut Desk,
        folder: &Folder,
        ended: Vec<(Errand, Ended)>,
    ) -> Result<(), Failure> {
        let shown = desk.shown.clone();
        let mut draft = Draft::new(&shown);
        let (mut failure, mut asked) = (None, false);
        for (errand, ended) in ended {
            match ended {
                Ended::Done => draft.done(&errand),
                Ended::Later(reason) => failure = failure.or(Some(Failure::Wait(reason))),
                Ended::Refused(_) if matches!(failure, Some(Failure::Event(_))) => {}
                Ended::Refused(reasons) => {
                    asked = true;
                    match self.refused_errand(desk, &draft, folder, &errand, reasons).await {
                        Ok(notes) => draft.add(notes),
                        Err(failed) => failure = Some(failed),
                    }
                }
            }
        }
        let notes = draft.notes().collect();
        desk.note(notes);
        // What was done and is lost with the power is done again under its key, and so not done again. What was asked for must
        // be on disk before it is done.
        self.commit_surely(desk, asked).await;
        failure.map_or(Ok(()), Err)
    }

    /// One stream's errands, up to the first that has to wait.
    async fn run_lane(&self, lane: Vec<Errand>) -> Vec<(Errand, Ended)> {
        let mut ended = Vec::with_capacity(lane.len());
        for errand in lane {
            let end = self.run_errand(&errand).await;
            let waits = matches!(end, Ended::Later(_));
            ended.push((errand, end));
            if waits {
                break;
            }
        }
        ended
    }

    async fn run_errand(&self, errand: &Errand) -> Ended {
        let key = Some(errand.key);
        let done = match &errand.deed {
            Deed::Append(event) => {
                let batch = Batch { events: vec![event.clone()], conditions: Vec::new(), key };
                self.engine.publish(batch).await.map(drop)
            }
            Deed::Execute(command) => {
                let execution = Execution { key, ..Execution::default() };
                self.engine.execute(command.clone(), execution).await.map(drop)
            }
        };
        done.map_or_else(|error| ended(&error), |()| Ended::Done)
    }

    /// The plugin hears of a command that was refused, and its answer is noted together with the end of the errand. An event that
    /// was refused is left out, if the operator said so, or the reason to stop.
    async fn refused_errand(
        &self,
        desk: &mut Desk,
        before: &Draft<'_>,
        folder: &Folder,
        errand: &Errand,
        reasons: Vec<Refusal>,
    ) -> Result<Vec<Note>, Failure> {
        let folded = match &errand.deed {
            Deed::Execute(command) => self.hear(desk, folder, command, &reasons).await?,
            Deed::Append(event) => {
                let reason = format!("its event for topic '{}' was refused{}", event.topic, Refusal::because(&reasons));
                if !folder.skips() {
                    return Err(Failure::Event(reason));
                }
                tracing::warn!(plugin = folder.id().name, reason, "left out, as the side-car says");
                let letter = letters::unsent(desk.position(), errand.number, &reason, self.engine.now_ms());
                desk.note(vec![letter]);
                self.generation.note(|standing| standing.skipped += 1);
                Folded::default()
            }
        };
        let mut draft = before.over();
        draft.done(errand);
        if let Deed::Execute(command) = &errand.deed {
            let news = News::Refused { command: Box::new(command.clone()), reasons };
            let number = draft.last_heard().map_err(broken)? + 1;
            let heard = Heard { number, position: desk.position(), news };
            draft.heard(&heard).map_err(broken)?;
        }
        draft.take(&folder.id().name, &errand.origin(), folded.actions, false).map_err(broken)?;
        desk.write(folded.writes);
        Ok(draft.notes().collect())
    }

    async fn hear(
        &self,
        desk: &Desk,
        folder: &Folder,
        command: &Command,
        reasons: &[Refusal],
    ) -> Result<Folded, Failure> {
        match folder.hear(desk.view(), command, reasons).await {
            Ok(Ok(folded)) => Ok(folded),
            Ok(Err(refusal)) => {
                Err(Failure::Event(format!("on-refused of command '{}': {}", command.id, refusal.message)))
            }
            Err(error) => Err(its_failure(&format!("on-refused of command '{}'", command.id), error)),
        }
    }

    /// Fires timers that are due by now.
    pub(super) async fn fire(&self, desk: &mut Desk, folder: &Folder) -> Result<bool, Failure> {
        let now_ms = self.engine.now_ms();
        let due = agenda::due(&desk.shown, now_ms, ERRANDS_AT_ONCE).map_err(broken)?;
        // Those that fired before, under another generation, are a call of their own.
        let Some(before) = due.first().map(|due| due.fired_before) else { return Ok(false) };
        let due: Vec<Due> = due.into_iter().take_while(|due| due.fired_before == before).collect();
        let timers: Vec<Timer> = due.iter().map(|due| due.timer.clone()).collect();
        let folded = match folder.fire(desk.view(), &timers).await {
            Ok(Ok(folded)) => folded,
            Ok(Err(refusal)) => return Err(Failure::Event(format!("timer '{}': {}", timers[0].key, refusal.message))),
            Err(error) => return Err(its_failure(&format!("timer '{}'", timers[0].key), error)),
        };
        let notes = {
            let mut draft = Draft::new(&desk.shown);
            let origin = draft.origin_of_timers(&timers[0], desk.position()).map_err(broken)?;
            due.iter().try_for_each(|due| draft.fired(&due.timer)).map_err(broken)?;
            let heard = Heard { number: next_heard(desk)?, position: desk.position(), news: News::Fired(timers) };
            draft.heard(&heard).map_err(broken)?;
            draft.take(&folder.id().name, &origin, folded.actions, before).map_err(broken)?;
            draft.notes().collect()
        };
        desk.write(folded.writes);
        desk.note(notes);
        self.commit_surely(desk, true).await;
        self.run_errands(desk, folder).await?;
        Ok(true)
    }

    /// Tells a generation that is being built what the live one was told behind the position that it has reached, if it was
    /// told something; nothing is done of what it asks for then.
    pub(super) async fn tell_again(&self, desk: &mut Desk, folder: &Folder, heard: Heard) -> Result<(), Failure> {
        let told = match &heard.news {
            News::Fired(timers) => folder.fire(desk.view(), timers).await,
            News::Refused { command, reasons } => folder.hear(desk.view(), command, reasons).await,
        };
        let folded = match told {
            Ok(Ok(folded)) => folded,
            Ok(Err(refusal)) => return Err(Failure::Event(format!("what it was told before: {}", refusal.message))),
            Err(error) => return Err(its_failure("what it was told before", error)),
        };
        let notes = {
            let mut draft = Draft::new(&desk.shown);
            if let News::Fired(timers) = &heard.news {
                timers.iter().try_for_each(|timer| draft.fired(timer)).map_err(broken)?;
            }
            draft.heard(&heard).map_err(broken)?;
            draft.take(&folder.id().name, "", folded.actions, true).map_err(broken)?;
            draft.notes().collect()
        };
        desk.write(folded.writes);
        desk.note(notes);
        self.commit_surely(desk, false).await;
        Ok(())
    }

    /// What the live generation was told next, that this one was not told yet.
    pub(super) fn untold(&self, desk: &Desk) -> Result<Option<Heard>, Failure> {
        let Some(live) = &self.behind else { return Ok(None) };
        agenda::heard(&live.view.shown(), next_heard(desk)?).map_err(broken)
    }

    /// What a batch asked for, as notes.
    pub(super) fn asked(
        &self,
        desk: &Desk,
        folder: &Folder,
        actions: Vec<Action>,
        batch: &[Event],
        quiet: bool,
    ) -> Result<Vec<Note>, Failure> {
        let mut draft = Draft::new(&desk.shown);
        let origin = format!("at {}", batch.last().map_or(0, |event| event.position));
        draft.take(&folder.id().name, &origin, actions, quiet).map_err(broken)?;
        Ok(draft.notes().collect())
    }

    /// Keeps what was asked for, and has it done.
    pub(super) async fn send(&self, desk: &mut Desk, folder: &Folder, notes: Vec<Note>) -> Result<(), Failure> {
        if notes.is_empty() {
            return Ok(());
        }
        desk.note(notes);
        self.commit_surely(desk, true).await;
        self.run_errands(desk, folder).await
    }
}

impl Deed {
    /// What is done in order.
    fn lane(&self) -> (String, String) {
        match self {
            Self::Append(event) => {
                (event.topic.to_string(), event.stream.as_ref().map(ToString::to_string).unwrap_or_default())
            }
            Self::Execute(command) => (command.topic.to_string(), command.stream.to_string()),
        }
    }
}

fn next_heard(desk: &Desk) -> Result<u64, Failure> {
    Ok(agenda::last_heard(&desk.shown).map_err(broken)? + 1)
}

fn broken(error: StorageError) -> Failure {
    Failure::Wait(format!("its view cannot be read: {error}"))
}

fn its_failure(what: &str, error: PluginError) -> Failure {
    if error.fault.is_the_guests() {
        Failure::Event(format!("{what}: {error}"))
    } else {
        Failure::Wait(error.to_string())
    }
}

/// Whether the same errand may succeed later. What only somebody can mend is refused, so that the plugin can make up for it.
fn ended(error: &EngineError) -> Ended {
    let message = error.to_string();
    let refused =
        |code: &str| Ended::Refused(vec![Refusal { code: code.to_owned(), message: message.clone(), pointer: None }]);
    let for_reasons = |refusals: &[Refusal], none: &str| {
        if refusals.is_empty() { refused(none) } else { Ended::Refused(refusals.to_vec()) }
    };
    match error {
        EngineError::CommandRefused { refusals, .. } => for_reasons(refusals, "COMMAND_REFUSED"),
        EngineError::StateRefused { refusals, .. } => for_reasons(refusals, "STATE_REFUSED"),
        EngineError::Refused { refusals, .. } => for_reasons(refusals, "EVENT_REFUSED"),
        EngineError::CommandUnknown { .. } => refused("COMMAND_UNKNOWN"),
        EngineError::NoDecider(_) => refused("NO_DECIDER"),
        EngineError::DeciderWrong { .. } => refused("NO_DECIDER"),
        EngineError::TopicUnknown(_) => refused("TOPIC_NOT_FOUND"),
        // Its events do not come back.
        EngineError::HistoryDeleted { .. } => refused("HISTORY_DELETED"),
        // The key was used by somebody else: it is no accident, and trying again does not help.
        EngineError::Append(AppendError::KeyReused) => refused("IDEMPOTENCY_KEY_REUSED"),
        _ => Ended::Later(message),
    }
}
