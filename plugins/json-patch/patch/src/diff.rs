//! The difference of two documents, as a patch: an operation for every member and item that came, went or changed. Only
//! where hardly anything stayed is the new array or object put in the place of the old.

use crate::arrays::{Step, steps};
use crate::json::Json;
use crate::limits::{DOCUMENT_BYTES_MAX, PATCH_OPERATIONS_MAX};
use crate::object::Object;
use crate::operation::{Operation, Patch};
use crate::path::{Path, push};

/// Bytes of an operation besides its path and value: about those of `{"op":"replace","path":"","value":}`.
const OPERATION_BYTES: usize = 37;

/// How many times as large as the new value the operations on it may be. Readers of a history want to know what
/// changed, but not that each of 500 numbers did.
const DETAIL_WORTH: usize = 4;

/// The operations that make `new` of `old`; none if both are the same text.
///
/// ```
/// use weir_json_patch::{Json, difference};
/// let (old, new) = (Json::read(r#"{"a":[1,2,3],"b":1}"#).unwrap(), Json::read(r#"{"a":[1,3],"b":1}"#).unwrap());
/// assert_eq!(difference(&old, &new).to_string(), r#"[{"op":"remove","path":"/a/1"}]"#);
/// ```
pub fn difference(old: &Json, new: &Json) -> Patch {
    let mut walk = Walk { path: String::new(), operations: Vec::new(), bytes: 0 };
    walk.compare(old, new);
    Patch(walk.operations)
}

struct Walk {
    /// Where the walk is, as a pointer.
    path: String,
    operations: Vec<Operation>,
    /// About the bytes of the operations, as text.
    bytes: usize,
}

impl Walk {
    fn compare(&mut self, old: &Json, new: &Json) {
        if old == new {
            return;
        }
        let (operations, bytes) = (self.operations.len(), self.bytes);
        match (old, new) {
            (Json::Object(old), Json::Object(new)) => self.objects(old, new),
            (Json::Array(old), Json::Array(new)) => self.arrays(old, new),
            _ => return self.put(new),
        }
        let detail_max =
            (DETAIL_WORTH * (OPERATION_BYTES + self.path.len() + new.measure().bytes)).min(DOCUMENT_BYTES_MAX);
        if self.bytes - bytes > detail_max || self.operations.len() > PATCH_OPERATIONS_MAX {
            self.operations.truncate(operations);
            self.bytes = bytes;
            self.put(new);
        }
    }

    fn objects(&mut self, old: &Object, new: &Object) {
        for (name, value) in old.iter() {
            self.inside(name, |walk| match new.get(name) {
                Some(other) => walk.compare(value, other),
                None => walk.remove(),
            });
        }
        for (name, value) in new.iter().filter(|(name, _)| old.get(name).is_none()) {
            self.inside(name, |walk| walk.add(value));
        }
    }

    /// Everything before the place of a step is as it shall be already.
    fn arrays(&mut self, old: &[Json], new: &[Json]) {
        for (place, step) in steps(old, new) {
            self.inside(&place.to_string(), |walk| match step {
                Step::Compare(old, new) => walk.compare(old, new),
                Step::Remove => walk.remove(),
                Step::Add(value) => walk.add(value),
            });
        }
    }

    fn inside(&mut self, token: &str, walk: impl FnOnce(&mut Self)) {
        let outside = self.path.len();
        push(&mut self.path, token);
        walk(self);
        self.path.truncate(outside);
    }

    fn put(&mut self, value: &Json) {
        self.operation(value.measure().bytes, |path| Operation::Replace(path, value.clone()));
    }

    fn add(&mut self, value: &Json) {
        self.operation(value.measure().bytes, |path| Operation::Add(path, value.clone()));
    }

    fn remove(&mut self) {
        self.operation(0, Operation::Remove);
    }

    fn operation(&mut self, value_bytes: usize, make: impl FnOnce(Path) -> Operation) {
        self.bytes += OPERATION_BYTES + self.path.len() + value_bytes;
        // The path was made of escaped tokens, so it is one.
        self.operations.extend(Path::read(&self.path).map(make));
    }
}
