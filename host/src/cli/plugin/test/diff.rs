//! Expected against actual JSON, so that people see at once what differs.

use serde_json::{Map, Value};

use crate::cli::plugin::output::{Colour, paint};

/// One thing that is not as the file says.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// What was looked at: `event 2`, `view`.
    pub what: String,
    pub expected: Value,
    pub actual: Value,
}

impl Mismatch {
    /// Nothing when both are the same.
    pub fn of(what: impl Into<String>, expected: Value, actual: Value) -> Option<Self> {
        (!same(&expected, &actual)).then(|| Self { what: what.into(), expected, actual })
    }

    /// Nothing when the actual value has all that is expected; members that nobody asked for are left out.
    pub fn of_part(what: impl Into<String>, expected: Value, actual: Value) -> Option<Self> {
        let actual = part(&expected, actual);
        Self::of(what, expected, actual)
    }

    /// A few lines: what is missing behind `-`, what is there instead behind `+`.
    pub fn show(&self) -> String {
        let lines = |value: &Value| format!("{value:#}").lines().map(str::to_owned).collect::<Vec<_>>();
        let (expected, actual) = (lines(&self.expected), lines(&self.actual));
        let mut out =
            format!("{}: {} {}\n", self.what, paint(Colour::Red, "- expected"), paint(Colour::Green, "+ actual"));
        for line in edits(&expected, &actual) {
            let line = match line {
                Edit::Same(text) => format!("    {text}"),
                Edit::Expected(text) => paint(Colour::Red, &format!("  - {text}")),
                Edit::Actual(text) => paint(Colour::Green, &format!("  + {text}")),
            };
            out.push_str(&line);
            out.push('\n');
        }
        out
    }
}

/// JSON has one kind of number: 1 and 1.0 are the same.
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64() == other.as_f64() && !whole(one, other)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| same(value, other)))
        }
        _ => one == other,
    }
}

/// Large whole numbers differ although their nearest doubles do not.
fn whole(one: &serde_json::Number, other: &serde_json::Number) -> bool {
    !one.is_f64() && !other.is_f64()
}

/// Of an actual value what the expected one speaks of: objects lose the members that it does not name.
pub fn part(expected: &Value, actual: Value) -> Value {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(mut actual)) => {
            let kept = expected.iter().filter_map(|(key, value)| Some((key.clone(), part(value, actual.remove(key)?))));
            Value::Object(kept.collect::<Map<_, _>>())
        }
        (Value::Array(expected), Value::Array(actual)) => {
            let of = |(at, actual): (usize, Value)| match expected.get(at) {
                Some(expected) => part(expected, actual),
                None => actual,
            };
            Value::Array(actual.into_iter().enumerate().map(of).collect())
        }
        (_, actual) => actual,
    }
}

enum Edit<'a> {
    Same(&'a str),
    Expected(&'a str),
    Actual(&'a str),
}

/// Lines beyond which the diff is only "this instead of that": the table below grows with the square.
const DIFF_LINES_MAX: usize = 2_000;

/// The longest common lines, and between them what was expected and what came.
fn edits<'a>(expected: &'a [String], actual: &'a [String]) -> Vec<Edit<'a>> {
    let (rows, columns) = (expected.len(), actual.len());
    if rows.max(columns) > DIFF_LINES_MAX {
        let expected = expected.iter().map(|line| Edit::Expected(line.as_str()));
        return expected.chain(actual.iter().map(|line| Edit::Actual(line.as_str()))).collect();
    }
    // Cell (i, j): lines in common from i and j on.
    let mut common = vec![vec![0_u32; columns + 1]; rows + 1];
    for i in (0..rows).rev() {
        for j in (0..columns).rev() {
            common[i][j] = match expected[i] == actual[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    while i < rows || j < columns {
        if i < rows && j < columns && expected[i] == actual[j] {
            out.push(Edit::Same(&expected[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == columns || i < rows && common[i + 1][j] >= common[i][j + 1] {
            out.push(Edit::Expected(&expected[i]));
            i += 1;
        } else {
            out.push(Edit::Actual(&actual[j]));
            j += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_the_same_is_no_mismatch_and_what_differs_is_shown_line_by_line() {
        assert_eq!(Mismatch::of("x", json!({"a": 1, "b": [1.0]}), json!({"b": [1], "a": 1.0})), None);
        assert!(!same(&json!(9_007_199_254_740_993_u64), &json!(9_007_199_254_740_992_u64)));
        let mismatch = Mismatch::of("view", json!({"a": 1, "b": 2}), json!({"a": 1, "b": 3})).expect("a mismatch");
        let expected = "view: - expected + actual\n    {\n      \"a\": 1,\n  -   \"b\": 2\n  +   \"b\": 3\n    }\n";
        assert_eq!(mismatch.show(), expected);
    }

    #[test]
    fn a_part_leaves_out_what_nobody_asked_for() {
        let actual = json!({"a": 1, "list": [{"b": 2, "c": 3}, {"d": 4}], "more": true});
        assert_eq!(Mismatch::of_part("x", json!({"a": 1, "list": [{"b": 2}, {}]}), actual.clone()), None);
        let mismatch = Mismatch::of_part("x", json!({"list": [{"b": 9}]}), actual).expect("a mismatch");
        assert_eq!(mismatch.actual, json!({"list": [{"b": 2}, {"d": 4}]}));
    }
}
