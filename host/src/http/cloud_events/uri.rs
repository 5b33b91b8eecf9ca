//! URIs and URI-references by the grammar of RFC 3986, which CloudEvents ask for. The URL standard's parser, which mends
//! what it can, would let pass what other receivers refuse.

/// A URI with its scheme, or a reference without.
pub fn is_reference(text: &str) -> bool {
    let (before_fragment, fragment) = cut(text, '#');
    let (hierarchy, query) = cut(before_fragment, '?');
    let tail = |part: Option<&str>| part.is_none_or(|part| all(part, |byte| is_path(byte) || byte == b'?'));
    let rest = match scheme(hierarchy) {
        Some(scheme) => &hierarchy[scheme.len() + 1..],
        // Without a scheme, the first segment has no colon.
        None if hierarchy.split('/').next().is_some_and(|first| first.contains(':')) => return false,
        None => hierarchy,
    };
    is_hierarchy(rest) && tail(query) && tail(fragment)
}

pub fn is_uri(text: &str) -> bool {
    is_reference(text) && scheme(text).is_some()
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    (scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(rest)).then_some(scheme)
}

fn is_hierarchy(text: &str) -> bool {
    let Some(after) = text.strip_prefix("//") else { return all(text, is_path) };
    let (authority, path) = after.find('/').map_or((after, ""), |at| after.split_at(at));
    is_authority(authority) && all(path, is_path)
}

fn is_authority(text: &str) -> bool {
    let (user, host) = text.rsplit_once('@').unwrap_or(("", text));
    let is_name = |byte: u8| is_path(byte) && !matches!(byte, b'/' | b'@' | b':');
    let literal = host.strip_prefix('[').and_then(|host| host.split_once(']'));
    let port = match literal {
        Some((address, port)) if all(address, |byte| is_name(byte) || byte == b':') => port,
        Some(_) => return false,
        None => {
            let at = host.find(':').unwrap_or(host.len());
            if !all(&host[..at], is_name) {
                return false;
            }
            &host[at..]
        }
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    let is_port = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits.is_empty() || port.starts_with(':'));
    all(user, |byte| is_name(byte) || byte == b':') && is_port
}

/// Bytes of paths, besides escapes.
fn is_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte)
}

/// Only allowed bytes, and `%` only where two hexadecimal digits follow.
fn all(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    let escape = |at: usize| bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    bytes.iter().enumerate().all(|(at, &byte)| allowed(byte) || (byte == b'%' && escape(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rfc_3986_allows_is_a_reference() {
        let good = [
            "https://github.com/cloudevents",
            "mailto:cncf-wg-serverless@lists.cncf.io",
            "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
            "/cloudevents/spec/pull/123",
            "/sensors/tn-1234567/alerts",
            "1-555-123-4567",
            "http://user:pass@[2001:db8::1]:8080/a?b=c/d?e#f?g",
            "//host/path",
            "?q",
            "#f",
            "a%20b/c:d",
            "http://h:/",
            "",
        ];
        for text in good {
            assert!(is_reference(text), "{text}");
        }
    }

    #[test]
    fn what_it_does_not_allow_is_none() {
        let bad = [
            "a b",
            "ü",
            "/a%2",
            "/a%zz",
            "a#b#c",
            "/a[b]",
            ":a",
            "1a:b",
            "a_b:c",
            "http://[::1",
            "http://h:x/",
            "http://[::1]8080/",
            "<a>",
            "a\\b",
            "\"a\"",
            "a^b",
            "http://a@b@c/",
        ];
        for text in bad {
            assert!(!is_reference(text), "{text}");
        }
    }

    #[test]
    fn a_uri_has_a_scheme() {
        assert!(is_uri("https://example.com/schema#/a") && is_uri("urn:a"));
        assert!(!is_uri("/schema") && !is_uri("schema") && !is_uri("") && !is_uri("?a:b"));
    }
}
