//! Bodies of any size out of the HTTP stack alone: what a read is compared with. They are there before they are asked for,
//! so nothing is read, looked up or written as JSON.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream;

/// Of one piece.
const PIECE_BYTES_MAX: usize = 4 << 20;
const LINE_BYTES: usize = 1_200;

/// Where so many bytes come from, in pieces of so many; in one piece they come with their length.
pub fn path(bytes: u64, piece: u64) -> String {
    format!("/bytes/{bytes}/{piece}")
}

pub fn router() -> Router {
    let mut line = vec![b'x'; LINE_BYTES - 1];
    line.push(b'\n');
    let text: Vec<u8> = line.into_iter().cycle().take(PIECE_BYTES_MAX).collect();
    Router::new().route("/bytes/{bytes}/{piece}", get(answer)).with_state(Bytes::from(text))
}

async fn answer(State(text): State<Bytes>, Path((bytes, piece)): Path<(usize, usize)>) -> Response {
    if piece == 0 || piece > PIECE_BYTES_MAX {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let body = if bytes <= piece {
        Body::from(text.slice(..bytes))
    } else {
        let pieces = (0..bytes).step_by(piece).map(move |at| text.slice(..piece.min(bytes - at)));
        Body::from_stream(stream::iter(pieces.map(Ok::<_, std::convert::Infallible>)))
    };
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}
