//! A guest's view during one call: what was committed last, with the call's own writes on top.
//!
//! Nothing is stored here. What the call wrote is handed up, to be committed with the checkpoint in one transaction, or
//! dropped. **Invariant:** reads see the call's own writes, and the base never changes under a call.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::Fault;
use super::bindings::weir::plugin::{types, view as wit};
use super::guest::Guest;
use crate::model::Payload;
use crate::model::limits::{
    VIEW_KEY_BYTES_MAX, VIEW_PAGE_BYTES_MAX, VIEW_PAGE_ENTRIES_MAX, VIEW_VALUE_BYTES_MAX, VIEW_WRITE_BYTES_MAX,
};

/// A view as it was committed last: one consistent state, for as long as this is held. The store of views implements it.
pub trait ViewBase: Send + Sync + 'static {
    fn get(&self, key: &str) -> Result<Option<Payload>, String>;
    /// Entries whose keys start with `prefix` and come after `after`, in order of the keys' bytes; at most `limit`, and
    /// fewer only at the end.
    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Payload)>, String>;
    /// Bytes of all keys and values.
    fn bytes(&self) -> u64;
}

/// What a call wrote, in order of the keys; `None` deletes.
pub type ViewWrites = BTreeMap<String, Option<Payload>>;

/// A view in memory, for tests and tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryView(pub BTreeMap<String, Payload>);

impl MemoryView {
    /// The view after a call.
    pub fn after(&self, writes: ViewWrites) -> Self {
        let mut entries = self.0.clone();
        for (key, value) in writes {
            match value {
                Some(value) => drop(entries.insert(key, value)),
                None => drop(entries.remove(&key)),
            }
        }
        Self(entries)
    }
}

