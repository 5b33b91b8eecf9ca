//! The rules for attributes: names, types, characters, and what each of the specification's own may say. Events that came
//! in are held to them, and so is metadata that goes out as attributes. Nothing here knows JSON or headers.

use std::borrow::Cow;
use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::fault::Reason;
use super::uri;

pub const SPEC_VERSION: &str = "1.0";

/// The specification's attributes that are kept in metadata, under `ce.` and their name.
pub const CORE: [&str; 6] = ["id", "source", "subject", "time", "datacontenttype", "dataschema"];
pub const ID: usize = 0;
pub const SOURCE: usize = 1;
pub const SUBJECT: usize = 2;
pub const TIME: usize = 3;
pub const CONTENT_TYPE: usize = 4;
pub const DATA_SCHEMA: usize = 5;

/// Begins the metadata keys of what a CloudEvent said that is no extension.
pub const CORE_KEYS: &str = "ce.";
/// The metadata key that tells which extensions are not strings: `priority=integer urgent=boolean`.
pub const TYPES_KEY: &str = "ce.types";
/// The metadata key that tells a CloudEvent without data from one whose data is JSON's null.
pub const DATA_KEY: &str = "ce.data";
pub const DATA_ABSENT: &str = "absent";

/// Begins the names of attributes that only Weir gives a meaning.
pub const WEIR: &str = "weir";

/// An attribute's value. URIs, times and bytes are strings here, as in JSON and in headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    Text(Cow<'a, str>),
    Integer(i32),
    Boolean(bool),
}

impl<'a> Value<'a> {
    /// What `type_name` in `ce.types` says of `text`; a string if that does not fit.
    pub fn typed(text: &'a str, type_name: Option<&str>) -> Self {
        let value = match type_name {
            Some("integer") => text.parse().ok().map(Self::Integer),
            Some("boolean") => text.parse().ok().map(Self::Boolean),
            _ => None,
        };
        value.filter(|value| value.to_string() == text).unwrap_or(Self::Text(text.into()))
    }

    /// The word for this type in `ce.types`; strings need none.
    pub fn type_name(&self) -> Option<&'static str> {
        match self {
            Self::Text(_) => None,
            Self::Integer(_) => Some("integer"),
            Self::Boolean(_) => Some("boolean"),
        }
    }

    pub fn into_text(self) -> Result<Cow<'a, str>, Reason> {
        if let Self::Text(text) = self { Ok(text) } else { Err(Reason::NotText) }
    }
}

/// The specification's canonical string.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Boolean(truth) => write!(f, "{truth}"),
        }
    }
}

pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name != "data" && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// Whether metadata of this key can go out as an extension.
pub fn is_extension(name: &str) -> bool {
    is_name(name) && !CORE.contains(&name) && !matches!(name, "specversion" | "type") && !name.starts_with(WEIR)
}

/// Control characters, and code points that Unicode keeps free of characters.
pub fn is_forbidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

/// Checks what holds for any attribute's string.
pub fn check_text(text: &str) -> Result<(), Reason> {
    text.chars().find(|&c| is_forbidden(c)).map_or(Ok(()), |c| Err(Reason::Character(c.into())))
}

/// Checks what holds for one of `CORE`.
pub fn check_core(core: usize, text: &str) -> Result<(), Reason> {
    check_text(text)?;
    if text.is_empty() {
        return Err(Reason::Empty);
    }
    let (holds, reason) = match core {
        SOURCE => (uri::is_reference(text), Reason::UriReference),
        TIME => (is_time(text), Reason::Time),
        CONTENT_TYPE => (is_media_type(text), Reason::MediaType),
        DATA_SCHEMA => (uri::is_uri(text), Reason::Uri),
        _ => return Ok(()),
    };
    if holds { Ok(()) } else { Err(reason) }
}

fn is_time(text: &str) -> bool {
    // The parser takes any separator; RFC 3339 has only this one.
    matches!(text.as_bytes().get(10), Some(b'T' | b't')) && OffsetDateTime::parse(text, &Rfc3339).is_ok()
}

