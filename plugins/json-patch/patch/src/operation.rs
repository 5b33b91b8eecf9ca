//! The operations of a patch, from JSON and to JSON, and what can be wrong with one.

use std::fmt;

use crate::json::Json;
use crate::object::Object;
use crate::path::Path;

/// Characters of a name that a message shows.
const SHOWN_CHARS: usize = 80;

/// One operation of RFC 6902.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Puts a value where there was none, between the items of an array, or in the place of a member.
    Add(Path, Json),
    /// Takes a value away.
    Remove(Path),
    /// Puts a value in the place of another.
    Replace(Path, Json),
    /// Takes the value at `from` away and puts it to `path`.
    Move {
        /// Where the value is.
        from: Path,
        /// Where it goes.
        path: Path,
    },
    /// Puts the value at `from` to `path` as well.
    Copy {
        /// Where the value is.
        from: Path,
        /// Where it goes.
        path: Path,
    },
    /// Changes nothing, and fails where another value stands.
    Test(Path, Json),
}

/// Operations, in the order in which they are applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch(pub Vec<Operation>);

/// Why a patch can't be read or applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// It is another kind of value.
    #[error("a patch is an array of operations, not {0}")]
    NoArray(&'static str),
    /// One of its operations is wrong, or can't be done.
    #[error("operation {index}{}: {fault}", shown_at(pointer))]
    Operation {
        /// The operation's place in the patch, from 0.
        index: usize,
        /// The path that it names, if it names one.
        pointer: Option<String>,
        /// What is wrong.
        fault: Fault,
    },
}

/// What is wrong with an operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The operation is another kind of value.
    #[error("an operation is an object, not {0}")]
    NoObject(&'static str),
    /// A member that the operation needs is not there.
    #[error("it has no member '{0}'")]
    Lacks(&'static str),
    /// A member that must be a string is none.
    #[error("its '{0}' is no string")]
    NoText(&'static str),
    /// A path that is none.
    #[error("its '{0}' is no JSON pointer: one is empty or begins with '/', and has '~0' for '~' and '~1' for '/'")]
    NoPointer(&'static str),
    /// An operation that there is not.
    #[error("there is no operation '{}'", shown(.0))]
    Unknown(String),
    /// A member that is not there.
    #[error("there is no member '{}'", shown(.0))]
    NoMember(String),
    /// An index beyond the end of an array.
    #[error("there is no index {0} in an array of {1}")]
    NoIndex(usize, usize),
    /// What stands where an array wants an index.
    #[error("'{}' is no index of an array", shown(.0))]
    BadIndex(String),
    /// What can have no members.
    #[error("{0} has no members")]
    NoContainer(&'static str),
    /// The document does not exist.
    #[error("there is no document")]
    NoDocument,
    /// A value can't be moved into itself.
    #[error("a value can't be moved into itself")]
    IntoItself,
    /// Another value than `test` names.
    #[error("the value there is another one")]
    TestFailed,
    /// The document would be too large.
    #[error("the document would have more than {0} bytes")]
    TooLarge(usize),
    /// The document would be too deep.
    #[error("the document would have more than {0} arrays and objects inside each other")]
    TooDeep(usize),
}

/// As much of a name as a message can bear.
fn shown(name: &str) -> String {
    let mut letters = name.chars();
    let shown: String = letters.by_ref().take(SHOWN_CHARS).collect();
    if letters.next().is_some() { shown + "…" } else { shown }
}

fn shown_at(pointer: &Option<String>) -> String {
    pointer.as_ref().map(|pointer| format!(" at '{}'", shown(pointer))).unwrap_or_default()
}

impl Patch {
    /// A patch from the array that it is in JSON. Members of operations that RFC 6902 does not know are left out.
    ///
    /// ```
    /// use weir_json_patch::{Json, Patch};
    /// let read = |text| Patch::read(Json::read(text).unwrap());
    /// assert_eq!(read(r#"[{"op":"remove","path":"/a"}]"#).unwrap().0.len(), 1);
    /// let refused = read(r#"[{"op":"add","path":"/a"}]"#).unwrap_err();
    /// assert_eq!(refused.to_string(), "operation 0 at '/a': it has no member 'value'");
    /// ```
    pub fn read(json: Json) -> Result<Self, PatchError> {
        match json {
            Json::Array(items) => items.into_iter().enumerate().map(|(index, item)| operation(index, item)).collect(),
            other => Err(PatchError::NoArray(other.kind())),
        }
    }

    /// The patch as JSON.
    pub fn to_json(&self) -> Json {
        Json::Array(self.0.iter().map(Operation::to_json).collect())
    }
}

impl FromIterator<Operation> for Patch {
    fn from_iter<T: IntoIterator<Item = Operation>>(operations: T) -> Self {
        Self(operations.into_iter().collect())
    }
}

impl fmt::Display for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_json().fmt(f)
    }
}

fn operation(index: usize, json: Json) -> Result<Operation, PatchError> {
    let Json::Object(mut members) = json else {
        return Err(PatchError::Operation { index, pointer: None, fault: Fault::NoObject(json.kind()) });
    };
    let pointer =
        members.get("path").and_then(|path| if let Json::Text(text) = path { Some(text.to_string()) } else { None });
    Operation::read(&mut members).map_err(|fault| PatchError::Operation { index, pointer, fault })
}

impl Operation {
    fn read(members: &mut Object) -> Result<Self, Fault> {
        let op = text(members, "op")?;
        Ok(match op.as_str() {
            "add" => Self::Add(path(members, "path")?, value(members)?),
            "remove" => Self::Remove(path(members, "path")?),
            "replace" => Self::Replace(path(members, "path")?, value(members)?),
            "move" => Self::Move { from: path(members, "from")?, path: path(members, "path")? },
            "copy" => Self::Copy { from: path(members, "from")?, path: path(members, "path")? },
            "test" => Self::Test(path(members, "path")?, value(members)?),
            _ => return Err(Fault::Unknown(op)),
        })
    }

    /// Where the operation is.
    pub fn path(&self) -> &Path {
        match self {
            Self::Add(path, _) | Self::Remove(path) | Self::Replace(path, _) | Self::Test(path, _) => path,
            Self::Move { path, .. } | Self::Copy { path, .. } => path,
        }
    }

    fn to_json(&self) -> Json {
        let (op, from, value) = match self {
            Self::Add(_, value) => ("add", None, Some(value)),
            Self::Remove(_) => ("remove", None, None),
            Self::Replace(_, value) => ("replace", None, Some(value)),
            Self::Move { from, .. } => ("move", Some(from), None),
            Self::Copy { from, .. } => ("copy", Some(from), None),
            Self::Test(_, value) => ("test", None, Some(value)),
        };
        let mut members = vec![("op".into(), op.into()), ("path".into(), self.path().as_str().into())];
        members.extend(from.map(|from| ("from".into(), from.as_str().into())));
        members.extend(value.map(|value| ("value".into(), value.clone())));
        Json::Object(Object::of(members))
    }
}

fn text(members: &mut Object, name: &'static str) -> Result<String, Fault> {
    match members.remove(name) {
        Some(Json::Text(text)) => Ok(text.into()),
        Some(_) => Err(Fault::NoText(name)),
        None => Err(Fault::Lacks(name)),
    }
}

fn path(members: &mut Object, name: &'static str) -> Result<Path, Fault> {
    Path::read(&text(members, name)?).ok_or(Fault::NoPointer(name))
}

fn value(members: &mut Object) -> Result<Json, Fault> {
    members.remove("value").ok_or(Fault::Lacks("value"))
}
