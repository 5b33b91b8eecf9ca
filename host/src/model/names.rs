//! Names of topics, streams, event types, plugins and tags: parsed once, cheap to clone, safe as file names and keys.

use compact_str::CompactString;
use std::fmt;

use super::limits::NAME_CHARS_MAX;

/// Why a text is no name. The message names the thing, the text and the mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} '{text}' {reason}")]
pub struct NameError {
    pub kind: &'static str,
    pub text: String,
    pub reason: &'static str,
}

/// Checks the rules that all names share: 1–200 characters of `allowed`, and never `..`.
fn check(kind: &'static str, text: &str, allowed: fn(u8) -> bool, letters: &'static str) -> Result<(), NameError> {
    let refuse = |reason| {
        // A hostile name can be a megabyte long; the message shows enough to recognise it.
        let text = text.chars().take(80).collect();
        Err(NameError { kind, text, reason })
    };
    if text.is_empty() {
        return refuse("is empty; give it 1 to 200 characters");
    }
    if text.len() > NAME_CHARS_MAX {
        // Only tags may have other letters, and they are bounded in bytes.
        return refuse(if text.is_ascii() {
            "is longer than 200 characters"
        } else {
            "is longer than 200 bytes of UTF-8"
        });
    }
    if !text.bytes().all(allowed) {
        return refuse(letters);
    }
    // Quicker than a search for a text, which begins with preparing one.
    if text.as_bytes().windows(2).any(|two| two == b"..") {
        return refuse("must not contain '..'");
    }
    Ok(())
}

fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

fn stream_letter(byte: u8) -> bool {
    plain(byte) || matches!(byte, b':' | b'/')
}

/// A tag is free text on one line, as users write `order:17` or `customer=Ann Lee`.
fn tag_letter(byte: u8) -> bool {
    !byte.is_ascii_control()
}

const PLAIN: &str = "may only have letters, digits, '.', '_' and '-'";
const STREAM: &str = "may only have letters, digits, '.', '_', '-', ':' and '/'";
const TAG: &str = "must not have control characters";

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $allowed:ident, $letters:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(CompactString);

        impl $type {
            /// Parses a name, or says what is wrong with it.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                check($kind, text, $allowed, $letters)?;
                Ok(Self(CompactString::new(text)))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
    };
}

name!(
    /// A named part of a store. It owns its schemas, and its events are numbered from 1.
    TopicName, "topic", plain, PLAIN
);
name!(
    /// The events of one thing inside a topic: the unit of consistency.
    StreamName, "stream", stream_letter, STREAM
);
name!(
    /// What kind of thing happened (`type` in JSON).
    EventType, "event type", plain, PLAIN
);
name!(
    /// What a command asks for.
    CommandName, "command", plain, PLAIN
);
name!(
    /// The stem of a component's file name in the plugin directory.
    PluginName, "plugin", plain, PLAIN
);
name!(
    /// A label that events are found by, whatever their topic or stream.
    Tag, "tag", tag_letter, TAG
);

impl TopicName {
    /// The topic without schemas that always exists and that `/streams/…` means.
    pub fn default_topic() -> Self {
        Self(CompactString::const_new("default"))
    }

    /// The name under which validators know the states of this topic's aggregates. No client can say it.
    pub(crate) fn of_states(&self) -> Self {
        Self(compact_str::format_compact!("{}$state", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_to_two_hundred_plain_characters() {
        assert!(TopicName::parse("orders.v2_x-1").is_ok());
        assert!(TopicName::parse(&"x".repeat(200)).is_ok());
        for bad in ["", "a b", "a/b", "ä", "..", "a..b", "a\0b", &"x".repeat(201)] {
            let error = TopicName::parse(bad).expect_err(bad);
            assert!(error.to_string().starts_with("topic '"), "{error}");
        }
    }

    #[test]
    fn the_name_for_states_is_no_topics_name() {
        let name = TopicName::parse("orders").expect("a name").of_states();
        assert!(name.as_str() == "orders$state" && TopicName::parse(name.as_str()).is_err());
    }

    #[test]
    fn a_stream_may_have_colons_and_slashes() {
        assert!(StreamName::parse("order:17/items").is_ok());
        assert!(StreamName::parse("../etc").is_err());
    }

    #[test]
    fn a_tag_is_bounded_in_bytes_and_says_so() {
        assert!(Tag::parse(&"ü".repeat(100)).is_ok());
        let error = Tag::parse(&"ü".repeat(101)).expect_err("too long");
        assert!(error.to_string().ends_with("is longer than 200 bytes of UTF-8"), "{error}");
    }

    #[test]
    fn a_hostile_name_is_shown_shortened() {
        let error = EventType::parse(&"x".repeat(1 << 20)).expect_err("too long");
        assert!(error.to_string().len() < 200);
    }
}
