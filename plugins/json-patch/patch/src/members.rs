//! The members of an object as pieces of its text. The text must be known to be JSON, as what a plugin wrote itself is.

use std::borrow::Cow;

use crate::read::{ReadError, Reader};

/// The members of an object, one after the other, each with its value's text.
///
/// ```
/// use weir_json_patch::Members;
/// let members: Result<Vec<_>, _> = Members::of(r#"{"id":"a","state":{"n":[1]}}"#).collect();
/// assert_eq!(members.unwrap()[1], ("state".into(), r#"{"n":[1]}"#));
/// ```
pub struct Members<'t> {
    reader: Reader<'t>,
    next: Next,
    last: Option<&'t str>,
}

#[derive(PartialEq, Eq)]
enum Next {
    Open,
    Member,
    End,
}

impl<'t> Members<'t> {
    /// The members of the object that this text is.
    pub fn of(text: &'t str) -> Self {
        Self { reader: Reader::new(text), next: Next::Open, last: None }
    }

    /// The same, where it is known which member is the last one: its value may be long, and need not be gone over. The
    /// text must end in the object's bracket.
    pub fn with_last(text: &'t str, last: &'t str) -> Self {
        Self { last: Some(last), ..Self::of(text) }
    }

    fn member(&mut self) -> Result<Option<(Cow<'t, str>, &'t str)>, ReadError> {
        let more = match self.next {
            Next::Open if !self.reader.take(b'{') => return self.reader.fail("an object is expected"),
            Next::Open => !self.reader.take(b'}'),
            _ => self.reader.goes_on(b'}')?,
        };
        if !more {
            return Ok(None);
        }
        let name = self.reader.name()?;
        let value = match self.last == Some(&name) {
            true => self.reader.last()?,
            false => self.reader.skip()?,
        };
        Ok(Some((name, value)))
    }
}

impl<'t> Iterator for Members<'t> {
    type Item = Result<(Cow<'t, str>, &'t str), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == Next::End {
            return None;
        }
        let member = self.member();
        self.next = if matches!(member, Ok(Some(_))) { Next::Member } else { Next::End };
        member.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Result<Vec<(String, &str)>, ReadError> {
        Members::of(text).map(|member| member.map(|(name, text)| (name.into_owned(), text))).collect()
    }

    #[test]
    fn members_are_cut_out_of_the_text() {
        let text = r#" { "a" : [1,"]}"] , "b":{"c":"\\\""}, "d": -1.0 ,"e":"x\\", "f":null}"#;
        let members = cut(text).expect("JSON");
        let members: Vec<(&str, &str)> = members.iter().map(|(name, text)| (name.as_str(), *text)).collect();
        let expected =
            [("a", r#"[1,"]}"]"#), ("b", r#"{"c":"\\\""}"#), ("d", "-1.0"), ("e", r#""x\\""#), ("f", "null")];
        assert_eq!(members, expected);
        assert_eq!(cut("{}"), Ok(Vec::new()));
        let last = Members::with_last(r#"{"a":1,"b":[}"#, "b").last();
        assert_eq!(last, Some(Ok(("b".into(), "["))));
    }

    #[test]
    fn what_is_no_json_is_an_error_or_something_else_but_no_panic() {
        for text in ["", "[]", "{\"a\"", "{\"a\":", "{\"a\":1 \"b\":2}", "{\"a\":\"\\"] {
            assert!(cut(text).is_err(), "{text}");
        }
        let text = r#"{"a":["\é",{"b":"x\"}],"c":tru}"#;
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            let _ = cut(&text[..end]);
        }
    }
}
