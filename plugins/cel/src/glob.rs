//! Globs over names of topics, event types and commands: `*` is any text, `?` any one character. The server's own globs
//! know more; names have only letters, digits, '.', '_' and '-', so these two are enough here, and cost no crate.

use serde::Deserialize;

use crate::limits::GLOB_BYTES_MAX;

/// One pattern.
///
/// ```
/// use weir_plugin_cel::Glob;
/// let glob = Glob::parse("order-*").unwrap();
/// assert!(glob.matches("order-placed") && !glob.matches("reorder-placed"));
/// assert!(Glob::parse("{a,b}").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Glob(String);

impl Glob {
    /// A pattern, or what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a glob must not be empty; '*' is any name".into());
        }
        if text.len() > GLOB_BYTES_MAX {
            return Err(format!("a glob has at most {GLOB_BYTES_MAX} bytes, this one {}", text.len()));
        }
        match text.chars().find(|letter| !letter.is_ascii_alphanumeric() && !"*?._-".contains(*letter)) {
            Some(odd) => {
                Err(format!("'{text}' is no glob: it may have letters, digits, '.', '_', '-', '*', '?', not {odd:?}"))
            }
            None => Ok(Self(text.to_owned())),
        }
    }

    /// Whether the whole text fits.
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text) = (self.0.as_bytes(), text.as_bytes());
        let (mut at, mut here) = (0, 0);
        // Where to go on if what follows the last star does not fit: it may have swallowed too little.
        let mut star: Option<(usize, usize)> = None;
        while here < text.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    star = Some((at, here));
                    at += 1;
                }
                Some(letter) if *letter == b'?' || *letter == text[here] => (at, here) = (at + 1, here + 1),
                _ => match star.as_mut() {
                    Some((back, swallowed)) => {
                        *swallowed += 1;
                        (at, here) = (*back + 1, *swallowed);
                    }
                    None => return false,
                },
            }
        }
        pattern[at..].iter().all(|letter| *letter == b'*')
    }
}

impl TryFrom<String> for Glob {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

/// Several patterns, of which one must fit; none at all fits everything. In a config it is one text, or a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "OneOrMany")]
pub struct Globs(Vec<Glob>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "a glob or a list of globs is needed here")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Globs {
    /// Whether the whole text fits one of them.
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|glob| glob.matches(text))
    }
}

impl TryFrom<OneOrMany> for Globs {
    type Error = String;

    fn try_from(globs: OneOrMany) -> Result<Self, String> {
        match globs {
            OneOrMany::One(glob) => Ok(Self(vec![Glob::parse(&glob)?])),
            OneOrMany::Many(globs) => globs.iter().map(|glob| Glob::parse(glob)).collect::<Result<_, _>>().map(Self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_fit_the_whole_text() {
        assert!(["", "a", "a.b"].iter().all(|text| Glob::parse("*").expect("a glob").matches(text)));
        for (glob, yes, no) in [
            ("a*", ["a", "ab", "aaa"], ["b", "ba", ""]),
            ("*-b-*", ["-b-", "a-b-c", "-b-b-b-x"], ["b", "-b", "b-"]),
            ("a?c", ["abc", "a-c", "acc"], ["ac", "abbc", "abcd"]),
            ("*a*b", ["ab", "xaxb", "abab"], ["a", "b", "aba"]),
        ] {
            let parsed = Glob::parse(glob).expect(glob);
            assert!(yes.iter().all(|text| parsed.matches(text)), "{glob}");
            assert!(no.iter().all(|text| !parsed.matches(text)), "{glob}");
        }
    }

    #[test]
    fn what_is_no_glob_is_refused_with_the_letter() {
        for (text, words) in [("", "empty"), ("a b", "' '"), ("[ab]", "'['"), ("é", "'é'"), (&"x".repeat(201), "201")]
        {
            let refused = Glob::parse(text).expect_err(text);
            assert!(refused.contains(words), "{refused}");
        }
    }

    #[test]
    fn a_config_has_one_or_several() {
        let globs = |json: &str| serde_json::from_str::<Globs>(json);
        assert!(globs(r#""a*""#).expect("one").matches("ab"));
        assert!(globs(r#"["x","a*"]"#).expect("two").matches("ab"));
        assert!(!globs(r#"["x","y"]"#).expect("two").matches("ab"));
        assert!(globs("[]").expect("none").matches("ab") && Globs::default().matches("ab"));
        assert!(globs("7").expect_err("a number").to_string().contains("a list of globs"));
        assert!(globs(r#"["a","{b}"]"#).expect_err("braces").to_string().contains("not '{'"));
    }

    #[test]
    fn a_hostile_glob_and_text_take_no_time() {
        let glob = Glob::parse(&"*a".repeat(100)).expect("a glob");
        assert!(!glob.matches(&("a".repeat(199) + "b")));
    }
}
