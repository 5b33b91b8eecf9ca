//! The HTTP stack alone: the same framework with the same settings as the server, in a process of its own. It reads the
//! same body and answers as many bytes, and does nothing between. No server on this stack can be faster.

use std::fmt::Write;
use std::io::Read;
use std::net::Ipv4Addr;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use axum::serve::ListenerExt;
use bytes::Bytes;
use tokio::net::TcpListener;

use crate::Failure;
use crate::events::PAYLOAD_BYTES;

/// Where requests of so many events are echoed.
pub fn path(events: usize) -> String {
    format!("/events/{events}")
}

/// Serves until its parent is gone.
pub fn run() -> Result<(), Failure> {
    std::thread::spawn(|| {
        // The parent holds the other end and never writes: reading ends when the parent does, however it does.
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("echo listening on http://{}", listener.local_addr()?);
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        Ok(axum::serve(listener, router()).await?)
    })
}

fn router() -> Router {
    crate::case::EVENTS_PER_REQUEST
        .iter()
        .fold(Router::new(), |router, &events| {
            let answer = answer(events);
            let handler = move |body: Bytes| {
                let answer = answer.clone();
                // An answer to half a body would make the stack look better than it is.
                let whole = body.len() > events * PAYLOAD_BYTES && body.ends_with(b"}}]");
                let status = if whole { StatusCode::CREATED } else { StatusCode::BAD_REQUEST };
                async move { (status, [(header::CONTENT_TYPE, "application/json")], answer).into_response() }
            };
            router.route(&path(events), post(handler))
        })
        .layer(DefaultBodyLimit::max(1 << 20))
}

/// What a server says of so many events.
fn answer(events: usize) -> Bytes {
    let (mut ids, mut positions) = (String::new(), String::new());
    for i in 0..events {
        let comma = if i > 0 { "," } else { "" };
        let _ = write!(ids, "{comma}\"orders-{}\"", 1_000_000 + i);
        let _ = write!(positions, "{comma}{}", 2_000_000 + i);
    }
    format!("{{\"eventIds\":[{ids}],\"positions\":[{positions}]}}").into()
}
