//! What an expression comes to, where its text alone tells.

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators};

/// The name of the type that an expression certainly has; none if that hangs on its variables.
pub fn of(tree: &IdedExpr) -> Option<&'static str> {
    match &tree.expr {
        Expr::Literal(literal) => Some(of_literal(literal)),
        Expr::List(_) => Some("list"),
        Expr::Map(_) => Some("map"),
        Expr::Select(select) => select.test.then_some("bool"),
        Expr::Call(call) => of_call(call),
        Expr::Comprehension(it) => of_loop(it),
        Expr::Ident(_) | Expr::Struct(_) | Expr::Unspecified => None,
    }
}

fn of_literal(literal: &LiteralValue) -> &'static str {
    match literal {
        LiteralValue::Boolean(_) => "bool",
        LiteralValue::Bytes(_) => "bytes",
        LiteralValue::Double(_) => "double",
        LiteralValue::Int(_) => "int",
        LiteralValue::Null => "null_type",
        LiteralValue::String(_) => "string",
        LiteralValue::UInt(_) => "uint",
    }
}

fn of_call(call: &CallExpr) -> Option<&'static str> {
    match call.func_name.as_str() {
        operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT | operators::IN => Some("bool"),
        operators::EQUALS | operators::NOT_EQUALS | operators::NOT_STRICTLY_FALSE => Some("bool"),
        operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS => Some("bool"),
        "matches" | "contains" | "startsWith" | "endsWith" | "bool" => Some("bool"),
        "size" | "int" => Some("int"),
        "uint" => Some("uint"),
        "double" => Some("double"),
        "string" => Some("string"),
        "bytes" => Some("bytes"),
        "type" => Some("type"),
        // Both sides of these have one type, and the result has it too.
        operators::ADD | operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO => {
            call.args.iter().find_map(of)
        }
        operators::NEGATE => call.args.iter().find_map(of),
        operators::CONDITIONAL => match call.args.get(1..).map(|sides| sides.iter().map(of).collect::<Vec<_>>())?[..] {
            [Some(yes), Some(no)] if yes == no => Some(yes),
            _ => None,
        },
        _ => None,
    }
}

/// A loop comes to what it gathered, or to something made of that.
fn of_loop(it: &ComprehensionExpr) -> Option<&'static str> {
    match &it.result.expr {
        Expr::Ident(name) if *name == it.accu_var => of(&it.accu_init),
        _ => of(&it.result),
    }
}
