//! Request bodies: bytes in, one clear Problem out when they are too large or no JSON.

use std::fmt;
use std::marker::PhantomData;

use axum::BoxError;
use axum::body::HttpBody;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode};
use bytes::{Buf, Bytes};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::App;
use super::problem::Problem;

/// A whole request body, within the server's limit, and the headers that it came with.
pub struct Body(pub Bytes, pub HeaderMap);

/// The limit is kept here and not by a layer around all routes: each layer costs every request some allocations.
impl FromRequest<App> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, content) = request.into_parts();
        Self::read(parts.headers, content, app).await
    }
}

/// What a body is read from.
pub trait Content: HttpBody<Data: Buf, Error: Into<BoxError>> {}
impl<B: HttpBody<Data: Buf, Error: Into<BoxError>>> Content for B {}

impl Body {
    pub async fn read<B: Content>(headers: HeaderMap, content: B, app: &App) -> Result<Self, Problem> {
        match Limited::new(content, app.body_bytes_max).collect().await {
            Ok(collected) => Ok(Self(collected.to_bytes(), headers)),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", "Payload too large"))
            }
            Err(error) => {
                let detail = format!("Failed to read the request body: {error}");
                Err(Problem::bad_request("BODY_UNREADABLE", detail))
            }
        }
    }

    /// Parses JSON, borrowing from the body. A body that is JSON of another shape gets `shape` as its error.
    pub fn json<'a, T: Deserialize<'a>>(&'a self, shape: impl FnOnce(String) -> Problem) -> Result<T, Problem> {
        let invalid = |text: String| Problem::bad_request("INVALID_JSON", format!("Request body {text}"));
        // Checked at once, or each text in it would be checked by itself.
        let text = str::from_utf8(&self.0).map_err(|error| invalid(format!("is not JSON: {error}")))?;
        serde_json::from_str(text).map_err(|error| match error.is_data() {
            true => shape(error.to_string()),
            false if text.is_empty() => invalid("is empty".to_owned()),
            false => invalid(format!("is not JSON: {error}")),
        })
    }
}

/// What must be an object: for a struct, serde also takes an array that has its members in their order, which nobody means.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Visit<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(Visit(PhantomData))
    }
}
