//! `GET /verify`: looks at everything that is stored, while the server goes on. One at a time; as JSON when it is done, or as
//! lines of progress with the result at the end.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};

use super::App;
use super::accept::best;
use super::openapi::problems::{Refused, Verifying};
use super::openapi::{OPERATIONS, schemas};
use super::problem::Problem;
use crate::engine::{EngineError, Verification};
use crate::model::hex;
use crate::storage::{Damaged, Progress};

/// How often a line of progress is sent.
const REPORT: Duration = Duration::from_secs(1);
const NDJSON: &str = "application/x-ndjson";

/// Looks at everything that is stored. With `Accept: application/x-ndjson` it tells how far it is, a line a second.
#[utoipa::path(
    get,
    path = "/verify",
    tag = OPERATIONS,
    responses(
        (
            status = 200,
            description = "What was found; `ok` says whether all is well.",
            content((schemas::Verified = "application/json"), (String = "application/x-ndjson"))
        ),
        Refused<Verifying>
    )
)]
pub async fn get_verify(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let turn = app.turns.verifying.clone().try_acquire_owned().map_err(|_| busy())?;
    let (tell, told) = watch::channel(Progress { position: 0, head: 0 });
    let (answer, answered) = oneshot::channel();
    let engine = app.engine.clone();
    // A task of its own: it ends even if the client goes away, and only then is it another's turn.
    tokio::spawn(async move {
        let progress = move |progress| {
            tell.send_replace(progress);
        };
        let _ = answer.send(engine.verify(Arc::new(progress)).await);
        drop(turn);
    });
    let offers = [("application/json", true, false), (NDJSON, true, true)];
    // Whoever wants something else gets JSON too.
    let wants_lines = best(&headers, &offers).unwrap_or(false);
    if wants_lines {
        let lines = stream::unfold(Some((told, answered)), next_line);
        return Ok(([(header::CONTENT_TYPE, NDJSON)], Body::from_stream(lines)).into_response());
    }
    let result = answered.await.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "VERIFY_FAILED", ENDED))?;
    Ok(axum::Json(result_json(&result?)).into_response())
}

const ENDED: &str = "the verification ended before it was done";

fn busy() -> Problem {
    let detail = "everything is being verified already; ask again when that is done";
    Problem::new(StatusCode::CONFLICT, "VERIFY_RUNNING", detail)
}

type Work = (watch::Receiver<Progress>, oneshot::Receiver<Result<Vec<Verification>, EngineError>>);

async fn next_line(work: Option<Work>) -> Option<(Result<Bytes, std::convert::Infallible>, Option<Work>)> {
    let (told, mut answered) = work?;
    let (line, rest) = match tokio::time::timeout(REPORT, &mut answered).await {
        Err(_) => {
            let Progress { position, head } = *told.borrow();
            (json!({ "position": position, "head": head }), Some((told, answered)))
        }
        Ok(Ok(Ok(result))) => (result_json(&result), None),
        Ok(Ok(Err(error))) => (json!({ "ok": false, "error": error.to_string() }), None),
        Ok(Err(_)) => (json!({ "ok": false, "error": ENDED }), None),
    };
    Some((Ok(Bytes::from(format!("{line}\n"))), rest))
}

fn result_json(stores: &[Verification]) -> Value {
    let store = |store: &Verification| {
        let topic = |(topic, tip): &(crate::model::TopicName, crate::storage::Tip)| json!({ "topic": topic.as_str(), "sequence": tip.sequence, "hash": hex(&tip.hash) });
        let topics: Vec<Value> = store.verified.topics.iter().map(topic).collect();
        json!({
            "adapter": store.adapter, "ok": store.verified.damage.is_none(), "events": store.verified.events,
            "topics": topics, "damage": store.verified.damage.as_ref().map(damage_json)
        })
    };
    let ok = stores.iter().all(|store| store.verified.damage.is_none());
    json!({ "ok": ok, "stores": stores.iter().map(store).collect::<Vec<_>>() })
}

fn damage_json(damage: &Damaged) -> Value {
    json!({ "position": damage.position, "place": damage.place, "detail": damage.detail })
}
