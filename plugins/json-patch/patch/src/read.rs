//! From JSON text to a value, in one pass. It knows RFC 8259 and nothing more; a half of a surrogate pair is refused,
//! as it is no character.

use std::borrow::Cow;

use crate::json::{Json, Number};
use crate::limits::TEXT_DEPTH_MAX;
use crate::object::Object;
use crate::special::plain_bytes;

/// Why a text is no JSON, or none that is read here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct ReadError {
    what: &'static str,
    at: usize,
}

impl Json {
    /// Reads a whole text.
    ///
    /// ```
    /// use weir_json_patch::Json;
    /// assert_eq!(Json::read(r#" {"b": 1.00, "a": []} "#).unwrap().to_string(), r#"{"a":[],"b":1.00}"#);
    /// assert_eq!(Json::read("[1,]").unwrap_err().to_string(), "a value is expected at byte 3");
    /// ```
    pub fn read(text: &str) -> Result<Self, ReadError> {
        let mut reader = Reader::new(text);
        let json = reader.value(0)?;
        reader.end()?;
        Ok(json)
    }
}

/// A place in a text.
pub(crate) struct Reader<'t> {
    pub text: &'t str,
    pub at: usize,
}

impl<'t> Reader<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    pub fn fail<T>(&self, what: &'static str) -> Result<T, ReadError> {
        Err(ReadError { what, at: self.at })
    }

    /// The next byte, if there is one.
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no space, if there is one.
    pub fn next(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
        self.peek()
    }

    /// Takes this byte if it is the next.
    pub fn take(&mut self, byte: u8) -> bool {
        let taken = self.next() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    pub fn end(&mut self) -> Result<(), ReadError> {
        if self.next().is_some() { self.fail("something follows the value") } else { Ok(()) }
    }

    /// A value inside so many arrays and objects.
    pub fn value(&mut self, depth: usize) -> Result<Json, ReadError> {
        match self.next() {
            Some(b'{' | b'[') if depth == TEXT_DEPTH_MAX => self.fail("too many arrays and objects inside each other"),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => self.string().map(|string| Json::Text(string.into())),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => self.fail("a value is expected"),
        }
    }

    fn word(&mut self, word: &str, json: Json) -> Result<Json, ReadError> {
        if !self.text[self.at..].starts_with(word) {
            return self.fail("a value is expected");
        }
        self.at += word.len();
        Ok(json)
    }

    fn array(&mut self, depth: usize) -> Result<Json, ReadError> {
        let mut items = Vec::new();
        self.at += 1;
        let mut more = !self.take(b']');
        while more {
            items.push(self.value(depth)?);
            more = self.goes_on(b']')?;
        }
        Ok(Json::Array(fitted(items)))
    }

    fn object(&mut self, depth: usize) -> Result<Json, ReadError> {
        let mut members = Vec::new();
        self.at += 1;
        let mut more = !self.take(b'}');
        while more {
            let name = self.name()?;
            members.push((name.into(), self.value(depth)?));
            more = self.goes_on(b'}')?;
        }
        Ok(Json::Object(Object::of(fitted(members))))
    }

    /// Whether a comma is next, and not the end.
    pub fn goes_on(&mut self, end: u8) -> Result<bool, ReadError> {
        match self.next() {
            Some(b',') => self.at += 1,
            Some(byte) if byte == end => {
                self.at += 1;
                return Ok(false);
            }
            _ => return self.fail("a comma or an end is expected"),
        }
        Ok(true)
    }

    /// A member's name, and the colon after it.
    pub fn name(&mut self) -> Result<Cow<'t, str>, ReadError> {
        if self.next() != Some(b'"') {
            return self.fail("a member's name is expected");
        }
        let name = self.string()?;
        if self.take(b':') { Ok(name) } else { self.fail("a colon is expected") }
    }

    fn number(&mut self) -> Result<Json, ReadError> {
        let start = self.at;
        match number_bytes(&self.text.as_bytes()[start..]) {
            Ok(bytes) => {
                self.at += bytes;
                Ok(Json::Number(Number(self.text[start..self.at].into())))
            }
            Err(bytes) => {
                self.at += bytes;
                self.fail("a digit is expected")
            }
        }
    }

    /// A string; its opening quote is the next byte. Most have no escapes, and are a piece of the text.
    fn string(&mut self) -> Result<Cow<'t, str>, ReadError> {
        self.at += 1;
        let plain = self.run();
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(plain.into());
        }
        let mut string = String::from(plain);
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => string.push(self.escape()?),
                Some(_) => return self.fail("a control character stands in a string"),
                None => return self.fail("a string has no end"),
            }
            string.push_str(self.run());
        }
        self.at += 1;
        Ok(string.into())
    }

    /// All bytes up to one that is special in a string.
    fn run(&mut self) -> &'t str {
        let start = self.at;
        self.at += plain_bytes(&self.text.as_bytes()[start..]);
        &self.text[start..self.at]
    }

    fn escape(&mut self) -> Result<char, ReadError> {
        self.at += 1;
        let escaped = self.peek();
        self.at += usize::from(escaped.is_some_and(|byte| byte.is_ascii()));
        Ok(match escaped {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.character(),
            _ => return self.fail("an escape is unknown"),
        })
    }

    /// A character of four hexadecimal digits, or of two times four.
    fn character(&mut self) -> Result<char, ReadError> {
        let high = self.hex()?;
        let mut code = high;
        if (0xd800..0xdc00).contains(&high) && self.text[self.at..].starts_with("\\u") {
            self.at += 2;
            let low = self.hex()?;
            if !(0xdc00..0xe000).contains(&low) {
                return self.fail("half a character is escaped");
            }
            code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        }
        char::from_u32(code).map_or_else(|| self.fail("half a character is escaped"), Ok)
    }

    fn hex(&mut self) -> Result<u32, ReadError> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| !digits.starts_with('+'));
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => self.fail("four hexadecimal digits are expected"),
        }
    }
}

