//! `Idempotency-Key`: the client's name for a request, so that it can be sent again and is done once.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use sha2::{Digest, Sha256};

use super::problem::Problem;
use crate::model::{IdempotencyKey, limits};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The key of a request, if it has one. `target` is what the request is about besides its body: method and path.
pub fn key(
    headers: &HeaderMap,
    target: impl FnOnce() -> String,
    body: &[u8],
) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = headers.get_all(&KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.as_bytes().trim_ascii();
    if values.next().is_some() || text.is_empty() || text.len() > limits::IDEMPOTENCY_KEY_BYTES_MAX {
        let detail = format!("Idempotency-Key must be one value of 1 to {} bytes", limits::IDEMPOTENCY_KEY_BYTES_MAX);
        return Err(Problem::bad_request("INVALID_IDEMPOTENCY_KEY", detail));
    }
    let request = Sha256::new().chain_update(target()).chain_update([0]).chain_update(body).finalize();
    Ok(Some(IdempotencyKey { key: half(&Sha256::digest(text)), request: half(&request) }))
}

/// The key of a command that brings its own id, which its sender chose: it is the same for one tenant, and for no other.
pub fn of_command(tenant: &str, id: &str, command: &[u8]) -> IdempotencyKey {
    let name = [tenant, id].into_iter().fold(Sha256::new_with_prefix("command"), |hash, part| {
        hash.chain_update((part.len() as u64).to_be_bytes()).chain_update(part)
    });
    IdempotencyKey { key: half(&name.finalize()), request: half(&Sha256::digest(command)) }
}

/// Half of a digest is enough to tell requests apart.
fn half(digest: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

/// Marks an answer that was given before.
pub fn marked(mut response: Response, replayed: bool) -> Response {
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str, target: &str, body: &[u8]) -> Result<Option<IdempotencyKey>, Problem> {
        let value = HeaderValue::from_str(value).expect("a value");
        key(&HeaderMap::from_iter([(KEY, value)]), || target.to_owned(), body)
    }

    #[test]
    fn a_key_names_one_request() {
        let first = of("k", "POST /events", b"[]").expect("valid").expect("a key");
        assert_eq!(of(" k ", "POST /events", b"[]").expect("valid"), Some(first));
        for (target, body) in [("POST /events", &b"[1]"[..]), ("POST /event", b"s[]"), ("POST /topics", b"[]")] {
            let other = of("k", target, body).expect("valid").expect("a key");
            assert!(other.key == first.key && other.request != first.request, "{target}");
        }
        assert_ne!(of("l", "POST /events", b"[]").expect("valid").expect("a key").key, first.key);
        assert_eq!(key(&HeaderMap::new(), String::new, b"").expect("valid"), None);
    }

    #[test]
    fn an_empty_a_long_or_a_double_key_is_refused() {
        assert!(of("", "", b"").is_err());
        assert!(of(&"x".repeat(limits::IDEMPOTENCY_KEY_BYTES_MAX + 1), "", b"").is_err());
        let mut two = HeaderMap::new();
        two.append(KEY, HeaderValue::from_static("a"));
        two.append(KEY, HeaderValue::from_static("a"));
        assert!(key(&two, String::new, b"").is_err());
    }
}
