//! A mistake in the configuration, and where it is.

use std::fmt;

/// What is wrong, and the way to it from the outside in: machine, state, transition, action, key.
#[derive(Debug)]
pub struct Mistake {
    place: Vec<String>,
    reason: String,
}

pub type Checked<T> = Result<T, Mistake>;

pub fn mistake<T>(reason: impl Into<String>) -> Checked<T> {
    Err(Mistake { place: Vec::new(), reason: reason.into() })
}

/// Says where, on the way out.
pub trait At<T> {
    fn at(self, place: impl fmt::Display) -> Checked<T>;
}

impl<T> At<T> for Checked<T> {
    fn at(self, place: impl fmt::Display) -> Self {
        self.map_err(|mut mistake| {
            mistake.place.insert(0, place.to_string());
            mistake
        })
    }
}

impl<T> At<T> for Result<T, String> {
    fn at(self, place: impl fmt::Display) -> Checked<T> {
        self.or_else(mistake).at(place)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place[..] {
            [] => f.write_str(&self.reason),
            place => write!(f, "{}: {}", place.join(", "), self.reason),
        }
    }
}
