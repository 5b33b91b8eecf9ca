//! From a value to compact JSON text: no spaces, members in the order of their names, only those characters escaped
//! that must be.

use std::fmt;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::json::Json;
use crate::special::plain_bytes;

impl Json {
    /// Adds the compact text.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(number) => out.push_str(number.as_str()),
            Self::Text(text) => string(out, text),
            Self::Array(items) => list(out, ['[', ']'], items.iter(), |out, item| item.write(out)),
            Self::Object(object) => list(out, ['{', '}'], object.iter(), |out, (name, value)| {
                string(out, name);
                out.push(':');
                value.write(out);
            }),
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text);
        f.write_str(&text)
    }
}

fn list<T>(out: &mut String, [open, close]: [char; 2], items: impl Iterator<Item = T>, one: impl Fn(&mut String, T)) {
    out.push(open);
    for (place, item) in items.enumerate() {
        if place > 0 {
            out.push(',');
        }
        one(out, item);
    }
    out.push(close);
}

/// A JSON string.
fn string(out: &mut String, mut text: &str) {
    out.push('"');
    loop {
        let (plain, rest) = text.split_at(plain_bytes(text.as_bytes()));
        out.push_str(plain);
        let Some(byte) = rest.bytes().next() else { break };
        escape(out, byte);
        text = &rest[1..];
    }
    out.push('"');
}

fn escape(out: &mut String, byte: u8) {
    match byte {
        b'"' => out.push_str("\\\""),
        b'\\' => out.push_str("\\\\"),
        b'\n' => out.push_str("\\n"),
        b'\r' => out.push_str("\\r"),
        b'\t' => out.push_str("\\t"),
        0x8 => out.push_str("\\b"),
        0xc => out.push_str("\\f"),
        _ => out.push_str(&format!("\\u{byte:04x}")),
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
