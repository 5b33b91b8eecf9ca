//! Words in, words out: each handler parses, calls one verb of the engine or of the consumers, and shapes the answer.
//! This room and `server.rs` alone name axum. JSON shapes live here and go no further down.

mod body;
mod consumers;
mod event_body;
mod event_json;
pub(crate) mod fuzzing;
mod metrics;
mod operations;
mod problem;
mod publish;
mod read;
mod read_query;
mod time;
mod topics;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, StatusCode, header};
use axum::routing::{get, post};

use crate::delivery::Consumers;
use crate::engine::Engine;
use problem::Problem;

/// What every handler works with.
#[derive(Clone)]
pub struct App {
    pub engine: Arc<Engine>,
    pub consumers: Arc<Consumers>,
}

const JSON_HEADERS: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];

/// All routes of the API. Bodies over `body_bytes_max` are refused with 413.
pub fn router(app: App, body_bytes_max: usize) -> Router {
    Router::new()
        .route("/topics", get(topics::get_topics).post(topics::post_topic))
        .route("/topics/{topic}", get(topics::get_topic).put(topics::put_topic))
        .route("/topics/{topic}/events", get(read::get_topic_events).post(publish::post_topic_events))
        .route("/topics/{topic}/streams/{stream}", get(read::get_topic_stream).post(publish::post_topic_stream))
        .route("/topics/{topic}/streams/{stream}/{version}", post(publish::post_topic_stream_version))
        .route("/events", get(read::get_events).post(publish::post_events))
        .route("/events/{id}", get(read::get_event))
        .route("/streams/{stream}", get(read::get_stream).post(publish::post_stream))
        .route("/streams/{stream}/{version}", post(publish::post_stream_version))
        .route("/consumers", get(consumers::get_consumers))
        .route("/consumers/register", post(consumers::post_register))
        .route("/consumers/{id}", get(consumers::get_consumer).delete(consumers::delete_consumer))
        .route("/plugins", get(operations::get_plugins))
        .route("/plugins/{name}", get(operations::get_plugin))
        .route("/plugins/{name}/{action}", post(operations::post_plugin_action))
        .route("/metrics", get(metrics::get_metrics))
        .route("/health", get(operations::get_health))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .with_state(app)
}

async fn unknown_path(request: Request) -> Problem {
    let path: String = request.uri().path().chars().take(200).collect();
    Problem::not_found("NOT_FOUND", format!("Path '{path}' not found"))
}

async fn wrong_method(request: Request) -> Problem {
    let detail = format!("Method {} is not allowed here; see the header Allow", request.method());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", detail)
}
