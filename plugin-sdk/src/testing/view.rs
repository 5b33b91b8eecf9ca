//! The view of native tests: a map in the stand-in, in the order of the keys' bytes, with the functions that the host has.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::STATE;
use crate::Payload;

pub fn get(key: &str) -> Option<Payload> {
    STATE.with_borrow(|state| state.view.get(key).cloned())
}

pub fn get_many(keys: &[String]) -> Vec<Option<Payload>> {
    keys.iter().map(|key| get(key)).collect()
}

pub fn put(key: &str, value: &Payload) {
    write(|view| _ = view.insert(key.to_owned(), value.clone()));
}

pub fn put_many(entries: &[(String, Payload)]) {
    write(|view| view.extend(entries.iter().cloned()));
}

pub fn delete(key: &str) {
    write(|view| _ = view.remove(key));
}

pub fn scan(prefix: &str, after: Option<&str>, limit: u32) -> Vec<(String, Payload)> {
    let from = match after {
        Some(after) if after >= prefix => Bound::Excluded(after),
        _ => Bound::Included(prefix),
    };
    STATE.with_borrow(|state| {
        let entries = state.view.range::<str, _>((from, Bound::Unbounded));
        let page = entries.take_while(|(key, _)| key.starts_with(prefix)).take(limit as usize);
        page.map(|(key, value)| (key.clone(), value.clone())).collect()
    })
}

/// Calls the plugin as the server does: what it wrote is kept if the call ends well, and else undone.
pub fn commit<T, E>(call: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let before = STATE.with_borrow(|state| state.view.clone());
    let result = call();
    if result.is_err() {
        STATE.with_borrow_mut(|state| state.view = before);
    }
    result
}

/// Calls the plugin where it may only read.
pub fn read_only<T>(call: impl FnOnce() -> T) -> T {
    STATE.with_borrow_mut(|state| state.view_is_read_only = true);
    let result = call();
    STATE.with_borrow_mut(|state| state.view_is_read_only = false);
    result
}

fn write(change: impl FnOnce(&mut BTreeMap<String, Payload>)) {
    STATE.with_borrow_mut(|state| {
        assert!(!state.view_is_read_only, "a query wrote to its view, which is read-only there");
        change(&mut state.view);
    });
}
