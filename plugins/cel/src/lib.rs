//! What the plugins share that are configured by expressions: CEL, compiled once and evaluated often, and globs.
//!
//! The language is that of the crate `cel`. This crate is not another interpreter; it holds the interpreter within
//! bounds ([`limits`]), says where an expression is wrong before it is ever used, and takes values from JSON and back
//! without loss. Two runs of one expression over the same values give the same bytes, on every machine.
//!
//! ```
//! use weir_plugin_cel::{Expression, Scope, Value};
//!
//! let check = Expression::condition("payload.amount > 0 && payload.currency in ['EUR']", &["payload"]).unwrap();
//! let mut scope = Scope::new();
//! scope.set("payload", Value::json(r#"{"amount": 3, "currency": "EUR"}"#).unwrap());
//! assert_eq!(check.holds(&scope), Ok(true));
//!
//! let mistake = Expression::condition("payload.amount > most", &["payload"]).unwrap_err();
//! assert_eq!(mistake.to_string(), "line 1, column 18: unknown variable 'most'; there is payload");
//! ```

mod cost;
mod error;
mod explain;
mod expression;
mod functions;
mod glob;
mod json;
mod kind;
pub mod limits;
mod names;
mod scope;
mod syntax;
mod value;

pub use error::{CompileError, EvalError};
pub use expression::Expression;
pub use glob::{Glob, Globs};
pub use scope::Scope;
pub use value::Value;
