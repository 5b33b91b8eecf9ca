//! What can be wrong: with an expression, before it is used, and with one evaluation of it.

use std::fmt;

use crate::limits::MESSAGE_BYTES_MAX;

/// Why an expression can't be used, and where in its text; both count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileError {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

impl CompileError {
    /// A mistake at a byte of the source.
    pub(crate) fn at(source: &str, byte: usize, message: impl Into<String>) -> Self {
        let before = &source[..source.floor_char_boundary(byte)];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { line, column, message: message.into() }
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for CompileError {}

/// Why an evaluation came to nothing, in words for whoever wrote the expression or sent the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvalError(String);

impl EvalError {
    /// Cut where it gets too long: it may quote what a stranger sent.
    pub fn new(message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > MESSAGE_BYTES_MAX {
            message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
            message.push('…');
        }
        Self(message)
    }
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for EvalError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_lines_and_characters() {
        let source = "a &&\nö || b";
        assert_eq!(CompileError::at(source, 0, "x").to_string(), "line 1, column 1: x");
        assert_eq!(CompileError::at(source, 11, "x").to_string(), "line 2, column 6: x");
        assert_eq!(CompileError::at(source, 6, "x").to_string(), "line 2, column 1: x", "within a character");
        assert_eq!(CompileError::at(source, 99, "x").to_string(), "line 2, column 7: x");
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let text = EvalError::new("é".repeat(1_000)).to_string();
        assert_eq!((text.len(), text.ends_with("é…")), (MESSAGE_BYTES_MAX + '…'.len_utf8(), true));
    }
}
