//! Operations: health and plugins.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::App;
use super::openapi::problems::{InPath, OfPlugin, Once, PluginAction, Refused};
use super::openapi::{OPERATIONS, PLUGINS, answers, params, schemas};
use super::path::Path;
use super::problem::Problem;
use crate::plugin::{ActionError, PluginStatus, State as PluginState};

/// How the server is: 200 while the stores take events.
#[utoipa::path(
    get,
    path = "/health",
    tag = OPERATIONS,
    responses(
        (status = 200, description = "The stores take events.", body = schemas::Health),
        (status = 503, description = "A store has stopped; `reason` says why.", body = schemas::Health)
    )
)]
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

/// All plugins.
#[utoipa::path(
    get,
    path = "/plugins",
    tag = PLUGINS,
    responses((status = 200, description = "All plugins.", body = schemas::Plugins))
)]
pub async fn get_plugins(State(app): State<App>) -> Response {
    Json(json!({ "plugins": app.engine.plugins().list() })).into_response()
}

/// One plugin: its state, what serves, and what its calls cost.
#[utoipa::path(
    get,
    path = "/plugins/{name}",
    tag = PLUGINS,
    params(params::Plugin),
    responses((status = 200, description = "The plugin.", body = PluginStatus), Refused<(InPath, OfPlugin)>)
)]
pub async fn get_plugin(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Problem> {
    let plugin = app.engine.plugins().status(&name).ok_or_else(|| Problem::from(ActionError::Unknown(name)))?;
    Ok(Json(plugin).into_response())
}

/// Pauses, resumes, reloads or rolls back a plugin. The answer is the plugin as it is then.
#[utoipa::path(
    post,
    path = "/plugins/{name}/{action}",
    tag = PLUGINS,
    params(params::Plugin, params::Action, params::Key),
    responses(answers::PluginChanged, Refused<(InPath, OfPlugin, Once, PluginAction)>)
)]
pub async fn post_plugin_action(
    State(app): State<App>,
    Path((name, action)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let plugins = app.engine.plugins();
    let done = match action.as_str() {
        "pause" => plugins.pause(&name),
        "resume" => plugins.resume(&name),
        "reload" => plugins.reload(&name).await,
        "rollback" => plugins.roll_back(&name).await,
        other => {
            let detail = format!("'{other}' cannot be done to a plugin; choose pause, resume, reload or rollback");
            return Err(Problem::not_found("NOT_FOUND", detail));
        }
    };
    Ok(Json(done?).into_response())
}

impl From<ActionError> for Problem {
    fn from(error: ActionError) -> Self {
        let detail = error.to_string();
        match error {
            ActionError::Unknown(_) => Self::not_found("PLUGIN_NOT_FOUND", detail),
            ActionError::Conflict(_) | ActionError::Failed { .. } => {
                Self::new(StatusCode::CONFLICT, "PLUGIN_CONFLICT", detail)
            }
        }
    }
}
