//! From text to a tree. Nothing here knows what names mean.

use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use cel::parser::PrattParser;
use cel::parser::pratt_parser::{Lexer, Token, TokenKind};

use crate::error::CompileError;
use crate::limits::{EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX};

/// The tree of an expression, bounded in size and depth.
pub fn parse(source: &str) -> Result<IdedExpr, CompileError> {
    if source.len() > EXPRESSION_BYTES_MAX {
        let message = format!("it has {} bytes, at most {EXPRESSION_BYTES_MAX} are allowed", source.len());
        return Err(CompileError::at(source, 0, message));
    }
    // The parser bounds brackets itself, but calls itself once more for each `? :` in a row.
    let mut questions = tokens(source).filter(|token| token.kind == TokenKind::TokQuestion);
    if let Some(token) = questions.nth(EXPRESSION_DEPTH_MAX) {
        return Err(too_deep(source, token.start));
    }
    let parser = PrattParser::default().max_recursion_depth(EXPRESSION_DEPTH_MAX as u16);
    let tree = parser.parse(source).map_err(|errors| first(source, errors))?;
    match is_deeper_than(&tree, EXPRESSION_DEPTH_MAX) {
        true => Err(too_deep(source, 0)),
        false => Ok(tree),
    }
}

fn first(source: &str, errors: cel::ParseErrors) -> CompileError {
    let Some(error) = errors.errors.into_iter().next() else {
        return CompileError::at(source, 0, "it is no expression");
    };
    if error.msg.contains("recursion limit") {
        return too_deep(source, 0);
    }
    // The parser counts bytes in a line, from 1.
    let (line, column) = (error.pos.0.max(1) as usize, error.pos.1.max(1) as usize);
    let before: usize = source.split_inclusive('\n').take(line - 1).map(str::len).sum();
    CompileError::at(source, before + column - 1, error.msg.trim_start_matches("Syntax error: "))
}

fn too_deep(source: &str, byte: usize) -> CompileError {
    CompileError::at(source, byte, format!("it goes more than {EXPRESSION_DEPTH_MAX} levels deep"))
}

/// All that matters of a text, without spaces and comments. What is no token ends it; the parser says why.
pub fn tokens(source: &str) -> impl Iterator<Item = Token> {
    let mut lexer = Lexer::new(source);
    let next = move || Some(lexer.lex()).filter(|token| !matches!(token.kind, TokenKind::TokEnd | TokenKind::TokError));
    std::iter::from_fn(next).filter(|token| !matches!(token.kind, TokenKind::TokWhitespace | TokenKind::TokComment))
}

/// Where a name stands that is no member of something: the tree itself has lost its places.
pub fn place_of(source: &str, name: &str) -> usize {
    let mut after_dot = false;
    for token in tokens(source) {
        if token.kind == TokenKind::TokIdent && !after_dot && &source[token.start..token.end] == name {
            return token.start;
        }
        after_dot = token.kind == TokenKind::TokDot;
    }
    0
}

/// Where a function is called.
pub fn place_of_call(source: &str, name: &str) -> usize {
    let mut tokens = tokens(source).peekable();
    while let Some(token) = tokens.next() {
        let called = tokens.peek().is_some_and(|next| next.kind == TokenKind::TokLeftParen);
        if token.kind == TokenKind::TokIdent && called && &source[token.start..token.end] == name {
            return token.start;
        }
    }
    0
}

/// The parts of an expression, in the order of the text.
pub fn parts(tree: &IdedExpr) -> Vec<&IdedExpr> {
    match &tree.expr {
        Expr::Call(call) => call.target.iter().map(|target| &**target).chain(&call.args).collect(),
        Expr::Comprehension(it) => vec![&it.iter_range, &it.accu_init, &it.loop_cond, &it.loop_step, &it.result],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Expr::Struct(message) => message.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Vec::new(),
    }
}

fn entry_parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        EntryExpr::StructField(field) => vec![&field.value],
    }
}

fn is_deeper_than(tree: &IdedExpr, levels: usize) -> bool {
    levels == 0 || parts(tree).into_iter().any(|part| is_deeper_than(part, levels - 1))
}
