//! Requests that write something other than events, sent again with the same `Idempotency-Key`: the first good answer is kept
//! and given again. What was refused has not used its key. (Publishing has its own, in the commit of its events.)

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::App;
use super::idempotency::{key, marked};
use super::problem::Problem;
use crate::engine::KeptAnswer;
use crate::model::IdempotencyKey;
use crate::model::limits::{ANSWER_KEPT_BYTES_MAX, ONCE_BODY_BYTES_MAX};
use crate::storage::AppendError;

/// Keys of requests that are being answered.
#[derive(Clone, Default)]
pub struct InFlight(Arc<Mutex<HashSet<[u8; 16]>>>);

impl InFlight {
    fn keys(&self) -> MutexGuard<'_, HashSet<[u8; 16]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, key: [u8; 16]) -> Option<Turn> {
        self.keys().insert(key).then(|| Turn { in_flight: self.clone(), key })
    }
}

/// A key's request is being answered as long as this is there.
struct Turn {
    in_flight: InFlight,
    key: [u8; 16],
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.in_flight.keys().remove(&self.key);
    }
}

/// The layer around routes that write something other than events.
pub async fn once(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if reads || !request.headers().contains_key("idempotency-key") {
        return Ok(next.run(request).await);
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, ONCE_BODY_BYTES_MAX).await.map_err(|_| too_large())?;
    let target = || format!("{} {}", parts.method, parts.uri);
    let key = key(&parts.headers, target, &body)?;
    let request = Request::from_parts(parts, Body::from(body));
    let Some(key) = key else { return Ok(next.run(request).await) };
    let _turn = app.turns.in_flight.begin(key.key).ok_or_else(in_progress)?;
    answer(&app, key, request, next).await
}

async fn answer(app: &App, key: IdempotencyKey, request: Request, next: Next) -> Result<Response, Problem> {
    if let Some(kept) = app.engine.kept_answer(&key).await? {
        return if kept.request == key.request { Ok(again(kept)) } else { Err(AppendError::KeyReused.into()) };
    }
    let response = next.run(request).await;
    if !response.status().is_success() {
        return Ok(response);
    }
    keep(app, key, response).await
}

/// What was done is done: that its answer cannot be kept is no reason to say otherwise.
async fn keep(app: &App, key: IdempotencyKey, response: Response) -> Result<Response, Problem> {
    let (parts, body) = response.into_parts();
    let body: Bytes = to_bytes(body, ANSWER_KEPT_BYTES_MAX).await.map_err(|_| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "ANSWER_TOO_LARGE", "the answer is too large to be kept")
            .unknown()
    })?;
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kept = KeptAnswer {
        request: key.request,
        status: parts.status.as_u16(),
        content_type: content_type.unwrap_or("application/json").to_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
        at_ms: app.engine.now_ms(),
    };
    if let Err(error) = app.engine.keep_answer(&key, &kept).await {
        tracing::warn!(%error, "an answer was not kept for its idempotency key");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn again(kept: KeptAnswer) -> Response {
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let headers = [(header::CONTENT_TYPE, kept.content_type)];
    marked((status, headers, kept.body).into_response(), true)
}

fn in_progress() -> Problem {
    let detail = "the first request with this Idempotency-Key is still being answered; ask again soon";
    Problem::new(StatusCode::CONFLICT, "IDEMPOTENCY_KEY_IN_USE", detail)
}

fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", "Payload too large")
}
