//! A payload as jsonschema sees it: one flat list of slots in which every array and object is a range, with texts that
//! point into the payload. A tree of `serde_json::Value` costs an allocation for every key and text of every event;
//! this costs none, because the list is used again for the next payload.
//!
//! As in `Value`, of two members with the same name the last one counts.

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, JsonNumber, Node, NodeIdentity, Object, cmp};
use serde_json::{Number, Value};
use std::borrow::Cow;

/// Objects with more members than this are sorted by name when they are read, and searched by halves. Below it a walk
/// along the members is quicker.
pub const SORTED_ABOVE: usize = 32;

#[derive(Clone, Copy)]
pub enum Item<'t> {
    Null,
    Bool(bool),
    Number(Num),
    Text(&'t str),
    Array { start: u32, len: u32 },
    Object { start: u32, len: u32 },
}

/// What `serde_json::Number` can hold, without its wrapping.
#[derive(Clone, Copy)]
pub enum Num {
    Natural(u64),
    Negative(i64),
    Float(f64),
}

/// A member of an object, or an element of an array, whose name is empty and means nothing.
#[derive(Clone, Copy)]
pub struct Slot<'t> {
    pub name: &'t str,
    pub value: Item<'t>,
}

/// One payload.
pub struct Tape<'t> {
    pub root: Item<'t>,
    pub slots: Vec<Slot<'t>>,
}

impl<'t> Tape<'t> {
    /// The whole payload, for a validator.
    pub fn root(&self) -> Place<'_> {
        Place { tape: self, item: &self.root }
    }

    fn range(&self, start: u32, len: u32) -> &[Slot<'t>] {
        &self.slots[start as usize..][..len as usize]
    }
}

/// A value at its place on the tape.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    tape: &'a Tape<'a>,
    item: &'a Item<'a>,
}

/// The representation's name for jsonschema.
pub struct Flat;

impl Json for Flat {
    type Node<'a> = Place<'a>;
    type PreparedKey = String;
    type StringBuffer = ();

    /// A walk along the members never costs more than one search among them.
    const KEYS_PER_LOOKUP: usize = SORTED_ABOVE;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>((): &mut (), string: &str, f: impl FnOnce(Place<'_>) -> T) -> T {
        f(Tape { root: Item::Text(string), slots: Vec::new() }.root())
    }
}

impl<'a> Node<'a, Flat> for Place<'a> {
    type Object = Members<'a>;
    type Array = Elements<'a>;
    type Number = Num;

    fn as_object(&self) -> Option<Members<'a>> {
        match *self.item {
            Item::Object { start, len } => Some(Members { tape: self.tape, slots: self.tape.range(start, len) }),
            _ => None,
        }
    }

    fn as_array(&self) -> Option<Elements<'a>> {
        match *self.item {
            Item::Array { start, len } => Some(Elements { tape: self.tape, slots: self.tape.range(start, len) }),
            _ => None,
        }
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        match *self.item {
            Item::Text(text) => Some(Cow::Borrowed(text)),
            _ => None,
        }
    }

    fn as_number(&self) -> Option<Num> {
        match *self.item {
            Item::Number(number) => Some(number),
            _ => None,
        }
    }

    fn as_boolean(&self) -> Option<bool> {
        match *self.item {
            Item::Bool(value) => Some(value),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        matches!(self.item, Item::Null)
    }

    fn json_type(&self) -> JsonType {
        match self.item {
            Item::Null => JsonType::Null,
            Item::Bool(_) => JsonType::Boolean,
            Item::Number(_) => JsonType::Number,
            Item::Text(_) => JsonType::String,
            Item::Array { .. } => JsonType::Array,
            Item::Object { .. } => JsonType::Object,
        }
    }

    fn equals_value(&self, expected: &Value) -> bool {
        match (*self.item, expected) {
            (Item::Null, Value::Null) => true,
            (Item::Bool(ours), Value::Bool(theirs)) => ours == *theirs,
            (Item::Text(ours), Value::String(theirs)) => ours == theirs,
            (Item::Number(ours), Value::Number(theirs)) => cmp::equal_numbers(&ours, theirs),
            (Item::Array { .. }, Value::Array(_)) | (Item::Object { .. }, Value::Object(_)) => {
                cmp::equal(&self.to_value(), expected)
            }
            _ => false,
        }
    }

    fn to_value(&self) -> Cow<'a, Value> {
        let value = |slot: &'a Slot<'a>| self.at(slot).to_value().into_owned();
        Cow::Owned(match *self.item {
            Item::Null => Value::Null,
            Item::Bool(value) => Value::Bool(value),
            Item::Number(number) => Value::Number(number.to_number().into_owned()),
            Item::Text(text) => Value::String(text.to_owned()),
            Item::Array { start, len } => Value::Array(self.tape.range(start, len).iter().map(value).collect()),
            Item::Object { start, len } => {
                let members = self.tape.range(start, len).iter();
                Value::Object(members.map(|slot| (slot.name.to_owned(), value(slot))).collect())
            }
        })
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(NodeIdentity::new(std::ptr::from_ref(self.item).addr()))
    }
}

