//! A JSON value whose numbers are the text that they were written as. Objects are kept in the order of their names, so
//! that the same document is always the same text.

use compact_str::CompactString;

use crate::decimal::Decimal;
use crate::object::Object;

/// Any JSON value. `==` is exact: `1` and `1.0` differ; see [`Json::same`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it was written.
    Number(Number),
    /// A string.
    Text(CompactString),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(Object),
}

/// A number as JSON wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Number(pub(crate) CompactString);

impl Number {
    /// The text, as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its value, for comparing.
    pub fn value(&self) -> Decimal {
        Decimal::read(&self.0)
    }
}

impl From<u64> for Json {
    fn from(number: u64) -> Self {
        Self::Number(Number(compact_str::format_compact!("{number}")))
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl Json {
    /// Whether both mean the same, as the operation `test` wants it: numbers by their value, objects whatever their
    /// order.
    ///
    /// ```
    /// use weir_json_patch::Json;
    /// let (one, two) = (Json::read("[1, 1e2]").unwrap(), Json::read("[1.0, 100]").unwrap());
    /// assert!(one.same(&two) && one != two);
    /// ```
    pub fn same(&self, other: &Json) -> bool {
        match (self, other) {
            (Self::Number(one), Self::Number(two)) => one == two || one.value() == two.value(),
            (Self::Array(one), Self::Array(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.same(two))
            }
            (Self::Object(one), Self::Object(two)) => {
                let mut pairs = one.iter().zip(two.iter());
                one.len() == two.len() && pairs.all(|(one, two)| one.0 == two.0 && one.1.same(two.1))
            }
            (one, two) => one == two,
        }
    }

    /// What it is, for messages: "an array".
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    /// The value that these tokens of a path lead to.
    pub fn at(&self, tokens: &[CompactString]) -> Option<&Json> {
        tokens.iter().try_fold(self, |json, token| match json {
            Self::Object(object) => object.get(token),
            Self::Array(items) => items.get(crate::path::index(token)?),
            _ => None,
        })
    }
}
