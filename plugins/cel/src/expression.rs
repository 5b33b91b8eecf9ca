//! One expression: checked when it is made, and then evaluated as often as it is needed.

use std::collections::BTreeSet;

use cel::common::ast::IdedExpr;
use cel::common::types::{CelBool, CelInt, CelString, CelUInt};
use cel::common::value::CowVal;
use serde_json::Value as Json;

use crate::error::{CompileError, EvalError};
use crate::explain::explain;
use crate::limits::EVALUATION_STEPS_MAX;
use crate::scope::Scope;
use crate::{cost, json, kind, names, syntax};

/// A CEL expression that names only variables and functions that there are.
#[derive(Debug)]
pub struct Expression {
    source: String,
    tree: IdedExpr,
    used: BTreeSet<String>,
}

impl Expression {
    /// An expression of any type over these variables.
    pub fn new(source: &str, variables: &[&str]) -> Result<Self, CompileError> {
        let tree = syntax::parse(source)?;
        let used = names::check(source, &tree, variables)?;
        Ok(Self { source: source.to_owned(), tree: cost::metered(tree), used })
    }

    /// One that is true or false; what certainly is neither is refused.
    ///
    /// ```
    /// use weir_plugin_cel::Expression;
    /// let mistake = Expression::condition("size(payload.lines)", &["payload"]).unwrap_err();
    /// assert_eq!(mistake.message, "it is an int and must be true or false");
    /// ```
    pub fn condition(source: &str, variables: &[&str]) -> Result<Self, CompileError> {
        Self::of_type(source, variables, &["bool"], "must be true or false")
    }

    /// One that names something: a text, or a whole number that becomes one, or null for nothing.
    pub fn name(source: &str, variables: &[&str]) -> Result<Self, CompileError> {
        Self::of_type(source, variables, &["string", "int", "uint", "null_type"], "must be a text")
    }

    /// One that is a whole number.
    pub fn number(source: &str, variables: &[&str]) -> Result<Self, CompileError> {
        Self::of_type(source, variables, &["int", "uint"], "must be a whole number")
    }

    fn of_type(source: &str, variables: &[&str], types: &[&str], must: &str) -> Result<Self, CompileError> {
        let expression = Self::new(source, variables)?;
        match kind::of(&expression.tree) {
            Some(found) if !types.contains(&found) => {
                Err(CompileError::at(source, 0, format!("it is {} and {must}", json::a(found))))
            }
            _ => Ok(expression),
        }
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether a variable stands in it.
    pub fn uses(&self, variable: &str) -> bool {
        self.used.contains(variable)
    }

    /// Whether the condition holds.
    pub fn holds(&self, scope: &Scope<'_>) -> Result<bool, EvalError> {
        let value = self.evaluate(scope)?;
        match value.downcast_ref::<CelBool>() {
            Some(holds) => Ok(*holds.inner()),
            None => Err(wrong(&value, "must be true or false")),
        }
    }

    /// The name that it comes to; null is none.
    pub fn named(&self, scope: &Scope<'_>) -> Result<Option<String>, EvalError> {
        let value = self.evaluate(scope)?;
        if let Some(text) = value.downcast_ref::<CelString>() {
            return Ok(Some(text.inner().to_owned()));
        }
        match number(&value) {
            Some(number) => Ok(Some(number.to_string())),
            None if value.get_type().name() == "null_type" => Ok(None),
            None => Err(wrong(&value, "must be a text")),
        }
    }

    /// The whole number that it comes to.
    pub fn counted(&self, scope: &Scope<'_>) -> Result<i128, EvalError> {
        let value = self.evaluate(scope)?;
        number(&value).ok_or_else(|| wrong(&value, "must be a whole number"))
    }

    /// What it comes to, as JSON.
    pub fn json(&self, scope: &Scope<'_>) -> Result<Json, EvalError> {
        json::write(self.evaluate(scope)?.as_ref())
    }

    fn evaluate<'e, 'v>(&'e self, scope: &'e Scope<'v>) -> Result<CowVal<'e, 'v>, EvalError> {
        cost::begin();
        let result = cel::Value::resolve_val(&self.tree, &scope.0);
        if cost::exhausted() {
            return Err(EvalError::new(format!("it takes more than {EVALUATION_STEPS_MAX} steps, and is given up")));
        }
        result.map_err(|error| explain(&error, &self.tree))
    }
}

fn number(value: &CowVal<'_, '_>) -> Option<i128> {
    let int = value.downcast_ref::<CelInt>().map(|number| i128::from(*number.inner()));
    int.or_else(|| value.downcast_ref::<CelUInt>().map(|number| i128::from(*number.inner())))
}

fn wrong(value: &CowVal<'_, '_>, must: &str) -> EvalError {
    EvalError::new(format!("it is {} and {must}", json::a(value.get_type().name())))
}
