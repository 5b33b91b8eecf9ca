//! CloudEvents in headers: attributes are `ce-` headers, percent-encoded, and data is the body as it is.

use std::borrow::Cow;
use std::str;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::value::RawValue;

use super::Read;
use super::attributes::{self, Value};
use super::fault::{Fault, Reason, refuse};
use super::intake::Incoming;
use super::outgoing::{Data, Outgoing};
use crate::http::body::Body;
use crate::http::event_body::Text;
use crate::http::problem::Problem;
use crate::model::{Event, Payload, TopicName};

const PREFIX: &str = "ce-";
const REQUIRED: [&str; 4] = ["ce-specversion", "ce-id", "ce-source", "ce-type"];

/// One required attribute is enough to take it for a CloudEvent: who forgot another one is told so.
pub fn is_binary(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| REQUIRED.contains(&name.as_str()))
}

pub fn read(body: &Body, path: Option<&TopicName>) -> Result<Read, Problem> {
    let mut incoming = attributes(&body.1);
    match payload(&body.0, incoming.text("datacontenttype")) {
        Ok(payload) => incoming.data = payload,
        Err(fault) => incoming.faults.push(fault),
    }
    let (event, condition) = incoming.into_event(path).map_err(|faults| refuse(&faults))?;
    Ok((vec![event], condition.into_iter().collect()))
}

fn attributes(headers: &HeaderMap) -> Incoming<'_> {
    let mut incoming = Incoming::default();
    for (header, value) in headers {
        let name = match header.as_str().strip_prefix(PREFIX) {
            Some(name) => name,
            None if header == header::CONTENT_TYPE => {
                match value.to_str() {
                    Ok(text) => incoming.push("datacontenttype".into(), Value::Text(text.into())),
                    Err(_) => incoming.faults.push(Reason::MediaType.of("datacontenttype")),
                }
                continue;
            }
            None => continue,
        };
        let decoded = match name {
            "datacontenttype" => Err(Reason::ContentType),
            "data" | "data_base64" => Err(Reason::DataHeader),
            _ => decode(value.as_bytes()),
        };
        match decoded {
            Ok(text) => incoming.push(name.into(), Value::Text(text)),
            Err(reason) => incoming.faults.push(reason.of(name)),
        }
    }
    incoming
}

/// An empty body is no data. Without a content type, data is JSON, as it is in structured mode.
fn payload(body: &Bytes, content_type: Option<&str>) -> Result<Option<Payload>, Fault> {
    if body.is_empty() {
        return Ok(None);
    }
    if !content_type.is_none_or(attributes::is_json) {
        return Ok(Some(Payload::Bytes(body.clone())));
    }
    match serde_json::from_slice::<&RawValue>(body) {
        Ok(_) => Ok(Some(Payload::Json(body.clone()))),
        Err(error) => Err(Reason::NotJson(error.to_string()).of("data")),
    }
}

/// Undoes double quotes, which older senders use, and then one round of percent-encoding.
fn decode(value: &[u8]) -> Result<Cow<'_, str>, Reason> {
    let text = str::from_utf8(value).map_err(|_| Reason::HeaderBytes)?;
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(Reason::HeaderBytes);
    }
    let text = unquote(text);
    if !text.contains('%') {
        return Ok(text);
    }
    let mut parts = text.split('%');
    let mut decoded: Vec<u8> = parts.next().unwrap_or_default().into();
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or(Reason::Escape)?;
        decoded.push(byte);
        decoded.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| Reason::EscapedUtf8)
}

/// The text of a quoted string (RFC 7230, 3.2.6); anything else is as it is.
fn unquote(text: &str) -> Cow<'_, str> {
    let Some(quoted) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return text.into() };
    let mut plain = String::with_capacity(quoted.len());
    let mut letters = quoted.chars();
    while let Some(letter) = letters.next() {
        plain.push(if letter == '\\' { letters.next().unwrap_or('\\') } else { letter });
    }
    plain.into()
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b'%') {
            encoded.push(byte.into());
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// One event in binary mode.
pub fn answer(event: &Event) -> Response {
    let Outgoing { attributes, data } = Outgoing::new(event);
    let mut headers = HeaderMap::with_capacity(attributes.len() + 1);
    let mut content_type = None;
    for (name, value) in attributes {
        if name == "datacontenttype" {
            content_type = Some(value.to_string());
            continue;
        }
        // Names are letters and digits, and what is encoded is printable: neither can fail.
        let header = HeaderName::try_from(format!("{PREFIX}{name}"));
        if let (Ok(header), Ok(value)) = (header, HeaderValue::try_from(encode(&value.to_string()))) {
            headers.append(header, value);
        }
    }
    let (implied, body) = body(&data, content_type.as_deref());
    let content_type = content_type.as_deref().or(implied).and_then(|text| HeaderValue::from_str(text).ok());
    let mut response = (StatusCode::OK, axum::body::Body::from(body)).into_response();
    response.headers_mut().extend(headers);
    match content_type {
        Some(content_type) => response.headers_mut().insert(header::CONTENT_TYPE, content_type),
        None => response.headers_mut().remove(header::CONTENT_TYPE),
    };
    response
}

/// The bytes of data, and the content type that they have when nothing says one.
fn body(data: &Data<'_>, content_type: Option<&str>) -> (Option<&'static str>, Bytes) {
    match data {
        Data::None => (None, Bytes::new()),
        Data::Bytes(bytes) => (Some("application/octet-stream"), (*bytes).clone()),
        Data::Json(json) => {
            let is_text = content_type.is_some_and(|content_type| !attributes::is_json(content_type));
            let text = is_text.then(|| serde_json::from_slice::<Text<'_>>(json).ok()).flatten();
            let bytes = text.map_or_else(|| (*json).clone(), |text| text.0.into_owned().into());
            (Some("application/json"), bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded_as_the_http_binding_says() {
        let text = "Euro € 😀 \"a\" 100%";
        let encoded = "Euro%20%E2%82%AC%20%F0%9F%98%80%20%22a%22%20100%25";
        assert_eq!(encode(text), encoded);
        assert_eq!(decode(encoded.as_bytes()).as_deref(), Ok(text));
        assert_eq!(encode("!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"), "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~");
    }

    #[test]
    fn needless_escapes_lower_case_ones_and_quotes_are_understood() {
        let cases = [
            ("%41b%c3%bc", "Abü"),
            ("\"a b\"", "a b"),
            (r#""a \"b\" \\ %20c""#, "a \"b\" \\  c"),
            ("\"", "\""),
            ("a\"b", "a\"b"),
            ("", ""),
            ("a b", "a b"),
        ];
        for (encoded, text) in cases {
            assert_eq!(decode(encoded.as_bytes()).as_deref(), Ok(text), "{encoded}");
        }
    }

    #[test]
    fn what_is_no_escape_or_no_utf_8_is_refused() {
        for bad in ["%", "%4", "100%", "%zz", "%+1", "%4ü"] {
            assert!(decode(bad.as_bytes()).is_err(), "{bad}");
        }
        for bad in ["%C0%A0", "%ff", "%ED%A0%80", "a%C3"] {
            assert_eq!(decode(bad.as_bytes()), Err(Reason::EscapedUtf8), "{bad}");
        }
        for bad in [&b"\xff"[..], "ü".as_bytes(), b"a\tb", b"\x7f"] {
            assert_eq!(decode(bad), Err(Reason::HeaderBytes));
        }
    }
}
