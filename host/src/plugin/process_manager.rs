//! A process manager that serves: reacts to events and timers with actions, and keeps what it must remember in a view.
//! Actions, view and checkpoint are the caller's to commit as one.

use std::pin::pin;
use std::sync::Arc;

use super::bindings::exports::weir::plugin::processing as wit;
use super::bindings::values::weir::plugin::types;
use super::generation::Generation;
use super::instance::{Exports, Instance, within};
use super::lift::{self, Author};
use super::sidecar::Bounds;
use super::view::{Access, ViewBase, ViewWrites};
use super::words::{Action, Command, Timer};
use super::{Fault, OnTrap, PluginError, PluginId, Recipe, Refusal, lower};
use crate::model::Event;
use crate::model::limits::{ACTIONS_MAX, TIMER_KEY_BYTES_MAX};

/// One generation of a process manager.
pub struct ProcessManager {
    pub(super) generation: Arc<Generation>,
}

/// What a call asks for: actions in their order, and writes to the view.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reaction {
    pub actions: Vec<Action>,
    pub writes: ViewWrites,
}

type Answer = Result<Vec<wit::Action>, types::ProblemResult>;

impl ProcessManager {
    pub(super) fn new(generation: Arc<Generation>) -> Self {
        Self { generation }
    }

    pub fn id(&self) -> &PluginId {
        &self.generation.id
    }

    /// A new number asks for a new view, built from the first event with its actions suppressed.
    pub fn state_version(&self) -> u32 {
        self.generation.manifest.state_version
    }

    /// What its view is made by. Another recipe asks for another view, made from the first event with its actions suppressed.
    pub fn recipe(&self) -> Recipe {
        self.generation.recipe()
    }

    /// What the failure of an event means: the operator's choice.
    pub fn on_trap(&self) -> OnTrap {
        self.generation.on_trap
    }

    pub fn interested_in(&self, event: &Event) -> bool {
        self.generation.manifest.interests.matches(&event.topic, &event.event_type)
    }

    pub async fn react(
        &self,
        view: Arc<dyn ViewBase>,
        batch: &[Event],
    ) -> Result<Result<Reaction, Refusal>, PluginError> {
        self.generation.call("react", batch.len(), pin!(self.try_react(view, batch))).await
    }

    async fn try_react(&self, view: Arc<dyn ViewBase>, batch: &[Event]) -> Result<Result<Reaction, Refusal>, Fault> {
        if batch.is_empty() {
            return Ok(Ok(Reaction::default()));
        }
        let pool = &self.generation.pool;
        let (mut instance, seat) = pool.checkout().await?;
        let bounds = &pool.blueprint.bounds;
        let events = lower::Events::of(batch);
        let events = events.lower()?;
        let processing = begin(&mut instance, view, lower::time_of(batch), bounds)?;
        let outcome = within(bounds.call_timeout_ms, pin!(processing.call_react(&mut instance.store, &events))).await;
        let answer = instance.end(bounds, outcome)?;
        let reaction = self.reaction(answer, &mut instance)?;
        seat.keep(instance);
        Ok(reaction)
    }

    /// Timers that are due, in the order of their times.
    pub async fn on_timer(
        &self,
        view: Arc<dyn ViewBase>,
        due: &[Timer],
    ) -> Result<Result<Reaction, Refusal>, PluginError> {
        self.generation.call("on-timer", due.len(), pin!(self.try_on_timer(view, due))).await
    }

    async fn try_on_timer(&self, view: Arc<dyn ViewBase>, due: &[Timer]) -> Result<Result<Reaction, Refusal>, Fault> {
        if due.is_empty() {
            return Ok(Ok(Reaction::default()));
        }
        let pool = &self.generation.pool;
        let (mut instance, seat) = pool.checkout().await?;
        let bounds = &pool.blueprint.bounds;
        let timers = due.iter().map(lower_timer).collect::<Result<Vec<_>, _>>()?;
        let processing = begin(&mut instance, view, due.iter().map(|timer| timer.at_ms).max().unwrap_or(0), bounds)?;
        let outcome =
            within(bounds.call_timeout_ms, pin!(processing.call_on_timer(&mut instance.store, &timers))).await;
        let answer = instance.end(bounds, outcome)?;
        let reaction = self.reaction(answer, &mut instance)?;
        seat.keep(instance);
        Ok(reaction)
    }

