//! The variables of an evaluation.

use cel::Context;

use crate::functions;
use crate::value::Value;

/// Variables by name. One scope serves many expressions, one after the other.
pub struct Scope<'v>(pub(crate) Context<'v, 'v>);

impl<'v> Scope<'v> {
    pub fn new() -> Self {
        Self(Context::with_env(functions::environment()))
    }

    /// Gives a variable its value, or another one.
    pub fn set(&mut self, name: &str, value: Value<'v>) {
        self.0.add_variable_as_val(name, value.0);
    }
}

impl Default for Scope<'_> {
    fn default() -> Self {
        Self::new()
    }
}
