//! JSON merge patches (RFC 7386): a document with holes, in which `null` takes a member away.

use crate::json::Json;
use crate::object::Object;

/// The document after a merge patch.
///
/// ```
/// use weir_json_patch::{Json, merged};
/// let (old, patch) = (Json::read(r#"{"a":1,"b":{"c":2}}"#).unwrap(),
/// Json::read(r#"{"a":null,"b":{"d":3}}"#).unwrap()); assert_eq!(merged(Some(&old), patch).to_string(),
/// r#"{"b":{"c":2,"d":3}}"#);
/// ```
pub fn merged(old: Option<&Json>, patch: Json) -> Json {
    let Json::Object(members) = patch else { return patch };
    let mut new = match old {
        Some(Json::Object(old)) => old.clone(),
        _ => Object::default(),
    };
    for (name, value) in members {
        if value == Json::Null {
            new.remove(&name);
        } else {
            let value = merged(new.get(&name), value);
            new.insert(name, value);
        }
    }
    Json::Object(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What RFC 7386 says, case by case: null, scalars, arrays and objects meet each other.
    #[test]
    fn every_kind_of_value_meets_every_other() {
        for (old, patch, new) in [
            (r#"{"a":"x"}"#, r#"{"a":"y"}"#, r#"{"a":"y"}"#),
            (r#"{"a":"x"}"#, r#"{"b":"y"}"#, r#"{"a":"x","b":"y"}"#),
            (r#"{"a":"x"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"x","b":"y"}"#, r#"{"a":null}"#, r#"{"b":"y"}"#),
            (r#"{"a":["x"]}"#, r#"{"a":"y"}"#, r#"{"a":"y"}"#),
            (r#"{"a":"y"}"#, r#"{"a":["x"]}"#, r#"{"a":["x"]}"#),
            (r#"{"a":{"b":"x"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"x"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":1}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":1}"#, "null", "null"),
            (r#"{"a":1}"#, r#""b""#, r#""b""#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"a":1,"e":null}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let read = |text| Json::read(text).expect("JSON");
            assert_eq!(merged(Some(&read(old)), read(patch)).to_string(), new, "{old} and {patch}");
        }
    }
}
