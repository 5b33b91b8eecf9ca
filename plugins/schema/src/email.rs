//! The format "email", quick for addresses as nearly all of them are: the library's own check takes as long as the rest of
//! a small payload. It is asked about every other address.

use jsonschema::json::Json;
use serde_json::json;

use crate::tape::Flat;

/// Says whether a text has the format "email".
pub fn check() -> Result<impl Fn(&str) -> bool + Send + Sync + 'static, String> {
    // In the payloads' own representation: another one would be compiled into the component for this alone.
    let options = jsonschema::options_for::<Flat>().should_validate_formats(true);
    let thorough = options.build(&json!({ "format": "email" })).map_err(|error| error.to_string())?;
    let ask = move |text: &str| Flat::with_string_node(&mut (), text, |node| thorough.is_valid(node));
    Ok(move |text: &str| is_ordinary(text) || ask(text))
}

/// Letters, digits, `_`, `+`, `-` and single dots before the `@`, and a host name with a dot behind it. Such an address is
/// valid by anybody's rules; of another one this says nothing. In a host name, hyphens stand alone between two letters: two
/// in a row mean that a label is written in another way than it is read.
fn is_ordinary(text: &str) -> bool {
    const LOCAL_BYTES_MAX: usize = 64;
    const HOST_BYTES_MAX: usize = 200;
    const LABEL_BYTES_MAX: usize = 63;
    let bytes = text.as_bytes();
    let (mut at, mut begun) = (0, false);
    loop {
        match bytes.get(at) {
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'+' | b'-') => begun = true,
            Some(b'.') if begun => begun = false,
            Some(b'@') if begun => break,
            _ => return false,
        }
        at += 1;
    }
    let host = &bytes[at + 1..];
    let (mut label, mut labels, mut hyphen) = (0, 1, false);
    for byte in host {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => (label, hyphen) = (label + 1, false),
            b'-' if label > 0 && !hyphen => (label, hyphen) = (label + 1, true),
            b'.' if label > 0 && !hyphen => (label, labels) = (0, labels + 1),
            _ => return false,
        }
        if label > LABEL_BYTES_MAX {
            return false;
        }
    }
    label > 0 && !hyphen && labels > 1 && at <= LOCAL_BYTES_MAX && host.len() <= HOST_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use jsonschema::Validator;
    use serde_json::Value;

    use super::*;
    use crate::parse_tests::Dice;

    fn library() -> Validator {
        let options = jsonschema::options().should_validate_formats(true);
        options.build(&json!({ "format": "email" })).expect("a schema")
    }

    #[test]
    fn what_is_ordinary_is_valid_and_all_else_is_as_the_library_says() {
        const LETTERS: &[u8] = b"aZ09._+-@\"x n[";
        let (library, check, mut dice) = (library(), check().expect("a check"), Dice(0x4041));
        let (mut ordinary, mut others) = (0, 0);
        for _ in 0..200_000 {
            let mut part = |max| -> String {
                let letters = (0..=dice.below(max)).map(|_| char::from(LETTERS[dice.below(LETTERS.len())]));
                letters.collect()
            };
            let text = format!("{}@{}.{}", part(3), part(3), part(3));
            let valid = library.is_valid(&Value::from(text.as_str()));
            assert_eq!(check(&text), valid, "{text}");
            assert!(valid || !is_ordinary(&text), "{text}");
            ordinary += u32::from(is_ordinary(&text));
            others += u32::from(valid && !is_ordinary(&text));
        }
        assert!(ordinary > 1_000 && others > 20, "{ordinary} {others}");
    }

    #[test]
    fn lengths_are_the_librarys() {
        let (library, check) = (library(), check().expect("a check"));
        for (local, label, labels) in [(64, 63, 3), (65, 10, 1), (10, 64, 1), (10, 60, 4), (10, 60, 5)] {
            let host = vec!["b".repeat(label); labels].join(".");
            let text = format!("{}@{host}.example", "a".repeat(local));
            assert_eq!(check(&text), library.is_valid(&Value::from(text.as_str())), "{text}");
        }
    }
}
