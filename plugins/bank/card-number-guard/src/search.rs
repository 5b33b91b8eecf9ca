//! Goes through a JSON text once and notes where card numbers are. It makes no tree of it: of two members with the same name
//! a tree would keep one, and the log keeps both.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::allow::Pattern;
use crate::card;

/// Places that are told of one payload.
const PLACES_MAX: usize = 16;
/// Below this a float is as exact as its shortest 19 digits.
const FLOAT_MAX: f64 = 1e19;

/// Where a card number is. A member whose name is one has no pointer that could be told, so the object's stands for it.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    Value(String),
    Name(String),
}

/// All places in a JSON text that are not exempt, up to [`PLACES_MAX`].
pub fn places(json: &str, allow: &[Pattern]) -> serde_json::Result<Vec<Place>> {
    let mut search = Search { allow, pointer: String::new(), places: Vec::new() };
    let mut json = serde_json::Deserializer::from_str(json);
    search.deserialize(&mut json)?;
    json.end()?;
    Ok(search.places)
}

struct Search<'a> {
    allow: &'a [Pattern],
    /// Of the value that it is at.
    pointer: String,
    places: Vec<Place>,
}

impl Search<'_> {
    fn look(&mut self, text: &str) {
        if card::is_in(text) && !self.is_exempt() {
            self.note(Place::Value(self.pointer.clone()));
        }
    }

    fn is_exempt(&self) -> bool {
        self.allow.iter().any(|pattern| pattern.covers(&self.pointer))
    }

    fn note(&mut self, place: Place) {
        if self.places.len() < PLACES_MAX {
            self.places.push(place);
        }
    }
}

impl<'de> DeserializeSeed<'de> for &mut Search<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Search<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.look(text);
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.look(&number.to_string());
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.look(&number.unsigned_abs().to_string());
        Ok(())
    }

    /// `4111111111111111.0` and `4.111111111111111e15` are the number too.
    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        if number.fract() == 0.0 && number.abs() < FLOAT_MAX {
            self.look(&format!("{:.0}", number.abs()));
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let here = self.pointer.len();
        for index in 0.. {
            self.pointer.push_str(&format!("/{index}"));
            let more = items.next_element_seed(&mut *self)?;
            self.pointer.truncate(here);
            if more.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let here = self.pointer.len();
        while let Some(name) = members.next_key::<String>()? {
            self.pointer.push('/');
            self.pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
            if card::is_in(&name) && !self.is_exempt() {
                self.pointer.truncate(here);
                self.note(Place::Name(self.pointer.clone()));
                members.next_value::<IgnoredAny>()?;
            } else {
                members.next_value_seed(&mut *self)?;
                self.pointer.truncate(here);
            }
        }
        Ok(())
    }
}
