//! Whether an expression names only what there is: variables, functions, and patterns that are patterns.

use std::collections::BTreeSet;

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, SelectExpr};

use crate::error::CompileError;
use crate::functions::{self, GLOBAL, MACROS, MEMBER};
use crate::syntax::{parts, place_of, place_of_call};

/// Checks a whole expression, and answers with the variables that it uses.
pub fn check(source: &str, tree: &IdedExpr, variables: &[&str]) -> Result<BTreeSet<String>, CompileError> {
    let mut names = Names { source, variables, local: Vec::new(), used: BTreeSet::new() };
    names.visit(tree)?;
    Ok(names.used)
}

struct Names<'a> {
    source: &'a str,
    variables: &'a [&'a str],
    /// Those of the loops around, innermost last.
    local: Vec<&'a str>,
    used: BTreeSet<String>,
}

impl<'a> Names<'a> {
    fn visit(&mut self, tree: &'a IdedExpr) -> Result<(), CompileError> {
        match &tree.expr {
            Expr::Ident(name) => self.variable(name),
            Expr::Comprehension(it) => self.comprehension(it),
            Expr::Struct(message) => {
                let reason = format!(
                    "there are no types of messages; write a map {{'member': …}} instead of {}{{…}}",
                    message.type_name
                );
                self.refuse(place_of(self.source, &message.type_name), reason)
            }
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => {
                self.call(call)?;
                self.visit_parts(tree)
            }
            _ => self.visit_parts(tree),
        }
    }

    fn visit_parts(&mut self, tree: &'a IdedExpr) -> Result<(), CompileError> {
        parts(tree).into_iter().try_for_each(|part| self.visit(part))
    }

    fn variable(&mut self, name: &'a str) -> Result<(), CompileError> {
        // A dot before a name asks for the outermost one of it.
        let (plain, local) = match name.strip_prefix('.') {
            Some(outermost) => (outermost, false),
            None => (name, self.local.contains(&name)),
        };
        if local {
            return Ok(());
        }
        if self.variables.contains(&plain) {
            self.used.insert(plain.to_owned());
            return Ok(());
        }
        if functions::environment().types().find_type(plain).is_some() {
            return Ok(());
        }
        let reason = format!("unknown variable '{plain}'; there is {}", self.variables.join(", "));
        self.refuse(place_of(self.source, plain), reason)
    }

    fn comprehension(&mut self, it: &'a ComprehensionExpr) -> Result<(), CompileError> {
        self.visit(&it.iter_range)?;
        self.local.extend([it.iter_var.as_str(), it.accu_var.as_str()]);
        let inner = [&it.loop_cond, &it.loop_step, &it.result].into_iter().try_for_each(|part| self.visit(part));
        self.local.truncate(self.local.len() - 2);
        inner
    }

    fn select(&mut self, select: &'a SelectExpr) -> Result<(), CompileError> {
        self.visit(&select.operand)
    }

    fn call(&self, call: &CallExpr) -> Result<(), CompileError> {
        let name = call.func_name.as_str();
        let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        // The other calls are operators, which the parser alone can make.
        if !is_word {
            return Ok(());
        }
        let known: &[(&str, usize)] = if call.target.is_some() { &MEMBER } else { &GLOBAL };
        let place = || place_of_call(self.source, name);
        match known.iter().find(|(known, _)| *known == name) {
            Some((_, count)) if *count == call.args.len() => self.pattern(call, place()),
            Some((_, count)) => {
                self.refuse(place(), format!("{name} takes {count} arguments here, not {}", call.args.len()))
            }
            None => self.refuse(place(), unknown_function(name, known)),
        }
    }

    /// A pattern that came with an event could be anything, and would be compiled each time.
    fn pattern(&self, call: &CallExpr, place: usize) -> Result<(), CompileError> {
        if call.func_name != "matches" {
            return Ok(());
        }
        match call.args.last().map(|arg| &arg.expr) {
            Some(Expr::Literal(LiteralValue::String(text))) => match functions::pattern(text.inner()) {
                Ok(_) => Ok(()),
                Err(reason) => self.refuse(place, reason),
            },
            _ => self.refuse(place, "the pattern of matches must be a text in quotes"),
        }
    }

    fn refuse<T>(&self, byte: usize, reason: impl Into<String>) -> Result<T, CompileError> {
        Err(CompileError::at(self.source, byte, reason))
    }
}

fn unknown_function(name: &str, known: &[(&str, usize)]) -> String {
    if let Some((_, form)) = MACROS.iter().find(|(known, _)| *known == name) {
        return format!("'{name}' is not written so; write {form}");
    }
    let known: Vec<&str> = known.iter().map(|(known, _)| *known).chain(MACROS.iter().map(|(name, _)| *name)).collect();
    format!("unknown function '{name}'; there is {}", known.join(", "))
}
