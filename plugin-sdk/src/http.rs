//! HTTP for sinks: a small request builder over the host's client. The host checks the grant, connects, and puts
//! secrets in; it follows no redirects. In a native test [`testing::Host`](crate::testing::Host) answers.

use serde::Serialize;

pub use crate::bindings::shared::weir::plugin::http::{HttpError, Request, Response};

/// One request in the making.
///
/// ```
/// # #[cfg(not(target_family = "wasm"))] {
/// use weir_plugin_sdk::{Http, testing::{Host, status}};
/// let host = Host::new();
/// host.answer(|request| Ok(status(if request.url.ends_with("/up") { 200 } else { 404 })));
/// let answer = Http::post("https://a.example/up").header("x-kind", "test").body("hello").send().unwrap();
/// assert!(answer.is_success());
/// assert_eq!(host.requests()[0].body.as_deref(), Some(&b"hello"[..]));
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a request does nothing until it is sent"]
pub struct Http(Request);

impl Http {
    /// A GET request.
    ///
    /// ```
    /// assert_eq!(weir_plugin_sdk::Http::get("https://a.example/").request().method, "GET");
    /// ```
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A POST request.
    ///
    /// ```
    /// assert_eq!(weir_plugin_sdk::Http::post("https://a.example/").request().method, "POST");
    /// ```
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// A request with any method.
    ///
    /// ```
    /// assert_eq!(weir_plugin_sdk::Http::new("PUT", "https://a.example/").request().method, "PUT");
    /// ```
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        let (method, url) = (method.to_owned(), url.into());
        Self(Request { method, url, headers: Vec::new(), body: None, timeout_ms: None })
    }

    /// Adds a header; a value may hold `{{secret:NAME}}`.
    ///
    /// ```
    /// let request = weir_plugin_sdk::Http::get("https://a.example/").header("authorization", "Bearer {{secret:TOKEN}}");
    /// assert_eq!(request.request().headers.len(), 1);
    /// ```
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.headers.push((name.into(), value.into()));
        self
    }

    /// The body as it is.
    ///
    /// ```
    /// assert_eq!(weir_plugin_sdk::Http::post("https://a.example/").body("hi").request().body.as_deref(), Some(&b"hi"[..]));
    /// ```
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.0.body = Some(bytes.into());
        self
    }

    /// A value as JSON, with its content type.
    ///
    /// ```
    /// let request = weir_plugin_sdk::Http::post("https://a.example/").json(&[1, 2]).unwrap();
    /// assert_eq!(request.request().body.as_deref(), Some(&b"[1,2]"[..]));
    /// ```
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, serde_json::Error> {
        Ok(self.header("content-type", "application/json").body(serde_json::to_vec(value)?))
    }

    /// How long to wait for the answer; the host's own limit holds as well.
    ///
    /// ```
    /// assert_eq!(weir_plugin_sdk::Http::get("https://a.example/").timeout_ms(50).request().timeout_ms, Some(50));
    /// ```
    pub fn timeout_ms(mut self, milliseconds: u32) -> Self {
        self.0.timeout_ms = Some(milliseconds);
        self
    }

    /// The request as it will be sent.
    ///
    /// ```
    /// assert_eq!(weir_plugin_sdk::Http::get("https://a.example/x").request().url, "https://a.example/x");
    /// ```
    pub fn request(&self) -> &Request {
        &self.0
    }

    /// Sends it and waits for the answer; any status is an answer, only a failed exchange is an error.
    pub fn send(self) -> Result<Response, HttpError> {
        #[cfg(target_family = "wasm")]
        return crate::bindings::shared::weir::plugin::http::send(&self.0);
        #[cfg(not(target_family = "wasm"))]
        return crate::testing::send(self.0);
    }

    /// Sends several side by side; the answers come in the order of the requests.
    ///
    /// ```
    /// # #[cfg(not(target_family = "wasm"))] {
    /// use weir_plugin_sdk::{Http, testing::{Host, status}};
    /// let host = Host::new();
    /// host.answer(|_| Ok(status(204)));
    /// let answers = Http::send_all(vec![Http::get("https://a.example/"), Http::get("https://b.example/")]);
    /// assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 204)));
    /// # }
    /// ```
    pub fn send_all(requests: Vec<Self>) -> Vec<Result<Response, HttpError>> {
        #[cfg(target_family = "wasm")]
        {
            let requests: Vec<Request> = requests.into_iter().map(|request| request.0).collect();
            crate::bindings::shared::weir::plugin::http::send_all(&requests)
        }
        #[cfg(not(target_family = "wasm"))]
        return requests.into_iter().map(Self::send).collect();
    }
}

impl Response {
    /// A status from 200 to 299.
    ///
    /// ```
    /// # #[cfg(not(target_family = "wasm"))]
    /// assert!(weir_plugin_sdk::testing::status(204).is_success());
    /// ```
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of this name, in any case of letters.
    ///
    /// ```
    /// # #[cfg(not(target_family = "wasm"))] {
    /// let mut answer = weir_plugin_sdk::testing::status(429);
    /// answer.headers.push(("Retry-After".into(), "3".into()));
    /// assert_eq!(answer.header("retry-after"), Some("3"));
    /// # }
    /// ```
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}
