//! What folds events into a view: a projection, or a process manager, which asks for actions besides.

use std::sync::Arc;

use crate::model::Event;
use crate::plugin::{
    Action, Command, OnTrap, PluginError, PluginId, Plugins, ProcessManager, Projection, Reaction, Recipe, Refusal,
    Timer, ViewBase, ViewWrites,
};

#[derive(Clone)]
pub enum Folder {
    Projection(Arc<Projection>),
    Manager(Arc<ProcessManager>),
}

/// What a batch did.
#[derive(Debug, Default)]
pub struct Folded {
    pub writes: ViewWrites,
    pub actions: Vec<Action>,
}

impl From<Reaction> for Folded {
    fn from(Reaction { actions, writes }: Reaction) -> Self {
        Self { writes, actions }
    }
}

impl Folder {
    /// The plugin of this name that serves, if it has a view.
    pub fn serving(plugins: &Plugins, name: &str) -> Option<Self> {
        let manager = || plugins.process_manager(name).map(Self::Manager);
        plugins.projection(name).map(Self::Projection).or_else(manager)
    }

    /// Whether it is the very same one.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Projection(one), Self::Projection(other)) => Arc::ptr_eq(one, other),
            (Self::Manager(one), Self::Manager(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    pub fn id(&self) -> &PluginId {
        match self {
            Self::Projection(it) => it.id(),
            Self::Manager(it) => it.id(),
        }
    }

    pub fn recipe(&self) -> Recipe {
        match self {
            Self::Projection(it) => it.recipe(),
            Self::Manager(it) => it.recipe(),
        }
    }

    pub fn skips(&self) -> bool {
        let on_trap = match self {
            Self::Projection(it) => it.on_trap(),
            Self::Manager(it) => it.on_trap(),
        };
        on_trap == OnTrap::Skip
    }

    pub fn is_manager(&self) -> bool {
        matches!(self, Self::Manager(_))
    }

    pub fn is_inline(&self) -> bool {
        matches!(self, Self::Projection(it) if it.is_inline())
    }

    pub fn interested_in(&self, event: &Event) -> bool {
        match self {
            Self::Projection(it) => it.interested_in(event),
            Self::Manager(it) => it.interested_in(event),
        }
    }

    /// Tells a process manager of timers that are due.
    pub async fn fire(&self, view: Arc<dyn ViewBase>, due: &[Timer]) -> Result<Result<Folded, Refusal>, PluginError> {
        match self {
            Self::Projection(_) => Ok(Ok(Folded::default())),
            Self::Manager(it) => Ok(it.on_timer(view, due).await?.map(Folded::from)),
        }
    }

    /// Tells a process manager of a command that was refused.
    pub async fn hear(
        &self,
        view: Arc<dyn ViewBase>,
        command: &Command,
        reasons: &[Refusal],
    ) -> Result<Result<Folded, Refusal>, PluginError> {
        match self {
            Self::Projection(_) => Ok(Ok(Folded::default())),
            Self::Manager(it) => Ok(it.on_refused(view, command, reasons).await?.map(Folded::from)),
        }
    }

    pub async fn fold(&self, view: Arc<dyn ViewBase>, batch: &[Event]) -> Result<Result<Folded, Refusal>, PluginError> {
        Ok(match self {
            Self::Projection(it) => it.apply(view, batch).await?.map(|writes| Folded { writes, actions: Vec::new() }),
            Self::Manager(it) => it.react(view, batch).await?.map(Folded::from),
        })
    }
}
