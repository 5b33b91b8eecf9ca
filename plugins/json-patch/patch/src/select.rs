//! Reads some of a text and goes over the rest: for a list that looks at two fields of many documents. The text must be
//! known to be JSON, as what a plugin wrote itself is.

use compact_str::CompactString;

use crate::json::Json;
use crate::read::{ReadError, Reader};

/// The members of an object, each with its value's text.
///
/// ```
/// let members = weir_json_patch::members(r#"{"id":"a","state":{"n":[1]}}"#).unwrap();
/// assert_eq!(members[1], ("state".into(), r#"{"n":[1]}"#));
/// ```
pub fn members(text: &str) -> Result<Vec<(CompactString, &str)>, ReadError> {
    let mut reader = Reader::new(text);
    if !reader.take(b'{') {
        return reader.fail("an object is expected");
    }
    let mut members = Vec::new();
    while !reader.take(b'}') {
        if !members.is_empty() {
            reader.comma()?;
        }
        members.push((reader.name()?, reader.skip()?));
    }
    Ok(members)
}

/// The values at these paths, each given by its tokens.
///
/// ```
/// use weir_json_patch::{Json, select};
/// let found = select(r#"{"a":{"b":[7,8]},"c":"x"}"#, &[&["a".into(), "b".into(), "1".into()], &["d".into()]]);
/// assert_eq!(found, Ok(vec![Some(Json::from(8)), None]));
/// ```
pub fn select(text: &str, paths: &[&[CompactString]]) -> Result<Vec<Option<Json>>, ReadError> {
    let mut found = vec![None; paths.len()];
    let wanted: Vec<Wanted<'_>> = paths.iter().enumerate().map(|(place, tokens)| Wanted { place, tokens }).collect();
    if !wanted.is_empty() {
        descend(&mut Reader::new(text), &wanted, 0, &mut found)?;
    }
    Ok(found)
}

/// What is left of a path, and whose it is.
struct Wanted<'p> {
    place: usize,
    tokens: &'p [CompactString],
}

/// Follows the paths through objects. Where one ends, or anything but an object stands, the whole value is read.
fn descend(
    reader: &mut Reader<'_>,
    wanted: &[Wanted<'_>],
    depth: usize,
    found: &mut [Option<Json>],
) -> Result<(), ReadError> {
    if wanted.iter().any(|it| it.tokens.is_empty()) || !reader.take(b'{') {
        let json = reader.value(depth)?;
        for Wanted { place, tokens } in wanted {
            found[*place] = json.at(tokens).cloned();
        }
        return Ok(());
    }
    let mut first = true;
    while !reader.take(b'}') {
        if !first {
            reader.comma()?;
        }
        first = false;
        let name = reader.name()?;
        let below: Vec<Wanted<'_>> = wanted.iter().filter_map(|it| it.below(&name)).collect();
        if below.is_empty() {
            reader.skip()?;
        } else {
            descend(reader, &below, depth + 1, found)?;
        }
    }
    Ok(())
}

impl<'p> Wanted<'p> {
    fn below(&self, name: &str) -> Option<Wanted<'p>> {
        let (first, tokens) = self.tokens.split_first()?;
        (first == name).then_some(Wanted { place: self.place, tokens })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_what_reading_the_whole_would_find() {
        let text = r#"{"a":{"b":{"c":1},"x":[1,{"y":"z"}]},"s":"q\"}{","n":null,"t":[[]],"u":"\\"}"#;
        let whole = Json::read(text).expect("JSON");
        let paths = ["", "/a", "/a/b", "/a/b/c", "/a/x/1/y", "/a/x/2", "/a/nothing", "/s", "/s/t", "/n", "/t/0", "/u"];
        let paths: Vec<crate::Path> = paths.iter().map(|text| crate::Path::read(text).expect("a path")).collect();
        for chosen in [&paths[1..], &paths[3..5], &paths[8..], &paths[..]] {
            let tokens: Vec<&[CompactString]> = chosen.iter().map(crate::Path::tokens).collect();
            let found = select(text, &tokens).expect("JSON");
            for (path, found) in chosen.iter().zip(found) {
                assert_eq!(found.as_ref(), whole.at(path.tokens()), "{}", path.as_str());
            }
        }
        assert_eq!(select("[1,2]", &[&["1".into()]]), Ok(vec![Some(Json::from(2))]));
    }

    #[test]
    fn members_are_cut_out_of_the_text() {
        let text = r#" { "a" : [1,"]}"] , "b":{"c":"\\\""}, "d": -1.0 ,"e":"x"}"#;
        let cut = members(text).expect("JSON");
        let cut: Vec<(&str, &str)> = cut.iter().map(|(name, text)| (name.as_str(), *text)).collect();
        assert_eq!(cut, [("a", r#"[1,"]}"]"#), ("b", r#"{"c":"\\\""}"#), ("d", "-1.0"), ("e", r#""x""#)]);
        assert!(members("[]").is_err() && members("").is_err() && members("{\"a\"").is_err());
    }
}
