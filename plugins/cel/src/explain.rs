//! The interpreter's errors in words, for whoever wrote the expression or sent the values. They name types and members,
//! and never whole values: those could be large, secret, and in another order each time.

use cel::common::ast::{Expr, IdedExpr};
use cel::{ExecutionError, Value};

use crate::error::EvalError;
use crate::json::a;
use crate::syntax::parts;

pub fn explain(error: &ExecutionError, tree: &IdedExpr) -> EvalError {
    EvalError::new(match error {
        ExecutionError::NoSuchKey(name) => missing(name, tree),
        ExecutionError::NoSuchOverload(call) => no_overload(call.function(), call.argument_types()),
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
            no_overload(operator, &[type_of(left), type_of(right)])
        }
        ExecutionError::ValuesNotComparable(left, right) => {
            format!("{} can't be compared with {}", a(&type_of(left)), a(&type_of(right)))
        }
        ExecutionError::UnexpectedType { got, want } if want == "iterable" => {
            format!("a loop goes over a list or a map, not {}", a(got))
        }
        ExecutionError::UnexpectedType { got, want } => format!("{} where {} is needed", a(got), a(want)),
        ExecutionError::Overflow(operator, ..) => format!("the result of {} is too large", symbol(operator)),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".into(),
        ExecutionError::IndexOutOfBounds(Value::Int(index)) => format!("the list has no item {index}"),
        ExecutionError::IndexOutOfBounds(Value::UInt(index)) => format!("the list has no item {index}"),
        ExecutionError::IndexOutOfBounds(_) => "the list has no such item".into(),
        ExecutionError::UnsupportedIndex(index, _) => format!("{} is no place in a list", a(&type_of(index))),
        ExecutionError::UnsupportedKeyType(key) => format!("{} can't be the key of a map", a(&type_of(key))),
        ExecutionError::DuplicateKey(_) => "a map has two entries with the same key".into(),
        ExecutionError::FunctionError { function, message } => format!("{function}: {message}"),
        ExecutionError::UndeclaredReference(name) => format!("there is no value for '{name}'"),
        // The rest can't come from an expression that was checked; their texts may hold values.
        _ => "it can't be evaluated".into(),
    })
}

/// With the member's whole path, if the expression tells it.
fn missing(name: &str, tree: &IdedExpr) -> String {
    match selected(name, tree) {
        Some(of) => format!("{of} has no member '{name}'; write has({of}.{name}) where it may be missing"),
        None => format!("there is no member '{name}'; write '{name}' in … where it may be missing"),
    }
}

/// What the first selection of this member is made on. One in `has(…)` is none: it does not fail.
fn selected(name: &str, tree: &IdedExpr) -> Option<String> {
    match &tree.expr {
        Expr::Select(select) if select.field == name && !select.test => path(&select.operand),
        _ => None,
    }
    .or_else(|| parts(tree).into_iter().find_map(|part| selected(name, part)))
}

fn path(tree: &IdedExpr) -> Option<String> {
    match &tree.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => Some(format!("{}.{}", path(&select.operand)?, select.field)),
        _ => None,
    }
}

fn no_overload(function: &str, types: &[String]) -> String {
    let named: Vec<String> = types.iter().map(|name| a(name)).collect();
    match (function, &named[..]) {
        ("_._", [of, ..]) => format!("{of} has no members"),
        ("_[_]", [of, by]) => format!("{of} has no places that {by} names"),
        ("@in", [item, of]) => format!("{item} can't be looked for in {of}"),
        ("_&&_" | "_||_" | "!_", _) => {
            let odd = types.iter().position(|name| name != "bool").unwrap_or_default();
            format!("{} is no condition, which must be true or false", named[odd])
        }
        (_, [left, right]) => format!("{} can't be applied to {left} and {right}", symbol(function)),
        (_, all) => format!("{} can't be applied to {}", symbol(function), all.join(", ")),
    }
}

fn symbol(function: &str) -> &str {
    match function {
        "add" => "+",
        "sub" | "negate" => "-",
        "mul" => "*",
        "div" => "/",
        "rem" => "%",
        other => other.trim_matches('_'),
    }
}

/// As the language names it.
fn type_of(value: &Value) -> String {
    match value {
        Value::Float(_) => "double".into(),
        Value::Null => "null_type".into(),
        other => other.type_of().to_string(),
    }
}