impl ViewBase for MemoryView {
    fn get(&self, key: &str) -> Result<Option<Payload>, String> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Payload)>, String> {
        let entries = self.0.range::<str, _>((start(prefix, after), Bound::Unbounded));
        let entries = entries.take_while(|(key, _)| key.starts_with(prefix)).take(limit);
        Ok(entries.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn bytes(&self) -> u64 {
        self.0.iter().map(|(key, value)| (key.len() + value.as_bytes().len()) as u64).sum()
    }
}

/// Where a page begins: at the prefix, or behind the last key of the page before.
fn start<'a>(prefix: &'a str, after: Option<&'a str>) -> Bound<&'a str> {
    after.filter(|after| *after >= prefix).map_or(Bound::Included(prefix), Bound::Excluded)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    ReadWrite,
    Read,
}

/// Why a host function ended the call.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Stopped(pub Fault);

fn stop<T>(fault: Fault) -> wasmtime::Result<T> {
    Err(wasmtime::Error::from(Stopped(fault)))
}

/// The view of the call that runs.
pub(super) struct OpenView {
    base: Arc<dyn ViewBase>,
    access: Access,
    /// Bytes that base and writes may have together.
    bytes_max: u64,
    writes: ViewWrites,
    write_bytes: usize,
}

impl OpenView {
    pub fn new(base: Arc<dyn ViewBase>, access: Access, bytes_max: u64) -> Self {
        Self { base, access, bytes_max, writes: ViewWrites::new(), write_bytes: 0 }
    }

    pub fn into_writes(self) -> ViewWrites {
        self.writes
    }

    fn get(&self, key: &str) -> wasmtime::Result<Option<Payload>> {
        match self.writes.get(key) {
            Some(written) => Ok(written.clone()),
            None => self.base.get(key).or_else(|error| stop(Fault::Host(format!("its view cannot be read: {error}")))),
        }
    }

    fn write(&mut self, key: String, value: Option<Payload>) -> wasmtime::Result<()> {
        if self.access == Access::Read {
            return stop(Fault::Denied("it wrote to its view in a query; a query only reads".into()));
        }
        let bytes = value.as_ref().map_or(0, |value| value.as_bytes().len());
        if key.is_empty() || key.len() > VIEW_KEY_BYTES_MAX {
            return stop(Fault::Limit(format!(
                "a view's key has 1 to {VIEW_KEY_BYTES_MAX} bytes, this one {}",
                key.len()
            )));
        }
        if bytes > VIEW_VALUE_BYTES_MAX {
            return stop(Fault::Limit(format!(
                "a view's value has at most {VIEW_VALUE_BYTES_MAX} bytes, this one {bytes}"
            )));
        }
        // A key that is written again counts again: an upper bound, which spares a look at what it replaces.
        self.write_bytes += key.len() + bytes;
        if self.write_bytes > VIEW_WRITE_BYTES_MAX {
            return stop(Fault::Limit(format!("one call writes at most {VIEW_WRITE_BYTES_MAX} bytes to its view")));
        }
        if value.is_some() && self.base.bytes() + self.write_bytes as u64 > self.bytes_max {
            return stop(Fault::Limit(format!("its view would have more than {} bytes", self.bytes_max)));
        }
        self.writes.insert(key, value);
        Ok(())
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: u32) -> wasmtime::Result<Vec<(String, Payload)>> {
        let limit = (limit as usize).min(VIEW_PAGE_ENTRIES_MAX);
        merged(&*self.base, &self.writes, prefix, after, (limit, VIEW_PAGE_BYTES_MAX))
            .or_else(|error| stop(Fault::Host(format!("its view cannot be read: {error}"))))
    }
}

/// A page of both, merged: what was written hides what the base has. At most so many entries, and about so many bytes.
fn merged(
    base: &dyn ViewBase,
    writes: &ViewWrites,
    prefix: &str,
    after: Option<&str>,
    (limit, bytes_max): (usize, usize),
) -> Result<Vec<(String, Payload)>, String> {
    let mut after = after.map(str::to_owned);
    let (mut page, mut bytes) = (Vec::new(), 0);
    let mut end_of_base = false;
    while page.len() < limit && !end_of_base {
        let asked = limit - page.len();
        let of_base = base.scan(prefix, after.as_deref(), asked)?;
        end_of_base = of_base.len() < asked;
        // Beyond the last entry of this piece of the base nothing is known yet.
        let known_to = if end_of_base { None } else { of_base.last().map(|(key, _)| key.clone()) };
        let mut both: BTreeMap<String, Option<Payload>> =
            of_base.into_iter().map(|(key, value)| (key, Some(value))).collect();
        let written = writes.range::<str, _>((start(prefix, after.as_deref()), Bound::Unbounded));
        let written = written.take_while(|(key, _)| key.starts_with(prefix));
        let known = written.take_while(|(key, _)| known_to.as_ref().is_none_or(|last| *key <= last));
        both.extend(known.map(|(key, value)| (key.clone(), value.clone())));
        for (key, value) in both {
            if page.len() == limit || bytes > bytes_max {
                return Ok(page);
            }
            after = Some(key.clone());
            if let Some(value) = value {
                bytes += key.len() + value.as_bytes().len();
                page.push((key, value));
            }
        }
    }
    Ok(page)
}

/// A view with writes on top that are not committed yet.
pub struct Overlay {
    pub base: Arc<dyn ViewBase>,
    pub writes: Arc<ViewWrites>,
    /// Of their keys and values, about.
    pub write_bytes: u64,
}

impl ViewBase for Overlay {
    fn get(&self, key: &str) -> Result<Option<Payload>, String> {
        match self.writes.get(key) {
            Some(written) => Ok(written.clone()),
            None => self.base.get(key),
        }
    }

    fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Payload)>, String> {
        merged(&*self.base, &self.writes, prefix, after, (limit, usize::MAX))
    }

    fn bytes(&self) -> u64 {
        self.base.bytes() + self.write_bytes
    }
}

impl Guest {
    fn view(&mut self) -> wasmtime::Result<&mut OpenView> {
        match &mut self.view {
            Some(view) => Ok(view),
            None => stop(Fault::Denied("it asked for its view in `describe` or `init`, where it has none".into())),
        }
    }
}

fn lower(payload: Payload) -> wasmtime::Result<types::PayloadResult> {
    match payload {
        Payload::Bytes(bytes) => Ok(types::PayloadResult::Bytes(bytes.into())),
        Payload::Json(text) => match String::from_utf8(text.into()) {
            Ok(text) => Ok(types::PayloadResult::Json(text)),
            Err(_) => stop(Fault::Host("a view's JSON is not UTF-8".into())),
        },
    }
}

fn lift(payload: types::PayloadResult) -> wasmtime::Result<Payload> {
    super::lift::payload(payload, "a value for its view").or_else(stop)
}

