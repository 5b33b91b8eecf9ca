//! The HTTP stack alone: the same framework with the same settings as the server, in a process of its own. It reads the
//! same body and sends it back, or only says that it came, and does nothing between.

use std::io::Read;
use std::net::Ipv4Addr;
use std::process::Command;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use axum::serve::ListenerExt;
use bytes::Bytes;
use tokio::net::TcpListener;
use weir_bench::Failure;

use crate::bare;
use crate::child::Server;
use crate::events::PAYLOAD_BYTES;

/// Where requests of so many events are echoed.
pub fn path(events: usize) -> String {
    format!("/events/{events}")
}

/// Where requests of so many events are only read: the answer is as short as can be.
pub fn read_path(events: usize) -> String {
    format!("/read/{events}")
}

/// Starts it as a child.
pub async fn start() -> Result<Server, Failure> {
    Server::start(Command::new(std::env::current_exe()?).arg("echo")).await
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
            let answer = move |body: &Bytes, answer: Bytes| {
                // An answer to half a body would make the stack look better than it is.
                let whole = body.len() > events * PAYLOAD_BYTES && body.ends_with(b"}}]");
                let status = if whole { StatusCode::CREATED } else { StatusCode::BAD_REQUEST };
                (status, [(header::CONTENT_TYPE, "application/json")], answer).into_response()
            };
            let echo = move |body: Bytes| async move { answer(&body, body.clone()) };
            let read = move |body: Bytes| async move { answer(&body, Bytes::from_static(b"{}")) };
            router.route(&path(events), post(echo)).route(&read_path(events), post(read))
        })
        .layer(DefaultBodyLimit::max(1 << 20))
        .merge(bare::router())
}

/// An echo is the body of as many events as were sent.
pub fn check_answer(answer: &[u8], events: usize) -> Result<(), Failure> {
    let echoed: Vec<serde_json::Value> = serde_json::from_slice(answer)?;
    if echoed.len() != events {
        return Err(format!("{} events came back, {events} were sent", echoed.len()).into());
    }
    Ok(())
}
