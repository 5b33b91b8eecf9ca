//! Every key of the view. Documents have theirs below the name of their topic; all other keys begin with `#`, which no
//! topic's name does.
//!
//! | key | value |
//! | --- | --- |
//! | `<topic>/<stream>` | the entry of a document |
//! | `#<topic>/<index>/<value>/<stream>` | `null`: the document has this value in the field of this index |
//! | `#built-with` | the indexes that the view is built with |

use weir_json_patch::Json;
use weir_plugin_sdk::Problem;

/// The indexes of the view.
pub const BUILT_WITH: &str = "#built-with";

/// Bytes of a string in a key, as JSON; of a longer one its hash is there.
const KEY_TEXT_BYTES_MAX: usize = 128;
/// Digits of a number in a key. Entries only say where to look: whoever reads them looks at the document too.
const KEY_DIGITS_MAX: usize = 40;

/// As the server has them; so they have no `/` and no `#`.
pub fn is_topic(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty() && name.bytes().all(letter)
}

/// What the keys of all documents of a topic begin with.
pub fn documents(topic: &str) -> String {
    format!("{topic}/")
}

pub fn document(topic: &str, id: &str) -> String {
    format!("{topic}/{id}")
}

/// Where the id begins in the key of a document.
pub fn id_at(topic: &str) -> usize {
    topic.len() + 1
}

/// What the keys of all documents with a value begin with. Only strings, numbers, booleans and null are indexed.
pub fn with_value(topic: &str, index: usize, value: &Json) -> Option<String> {
    let value = match value {
        Json::Array(_) | Json::Object(_) => return None,
        Json::Number(number) => number.value().cut(KEY_DIGITS_MAX).to_string(),
        Json::Text(_) | Json::Bool(_) | Json::Null => value.to_string(),
    };
    let value = if value.len() > KEY_TEXT_BYTES_MAX { format!("~{:016x}", hash(value.as_bytes())) } else { value };
    Some(format!("#{topic}/{index}/{value}/"))
}

/// FNV-1a, 64 bits: the same on every machine.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// A value of the view that this plugin did not write so.
pub fn unexpected(key: &str) -> Problem {
    Problem::new("view-unexpected", format!("The view's value of '{key}' does not fit; rebuild the projection"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(value: &str) -> Option<String> {
        with_value("cats", 3, &Json::read(value).expect("JSON"))
    }

    #[test]
    fn equal_values_have_the_same_key_and_others_do_not() {
        assert_eq!(key(r#""a/b\n""#).as_deref(), Some("#cats/3/\"a/b\\n\"/"));
        assert_eq!(key("1.0"), key("10e-1"));
        assert_eq!((key("[]"), key("{}")), (None, None));
        let values = [r#""1""#, "1", "-1", "true", r#""true""#, "null", r#""null""#, r#""""#];
        let mut keys: Vec<_> = values.iter().map(|value| key(value).expect("a key")).collect();
        keys.dedup();
        assert_eq!(keys.len(), values.len());
    }

    #[test]
    fn a_long_value_is_hashed_so_that_every_key_fits_into_a_view() {
        for value in [r"\u0001".repeat(128), "x".repeat(9_999), "é".repeat(70)] {
            let key = key(&format!("\"{value}\"")).expect("a key");
            assert_eq!(key.len(), "#cats/3/~0123456789abcdef/".len(), "{key}");
        }
        assert!(key(&format!("-1.{}e-99999999999999999999", "23".repeat(99))).is_some_and(|key| key.len() < 100));
    }
}
