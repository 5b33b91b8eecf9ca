//! What an expression may call, and the environment that knows it. The interpreter's standard functions, without those
//! of optional values; `matches` is ours, because the interpreter's would bring a large crate and compile its pattern
//! each time.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::common::types::{CelBool, CelString, STRING_TYPE};
use cel::common::value::CowVal;
use cel::{DeclarationError, Env, ExecutionError};
use regex_lite::{Regex, RegexBuilder};

use crate::cost;
use crate::limits::{MATCHED_BYTES_MAX, PATTERN_BYTES_MAX, PATTERN_MEMORY_BYTES_MAX};

/// Functions, with the number of their arguments.
pub const GLOBAL: [(&str, usize); 10] = [
    ("bool", 1),
    ("bytes", 1),
    ("double", 1),
    ("dyn", 1),
    ("int", 1),
    ("matches", 2),
    ("size", 1),
    ("string", 1),
    ("type", 1),
    ("uint", 1),
];

/// Functions that are called on a value, with the number of their other arguments.
pub const MEMBER: [(&str, usize); 5] =
    [("contains", 1), ("endsWith", 1), ("matches", 1), ("size", 0), ("startsWith", 1)];

/// Macros, with how they are written; the parser turns them into something else where they are written so.
pub const MACROS: [(&str, &str); 7] = [
    ("has", "has(payload.member)"),
    ("all", "list.all(item, condition)"),
    ("exists", "list.exists(item, condition)"),
    ("exists_one", "list.exists_one(item, condition)"),
    ("existsOne", "list.existsOne(item, condition)"),
    ("filter", "list.filter(item, condition)"),
    ("map", "list.map(item, expression)"),
];

pub fn environment() -> Arc<Env> {
    static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(build().unwrap_or_else(|_| Env::stdlib())));
    Arc::clone(&ENVIRONMENT)
}

fn build() -> Result<Env, DeclarationError> {
    let mut env = Env::stdlib();
    cost::declare(&mut env)?;
    env.add_overload("matches", "matches", vec![STRING_TYPE, STRING_TYPE], matches)?;
    env.add_member_overload("matches", "string_matches", STRING_TYPE, vec![STRING_TYPE], matches)?;
    Ok(env)
}

/// A pattern, or why it is none.
pub fn pattern(text: &str) -> Result<Regex, String> {
    if text.len() > PATTERN_BYTES_MAX {
        return Err(format!("a pattern has at most {PATTERN_BYTES_MAX} bytes, this one {}", text.len()));
    }
    let compiled = RegexBuilder::new(text).size_limit(PATTERN_MEMORY_BYTES_MAX).build();
    compiled.map_err(|error| format!("'{text}' is no pattern: {error}"))
}

/// Patterns are literals of checked expressions, so there are no more of them than the operator wrote.
fn matches<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    thread_local! {
        static PATTERNS: RefCell<HashMap<String, Regex>> = RefCell::default();
    }
    let refused = |reason: String| ExecutionError::function_error("matches", reason);
    let texts = args.iter().map(|arg| arg.downcast_ref::<CelString>().map(|text| text.inner()));
    let [Some(text), Some(wanted)] = texts.collect::<Vec<_>>()[..] else {
        return Err(refused("it takes two texts".into()));
    };
    if text.len() > MATCHED_BYTES_MAX {
        return Err(refused(format!("the text has {} bytes, at most {MATCHED_BYTES_MAX} are looked at", text.len())));
    }
    cost::charge(text.len() as u64)?;
    PATTERNS.with_borrow_mut(|patterns| {
        if !patterns.contains_key(wanted) {
            patterns.insert(wanted.to_owned(), pattern(wanted).map_err(refused)?);
        }
        Ok(CowVal::owned(CelBool::from(patterns[wanted].is_match(text))))
    })
}
