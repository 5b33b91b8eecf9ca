//! Outbound HTTP for sinks: the one room that names reqwest. Host names are checked against the grant before, addresses
//! when they are resolved, and the connection goes to the very address that was checked. No redirects, no proxies.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::addresses::AddressRule;
use crate::model::limits;
use crate::plugin::{HttpClient, HttpError, HttpGrant, HttpRequest, HttpResponse};

/// Outbound HTTP through reqwest: a pool of connections per address rule.
pub struct ReqwestClient {
    /// Loopback may be called, because this server itself listens on loopback only.
    loopback: bool,
    public: reqwest::Client,
    private: reqwest::Client,
}

impl ReqwestClient {
    pub fn new(loopback: bool) -> Result<Self, reqwest::Error> {
        // The provider may be installed already when several servers run in one process; either is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            loopback,
            public: client(AddressRule { loopback, private: false })?,
            private: client(AddressRule { loopback, private: true })?,
        })
    }

    /// Says at once what a URL that spells its address will be refused for; names are checked when they are resolved.
    pub fn check_callback(&self, url: &str, private: bool) -> Result<(), String> {
        let url = Url::parse(url).map_err(|error| format!("'{url}' is not a URL: {error}"))?;
        check_literal(&url, AddressRule { loopback: self.loopback, private })
    }
}

fn client(rule: AddressRule) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(Duration::from_secs(10))
        .pool_idle_timeout(Duration::from_secs(60))
        .tcp_nodelay(true)
        .dns_resolver(std::sync::Arc::new(CheckedResolver { rule }))
        .build()
}

/// Resolves names and keeps only the addresses that the rule allows.
struct CheckedResolver {
    rule: AddressRule,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let rule = self.rule;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> = found.into_iter().filter(|address| rule.allows(address.ip())).collect();
            if allowed.is_empty() {
                return Err(refused(name.as_str()).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The words by which a refusal is told from an address that does not answer.
const REFUSED: &str = "is not a public address";

fn refused(host: &str) -> String {
    format!("'{host}' {REFUSED}, and this server grants no others; grant private_addresses in the sink's side-car")
}

/// reqwest asks no resolver about a host that is an address already.
fn check_literal(url: &Url, rule: AddressRule) -> Result<(), String> {
    let address = match url.host() {
        Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
        Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
        Some(Host::Domain(_)) => return Ok(()),
        None => return Err(format!("'{url}' has no host")),
    };
    if rule.allows(address) { Ok(()) } else { Err(refused(&address.to_string())) }
}

#[async_trait]
impl HttpClient for ReqwestClient {
    async fn send(&self, grant: &HttpGrant, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let url = Url::parse(&request.url).map_err(|error| HttpError::Protocol(format!("no URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(HttpError::Denied(format!("scheme '{}' is not http or https", url.scheme())));
        }
        let private = grant.private_addresses;
        check_literal(&url, AddressRule { loopback: self.loopback, private }).map_err(HttpError::Denied)?;
        let client = if private { &self.private } else { &self.public };
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|_| HttpError::Protocol(format!("'{}' is no HTTP method", request.method)))?;
        let timeout = u64::from(request.timeout_ms.unwrap_or(u32::MAX)).min(limits::DELIVERY_TIMEOUT_MS);
        let mut builder = client.request(method, url).timeout(Duration::from_millis(timeout)).body(request.body);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        read(builder.send().await.map_err(told)?).await
    }
}

/// Reads an answer up to the limit: a receiver cannot fill the server's memory.
async fn read(mut response: reqwest::Response) -> Result<HttpResponse, HttpError> {
    let status = response.status().as_u16();
    let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(told)? {
        body.extend_from_slice(&chunk);
        if body.len() > limits::OUTBOUND_ANSWER_BYTES_MAX {
            return Err(HttpError::TooLarge(body.len() as u64));
        }
    }
    Ok(HttpResponse { status, headers, body: Bytes::from(body) })
}

/// Tells an error with its deepest cause, since reqwest's own text ends at "error sending request".
fn told(error: reqwest::Error) -> HttpError {
    if error.is_timeout() {
        return HttpError::Timeout;
    }
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let text = cause.to_string();
    if text.contains(REFUSED) {
        HttpError::Denied(text)
    } else if error.is_connect() {
        HttpError::Connect(text)
    } else {
        HttpError::Protocol(text)
    }
}
