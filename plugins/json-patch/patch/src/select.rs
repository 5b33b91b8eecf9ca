//! Reads some of a text and goes over the rest: for a list that looks at two fields of many documents. The text must be
//! known to be JSON, as what a plugin wrote itself is.

use std::borrow::Cow;

use compact_str::CompactString;

use crate::json::Json;
use crate::object::Object;
use crate::path::index;
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

    /// The same, where it is known which member is the last one: its value may be long, and need not be gone over. The text
    /// must end in the object's bracket.
    pub fn with_last(text: &'t str, last: &'t str) -> Self {
        Self { last: Some(last), ..Self::of(text) }
    }

    fn member(&mut self) -> Result<Option<(Cow<'t, str>, &'t str)>, ReadError> {
        let first = self.next == Next::Open;
        if first && !self.reader.take(b'{') {
            return self.reader.fail("an object is expected");
        }
        if self.reader.take(b'}') {
            return Ok(None);
        }
        if !first {
            self.reader.comma()?;
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

/// Paths whose values are wanted of many texts.
///
/// ```
/// use weir_json_patch::{Json, Selection};
/// let selection = Selection::of([&["a".into(), "b".into(), "1".into()][..], &["d".into()]]);
/// assert_eq!(selection.find(r#"{"a":{"b":[7,8]},"c":"x"}"#), Ok(vec![Some(Json::from(8)), None]));
/// ```
#[derive(Debug, Default)]
pub struct Selection {
    /// In the order of their tokens, so that those that have a name in common are next to each other.
    paths: Vec<Wanted>,
}

#[derive(Debug)]
struct Wanted {
    tokens: Vec<CompactString>,
    /// Where its value goes.
    place: usize,
}

impl Selection {
    /// The paths, each given by its tokens.
    pub fn of<'p>(paths: impl IntoIterator<Item = &'p [CompactString]>) -> Self {
        let wanted = |(place, tokens): (usize, &[CompactString])| Wanted { tokens: tokens.to_vec(), place };
        let mut paths: Vec<Wanted> = paths.into_iter().enumerate().map(wanted).collect();
        paths.sort_by(|one, two| one.tokens.cmp(&two.tokens));
        Self { paths }
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// The values of one text, in the order in which the paths were given. Where an array or object stands, an empty one is
    /// given: they may be large, and nothing is compared with them.
    pub fn find(&self, text: &str) -> Result<Vec<Option<Json>>, ReadError> {
        let mut found = vec![None; self.paths.len()];
        if !self.is_empty() {
            descend(&mut Reader::new(text), &self.paths, 0, &mut found)?;
        }
        Ok(found)
    }
}

/// Goes into the next value as far as the paths lead, and over what is beside them.
fn descend(
    reader: &mut Reader<'_>,
    wanted: &[Wanted],
    depth: usize,
    found: &mut [Option<Json>],
) -> Result<(), ReadError> {
    // Those that end here are the first: their tokens are the beginning of all others.
    let (here, deeper) = wanted.split_at(wanted.iter().take_while(|it| it.tokens.len() == depth).count());
    let value = match reader.next() {
        Some(b'{') => Json::Object(Object::default()),
        Some(b'[') => Json::Array(Vec::new()),
        _ => reader.value(0)?,
    };
    here.iter().for_each(|it| found[it.place] = Some(value.clone()));
    match value {
        Json::Object(_) | Json::Array(_) if deeper.is_empty() => reader.skip().map(drop),
        Json::Object(_) => members(reader, deeper, depth, found),
        Json::Array(_) => items(reader, deeper, depth, found),
        _ => Ok(()),
    }
}

fn members(
    reader: &mut Reader<'_>,
    wanted: &[Wanted],
    depth: usize,
    found: &mut [Option<Json>],
) -> Result<(), ReadError> {
    let mut first = reader.take(b'{');
    while !reader.take(b'}') {
        if !first {
            reader.comma()?;
        }
        first = false;
        let name = reader.name()?;
        match through(wanted, |it| it.tokens[depth] == name) {
            [] => drop(reader.skip()?),
            below => descend(reader, below, depth + 1, found)?,
        }
    }
    Ok(())
}

fn items(
    reader: &mut Reader<'_>,
    wanted: &[Wanted],
    depth: usize,
    found: &mut [Option<Json>],
) -> Result<(), ReadError> {
    let (mut first, mut place) = (reader.take(b'['), 0);
    while !reader.take(b']') {
        if !first {
            reader.comma()?;
        }
        first = false;
        match through(wanted, |it| index(&it.tokens[depth]) == Some(place)) {
            [] => drop(reader.skip()?),
            below => descend(reader, below, depth + 1, found)?,
        }
        place += 1;
    }
    Ok(())
}

/// Those that go on through one token; they are next to each other.
fn through(wanted: &[Wanted], through: impl Fn(&Wanted) -> bool) -> &[Wanted] {
    let start = wanted.iter().position(&through).unwrap_or(wanted.len());
    let end = wanted[start..].iter().position(|it| !through(it)).map_or(wanted.len(), |end| start + end);
    &wanted[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_what_reading_the_whole_would_find() {
        let text = r#"{"a":{"b":{"c":1},"x":[1,{"y":"z"}]},"s":"q\"}{é","n":null,"t":[[]],"é\n":"\\"}"#;
        let whole = Json::read(text).expect("JSON");
        let paths = [
            "",
            "/a",
            "/a/b",
            "/a/b/c",
            "/a/x/1/y",
            "/a/x/0",
            "/a/x/00",
            "/a/x/2",
            "/a/nothing",
            "/s",
            "/s/t",
            "/n",
            "/t/0",
            "/é\n",
            "/n",
        ];
        let paths: Vec<crate::Path> = paths.iter().map(|text| crate::Path::read(text).expect("a path")).collect();
        for chosen in [&paths[1..], &paths[3..5], &paths[10..], &paths[..], &paths[13..]] {
            let selection = Selection::of(chosen.iter().map(crate::Path::tokens));
            let found = selection.find(text).expect("JSON");
            for (path, found) in chosen.iter().zip(found) {
                let expected = whole.at(path.tokens()).map(|json| match json {
                    Json::Array(_) => Json::Array(Vec::new()),
                    Json::Object(_) => Json::Object(Object::default()),
                    scalar => scalar.clone(),
                });
                assert_eq!(found, expected, "{}", path.as_str());
            }
        }
        assert_eq!(Selection::of([&["1".into()][..]]).find("[1,2]"), Ok(vec![Some(Json::from(2))]));
    }

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
            let _ = Selection::of([&["c".into()][..]]).find(&text[..end]);
        }
    }
}