/// Bytes of the number at the beginning, or where a digit is missing.
fn number_bytes(bytes: &[u8]) -> Result<usize, usize> {
    let digits = |from: usize| match bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count() {
        0 => Err(from),
        digits => Ok(from + digits),
    };
    let minus = usize::from(bytes.first() == Some(&b'-'));
    let mut at = if bytes.get(minus) == Some(&b'0') { minus + 1 } else { digits(minus)? };
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at = digits(at + 1 + sign)?;
    }
    Ok(at)
}

/// A list begins with room for four, and a megabyte of lists of one would take four times as much.
fn fitted<T>(mut list: Vec<T>) -> Vec<T> {
    if list.len() < list.capacity() / 2 {
        list.shrink_to_fit();
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever serde_json takes for JSON, and nothing else, with the same meaning.
    #[track_caller]
    fn agree(text: &str) {
        match (Json::read(text), serde_json::from_str::<serde_json::Value>(text)) {
            (Ok(json), Ok(value)) => {
                let again: serde_json::Value = serde_json::from_str(&json.to_string()).expect("what was written");
                assert_eq!(again, value, "{text}");
            }
            (Err(_), Err(_)) => {}
            (ours, theirs) => panic!("{text}: {ours:?}, and serde_json {theirs:?}"),
        }
    }

    #[test]
    fn it_agrees_with_serde_json() {
        let values =
            ["null", "true", "false", "0", "-0", "12.5e-3", "1E+2", "[]", "[1,[2]]", "{}", r#"{"b":1,"a":{"b":[]}}"#];
        let strings = [r#""""#, r#""a\"\\\/\b\f\n\r\t""#, r#""\u00e9\ud83d\ude00é😀""#, r#""\u0000""#, "\"\u{7f}\""];
        let broken = [
            "",
            " ",
            "nul",
            "nulll",
            "tru",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "1e+",
            "+1",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,]",
            "]",
            "{",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            "{1:2}",
            "{,}",
            r#"""#,
            r#""\x""#,
            r#""\u12""#,
            r#""\u+123""#,
            r#""\ud800""#,
            r#""\ud800\u0041""#,
            r#""\udc00""#,
            "\"\n\"",
            "\"\t\"",
            "1 2",
            "[1 2]",
            "'a'",
            "\u{feff}1",
            "[1]]",
            r#""\é""#,
        ];
        for text in values.iter().chain(&strings).chain(&broken) {
            agree(text);
            agree(&format!(" [ {text} , {text} ]\n"));
            agree(&format!("{{\"x\" :\t{text} }}"));
        }
    }

    /// Cuts and changes a text byte by byte.
    #[test]
    fn it_agrees_with_serde_json_about_broken_texts() {
        let text = r#"{"a":[1,-2.5e1,{"b":"x\ny\u00e9"}],"c":null,"d":[true,false,{}],"e":"é"}"#;
        for at in 0..text.len() {
            if let (Some(head), Some(tail)) = (text.get(..at), text.get(at + 1..)) {
                agree(head);
                for byte in ["", "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "-", "e", "u", "\n"] {
                    agree(&[head, byte, tail].concat());
                }
            }
        }
    }

    #[test]
    fn numbers_stay_as_they_were_written() {
        for text in ["1.00", "-0", "1E400", "123456789012345678901234567890.10", "0.1e-0"] {
            assert_eq!(Json::read(text).expect("a number").to_string(), text);
        }
    }

    #[test]
    fn what_is_too_deep_is_refused_and_does_not_use_up_the_stack() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(Json::read(&nested(TEXT_DEPTH_MAX)).is_ok());
        for depth in [TEXT_DEPTH_MAX + 1, 1_000_000] {
            let refused = Json::read(&nested(depth)).expect_err("too deep");
            assert!(refused.to_string().contains("too many arrays"), "{refused}");
        }
    }
}
