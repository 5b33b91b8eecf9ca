//! What a plugin may do: its wish, cut down to what the operator grants. Nothing is allowed by default.

use globset::GlobSet;

use super::manifest::globs;
use super::sidecar::{Grants, HttpAllow};
use super::{HttpGrant, HttpRule, LoadError};
use crate::model::TopicName;

/// The topics that a decider or process manager may write to, besides the stream that a decider decides for: those that
/// a wish and a grant both cover.
#[derive(Default)]
pub(super) struct AppendGrant {
    sides: Option<[Option<GlobSet>; 2]>,
    texts: Vec<String>,
}

impl AppendGrant {
    pub fn meet(wishes: &[String], grants: &[String]) -> Result<Self, LoadError> {
        if wishes.is_empty() || grants.is_empty() {
            return Ok(Self::default());
        }
        let bad = |error| match error {
            LoadError::Manifest(why) => LoadError::Sidecar(format!("grants.append: {why}")),
            other => other,
        };
        Ok(Self { sides: Some([globs(wishes)?, globs(grants).map_err(bad)?]), texts: grants.to_vec() })
    }

    pub fn allows(&self, topic: &TopicName) -> bool {
        let covers = |globs: &Option<GlobSet>| globs.as_ref().is_none_or(|globs| globs.is_match(topic.as_str()));
        self.sides.as_ref().is_some_and(|sides| sides.iter().all(covers))
    }

    /// As /plugins shows it.
    pub fn show(&self) -> impl Iterator<Item = String> {
        self.texts.iter().map(|topics| format!("append {topics}"))
    }
}

impl HttpGrant {
    /// The rules that both sides agree on: every wish met with every grant.
    pub(super) fn meet(wishes: &[HttpAllow], grants: &Grants) -> Self {
        let mut rules: Vec<HttpRule> = Vec::new();
        for wish in wishes {
            for grant in &grants.http {
                let both = narrower(&wish.host, &grant.host).zip(shared(&wish.methods, &grant.methods));
                if let Some((host, methods)) = both {
                    let rule = HttpRule { host, methods };
                    if !rules.contains(&rule) {
                        rules.push(rule);
                    }
                }
            }
        }
        Self { rules, private_addresses: grants.private_addresses }
    }

    /// Whether a request with this method to this host is within the grant. Addresses are checked when they are resolved.
    pub fn allows(&self, method: &str, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        self.rules.iter().any(|rule| {
            let method = rule.methods.is_empty() || rule.methods.iter().any(|known| known == method);
            method && covers(&rule.host, &host)
        })
    }
}

/// Whether a pattern covers a host, or another pattern: `*`, `*.suffix`, or the same name.
fn covers(pattern: &str, host: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    match pattern.strip_prefix('*') {
        Some("") => true,
        // `*.a.b` covers `x.a.b` and `*.x.a.b`, and not `a.b` itself.
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix) || host == pattern,
        None => pattern == host,
    }
}

fn narrower(one: &str, other: &str) -> Option<String> {
    let (one, other) = (one.to_ascii_lowercase(), other.to_ascii_lowercase());
    if covers(&one, &other) {
        return Some(other);
    }
    covers(&other, &one).then_some(one)
}

/// Methods in both lists; an empty list means any. Nothing in common is `None`, for an empty answer would mean any.
fn shared(one: &[String], other: &[String]) -> Option<Vec<String>> {
    let upper = |list: &[String]| list.iter().map(|method| method.to_ascii_uppercase()).collect::<Vec<_>>();
    let (mut one, other) = (upper(one), upper(other));
    if one.is_empty() {
        return Some(other);
    }
    if !other.is_empty() {
        one.retain(|method| other.contains(method));
    }
    (!one.is_empty()).then_some(one)
}

/// `http POST hooks.example.com`, as /plugins shows it.
pub(super) fn show(host: &str, methods: &[String]) -> String {
    let methods = if methods.is_empty() { "any".to_owned() } else { methods.join(",") };
    format!("http {methods} {host}")
}

/// The host of a URL, if it is one that can be read in only one way: http or https, no user, no odd characters. What this
/// refuses is what two readers of URLs might understand differently.
pub(super) fn host_of(url: &str) -> Option<&str> {
    let scheme =
        ["http://", "https://"].iter().find(|s| url.get(..s.len()).is_some_and(|u| u.eq_ignore_ascii_case(s)))?;
    let rest = url.get(scheme.len()..)?;
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let (host, port) = match authority.strip_prefix('[') {
        Some(v6) => {
            let (inside, after) = v6.split_once(']')?;
            let plain = inside.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'));
            (plain.then_some(inside)?, after.strip_prefix(':').unwrap_or(after))
        }
        None => {
            let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
            let plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
            (plain.then_some(host)?, port)
        }
    };
    (!host.is_empty() && port.bytes().all(|b| b.is_ascii_digit())).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(host: &str, methods: &[&str]) -> HttpAllow {
        HttpAllow { host: host.into(), methods: methods.iter().map(|m| (*m).into()).collect() }
    }

    #[test]
    fn a_grant_is_what_the_plugin_wishes_and_the_operator_allows() {
        let meet = |wish: HttpAllow, granted: HttpAllow| {
            HttpGrant::meet(&[wish], &Grants { http: vec![granted], ..Default::default() })
        };
        let all = meet(allow("*", &["post"]), allow("*", &[]));
        assert!(all.allows("POST", "example.com") && !all.allows("GET", "example.com"));
        let one = meet(allow("*", &[]), allow("*.example.com", &[]));
        assert!(one.allows("GET", "a.Example.com."));
        assert!(!one.allows("GET", "example.com") && !one.allows("GET", "evilexample.com"));
        assert!(meet(allow("a.com", &[]), allow("b.com", &[])).rules.is_empty());
        assert!(meet(allow("a.com", &["GET"]), allow("a.com", &["POST"])).rules.is_empty(), "no method in common");
        assert!(HttpGrant::meet(&[allow("*", &[])], &Grants::default()).rules.is_empty(), "no grant by default");
    }

    #[test]
    fn a_url_that_could_be_read_in_two_ways_has_no_host() {
        assert_eq!(host_of("https://a.com:8443/x?y"), Some("a.com"));
        assert_eq!(host_of("http://[::1]:80/"), Some("::1"));
        for bad in [
            "a.com",
            "ftp://a.com",
            "http:a.com",
            "http:///a.com",
            "http://a@b.com",
            "http://a.com\\@b.com",
            "http://a\tb",
        ] {
            assert_eq!(host_of(bad), None, "{bad}");
        }
        assert_eq!(host_of("http://a.com:b@c/"), None);
        assert_eq!(host_of("http://%61.com/"), None);
    }
}
