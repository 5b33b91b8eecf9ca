//! Operations: health and plugins.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::App;
use super::problem::Problem;
use crate::plugin::State as PluginState;

/// `GET /health`: 200 while the stores take events.
pub async fn get_health(State(app): State<App>) -> Response {
    let plugins = app.engine.plugins().list();
    let dispatchers: Vec<String> = app.consumers.topics().iter().map(ToString::to_string).collect();
    let failure = app.engine.failure();
    let (status, word) = match failure {
        None => (StatusCode::OK, "healthy"),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "unhealthy"),
    };
    let body = json!({
        "status": word,
        "reason": failure,
        "version": env!("CARGO_PKG_VERSION"),
        "consumers": app.consumers.list().len(),
        "runningDispatchers": dispatchers,
        "plugins": {
            "serving": plugins.iter().filter(|plugin| plugin.serving.is_some()).count(),
            "failed": plugins.iter().filter(|plugin| plugin.state == PluginState::Failed).count(),
        },
    });
    (status, Json(body)).into_response()
}

/// `GET /plugins`
pub async fn get_plugins(State(app): State<App>) -> Response {
    Json(json!({ "plugins": app.engine.plugins().list() })).into_response()
}

/// `GET /plugins/{name}`
pub async fn get_plugin(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Problem> {
    let found = app.engine.plugins().list().into_iter().find(|plugin| plugin.name == name);
    let plugin = found.ok_or_else(|| Problem::not_found("PLUGIN_NOT_FOUND", format!("Plugin '{name}' not found")))?;
    Ok(Json(plugin).into_response())
}