impl<'a> Place<'a> {
    fn at(&self, slot: &'a Slot<'a>) -> Self {
        Self { tape: self.tape, item: &slot.value }
    }
}

/// An object's members.
pub struct Members<'a> {
    tape: &'a Tape<'a>,
    slots: &'a [Slot<'a>],
}

impl<'a> Object<'a, Flat> for Members<'a> {
    type Node = Place<'a>;
    type MemberName = &'a str;
    type MembersIter = Named<'a>;

    fn len(&self) -> usize {
        self.slots.len()
    }

    fn get(&self, key: &String) -> Option<Place<'a>> {
        let slot = if self.slots.len() > SORTED_ABOVE {
            let found = self.slots.binary_search_by(|slot| slot.name.cmp(key));
            &self.slots[found.ok()?]
        } else {
            self.slots.iter().find(|slot| slot.name == key)?
        };
        Some(Place { tape: self.tape, item: &slot.value })
    }

    fn members(&self) -> Named<'a> {
        Named { tape: self.tape, slots: self.slots.iter() }
    }
}

/// Goes along an object's members.
pub struct Named<'a> {
    tape: &'a Tape<'a>,
    slots: std::slice::Iter<'a, Slot<'a>>,
}

impl<'a> Iterator for Named<'a> {
    type Item = (&'a str, Place<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let slot = self.slots.next()?;
        Some((slot.name, Place { tape: self.tape, item: &slot.value }))
    }
}

/// An array's elements.
pub struct Elements<'a> {
    tape: &'a Tape<'a>,
    slots: &'a [Slot<'a>],
}

impl<'a> Array<'a, Flat> for Elements<'a> {
    type Node = Place<'a>;
    type ElementsIter = Unnamed<'a>;

    fn len(&self) -> usize {
        self.slots.len()
    }

    fn elements(&self) -> Unnamed<'a> {
        Unnamed(Named { tape: self.tape, slots: self.slots.iter() })
    }
}

/// Goes along an array's elements.
pub struct Unnamed<'a>(Named<'a>);

impl<'a> Iterator for Unnamed<'a> {
    type Item = Place<'a>;

    fn next(&mut self) -> Option<Place<'a>> {
        let slot = self.0.slots.next()?;
        Some(Place { tape: self.0.tape, item: &slot.value })
    }
}

impl JsonNumber for Num {
    fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::Natural(number) => Some(number),
            Self::Negative(_) | Self::Float(_) => None,
        }
    }

    fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::Natural(number) => i64::try_from(number).ok(),
            Self::Negative(number) => Some(number),
            Self::Float(_) => None,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::Natural(number) => Some(number as f64),
            Self::Negative(number) => Some(number as f64),
            Self::Float(number) => Some(number),
        }
    }

    fn as_str(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_number().to_string())
    }

    fn to_number(&self) -> Cow<'_, Number> {
        Cow::Owned(match *self {
            Self::Natural(number) => number.into(),
            Self::Negative(number) => number.into(),
            // The parser lets only finite numbers through, as JSON has no others.
            Self::Float(number) => Number::from_f64(number).unwrap_or_else(|| 0.into()),
        })
    }

    fn is_integer(&self) -> bool {
        match *self {
            Self::Natural(_) | Self::Negative(_) => true,
            Self::Float(number) => number.fract() == 0.0,
        }
    }

    fn is_written_as_integer(&self) -> bool {
        match self {
            Self::Natural(_) | Self::Negative(_) => true,
            Self::Float(_) => self.to_number().is_written_as_integer(),
        }
    }
}
