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
/// valid by anybody's rules; of another one this says nothing.
fn is_ordinary(text: &str) -> bool {
    const LOCAL_BYTES_MAX: usize = 64;
    const HOST_BYTES_MAX: usize = 200;
    let Some((local, host)) = text.split_once('@') else { return false };
    let short = local.len() <= LOCAL_BYTES_MAX && host.len() <= HOST_BYTES_MAX;
    short && host.contains('.') && local.split('.').all(is_atom) && host.split('.').all(is_label)
}

fn is_atom(atom: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'-');
    !atom.is_empty() && atom.bytes().all(letter)
}

/// Two hyphens in a row mean that a label is written in another way than it is read.
fn is_label(label: &str) -> bool {
    const LABEL_BYTES_MAX: usize = 63;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let hyphens = label.starts_with('-') || label.ends_with('-') || label.as_bytes().windows(2).any(|two| two == b"--");
    (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.bytes().all(letter) && !hyphens
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
