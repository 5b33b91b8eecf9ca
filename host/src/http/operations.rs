//! Operations: health and plugins.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::App;
use super::problem::Problem;
use crate::plugin::{ActionError, State as PluginState};

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
    let plugin = app.engine.plugins().status(&name).ok_or_else(|| Problem::from(ActionError::Unknown(name)))?;
    Ok(Json(plugin).into_response())
}

/// `POST /plugins/{name}/{action}`: pause, resume, reload, rollback. Answers with the plugin as it is then.
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
