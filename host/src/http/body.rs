//! Request bodies: bytes in, one clear Problem out when they are too large or no JSON.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use http_body_util::LengthLimitError;
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
        let (parts, body) = request.into_parts();
        match to_bytes(body, app.body_bytes_max).await {
            Ok(bytes) => Ok(Self(bytes, parts.headers)),
            Err(error) if error.source().is_some_and(|source| source.is::<LengthLimitError>()) => {
                Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", "Payload too large"))
            }
            Err(error) => {
                let detail = format!("Failed to read the request body: {error}");
                Err(Problem::bad_request("BODY_UNREADABLE", detail))
            }
        }
    }
}

impl Body {
    /// Parses JSON, borrowing from the body. A body that is JSON of another shape gets `shape` as its error.
    pub fn json<'a, T: Deserialize<'a>>(&'a self, shape: impl FnOnce(String) -> Problem) -> Result<T, Problem> {
        serde_json::from_slice(&self.0).map_err(|error| {
            if error.is_data() {
                return shape(error.to_string());
            }
            let text = if self.0.is_empty() { "is empty".to_owned() } else { format!("is not JSON: {error}") };
            Problem::bad_request("INVALID_JSON", format!("Request body {text}"))
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
