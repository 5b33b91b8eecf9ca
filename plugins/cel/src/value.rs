//! Values on their way into an expression. They borrow what they are made of: a payload of a megabyte is not copied to
//! be looked at.

use std::fmt;

use cel::common::types::{CelBytes, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt};
use cel::common::value::Val;

/// A value that an expression can look at.
#[derive(Clone)]
pub struct Value<'v>(pub(crate) Box<dyn Val + 'v>);

impl<'v> Value<'v> {
    pub(crate) fn new(value: impl Val + 'v) -> Self {
        Self(Box::new(value))
    }

    pub fn null() -> Self {
        Self::new(CelNull)
    }

    pub fn text(text: &'v str) -> Self {
        Self::new(CelString::from(text))
    }

    pub fn bytes(bytes: &'v [u8]) -> Self {
        Self::new(CelBytes::from(bytes))
    }

    /// An `int`, as in JSON; a `uint` where that is too small.
    pub fn number(number: u64) -> Self {
        match i64::try_from(number) {
            Ok(number) => Self::new(CelInt::from(number)),
            Err(_) => Self::new(CelUInt::from(number)),
        }
    }

    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::new(CelList::from(items.into_iter().map(|item| item.0).collect::<Vec<_>>()))
    }

    /// A map. Of two entries with one name the last is kept.
    pub fn map(entries: impl IntoIterator<Item = (&'v str, Self)>) -> Self {
        let entry = |(name, value): (&'v str, Self)| (CelMapKey::String(CelString::from(name)), value.0);
        Self::new(CelMap::from(entries.into_iter().map(entry).collect::<std::collections::HashMap<_, _>>()))
    }

    pub fn or_null(value: Option<Self>) -> Self {
        value.unwrap_or_else(Self::null)
    }

    pub fn texts(texts: &'v [String]) -> Self {
        Self::list(texts.iter().map(|text| Self::text(text)))
    }

    /// Metadata and the like.
    pub fn pairs(pairs: &'v [(String, String)]) -> Self {
        Self::map(pairs.iter().map(|(name, value)| (name.as_str(), Self::text(value))))
    }
}

/// Without what is in it: that is in no order.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({})", self.0.get_type().name())
    }
}
