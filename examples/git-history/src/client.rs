//! The few calls to the server that this example needs. Weir's API is JSON over HTTP, so any HTTP client will do.

use std::time::Duration;

use axum::http::{Method, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::Failure;

pub struct Client {
    http: Http<HttpConnector, Full<Bytes>>,
    base: String,
}

const TIMEOUT: Duration = Duration::from_secs(30);

impl Client {
    /// `url` like `http://127.0.0.1:8000`.
    pub fn new(url: &str) -> Result<Self, Failure> {
        if !url.starts_with("http://") {
            return Err(format!("'{url}' is not a URL like http://127.0.0.1:8000").into());
        }
        let http = Http::builder(TokioExecutor::new()).build_http();
        Ok(Self { http, base: url.trim_end_matches('/').to_owned() })
    }

    /// A good answer's body.
    pub async fn call(&self, method: Method, path: &str, body: String) -> Result<Value, Failure> {
        match self.send(method, path, body).await? {
            (status, body) if status.is_success() => Ok(body),
            (status, body) => Err(format!("{path}: {}", told(status, &body)).into()),
        }
    }

    /// The same, and `None` for 404.
    pub async fn find(&self, path: &str) -> Result<Option<Value>, Failure> {
        match self.send(Method::GET, path, String::new()).await? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, body) if status.is_success() => Ok(Some(body)),
            (status, body) => Err(format!("{path}: {}", told(status, &body)).into()),
        }
    }

    async fn send(&self, method: Method, path: &str, body: String) -> Result<(StatusCode, Value), Failure> {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        let request = request.header(header::CONTENT_TYPE, "application/json").body(Full::from(body))?;
        let exchange = async {
            let response = self.http.request(request).await?;
            let status = response.status();
            Ok::<_, Failure>((status, response.into_body().collect().await?.to_bytes()))
        };
        let answer = tokio::time::timeout(TIMEOUT, exchange).await.map_err(|_| format!("{} is too slow", self.base))?;
        let (status, bytes) = answer.map_err(|error| format!("no server answers at {}: {error}", self.base))?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }
}

/// Errors are `application/problem+json`; `detail` says what is wrong in a sentence.
fn told(status: StatusCode, body: &Value) -> String {
    body["detail"].as_str().map_or_else(|| format!("the server answered {status}"), str::to_owned)
}
