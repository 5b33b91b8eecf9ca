//! Reads some values of a text and goes over the rest: for a list that looks at two fields of many documents. The text
//! must be known to be JSON, as what a plugin wrote itself is.

use compact_str::CompactString;

use crate::json::Json;
use crate::object::Object;
use crate::path::index;
use crate::read::{ReadError, Reader};

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

    /// The values of one text, in the order in which the paths were given. Where an array or object stands, an empty
    /// one is given: they may be large, and nothing is compared with them.
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

/// The bracket of the object is the next byte.
fn members(
    reader: &mut Reader<'_>,
    wanted: &[Wanted],
    depth: usize,
    found: &mut [Option<Json>],
) -> Result<(), ReadError> {
    let mut more = reader.take(b'{') && !reader.take(b'}');
    while more {
        let name = reader.name()?;
        match through(wanted, |it| it.tokens[depth] == name) {
            [] => drop(reader.skip()?),
            below => descend(reader, below, depth + 1, found)?,
        }
        more = reader.goes_on(b'}')?;
    }
    Ok(())
}

/// The bracket of the array is the next byte. Behind the last place that is wanted nothing is looked at.
fn items(
    reader: &mut Reader<'_>,
    wanted: &[Wanted],
    depth: usize,
    found: &mut [Option<Json>],
) -> Result<(), ReadError> {
    let place_of = |it: &Wanted| index(&it.tokens[depth]);
    let places = wanted.iter().filter_map(place_of).max().map_or(0, |last| last.saturating_add(1));
    let mut more = reader.take(b'[') && !reader.take(b']');
    for place in 0..places {
        if !more {
            return Ok(());
        }
        match through(wanted, |it| place_of(it) == Some(place)) {
            [] => drop(reader.skip()?),
            below => descend(reader, below, depth + 1, found)?,
        }
        more = reader.goes_on(b']')?;
    }
    if more { reader.skip_rest() } else { Ok(()) }
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

    #[test]
    fn what_is_no_json_is_an_error_or_something_else_but_no_panic() {
        let text = r#"{"a":["\é",{"b":"x\"}],"c":tru}"#;
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            let _ = Selection::of([&["c".into()][..], &["a".into(), "1".into()]]).find(&text[..end]);
        }
    }
}