    /// A command of its own was refused.
    pub async fn on_refused(
        &self,
        view: Arc<dyn ViewBase>,
        command: &Command,
        reasons: &[Refusal],
    ) -> Result<Result<Reaction, Refusal>, PluginError> {
        self.generation.call("on-refused", 1, pin!(self.try_on_refused(view, command, reasons))).await
    }

    async fn try_on_refused(
        &self,
        view: Arc<dyn ViewBase>,
        command: &Command,
        reasons: &[Refusal],
    ) -> Result<Result<Reaction, Refusal>, Fault> {
        let pool = &self.generation.pool;
        let (mut instance, seat) = pool.checkout().await?;
        let bounds = &pool.blueprint.bounds;
        let command_too = lower::LoweredCommand::of(command);
        let lowered = command_too.lower()?;
        let reasons: Vec<_> = reasons.iter().map(lower::problem).collect();
        let processing = begin(&mut instance, view, command.time_ms, bounds)?;
        let call = processing.call_on_refused(&mut instance.store, lowered, &reasons);
        let outcome = within(bounds.call_timeout_ms, pin!(call)).await;
        let answer = instance.end(bounds, outcome)?;
        let reaction = self.reaction(answer, &mut instance)?;
        seat.keep(instance);
        Ok(reaction)
    }

    fn reaction(&self, answer: Answer, instance: &mut Instance) -> Result<Result<Reaction, Refusal>, Fault> {
        let writes = instance.close_view();
        let actions = match answer {
            Ok(actions) => actions,
            Err(problem) => return Ok(Err(problem.into())),
        };
        if actions.len() > ACTIONS_MAX {
            return Err(Fault::Limit(format!("{} actions in one call, at most {ACTIONS_MAX}", actions.len())));
        }
        let actions = actions.into_iter().map(|action| self.action(action)).collect::<Result<_, _>>()?;
        Ok(Ok(Reaction { actions, writes }))
    }

    fn action(&self, action: wit::Action) -> Result<Action, Fault> {
        let key = |key: String| match key.len() {
            1..=TIMER_KEY_BYTES_MAX => Ok(key),
            bytes => Err(Fault::Limit(format!("a timer's key has 1 to {TIMER_KEY_BYTES_MAX} bytes, this one {bytes}"))),
        };
        Ok(match action {
            wit::Action::Append(event) => {
                let author = Author { plugin: self.id(), grant: &self.generation.append, home: None };
                Action::Append(author.new_event(event)?)
            }
            wit::Action::Execute(command) => Action::Execute(self.command(command)?),
            wit::Action::SetTimer(timer) => Action::SetTimer(Timer {
                key: key(timer.key)?,
                at_ms: timer.at_ms,
                payload: lift::payload(timer.payload, "a timer's payload")?,
            }),
            wit::Action::CancelTimer(name) => Action::CancelTimer(key(name)?),
        })
    }

    /// Signed like an event: what the decider makes of it shall tell whose wish it was.
    fn command(&self, command: types::NewCommand) -> Result<Command, Fault> {
        let topic = lift::topic(&command.topic)?;
        if !self.generation.append.allows(&topic) {
            return Err(Fault::Denied(format!(
                "it sent a command to topic '{topic}', for which it has no grant; grant it with append = [\"{topic}\"]"
            )));
        }
        let mut metadata = command.metadata;
        let tags = lift::labels(&command.tags, &metadata)?;
        lift::own_keys(&metadata)?;
        self.id().sign(&mut metadata);
        Ok(Command {
            id: command.id,
            name: command.name,
            topic,
            stream: lift::stream(&command.stream)?,
            payload: lift::payload(command.payload, "a command")?,
            actor: command.actor,
            tags,
            metadata,
            time_ms: super::now_ms(),
        })
    }
}

fn begin(instance: &mut Instance, view: Arc<dyn ViewBase>, time_ms: u64, bounds: &Bounds) -> Result<wit::Guest, Fault> {
    let Exports::Processing(processing) = instance.exports.clone() else { return Err(Fault::wrong_kind()) };
    instance.begin_at(time_ms, bounds)?;
    instance.open_view(view, Access::ReadWrite, bounds);
    Ok(processing)
}

fn lower_timer(timer: &Timer) -> Result<wit::TimerParam<'_>, Fault> {
    Ok(wit::TimerParam { key: &timer.key, at_ms: timer.at_ms, payload: lower::payload(&timer.payload)? })
}
