//! `POST /admin/backup`: a consistent copy of the default store as a stream of bytes, while everything goes on. The one answer
//! that is no JSON: `weir restore` takes it. A backup that breaks off lacks its end mark, and is refused.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;

use super::App;
use super::openapi::OPERATIONS;
use super::openapi::problems::{BackingUp, Refused};
use super::problem::Problem;
use crate::engine::{Backup, EngineError};

/// A backup of the default store, while everything goes on.
#[utoipa::path(
    post,
    path = "/admin/backup",
    tag = OPERATIONS,
    responses(
        (status = 200, description = "The backup, for `weir restore`.", body = [u8], content_type = "application/octet-stream"),
        Refused<BackingUp>
    )
)]
pub async fn post_backup(State(app): State<App>) -> Result<Response, Problem> {
    let turn = app.turns.backing_up.clone().try_acquire_owned().map_err(|_| {
        Problem::new(
            StatusCode::CONFLICT,
            "BACKUP_RUNNING",
            "a backup is being taken already; ask again when it is done",
        )
    })?;
    let pieces = stream::unfold(Some((app.engine.backup(), turn)), next_piece);
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"weir.backup\""),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

type Work = Option<(Backup, OwnedSemaphorePermit)>;

async fn next_piece(work: Work) -> Option<(Result<Bytes, Arc<EngineError>>, Work)> {
    let (mut backup, turn) = work?;
    match backup.next().await {
        Ok(piece) => piece.map(|piece| (Ok(Bytes::from(piece)), Some((backup, turn)))),
        Err(error) => {
            tracing::error!(%error, "a backup broke off");
            Some((Err(Arc::new(error)), None))
        }
    }
}
