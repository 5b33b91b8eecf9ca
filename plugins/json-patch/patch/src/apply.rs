//! What the operations of a patch do to a document.

use compact_str::CompactString;

use crate::document::{Document, within};
use crate::json::Json;
use crate::measure::string_bytes;
use crate::object::Object;
use crate::operation::{Fault, Operation, Patch, PatchError};
use crate::path::{Path, index};

impl Document {
    /// The document after a patch. One that fails leaves nothing behind: there are no half patched documents.
    ///
    /// ```
    /// use weir_json_patch::{Document, Json, Patch};
    /// let patch = |text| Patch::read(Json::read(text).unwrap()).unwrap();
    /// let document = Document::read(r#"{"a":[1]}"#).unwrap();
    /// let patched = document.clone().patched(patch(r#"[{"op":"add","path":"/a/-","value":2.0}]"#)).unwrap();
    /// assert_eq!(patched.to_string(), r#"{"a":[1,2.0]}"#);
    /// let refused = document.patched(patch(r#"[{"op":"remove","path":"/b"}]"#)).unwrap_err();
    /// assert_eq!(refused.to_string(), "operation 0 at '/b': there is no member 'b'");
    /// ```
    pub fn patched(mut self, patch: Patch) -> Result<Self, PatchError> {
        for (index, operation) in patch.0.into_iter().enumerate() {
            let pointer = Some(operation.path().as_str().to_owned());
            self.apply(operation).map_err(|fault| PatchError::Operation { index, pointer, fault })?;
        }
        Ok(self)
    }

    fn apply(&mut self, operation: Operation) -> Result<(), Fault> {
        match operation {
            Operation::Add(path, value) => self.add(&path, value),
            Operation::Remove(path) => self.remove(&path).map(drop),
            Operation::Replace(path, value) => self.replace(&path, value),
            Operation::Move { from, path } => self.relocate(&from, &path),
            Operation::Copy { from, path } => {
                let copy = self.find(&from)?;
                // Before the copy is made: it may be what is too much.
                within(self.bytes + copy.measure().bytes, 0)?;
                let copy = copy.clone();
                self.add(&path, copy)
            }
            Operation::Test(path, value) => match self.find(&path)?.same(&value) {
                true => Ok(()),
                false => Err(Fault::TestFailed),
            },
        }
    }

    fn find(&self, path: &Path) -> Result<&Json, Fault> {
        path.tokens().iter().try_fold(self.root.as_ref().ok_or(Fault::NoDocument)?, child)
    }

    /// The array or object that holds what the path names, and the last token.
    fn holder<'p>(&mut self, path: &'p Path) -> Result<Option<(&mut Json, &'p CompactString)>, Fault> {
        let Some((last, tokens)) = path.tokens().split_last() else { return Ok(None) };
        let holder = tokens.iter().try_fold(self.root.as_mut().ok_or(Fault::NoDocument)?, child_mut)?;
        Ok(Some((holder, last)))
    }

    fn add(&mut self, path: &Path, value: Json) -> Result<(), Fault> {
        let (added, before) = (value.measure(), self.bytes);
        let (more, less) = match self.holder(path)? {
            None => {
                self.root = Some(value);
                (0, before)
            }
            Some((Json::Array(items), token)) => (insert_item(items, token, value)?, 0),
            Some((Json::Object(members), token)) => insert_member(members, token, value),
            Some((other, _)) => return Err(Fault::NoContainer(other.kind())),
        };
        self.bytes = before + added.bytes + more - less;
        within(self.bytes, path.tokens().len() + added.depth)
    }

    fn remove(&mut self, path: &Path) -> Result<Json, Fault> {
        let (removed, beside) = match self.holder(path)? {
            None => (self.root.take().ok_or(Fault::NoDocument)?, 0),
            Some((Json::Array(items), token)) => remove_item(items, token)?,
            Some((Json::Object(members), token)) => remove_member(members, token)?,
            Some((other, _)) => return Err(Fault::NoContainer(other.kind())),
        };
        self.bytes -= removed.measure().bytes + beside;
        Ok(removed)
    }

    fn replace(&mut self, path: &Path, value: Json) -> Result<(), Fault> {
        let added = value.measure();
        let place = path.tokens().iter().try_fold(self.root.as_mut().ok_or(Fault::NoDocument)?, child_mut)?;
        let old = std::mem::replace(place, value);
        self.bytes = self.bytes - old.measure().bytes + added.bytes;
        within(self.bytes, path.tokens().len() + added.depth)
    }

    fn relocate(&mut self, from: &Path, path: &Path) -> Result<(), Fault> {
        if path.tokens().starts_with(from.tokens()) {
            self.find(from)?;
            return if path.tokens().len() == from.tokens().len() { Ok(()) } else { Err(Fault::IntoItself) };
        }
        let value = self.remove(from)?;
        self.add(path, value)
    }
}

/// Gives back the bytes that come with the value: its comma.
fn insert_item(items: &mut Vec<Json>, token: &CompactString, value: Json) -> Result<usize, Fault> {
    let place = if token == "-" { items.len() } else { known(token)? };
    if place > items.len() {
        return Err(Fault::NoIndex(place, items.len()));
    }
    items.insert(place, value);
    Ok(usize::from(items.len() > 1))
}

/// Gives back the bytes that come with the value, and those that go with the old one.
fn insert_member(members: &mut Object, token: &CompactString, value: Json) -> (usize, usize) {
    match members.insert(token.clone(), value) {
        Some(old) => (0, old.measure().bytes),
        None => (name_bytes(token) + usize::from(members.len() > 1), 0),
    }
}

/// Gives back the value, and the bytes that go with it.
fn remove_item(items: &mut Vec<Json>, token: &CompactString) -> Result<(Json, usize), Fault> {
    let place = known(token)?;
    if place >= items.len() {
        return Err(Fault::NoIndex(place, items.len()));
    }
    let removed = items.remove(place);
    Ok((removed, usize::from(!items.is_empty())))
}

/// Gives back the value, and the bytes that go with it.
fn remove_member(members: &mut Object, token: &CompactString) -> Result<(Json, usize), Fault> {
    let removed = members.remove(token).ok_or_else(|| Fault::NoMember(token.to_string()))?;
    Ok((removed, name_bytes(token) + usize::from(!members.is_empty())))
}

/// With its colon.
fn name_bytes(name: &str) -> usize {
    string_bytes(name) + 1
}

fn child<'j>(json: &'j Json, token: &CompactString) -> Result<&'j Json, Fault> {
    match json {
        Json::Array(items) => {
            let place = known(token)?;
            items.get(place).ok_or(Fault::NoIndex(place, items.len()))
        }
        Json::Object(members) => members.get(token).ok_or_else(|| Fault::NoMember(token.to_string())),
        other => Err(Fault::NoContainer(other.kind())),
    }
}

fn child_mut<'j>(json: &'j mut Json, token: &CompactString) -> Result<&'j mut Json, Fault> {
    match json {
        Json::Array(items) => {
            let (place, len) = (known(token)?, items.len());
            items.get_mut(place).ok_or(Fault::NoIndex(place, len))
        }
        Json::Object(members) => members.get_mut(token).ok_or_else(|| Fault::NoMember(token.to_string())),
        other => Err(Fault::NoContainer(other.kind())),
    }
}

fn known(token: &CompactString) -> Result<usize, Fault> {
    index(token).ok_or_else(|| Fault::BadIndex(token.to_string()))
}
