//! Words in, words out: each handler parses, calls one verb of the engine or of the consumers, and shapes the answer.
//! This room alone names axum and hyper. JSON shapes live here and go no further down.

mod accept;
mod aggregates;
mod append;
mod asyncapi;
mod backup;
mod body;
mod cache;
mod cloud_events;
mod commands;
mod conditions;
mod connection;
mod consumers;
mod declared;
mod documents;
mod event_body;
mod event_json;
mod event_stream;
mod follow;
pub(crate) mod fuzzing;
mod idempotency;
mod metrics;
mod once;
mod openapi;
mod operations;
mod pages;
mod path;
mod problem;
mod projections;
mod publish;
mod read;
mod read_query;
mod serve;
mod socket;
mod time;
mod topics;
mod trace_context;
mod verify;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, StatusCode, header};
use axum::middleware::from_fn_with_state;
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::delivery::{Consumers, Views};
use crate::engine::{Engine, Live};
pub use connection::Connections;
pub use declared::{DeclareError, declare_topics};
use problem::Problem;
pub use serve::serve;
pub use socket::OpenSocket;

/// What every handler works with. A router copies it several times a request, so it is one handle: to count each part
/// anew, on cores that all do so, cost as much as parsing the request.
#[derive(Clone)]
pub struct App(Arc<Rooms>);

impl App {
    pub fn new(rooms: Rooms) -> Self {
        Self(Arc::new(rooms))
    }
}

impl Deref for App {
    type Target = Rooms;

    fn deref(&self) -> &Rooms {
        &self.0
    }
}

/// The rooms that handlers call, and what they share.
pub struct Rooms {
    pub engine: Arc<Engine>,
    pub consumers: Arc<Consumers>,
    pub views: Arc<Views>,
    pub live: Arc<Live>,
    /// Longest silence towards a follower.
    pub heartbeat: Duration,
    /// Bodies and commands over this are refused.
    pub body_bytes_max: usize,
    /// Sockets hold a copy as long as they are open: they outlive the connection that they began on.
    pub sockets: OpenSocket,
    pub turns: Turns,
}

/// What is done by one request at a time.
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

/// The API as a service.
fn router(app: App) -> Router {
    let others = others().route_layer(from_fn_with_state(app.clone(), once::once));
    let (router, _) = events().merge(others).split_for_parts();
    router.fallback(unknown_path).method_not_allowed_fallback(wrong_method).with_state(app)
}

/// All routes. Path and method stand at the handler, which also says what goes in and out.
fn routes() -> OpenApiRouter<App> {
    events().merge(others())
}

/// Publishing and reading.
fn events() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(read::get_topic_events, publish::post_topic_events))
        .routes(routes!(read::get_topic_stream, append::post_topic_stream))
        .routes(routes!(append::post_topic_stream_version))
        .routes(routes!(read::get_events, publish::post_events))
        .routes(routes!(read::get_event))
        .routes(routes!(read::get_stream, append::post_stream))
        .routes(routes!(append::post_stream_version))
        .routes(routes!(backup::post_backup))
        .merge(commands())
}

/// Commands record events, and so have their key in the same commit.
fn commands() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(aggregates::post_command))
        .routes(routes!(commands::post_commands, commands::get_commands))
        .routes(routes!(projections::get_aggregates, documents::post_new_aggregate))
        .routes(routes!(
            aggregates::get_aggregate,
            documents::post_aggregate,
            documents::put_aggregate,
            documents::patch_aggregate,
            documents::delete_aggregate
        ))
}

/// What writes no events, and so has another way of being done once.
fn others() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(topics::get_topics, topics::post_topic))
        .routes(routes!(topics::get_topic, topics::put_topic))
        .routes(routes!(topics::get_topic_head))
        .routes(routes!(consumers::get_consumers))
        .routes(routes!(consumers::post_register))
        .routes(routes!(consumers::get_consumer, consumers::delete_consumer))
        .routes(routes!(projections::get_projections))
        .routes(routes!(projections::get_projection))
        .routes(routes!(projections::get_state))
        .routes(routes!(projections::get_state_of))
        .routes(routes!(projections::get_query))
        .routes(routes!(projections::get_letters))
        .routes(routes!(projections::post_projection_action))
        .routes(routes!(projections::post_projection_replay))
        .routes(routes!(operations::get_plugins))
        .routes(routes!(operations::get_plugin))
        .routes(routes!(operations::post_plugin_action))
        .routes(routes!(metrics::get_metrics))
        .routes(routes!(verify::get_verify))
        .routes(routes!(operations::get_health))
        .routes(routes!(openapi::get_openapi))
        .routes(routes!(openapi::get_docs))
        .routes(routes!(asyncapi::get_asyncapi))
}

async fn unknown_path(request: Request) -> Problem {
    let path: String = request.uri().path().chars().take(200).collect();
    Problem::not_found("NOT_FOUND", format!("Path '{path}' not found"))
}

async fn wrong_method(request: Request) -> Problem {
    let detail = format!("Method {} is not allowed here; see the header Allow", request.method());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", detail)
}
