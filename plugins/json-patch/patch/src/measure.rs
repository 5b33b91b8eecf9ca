//! How large a value is, without writing it.

use crate::json::Json;
use crate::object::Object;
use crate::special::escaped_bytes;

/// The size of a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Measure {
    /// Bytes of its compact text.
    pub bytes: usize,
    /// Arrays and objects inside each other: 0 for a number, 1 for `[]`.
    pub depth: usize,
}

impl Json {
    pub(crate) fn measure(&self) -> Measure {
        match self {
            Self::Null | Self::Bool(true) => Measure { bytes: 4, depth: 0 },
            Self::Bool(false) => Measure { bytes: 5, depth: 0 },
            Self::Number(number) => Measure { bytes: number.as_str().len(), depth: 0 },
            Self::Text(text) => Measure { bytes: string_bytes(text), depth: 0 },
            Self::Array(items) => list(items.len(), items.iter().map(Self::measure)),
            Self::Object(object) => object.measure(),
        }
    }
}

impl Object {
    fn measure(&self) -> Measure {
        let member = |(name, value): (&compact_str::CompactString, &Json)| {
            let Measure { bytes, depth } = value.measure();
            Measure { bytes: string_bytes(name) + 1 + bytes, depth }
        };
        list(self.len(), self.iter().map(member))
    }
}

/// Brackets, and a comma between each two.
fn list(len: usize, items: impl Iterator<Item = Measure>) -> Measure {
    let empty = Measure { bytes: 2 + len.saturating_sub(1), depth: 1 };
    items.fold(empty, |sum, item| Measure { bytes: sum.bytes + item.bytes, depth: sum.depth.max(item.depth + 1) })
}

/// Bytes of a JSON string with its quotes.
pub(crate) fn string_bytes(text: &str) -> usize {
    2 + escaped_bytes(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measure_is_that_of_the_written_text() {
        for (text, depth) in [
            ("null", 0),
            ("false", 0),
            ("1.00", 0),
            (r#""é\u0001\n\"""#, 0),
            ("[]", 1),
            ("[1]", 1),
            ("[1,true,[]]", 2),
            ("{}", 1),
            (r#"{"a":1}"#, 1),
            (r#"{"a":{"b\n":[1,2]},"c":[]}"#, 3),
        ] {
            let json = Json::read(text).expect("JSON");
            assert_eq!(json.measure(), Measure { bytes: json.to_string().len(), depth }, "{text}");
        }
    }
}
