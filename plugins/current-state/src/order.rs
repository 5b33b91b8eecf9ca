//! The order of a list: what documents are sorted by, and how two of them stand.

use std::cmp::Reverse;

use compact_str::CompactString;
use weir_json_patch::{Decimal, Json};

use crate::field::Field;

/// Fields that a list may be sorted by.
pub const SORT_FIELDS_MAX: usize = 4;
/// Bytes of a string, and digits of a number, that count in an order: it holds the values of a whole page.
const SORTED_TEXT_BYTES: usize = 256;
const SORTED_DIGITS: usize = 40;

/// What a list is sorted by.
#[derive(Debug, Default)]
pub struct Order {
    /// As it was written.
    text: String,
    pub fields: Vec<(Field, Direction)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Up,
    Down,
}

impl Order {
    /// Fields with commas between them; a hyphen before one turns its order round.
    pub fn read(text: &str) -> Result<Self, String> {
        let field = |text: &str| match text.strip_prefix('-') {
            Some(text) => Field::read(text).map(|field| (field, Direction::Down)),
            None => Field::read(text).map(|field| (field, Direction::Up)),
        };
        let fields = text.split(',').map(field).collect::<Result<Vec<_>, _>>()?;
        if fields.len() > SORT_FIELDS_MAX {
            return Err(format!("there are {} fields; sort by at most {SORT_FIELDS_MAX}", fields.len()));
        }
        Ok(Self { text: text.to_owned(), fields })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The place of a document with these values in the sorted fields.
    pub fn place(&self, values: impl IntoIterator<Item = Key>, id: &str) -> Place {
        let directed = |(value, (_, direction)): (Key, &(Field, Direction))| match direction {
            Direction::Up => Directed::Up(value),
            Direction::Down => Directed::Down(Reverse(value)),
        };
        Place { keys: values.into_iter().zip(&self.fields).map(directed).collect(), id: id.to_owned() }
    }
}

/// Where a document stands: by its values, and among equal ones by its id, always upwards.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    keys: Vec<Directed>,
    pub id: String,
}

impl Place {
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().map(|key| match key {
            Directed::Up(key) | Directed::Down(Reverse(key)) => key,
        })
    }
}

/// All places of one list have the same directions.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Directed {
    Up(Key),
    Down(Reverse<Key>),
}

/// A value in its order: kinds after each other as they are here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// No value, an array or an object.
    Nothing,
    Null,
    Bool(bool),
    Number(Decimal),
    Text(CompactString),
}

impl Key {
    pub fn of(value: Option<&Json>) -> Self {
        match value {
            Some(Json::Null) => Self::Null,
            Some(Json::Bool(value)) => Self::Bool(*value),
            Some(Json::Number(number)) => Self::Number(number.value().cut(SORTED_DIGITS)),
            Some(Json::Text(text)) => Self::Text(text[..text.floor_char_boundary(SORTED_TEXT_BYTES)].into()),
            Some(Json::Array(_) | Json::Object(_)) | None => Self::Nothing,
        }
    }

    /// As JSON that [`of`](Self::of) makes the same key of.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Nothing => Json::Array(Vec::new()),
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Number(number) => Json::read(&number.to_string()).unwrap_or(Json::Null),
            Self::Text(text) => Json::Text(text.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(value: &str) -> Key {
        Key::of(Json::read(value).ok().as_ref())
    }

    #[test]
    fn kinds_have_an_order_and_values_inside_of_kinds() {
        let ascending =
            ["[]", "null", "false", "true", "-5", "0.1", "7", "12", r#""""#, r#""12""#, r#""7""#, r#""a""#, r#""é""#];
        for pair in ascending.windows(2) {
            assert!(key(pair[0]) < key(pair[1]), "{pair:?}");
        }
        assert!(key("{}") == key("[]") && Key::of(None) == key("[]") && key("1.0") == key("1"));
    }

    #[test]
    fn a_key_is_the_same_after_a_cursor() {
        let long = format!("\"{}é\"", "x".repeat(255));
        let digits = format!("1.{}", "23".repeat(50));
        for value in ["[]", "null", "true", "-12.50", "1e400", r#""a\n""#, long.as_str(), digits.as_str()] {
            assert_eq!(Key::of(Some(&key(value).to_json())), key(value), "{value}");
        }
    }

    #[test]
    fn an_order_may_go_down_but_ids_go_up() {
        let order = Order::read("-a,b").expect("an order");
        let place = |a, b, id| order.place([key(a), key(b)], id);
        let ascending = [place("2", "1", "y"), place("2", "2", "x"), place("1", "1", "x"), place("1", "1", "y")];
        assert!(ascending.is_sorted(), "{ascending:?}");
        assert!(Order::read("a,,b").is_err() && Order::read("-").is_err() && Order::read("a,b,c,d,e").is_err());
    }
}
