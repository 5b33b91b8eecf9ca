//! A follower as a WebSocket: each event a text frame, as a read gives it, and frames that tell how far it is. Clients have
//! nothing to say here but pings; whatever else they say is answered with an error, and survived.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseFrame, Message as Frame, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::follow::{Follow, Message, reached};
use super::problem::Problem;
use super::{App, event_stream};
use crate::model::limits;

/// Held while a socket is open: whoever has the other end knows when all are closed.
pub type OpenSocket = mpsc::Sender<Infallible>;

/// Answers the upgrade, and follows on it.
pub fn answer(upgrade: WebSocketUpgrade, follow: Follow, open: OpenSocket) -> Response {
    bounded(upgrade, limits::SOCKET_MESSAGE_BYTES_MAX).on_upgrade(async move |socket| {
        serve(socket, follow).await;
        drop(open);
    })
}

/// A socket whose client may say so much at once, and be answered with it.
pub fn bounded(upgrade: WebSocketUpgrade, message_bytes_max: usize) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(limits::SOCKET_BUFFER_BYTES)
        .write_buffer_size(limits::SOCKET_BUFFER_BYTES)
        .max_write_buffer_size(limits::SOCKET_UNSENT_BYTES_MAX.max(2 * message_bytes_max))
        .max_message_size(message_bytes_max)
        .max_frame_size(message_bytes_max)
}

/// The wish to go on as a WebSocket, if the request has it.
pub async fn wish(parts: &mut Parts, app: &App) -> Result<Option<WebSocketUpgrade>, Problem> {
    let wish = parts.headers.get(header::UPGRADE);
    if !wish.is_some_and(|wish| wish.as_bytes().eq_ignore_ascii_case(b"websocket")) {
        return Ok(None);
    }
    check_origin(&parts.headers)?;
    let upgrade = WebSocketUpgrade::from_request_parts(parts, app).await;
    upgrade.map(Some).map_err(|error| Problem::new(error.status(), "UPGRADE_REFUSED", error.body_text()))
}

/// Other pages' scripts may open sockets to any server that the browser reaches, and no other rule keeps them from reading.
fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    let Some(origin) = text(header::ORIGIN) else { return Ok(()) };
    let own = origin.split_once("://").map(|(_, host)| host);
    if own.is_some() && own == text(header::HOST) {
        return Ok(());
    }
    let origin: String = origin.chars().take(200).collect();
    let detail = format!("pages of '{origin}' may not open sockets here; serve the page and this API from one origin");
    Err(Problem::new(StatusCode::FORBIDDEN, "ORIGIN_REFUSED", detail))
}

/// Why a socket ends.
pub struct Ended;

async fn serve(mut socket: WebSocket, mut follow: Follow) {
    while let Ok(message) = next(&mut socket, &mut follow).await {
        // A client that does not read must not hold up a server that stops; one that does is closed in order.
        let sent = tokio::select! {
            biased;
            sent = send_all(&mut socket, message) => sent,
            () = follow.stopped() => Err(Ended),
        };
        if sent.is_err() {
            return;
        }
    }
}

/// The next message for the client; what it says meanwhile is answered. At the end the socket is closed already.
async fn next(socket: &mut WebSocket, follow: &mut Follow) -> Result<Message, Ended> {
    let found = {
        let mut next = pin!(follow.next());
        loop {
            tokio::select! {
                found = &mut next => break found,
                frame = socket.recv() => hear(socket, frame).await?,
            }
        }
    };
    match found {
        Some(Ok(message)) => Ok(message),
        Some(Err(error)) => {
            tracing::error!(%error, "a follower was cut off");
            Err(close(socket, close_code::ERROR, "reading failed").await)
        }
        None if follow.is_stopped() => Err(close(socket, close_code::AWAY, "the server stops").await),
        None => Err(close(socket, close_code::NORMAL, "the limit is reached").await),
    }
}

async fn hear(socket: &mut WebSocket, frame: Option<Result<Frame, axum::Error>>) -> Result<(), Ended> {
    match frame {
        // Pings are answered below us.
        Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => Ok(()),
        Some(Ok(Frame::Text(_) | Frame::Binary(_))) => {
            let detail = "nothing can be said on this socket; publish with POST /events";
            send(socket, Problem::bad_request("INVALID_MESSAGE", detail).body().to_string()).await
        }
        // The answer to its close is on its way already.
        Some(Ok(Frame::Close(_))) | None => Err(Ended),
        Some(Err(_)) => Err(close(socket, close_code::SIZE, "too much was said, or none of it understood").await),
    }
}

pub async fn send_all(socket: &mut WebSocket, message: Message) -> Result<(), Ended> {
    let told = |name: &str, value: Value| json!({ name: value }).to_string();
    match message {
        Message::Events(events) => {
            for event in events {
                let text = Utf8Bytes::try_from(event_stream::json(&event)).map_err(|_| Ended)?;
                send(socket, text).await?;
            }
            Ok(())
        }
        Message::CaughtUp(at) => send(socket, told("caughtUp", reached(at))).await,
        Message::Heartbeat(at) => send(socket, told("heartbeat", reached(at))).await,
        Message::Trouble(problem) => send(socket, problem.body().to_string()).await,
    }
}

pub async fn send(socket: &mut WebSocket, text: impl Into<Utf8Bytes>) -> Result<(), Ended> {
    socket.send(Frame::Text(text.into())).await.map_err(|_| Ended)
}

/// Says why it ends, and waits a moment for the answer. Who does not hear it ends without it.
pub async fn close(socket: &mut WebSocket, code: u16, reason: &'static str) -> Ended {
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    let closing = async {
        if socket.send(Frame::Close(Some(frame))).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    let _ = timeout(Duration::from_millis(limits::SOCKET_CLOSE_MS), closing).await;
    Ended
}
