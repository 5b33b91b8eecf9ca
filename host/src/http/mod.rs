//! Words in, words out: each handler parses, calls one verb of the engine or of the consumers, and shapes the answer.
//! This room and `server.rs` alone name axum. JSON shapes live here and go no further down.

mod accept;
mod backup;
mod body;
mod cache;
mod cloud_events;
mod conditions;
mod connection;
mod consumers;
mod event_body;
mod event_json;
mod event_stream;
mod follow;
pub(crate) mod fuzzing;
mod idempotency;
mod metrics;
mod once;
mod operations;
mod pages;
mod problem;
mod publish;
mod read;
mod read_query;
mod socket;
mod time;
mod topics;
mod trace_context;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use crate::delivery::Consumers;
use crate::engine::{Engine, Live};
pub use connection::Connections;
use problem::Problem;
pub use socket::OpenSocket;

/// What every handler works with.
#[derive(Clone)]
pub struct App {
    pub engine: Arc<Engine>,
    pub consumers: Arc<Consumers>,
    pub live: Arc<Live>,
    /// Longest silence towards a follower.
    pub heartbeat: Duration,
    /// Sockets hold a copy as long as they are open: they outlive the connection that they began on.
    pub sockets: OpenSocket,
    pub turns: Turns,
}

/// What is done by one request at a time.
#[derive(Clone)]
pub struct Turns {
    verifying: Arc<Semaphore>,
    backing_up: Arc<Semaphore>,
    in_flight: once::InFlight,
}

impl Default for Turns {
    fn default() -> Self {
        let one = || Arc::new(Semaphore::new(1));
        Self { verifying: one(), backing_up: one(), in_flight: once::InFlight::default() }
    }
}

const JSON_HEADERS: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];

/// All routes of the API. Bodies over `body_bytes_max` are refused with 413.
pub fn router(app: App, body_bytes_max: usize) -> Router {
    let others = others().route_layer(from_fn_with_state(app.clone(), once::once));
    events()
        .merge(others)
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .with_state(app)
}

/// Publishing and reading.
fn events() -> Router<App> {
    Router::new()
        .route("/topics/{topic}/events", get(read::get_topic_events).post(publish::post_topic_events))
        .route("/topics/{topic}/streams/{stream}", get(read::get_topic_stream).post(publish::post_topic_stream))
        .route("/topics/{topic}/streams/{stream}/{version}", post(publish::post_topic_stream_version))
        .route("/events", get(read::get_events).post(publish::post_events))
        .route("/events/{id}", get(read::get_event))
        .route("/streams/{stream}", get(read::get_stream).post(publish::post_stream))
        .route("/streams/{stream}/{version}", post(publish::post_stream_version))
        .route("/admin/backup", post(backup::post_backup))
}

/// What writes no events, and so has another way of being done once.
fn others() -> Router<App> {
    Router::new()
        .route("/topics", get(topics::get_topics).post(topics::post_topic))
        .route("/topics/{topic}", get(topics::get_topic).put(topics::put_topic))
        .route("/topics/{topic}/head", get(topics::get_topic_head))
        .route("/consumers", get(consumers::get_consumers))
        .route("/consumers/register", post(consumers::post_register))
        .route("/consumers/{id}", get(consumers::get_consumer).delete(consumers::delete_consumer))
        .route("/plugins", get(operations::get_plugins))
        .route("/plugins/{name}", get(operations::get_plugin))
        .route("/plugins/{name}/{action}", post(operations::post_plugin_action))
        .route("/metrics", get(metrics::get_metrics))
        .route("/verify", get(verify::get_verify))
        .route("/health", get(operations::get_health))
}

async fn unknown_path(request: Request) -> Problem {
    let path: String = request.uri().path().chars().take(200).collect();
    Problem::not_found("NOT_FOUND", format!("Path '{path}' not found"))
}

async fn wrong_method(request: Request) -> Problem {
    let detail = format!("Method {} is not allowed here; see the header Allow", request.method());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", detail)
}
