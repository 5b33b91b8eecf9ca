//! The pages of a read as a body: in one piece when one page holds it all, else streamed in constant memory.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::accept::Format;
use super::cloud_events::write_batch;
use super::event_json::{write_events, write_lines};
use crate::engine::{Cursor, EngineError};
use crate::model::Event;

/// What a format puts around the events of a read, and how it writes a page of them.
#[derive(Clone, Copy)]
struct Writer {
    before: &'static str,
    after: &'static str,
    /// The flag tells whether nothing was written before.
    write: fn(&[Event], bool) -> Bytes,
}

const JSON: Writer = Writer { before: "{\"events\":[", after: "]}", write: write_events };
const CLOUD_EVENTS: Writer = Writer { before: "[", after: "]", write: write_batch };
const LINES: Writer = Writer { before: "", after: "", write: |events, _| write_lines(events) };

/// The answer to a read whose first page was read already.
pub fn answer(format: Format, first: &[Event], cursor: Cursor) -> Response {
    let writer = match format {
        Format::Json => JSON,
        Format::CloudEvents => CLOUD_EVENTS,
        // What follows has no end and is written elsewhere; its events are lines too.
        Format::NdJson | Format::EventStream => LINES,
    };
    let page = (writer.write)(first, true);
    let body = if cursor.is_done() {
        Body::from([writer.before.as_bytes(), &page, writer.after.as_bytes()].concat())
    } else {
        let start = stream::iter([Ok(Bytes::from_static(writer.before.as_bytes())), Ok(page)]);
        Body::from_stream(start.chain(stream::unfold(Some((cursor, writer)), next_piece)))
    };
    ([(header::CONTENT_TYPE, format.media_type())], body).into_response()
}

/// What is still to be written; none when the end was.
type More = Option<(Cursor, Writer)>;

/// A read that fails halfway breaks the transfer off: the client must see that something is missing.
async fn next_piece(pages: More) -> Option<(Result<Bytes, Arc<EngineError>>, More)> {
    let (mut cursor, writer) = pages?;
    match cursor.next_page().await {
        Ok(Some(events)) => Some((Ok((writer.write)(&events, false)), Some((cursor, writer)))),
        Ok(None) => Some((Ok(Bytes::from_static(writer.after.as_bytes())), None)),
        Err(error) => {
            tracing::error!(%error, "a read failed halfway");
            Some((Err(Arc::new(error)), None))
        }
    }
}
