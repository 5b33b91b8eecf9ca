//! A document that may exist or not, and that knows how large it is.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json::Json;
use crate::limits::{DOCUMENT_BYTES_MAX, DOCUMENT_DEPTH_MAX};
use crate::measure::Measure;
use crate::operation::Fault;
use crate::read::ReadError;

/// A document, or none. **Invariant:** `bytes` is the length of its text, so that a patch is refused before it makes a
/// document that is too large; a copy of a copy of a copy would soon be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    pub(crate) root: Option<Json>,
    pub(crate) bytes: usize,
}

impl Document {
    /// A document that exists, if it is not too large or deep.
    pub fn new(json: Json) -> Result<Self, Fault> {
        let Measure { bytes, depth } = json.measure();
        within(bytes, depth)?;
        Ok(Self { root: Some(json), bytes })
    }

    /// A document that was within the limits when it was written.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        let root = Json::read(text)?;
        Ok(Self { bytes: root.measure().bytes, root: Some(root) })
    }

    /// The document, if it exists.
    pub fn json(&self) -> Option<&Json> {
        self.root.as_ref()
    }

    /// Its text, if it exists.
    pub fn text(&self) -> Option<String> {
        let mut text = String::with_capacity(self.bytes);
        self.root.as_ref()?.write(&mut text);
        Some(text)
    }

    /// Bytes of its text.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The limits of every document.
pub(crate) fn within(bytes: usize, depth: usize) -> Result<(), Fault> {
    if bytes > DOCUMENT_BYTES_MAX {
        return Err(Fault::TooLarge(DOCUMENT_BYTES_MAX));
    }
    if depth > DOCUMENT_DEPTH_MAX { Err(Fault::TooDeep(DOCUMENT_DEPTH_MAX)) } else { Ok(()) }
}

/// Its text; nothing for none.
impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.as_ref().map_or(Ok(()), |json| json.fmt(f))
    }
}

/// None is written as `null`, like the document `null`.
impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.root.serialize(serializer)
    }
}

/// From the text of one that exists.
impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let root = Json::deserialize(deserializer)?;
        Ok(Self { bytes: root.measure().bytes, root: Some(root) })
    }
}
