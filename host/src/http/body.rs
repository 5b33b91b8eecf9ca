//! Request bodies: bytes in, one clear Problem out when they are too large or no JSON.

use std::fmt;
use std::marker::PhantomData;

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::problem::Problem;

/// A whole request body, within the limit of the router, and the headers that it came with.
pub struct Body(pub Bytes, pub HeaderMap);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(mut request: Request, state: &S) -> Result<Self, Problem> {
        let headers = std::mem::take(request.headers_mut());
        match Bytes::from_request(request, state).await {
            Ok(bytes) => Ok(Self(bytes, headers)),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", "Payload too large"))
            }
            Err(rejection) => Err(Problem::bad_request("BODY_UNREADABLE", rejection.body_text())),
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
