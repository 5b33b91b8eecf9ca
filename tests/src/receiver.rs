//! A webhook receiver that remembers what it got and answers as it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;

/// What the receiver answers next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    Status(u16),
    /// Answers 200 after so many milliseconds.
    Slow(u64),
    Hang,
    /// Answers 307 to this address.
    Redirect(SocketAddr),
    /// Answers 500 to any batch that holds this sequence.
    FailOn(u64),
}

#[derive(Clone)]
pub struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<Inner>>,
}

struct Inner {
    reply: Reply,
    requests: usize,
    /// Bodies that were answered with success.
    accepted: Vec<Value>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let inner = Inner { reply: Reply::Status(200), requests: 0, accepted: Vec::new() };
        let receiver = Self { address, state: Arc::new(Mutex::new(inner)) };
        let router = Router::new().fallback(receive).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn reply(&self, reply: Reply) {
        self.inner().reply = reply;
    }

    pub fn requests(&self) -> usize {
        self.inner().requests
    }

    pub fn bodies(&self) -> Vec<Value> {
        self.inner().accepted.clone()
    }

    /// The events that were accepted, in the order they came, duplicates included.
    pub fn events(&self) -> Vec<Value> {
        let inner = self.inner();
        inner.accepted.iter().flat_map(|body| body["events"].as_array().cloned().unwrap_or_default()).collect()
    }

    pub fn ids(&self) -> Vec<String> {
        self.events().iter().map(|event| event["id"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn receive(State(receiver): State<Receiver>, body: Bytes) -> Response {
    // Webhooks are JSON; what a sink of another kind sends may be any text.
    let body: Value = serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into());
    let reply = {
        let mut inner = receiver.inner();
        inner.requests += 1;
        inner.reply
    };
    if let Reply::Redirect(address) = reply {
        return (StatusCode::TEMPORARY_REDIRECT, [("location", format!("http://{address}/hook"))]).into_response();
    }
    let status = match reply {
        Reply::Status(status) => status,
        Reply::Slow(ms) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            200
        }
        Reply::Hang | Reply::Redirect(_) => std::future::pending().await,
        Reply::FailOn(sequence) => {
            let holds = body["events"].as_array().is_some_and(|list| list.iter().any(|e| e["sequence"] == sequence));
            if holds { 500 } else { 200 }
        }
    };
    if (200..300).contains(&status) {
        receiver.inner().accepted.push(body);
    }
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}
