//! A chart, ready for use: what a configuration says, with its expressions compiled and its mistakes found.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use weir_plugin_cel::{EvalError, Expression, Globs, Scope};

use crate::limits::DELAY_MS_MAX;

#[derive(Debug)]
pub struct Machine {
    pub name: String,
    pub topics: Globs,
    /// Which instance an event belongs to.
    pub key: Expression,
    pub initial: String,
    pub states: BTreeMap<String, State>,
    /// Whether any of its expressions looks at the whole event, or at a payload; making them costs.
    pub uses_event: bool,
    pub uses_payload: bool,
}

#[derive(Debug)]
pub struct State {
    pub is_final: bool,
    /// How long an instance may stay, if there is a transition for [`Trigger::After`].
    pub after: Option<Delay>,
    /// The first that fits is taken.
    pub transitions: Vec<Transition>,
}

#[derive(Debug)]
pub struct Transition {
    /// In the configuration, for who looks for a mistake: `on 2`.
    pub place: String,
    pub trigger: Trigger,
    pub guard: Option<Expression>,
    /// Without it the instance stays, and its state's time runs on.
    pub to: Option<String>,
    pub set: Vec<(String, Expression)>,
    pub actions: Vec<Act>,
}

#[derive(Debug)]
pub enum Trigger {
    Event(Globs),
    Timer(String),
    After,
    Refused { codes: Globs, commands: Globs },
}

#[derive(Debug)]
pub enum Act {
    Execute { command: String, topic: String, stream: Expression, payload: Template, actor: Option<Expression> },
    Append { topic: String, event_type: String, stream: Option<Expression>, payload: Template },
    Timer { name: String, delay: Delay, payload: Template },
    Cancel(String),
}

/// Milliseconds.
#[derive(Debug)]
pub enum Delay {
    Fixed(u64),
    Computed(Expression),
}

/// A payload: an expression, or JSON whose texts are expressions.
#[derive(Debug)]
pub enum Template {
    Constant(Json),
    Expression(Expression),
    List(Vec<Template>),
    Object(Vec<(String, Template)>),
}

impl Delay {
    pub fn ms(&self, scope: &Scope<'_>) -> Result<u64, EvalError> {
        let ms = match self {
            Self::Fixed(ms) => return Ok(*ms),
            Self::Computed(expression) => expression.counted(scope)?,
        };
        let fits = u64::try_from(ms).ok().filter(|ms| *ms <= DELAY_MS_MAX);
        fits.ok_or_else(|| EvalError::new(format!("a timer waits 0 to {DELAY_MS_MAX} ms, not {ms}")))
    }
}

impl Template {
    pub fn fill(&self, scope: &Scope<'_>) -> Result<Json, EvalError> {
        match self {
            Self::Constant(json) => Ok(json.clone()),
            Self::Expression(expression) => expression.json(scope),
            Self::List(items) => items.iter().map(|item| item.fill(scope)).collect::<Result<_, _>>().map(Json::Array),
            Self::Object(members) => {
                let mut object = serde_json::Map::new();
                for (name, value) in members {
                    object.insert(name.clone(), value.fill(scope)?);
                }
                Ok(Json::Object(object))
            }
        }
    }
}
