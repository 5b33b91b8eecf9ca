//! What a receiver's answer means for the batch. Redirects are not followed: they are answers like any other failure.

use std::time::{Duration, UNIX_EPOCH};

use weir_plugin_sdk::Problem;
use weir_plugin_sdk::http::{HttpError, Response};

/// What to do after one POST.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    Done,
    Retry { after_ms: Option<u64>, reason: String },
    TooLarge(Problem),
    Gone(Problem),
}

/// Reads the status, and the clock only where a date must be compared with it.
pub fn judge(response: &Response, now_ms: impl FnOnce() -> u64) -> Outcome {
    let reason = || format!("The receiver answered with status {}", response.status);
    match response.status {
        200..=299 => Outcome::Done,
        410 => Outcome::Gone(Problem::new("gone", "The receiver answered with status 410: it wants no more events")),
        413 => Outcome::TooLarge(Problem::new("too-large", "The receiver finds this event too large (status 413)")),
        429 | 503 => {
            let after_ms = response.header("retry-after").and_then(|value| retry_after_ms(value, now_ms));
            Outcome::Retry { after_ms, reason: reason() }
        }
        _ => Outcome::Retry { after_ms: None, reason: reason() },
    }
}

/// `Retry-After` is a number of seconds or an HTTP date; a date that has passed means now.
fn retry_after_ms(value: &str, now_ms: impl FnOnce() -> u64) -> Option<u64> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(seconds.saturating_mul(1_000));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let wait = date.duration_since(UNIX_EPOCH + Duration::from_millis(now_ms())).unwrap_or_default();
    Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
}

/// A failed exchange in words. A refused grant is tried again as well: the operator may give it later.
pub fn explain(error: &HttpError) -> String {
    match error {
        HttpError::Denied(reason) => format!("The request was denied: {reason}"),
        HttpError::Timeout => "The receiver did not answer in time".into(),
        HttpError::Connect(reason) => format!("The receiver can't be reached: {reason}"),
        HttpError::TooLarge(bytes) => format!("The receiver's answer is too large ({bytes} bytes)"),
        HttpError::Protocol(reason) => format!("The exchange failed: {reason}"),
    }
}
