//! From a value to compact JSON text: no spaces, members in the order of their names, only those characters escaped that
//! must be.

use std::fmt::{self, Write};

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::json::Json;

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => f.write_str(number.as_str()),
            Self::Text(text) => string(f, text),
            Self::Array(items) => list(f, ['[', ']'], items.iter(), |f, item| write!(f, "{item}")),
            Self::Object(object) => list(f, ['{', '}'], object.iter(), |f, (name, value)| {
                string(f, name)?;
                write!(f, ":{value}")
            }),
        }
    }
}

fn list<T, W: Write>(
    out: &mut W,
    [open, close]: [char; 2],
    items: impl Iterator<Item = T>,
    one: impl Fn(&mut W, T) -> fmt::Result,
) -> fmt::Result {
    out.write_char(open)?;
    for (place, item) in items.enumerate() {
        if place > 0 {
            out.write_char(',')?;
        }
        one(out, item)?;
    }
    out.write_char(close)
}

/// A JSON string.
fn string(out: &mut impl Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    let mut written = 0;
    for (at, byte) in text.bytes().enumerate().filter(|(_, byte)| escape_bytes(*byte) > 1) {
        out.write_str(&text[written..at])?;
        escape(out, byte)?;
        written = at + 1;
    }
    out.write_str(&text[written..])?;
    out.write_char('"')
}

fn escape(out: &mut impl Write, byte: u8) -> fmt::Result {
    match byte {
        b'"' | b'\\' => write!(out, "\\{}", char::from(byte)),
        b'\n' => out.write_str("\\n"),
        b'\r' => out.write_str("\\r"),
        b'\t' => out.write_str("\\t"),
        0x8 => out.write_str("\\b"),
        0xc => out.write_str("\\f"),
        _ => write!(out, "\\u{byte:04x}"),
    }
}

/// Bytes that a byte of a string takes in JSON.
pub(crate) fn escape_bytes(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x8 | 0xc => 2,
        0..0x20 => 6,
        _ => 1,
    }
}

/// As JSON text inside other JSON; not for other formats.
impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_string()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// From JSON text; not from other formats.
impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        Self::read(text.get()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_where_they_must_be() {
        let all: String = (0..0x100).filter_map(char::from_u32).chain("\u{ffff}😀".chars()).collect();
        let text = Json::Text(all.as_str().into()).to_string();
        assert_eq!(text, serde_json::to_string(&all).expect("a string"));
    }

    #[test]
    fn it_goes_through_serde_with_its_numbers_as_they_are() {
        let text = r#"[{"a":1.00,"b":[9007199254740993]}]"#;
        let json: Vec<Json> = serde_json::from_str(text).expect("JSON");
        assert_eq!(serde_json::to_string(&json).expect("JSON"), text);
    }
}
