//! What an evaluation may cost. The interpreter has no bound of its own: a loop in a loop over what a stranger sent
//! takes as long as it takes. So every expression is rewritten before it is used: what operators, functions and loops
//! are handed goes through functions that count its size and fail when it becomes too much. Those have names that
//! nobody can write.
//!
//! Loops over maps go through here too, to be in the order of the keys: the interpreter's order is another in every
//! run.

use std::cell::Cell;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};
use cel::common::types::{CelBytes, CelDouble, CelList, CelMap, CelMapKey, CelString, DYN_TYPE, Kind};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

use crate::limits::{ENTRY_STEPS, EVALUATION_STEPS_MAX, STEP_BYTES, TURN_STEPS};

const COUNTED: &str = "@counted";
const RANGE: &str = "@range";
const ADDED: &str = "@added";
const INDEX: &str = "@index";

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(0) };
    static EXHAUSTED: Cell<bool> = const { Cell::new(false) };
}

/// Begins to count anew.
pub fn begin() {
    LEFT.set(EVALUATION_STEPS_MAX);
    EXHAUSTED.set(false);
}

/// Whether it became too much. The evaluation may still have ended well: `||` forgives an error on its other side.
pub fn exhausted() -> bool {
    EXHAUSTED.get()
}

pub fn charge(steps: u64) -> Result<(), ExecutionError> {
    match LEFT.get().checked_sub(steps) {
        Some(left) if !exhausted() => LEFT.set(left),
        _ => {
            EXHAUSTED.set(true);
            return Err(ExecutionError::InternalError("too much to look at".into()));
        }
    }
    Ok(())
}

pub fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload(COUNTED, COUNTED, vec![DYN_TYPE], counted)?;
    env.add_overload(ADDED, ADDED, vec![DYN_TYPE], added)?;
    env.add_overload(INDEX, INDEX, vec![DYN_TYPE], index)?;
    env.add_overload(RANGE, RANGE, vec![DYN_TYPE], range)
}

fn counted<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = args.swap_remove(0);
    count(value.as_ref())?;
    Ok(value)
}

/// A side of `+`. The interpreter adds a map to a list as its keys in any order; the language knows no such thing.
fn added<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    match args[0].get_type().kind() {
        Kind::Map => Err(ExecutionError::no_such_overload("add", vec!["map".into()])),
        _ => counted(args),
    }
}

/// A place. The interpreter's word against a broken number holds a copy of the whole list, and a loop may hear many of
/// them.
fn index<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    match args[0].downcast_ref::<CelDouble>() {
        Some(number) if number.inner().fract() != 0.0 => {
            Err(ExecutionError::no_such_overload("_[_]", vec!["list".into(), "double".into()]))
        }
        _ => Ok(args.swap_remove(0)),
    }
}

/// What a loop goes over: a list as it is, a map as the list of its keys.
fn range<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = args.swap_remove(0);
    count(value.as_ref())?;
    let turns = value.as_sizer().map_or(0, |sizer| sizer.size().unsigned_abs());
    charge(turns.saturating_mul(TURN_STEPS))?;
    let Some(map) = value.downcast_ref::<CelMap<'v>>() else { return Ok(value) };
    let mut keys: Vec<&CelMapKey<'v>> = map.inner().keys().collect();
    keys.sort_unstable();
    let keys: Vec<Box<dyn Val + 'v>> = keys.into_iter().map(|key| key.inner().clone_as_boxed()).collect();
    Ok(CowVal::owned(CelList::from(keys)))
}

fn count(value: &(dyn Val + '_)) -> Result<(), ExecutionError> {
    let texts = |bytes: usize| (bytes / STEP_BYTES) as u64;
    charge(match value.get_type().kind() {
        Kind::String => 1 + texts(value.downcast_ref::<CelString>().map_or(0, |text| text.inner().len())),
        Kind::Bytes => 1 + texts(value.downcast_ref::<CelBytes>().map_or(0, |bytes| bytes.inner().len())),
        _ => 1,
    })?;
    if let Some(list) = value.downcast_ref::<CelList>() {
        list.inner().iter().try_for_each(|item| count(item.as_ref()))?;
    } else if let Some(map) = value.downcast_ref::<CelMap>() {
        charge(ENTRY_STEPS * map.inner().len() as u64)?;
        map.inner().iter().try_for_each(|(key, item)| count(key.inner()).and_then(|()| count(item.as_ref())))?;
    }
    Ok(())
}

/// The same expression, with counting.
pub fn metered(tree: IdedExpr) -> IdedExpr {
    let expr = match tree.expr {
        Expr::Call(call) => Expr::Call(metered_call(call)),
        Expr::Comprehension(comprehension) => Expr::Comprehension(Box::new(metered_loop(*comprehension))),
        Expr::List(mut list) => {
            list.elements = list.elements.into_iter().map(handed).collect();
            Expr::List(list)
        }
        Expr::Map(mut map) => {
            map.entries.iter_mut().for_each(|entry| {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    entry.key = handed(std::mem::take(&mut entry.key));
                    entry.value = handed(std::mem::take(&mut entry.value));
                }
            });
            Expr::Map(map)
        }
        Expr::Select(select) => Expr::Select(SelectExpr { operand: Box::new(metered(*select.operand)), ..select }),
        // Structs are refused before; nothing else has parts.
        other => other,
    };
    IdedExpr { id: tree.id, expr }
}

fn metered_call(mut call: CallExpr) -> CallExpr {
    let part = match call.func_name.as_str() {
        // These look at truth alone, whatever the size.
        operators::CONDITIONAL | operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT => metered,
        operators::NOT_STRICTLY_FALSE => metered,
        operators::INDEX => return metered_index(call),
        operators::ADD => side,
        _ => handed,
    };
    call.target = call.target.map(|target| Box::new(part(*target)));
    call.args = call.args.into_iter().map(part).collect();
    call
}

fn metered_index(mut call: CallExpr) -> CallExpr {
    let place = |place: IdedExpr| match &place.expr {
        Expr::Literal(LiteralValue::Int(_) | LiteralValue::String(_)) => place,
        _ => called(INDEX, metered(place)),
    };
    call.args = call.args.into_iter().zip([metered, place]).map(|(arg, part)| part(arg)).collect();
    call
}

fn metered_loop(mut it: ComprehensionExpr) -> ComprehensionExpr {
    it.iter_range = called(RANGE, metered(it.iter_range));
    it.loop_cond = metered(it.loop_cond);
    it.loop_step = metered(it.loop_step);
    it.result = metered(it.result);
    it
}

/// A part that is counted when it is there: not what a literal list holds, for that was counted, and not what a loop
/// has gathered, for the interpreter knows a quick way only for the form that it made.
fn handed(part: IdedExpr) -> IdedExpr {
    match &part.expr {
        Expr::Literal(_) | Expr::List(_) => metered(part),
        Expr::Ident(name) if name.starts_with('@') => part,
        _ => called(COUNTED, metered(part)),
    }
}

fn side(part: IdedExpr) -> IdedExpr {
    match &part.expr {
        Expr::Literal(_) | Expr::List(_) => metered(part),
        Expr::Ident(name) if name.starts_with('@') => part,
        _ => called(ADDED, metered(part)),
    }
}

fn called(name: &str, part: IdedExpr) -> IdedExpr {
    let call = CallExpr { func_name: name.into(), target: None, args: vec![part] };
    IdedExpr { id: call.args[0].id, expr: Expr::Call(call) }
}