impl wit::Host for Guest {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<types::PayloadResult>> {
        self.view()?.get(&key)?.map(lower).transpose()
    }

    fn get_many(&mut self, keys: Vec<String>) -> wasmtime::Result<Vec<Option<types::PayloadResult>>> {
        let view = self.view()?;
        keys.iter().map(|key| view.get(key)?.map(lower).transpose()).collect()
    }

    fn put(&mut self, key: String, value: types::PayloadResult) -> wasmtime::Result<()> {
        self.view()?.write(key, Some(lift(value)?))
    }

    fn put_many(&mut self, entries: Vec<(String, types::PayloadResult)>) -> wasmtime::Result<()> {
        let view = self.view()?;
        entries.into_iter().try_for_each(|(key, value)| view.write(key, Some(lift(value)?)))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<()> {
        self.view()?.write(key, None)
    }

    fn scan(
        &mut self,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Vec<(String, types::PayloadResult)>> {
        let page = self.view()?.scan(&prefix, after.as_deref(), limit)?;
        page.into_iter().map(|(key, value)| Ok((key, lower(value)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    fn value(number: u32) -> Payload {
        Payload::Json(number.to_string().into())
    }

    fn open(base: MemoryView, access: Access) -> OpenView {
        OpenView::new(Arc::new(base), access, 1_000)
    }

    fn fault<T: std::fmt::Debug>(result: wasmtime::Result<T>) -> Fault {
        let error = result.expect_err("a fault");
        error.downcast_ref::<Stopped>().expect("ours").0.clone()
    }

    /// Whatever a call writes, what it reads is what a view with those writes would say.
    #[test]
    fn reads_see_base_and_writes_as_one() {
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..300 {
            let key = |random: &mut StdRng| {
                format!("{}{}", ["a", "b", "ä"][random.random_range(0..3)], random.random_range(0..9))
            };
            let base = (0..random.random_range(0..12)).map(|n| (key(&mut random), value(n))).collect();
            let base = MemoryView(base);
            let mut view = open(base.clone(), Access::ReadWrite);
            for n in 0..random.random_range(0..12) {
                let written = random.random_bool(0.6).then(|| value(100 + n));
                view.write(key(&mut random), written).expect("room");
            }
            let after = base.after(view.writes.clone());
            for prefix in ["", "a", "b", "ä", "c"] {
                let limit = random.random_range(1..5);
                let (mut seen, mut last) = (Vec::new(), None);
                loop {
                    let page = view.scan(prefix, last.as_deref(), limit).expect("a page");
                    if page.is_empty() {
                        break;
                    }
                    assert!(page.len() <= limit as usize);
                    last = page.last().map(|(key, _)| key.clone());
                    seen.extend(page);
                }
                assert_eq!(seen, after.scan(prefix, None, 100).expect("all"), "prefix '{prefix}'");
                let overlay =
                    Overlay { base: view.base.clone(), writes: Arc::new(view.writes.clone()), write_bytes: 0 };
                assert_eq!(overlay.scan(prefix, None, 3), after.scan(prefix, None, 3), "prefix '{prefix}'");
            }
            let key = key(&mut random);
            assert_eq!(view.get(&key).expect("a look"), after.get(&key).expect("a look"));
        }
    }

    #[test]
    fn what_is_too_much_ends_the_call() {
        let mut view = open(MemoryView::default(), Access::ReadWrite);
        let limit = |fault| matches!(fault, Fault::Limit(_));
        assert!(limit(fault(view.write(String::new(), Some(value(1))))));
        assert!(limit(fault(view.write("k".repeat(VIEW_KEY_BYTES_MAX + 1), None))));
        let big = Payload::Bytes(vec![0; VIEW_VALUE_BYTES_MAX + 1].into());
        assert!(limit(fault(view.write("k".into(), Some(big)))));
        let whole = Payload::Bytes(vec![0; 999].into());
        view.write("k".into(), Some(whole)).expect("exactly its bytes");
        assert!(limit(fault(view.write("l".into(), Some(value(1))))));
        view.write("k".into(), None).expect("deleting is always allowed");
        let mut query = open(MemoryView::default(), Access::Read);
        assert!(matches!(fault(query.write("k".into(), None)), Fault::Denied(_)));
    }
}
