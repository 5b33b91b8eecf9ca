//! JSON pointers (RFC 6901): where in a document an operation is.

use compact_str::CompactString;

/// A path as it was written, and its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    text: CompactString,
    tokens: Vec<CompactString>,
}

impl Path {
    /// A path from its text; `None` if it is no JSON pointer.
    ///
    /// ```
    /// use weir_json_patch::Path;
    /// assert_eq!(Path::read("/a~1b/0").unwrap().tokens(), ["a/b", "0"]);
    /// assert!(Path::read("").unwrap().tokens().is_empty());
    /// assert_eq!((Path::read("a"), Path::read("/~2")), (None, None));
    /// ```
    pub fn read(text: &str) -> Option<Self> {
        let tokens = match text.strip_prefix('/') {
            Some(rest) => rest.split('/').map(unescaped).collect::<Option<_>>()?,
            None if text.is_empty() => Vec::new(),
            None => return None,
        };
        Some(Self { text: text.into(), tokens })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Names of members and indexes, from the outside to the inside; none is the whole document.
    pub fn tokens(&self) -> &[CompactString] {
        &self.tokens
    }
}

fn unescaped(token: &str) -> Option<CompactString> {
    let mut parts = token.split('~');
    let mut plain = CompactString::from(parts.next().unwrap_or_default());
    for part in parts {
        let (sign, rest) =
            part.strip_prefix('0').map(|rest| ('~', rest)).or(part.strip_prefix('1').map(|rest| ('/', rest)))?;
        plain.push(sign);
        plain.push_str(rest);
    }
    Some(plain)
}

/// Adds a token to the text of a path.
pub(crate) fn push(text: &mut String, token: &str) {
    text.push('/');
    for letter in token.chars() {
        match letter {
            '~' => text.push_str("~0"),
            '/' => text.push_str("~1"),
            letter => text.push(letter),
        }
    }
}

/// The index that a token is: digits, with no zero before them.
pub(crate) fn index(token: &str) -> Option<usize> {
    let canonical = token == "0" || !token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit());
    token.parse().ok().filter(|_| canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_unescaped_once_and_escaped_back() {
        for token in ["", "a", "~", "/", "~1", "~0", "a/b~c", "é"] {
            let mut text = String::new();
            push(&mut text, token);
            assert_eq!(Path::read(&text).expect("a path").tokens(), [token]);
        }
        assert_eq!(Path::read("/~01").expect("a path").tokens(), ["~1"]);
    }

    #[test]
    fn an_index_has_one_form() {
        assert_eq!([index("0"), index("7"), index("10")], [Some(0), Some(7), Some(10)]);
        for token in ["", "00", "01", "-", "-1", "+1", "1e0", "1.0", " 1", "99999999999999999999"] {
            assert_eq!(index(token), None, "{token}");
        }
    }
}
