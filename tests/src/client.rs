//! A client that keeps whatever the server answers: status, headers and body.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;

#[derive(Clone)]
pub struct Client {
    pub base: String,
    http: reqwest::Client,
}

/// What the server answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none: every answer of the API is JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// Checks the status, and hands on the body.
    #[track_caller]
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }

    /// Checks that this is a Problem with this status and code, and hands on its detail.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> String {
        let body = self.ok(status);
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status, "{body}");
        assert_eq!(body["error"], body["detail"], "{body}");
        assert!(body["retryable"].is_boolean() && body["side_effects"].is_string(), "{body}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        body["detail"].as_str().expect("a detail").to_owned()
    }
}

impl Client {
    pub fn new(base: String) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        Self { base, http }
    }

    /// Sends a request with headers of its own.
    pub async fn send_with(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl ToString) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).body(body.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.expect("a body of text") }
    }

    /// Sends a request; an error means that nobody answered.
    pub async fn try_send(&self, method: Method, path: &str, body: String) -> Result<Answer, reqwest::Error> {
        let response = self.http.request(method, format!("{}{path}", self.base)).body(body).send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, text: response.text().await? })
    }

    pub async fn post_with(&self, path: &str, body: impl ToString, headers: &[(&str, &str)]) -> Answer {
        self.send_with(Method::POST, path, headers, body).await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send_with(Method::GET, path, headers, "").await
    }

    pub async fn send(&self, method: Method, path: &str, body: impl ToString) -> Answer {
        self.try_send(method, path, body.to_string()).await.expect("an answer")
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "").await
    }

    /// A GET with headers of its own; an error means that nobody answered, or that the answer was broken off.
    pub async fn try_get_with(&self, path: &str, headers: &[(&'static str, &str)]) -> Result<Answer, reqwest::Error> {
        let request = self.http.get(format!("{}{path}", self.base));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, text: response.text().await? })
    }

    pub async fn post(&self, path: &str, body: impl ToString) -> Answer {
        self.send(Method::POST, path, body).await
    }

    pub async fn put(&self, path: &str, body: impl ToString) -> Answer {
        self.send(Method::PUT, path, body).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, "").await
    }

    /// All events of a topic.
    pub async fn events(&self, topic: &str) -> Vec<Value> {
        let body = self.get(&format!("/topics/{topic}/events")).await.ok(200);
        body["events"].as_array().expect("a list").clone()
    }
}
