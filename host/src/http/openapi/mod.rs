//! The API in its own words: OpenAPI 3.1, made from the annotations of the handlers. Routes are taken from the same
//! annotations (`routes!` in `http/mod.rs`), so the document and the router cannot differ.

pub mod answers;
mod page;
pub mod params;
pub mod problems;
pub mod schemas;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi};

use super::cache::knows;
use crate::model::hex;

pub const TOPICS: &str = "Topics";
pub const PUBLISHING: &str = "Publishing";
pub const READING: &str = "Reading";
pub const COMMANDS: &str = "Commands";
pub const CONSUMERS: &str = "Consumers";
pub const PROJECTIONS: &str = "Projections";
pub const PLUGINS: &str = "Plugins";
pub const OPERATIONS: &str = "Operations";
pub const DESCRIPTIONS: &str = "Descriptions";

/// In the order of the page.
const TAGS: [(&str, &str); 9] = [
    (TOPICS, "Named parts of a store that own their schemas."),
    (PUBLISHING, "A request is recorded as a whole or not at all, and answered when it is on disk."),
    (READING, "From anywhere, filtered, in both directions, once or followed. `HEAD` works wherever `GET` does."),
    (COMMANDS, "Streams seen through the decider of their topic: commands make events, and events make a state."),
    (CONSUMERS, "Durable subscriptions: events are delivered in order, at least once."),
    (PROJECTIONS, "Views that plugins make of the events: always up to a position, never of two generations at once."),
    (PLUGINS, "WebAssembly components that validate, upcast and deliver."),
    (OPERATIONS, "How the server is, and what keeps its data safe."),
    (DESCRIPTIONS, "This description, and that of topics and consumers."),
];

const INTRODUCTION: &str = "Weir keeps events in an append-only log and lets WebAssembly components validate and deliver them. \
    Every refusal is a problem as in RFC 9457, with a stable `code`. A path that does not exist is answered with 404, a \
    method that a path does not have with 405 and the header `Allow`.";

/// Something that never changes while the server runs, with all its headers.
struct Fixed {
    bytes: Bytes,
    tag: String,
    headers: HeaderMap,
}

impl Fixed {
    fn new(text: String, own: &[(HeaderName, &str)]) -> Self {
        let digest = hex(&Sha256::digest(&text));
        let tag = format!("\"{}\"", &digest[..16]);
        let cached = [(header::ETAG, tag.as_str()), (header::CACHE_CONTROL, "no-cache")];
        let all = own.iter().cloned().chain(cached);
        // All of them are printable, as a header's value must be.
        let headers = all.filter_map(|(name, value)| Some((name, HeaderValue::from_str(value).ok()?))).collect();
        Self { bytes: text.into(), tag, headers }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let own = self.headers.clone();
        if knows(headers, &self.tag) {
            return (StatusCode::NOT_MODIFIED, own).into_response();
        }
        (own, self.bytes.clone()).into_response()
    }
}

/// The document as it is served.
pub fn document() -> OpenApi {
    let mut document = super::routes().into_openapi();
    let license = LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build();
    document.info = InfoBuilder::new()
        .title("Weir")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(INTRODUCTION))
        .license(Some(license))
        .build();
    let tag =
        |(name, description): &(&str, &str)| TagBuilder::new().name(*name).description(Some(*description)).build();
    document.tags = Some(TAGS.iter().map(tag).collect());
    document.components.get_or_insert_default().schemas.extend(schemas::all());
    document
}

static DOCUMENT: LazyLock<Fixed> = LazyLock::new(|| {
    Fixed::new(document().to_json().unwrap_or_default(), &[(header::CONTENT_TYPE, "application/json")])
});

static PAGE: LazyLock<Fixed> = LazyLock::new(|| {
    let policy = page::policy();
    let own = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Fixed::new(page::write(&DOCUMENT.bytes), &own)
});

/// The API as an OpenAPI 3.1 document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = DESCRIPTIONS,
    params(params::IfNoneMatch),
    responses(answers::Document)
)]
pub async fn get_openapi(headers: HeaderMap) -> Response {
    DOCUMENT.answer(&headers)
}

/// The API as a page to read.
#[utoipa::path(get, path = "/docs", tag = DESCRIPTIONS, params(params::IfNoneMatch), responses(answers::Page))]
pub async fn get_docs(headers: HeaderMap) -> Response {
    PAGE.answer(&headers)
}
