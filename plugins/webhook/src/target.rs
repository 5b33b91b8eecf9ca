//! A consumer's configuration: where to post and what to send along. Checked when the consumer registers, and read
//! again with every batch, because the operator may have changed it. Not a full URL parser: the host has that, and it
//! alone decides which addresses may be reached.

use std::collections::BTreeMap;

use weir_plugin_sdk::{Problem, Target};

/// Headers that belong to the request itself and would break it.
const OWN_HEADERS: [&str; 6] =
    ["content-type", "content-length", "host", "connection", "transfer-encoding", "content-encoding"];

/// What `{"callback": …, "headers": …, "timeoutMs": …}` says.
#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    #[serde(default)]
    pub callback: String,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    pub timeout_ms: Option<u32>,
}

impl Config {
    pub fn read(target: &Target) -> Result<Self, Problem> {
        let config: Self = serde_json::from_str(&target.config_json)
            .map_err(|error| Problem::new("INVALID_CONFIG", format!("The webhook's config does not fit: {error}")))?;
        check_callback(&config.callback)
            .map_err(|reason| Problem::new("INVALID_CALLBACK", format!("The callback {reason}")).at("/callback"))?;
        config.headers.iter().try_for_each(|(name, value)| check_header(name, value))?;
        if config.timeout_ms == Some(0) {
            return Err(Problem::new("INVALID_CONFIG", "timeoutMs must be at least 1").at("/timeoutMs"));
        }
        Ok(config)
    }
}

/// An absolute http(s) URL with a host and without credentials, which would end up in logs and listings.
fn check_callback(callback: &str) -> Result<(), &'static str> {
    let (scheme, rest) = callback.split_once("://").ok_or("must be an absolute http or https URL")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err("must be an http or https URL");
    }
    if callback.bytes().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control() || byte == b'\\') {
        return Err("must not have spaces, control characters or backslashes");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("must not have credentials; put them into a header");
    }
    let (host, port) = split_port(authority);
    if host.is_empty() {
        return Err("must name a host");
    }
    match port {
        Some(port) if port.parse::<u16>().is_err() => Err("must have a port from 0 to 65535"),
        _ => Ok(()),
    }
}

/// `host:port`; the colons inside an IPv6 address's brackets are not the port's.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    let after_brackets = authority.rfind(']').map_or(0, |end| end + 1);
    match authority[after_brackets..].rfind(':') {
        Some(colon) => (&authority[..after_brackets + colon], Some(&authority[after_brackets + colon + 1..])),
        None => (authority, None),
    }
}

fn check_header(name: &str, value: &str) -> Result<(), Problem> {
    let refuse = |reason: &str| {
        let message = format!("The header '{}' {reason}", name.escape_debug());
        Err(Problem::new("INVALID_CONFIG", message).at("/headers"))
    };
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)) {
        return refuse("is no header name");
    }
    if OWN_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return refuse("is set by the webhook itself");
    }
    if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return refuse("must not have control characters in its value");
    }
    Ok(())
}
