//! One rule, ready for use.

use weir_plugin_cel::{EvalError, Expression, Globs, Scope};
use weir_plugin_sdk::Problem;

#[derive(Debug)]
pub struct Rule {
    pub topics: Globs,
    /// Event types, or names of commands.
    pub names: Globs,
    pub when: Option<Expression>,
    pub check: Expression,
    pub message: String,
    pub code: String,
    pub pointer: Option<String>,
}

impl Rule {
    pub fn covers(&self, topic: &str, name: &str) -> bool {
        self.topics.matches(topic) && self.names.matches(name)
    }

    pub fn uses(&self, variable: &str) -> bool {
        self.check.uses(variable) || self.when.as_ref().is_some_and(|when| when.uses(variable))
    }

    /// Why it does not hold. A rule that can't be evaluated does not hold: what could not be checked is not let
    /// through.
    pub fn broken(&self, scope: &Scope<'_>) -> Option<Problem> {
        match self.holds(scope) {
            Ok(true) => None,
            Ok(false) => Some(self.problem(self.message.clone())),
            Err(error) => Some(self.problem(format!("{} ({error})", self.message))),
        }
    }

    fn holds(&self, scope: &Scope<'_>) -> Result<bool, EvalError> {
        match &self.when {
            Some(when) if !when.holds(scope)? => Ok(true),
            _ => self.check.holds(scope),
        }
    }

    fn problem(&self, message: String) -> Problem {
        Problem { code: self.code.clone(), message, pointer: self.pointer.clone() }
    }
}