/// `type/subtype` and whatever parameters; it must fit into a header.
fn is_media_type(text: &str) -> bool {
    let (essence, _) = text.split_once(';').unwrap_or((text, ""));
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    let is_type = essence.trim_end().split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype));
    is_type && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !text.ends_with(' ')
}

/// Whether data of this content type is JSON: `*/json` or `*/*+json`.
pub fn is_json(content_type: &str) -> bool {
    let essence = super::essence(content_type).to_ascii_lowercase();
    essence.split_once('/').is_some_and(|(_, subtype)| subtype == "json" || subtype.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_lower_case_letters_and_digits_only() {
        assert!(is_name("comexampleextension1") && is_name("1") && is_name("id"));
        for bad in ["", "data", "data_base64", "Id", "a-b", "a.b", "ü", "a b"] {
            assert!(!is_name(bad), "{bad}");
        }
        assert!(is_extension("traceparent") && is_extension("weather"));
        for own in ["id", "time", "type", "specversion", "weirtopic", "weird"] {
            assert!(!is_extension(own), "{own}");
        }
    }

    #[test]
    fn strings_have_no_controls_and_no_code_points_without_a_character() {
        assert_eq!(check_text("Euro € 😀 \u{e000}\u{a0}"), Ok(()));
        for bad in ['\0', '\n', '\u{7f}', '\u{9f}', '\u{fdd0}', '\u{fffe}', '\u{1ffff}', '\u{10fffe}'] {
            assert_eq!(check_text(&format!("a{bad}")), Err(Reason::Character(bad.into())));
        }
    }

    #[test]
    fn each_of_the_specifications_attributes_has_its_own_rule() {
        let good = [
            (ID, "A234 1234"),
            (SOURCE, "/mycontext"),
            (SUBJECT, "a b"),
            (TIME, "2018-04-05T17:31:00Z"),
            (TIME, "2018-04-05t17:31:00.123456789012+02:00"),
            (TIME, "1990-12-31T23:59:60Z"),
            (CONTENT_TYPE, "application/json; charset=\"utf-8\""),
            (CONTENT_TYPE, "image/svg+xml"),
            (DATA_SCHEMA, "https://example.com/s#a"),
        ];
        for (core, text) in good {
            assert_eq!(check_core(core, text), Ok(()), "{} {text}", CORE[core]);
        }
        let bad = [
            (SOURCE, "a b", Reason::UriReference),
            (TIME, "2018-04-05 17:31:00Z", Reason::Time),
            (TIME, "2018-04-05T17:31:00", Reason::Time),
            (TIME, "2018-02-30T17:31:00Z", Reason::Time),
            (TIME, "yesterday", Reason::Time),
            (CONTENT_TYPE, "json", Reason::MediaType),
            (CONTENT_TYPE, "a/b; ü", Reason::MediaType),
            (CONTENT_TYPE, "a b/c", Reason::MediaType),
            (CONTENT_TYPE, "a/b; ", Reason::MediaType),
            (DATA_SCHEMA, "/s", Reason::Uri),
        ];
        for (core, text, reason) in bad {
            assert_eq!(check_core(core, text), Err(reason), "{} {text}", CORE[core]);
        }
        for (core, name) in CORE.iter().enumerate() {
            assert_eq!(check_core(core, ""), Err(Reason::Empty), "{name}");
        }
    }

    #[test]
    fn json_is_known_by_its_subtype() {
        for json in ["application/json", "text/JSON; charset=utf-8", "application/vnd.a.b+json"] {
            assert!(is_json(json), "{json}");
        }
        for other in ["", "json", "application/jsonl", "text/plain", "application/json-seq", "application/xml;a=/json"]
        {
            assert!(!is_json(other), "{other}");
        }
    }

    #[test]
    fn a_type_that_does_not_fit_its_value_is_a_string() {
        assert_eq!(Value::typed("5", Some("integer")), Value::Integer(5));
        assert_eq!(Value::typed("true", Some("boolean")), Value::Boolean(true));
        for (text, type_name) in
            [("05", "integer"), ("+5", "integer"), ("2147483648", "integer"), ("True", "boolean"), ("5", "x")]
        {
            assert_eq!(Value::typed(text, Some(type_name)), Value::Text(text.into()));
        }
    }
}
