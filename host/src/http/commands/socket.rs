//! Commands on a WebSocket. A socket's commands are executed side by side, those on one aggregate in the order in which they
//! came, and answered in that order. A client that sends faster than they are done, or does not read, is not read from.

use std::pin::pin;
use std::time::Duration;

use axum::extract::ws::{Message as Frame, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::command::{Intent, Tenant};
use crate::http::App;
use crate::http::follow::{Follow, Message};
use crate::http::problem::Problem;
use crate::http::socket::{Ended, OpenSocket, bounded, close, send, send_all};
use crate::model::limits::{SOCKET_COMMANDS_BYTES_MAX, SOCKET_COMMANDS_MAX, STOP_STALL_MS};

/// Whose events a socket gets, and where they come from.
type Followed = (Tenant, Follow);

/// Answers the upgrade.
pub fn answer(upgrade: WebSocketUpgrade, app: App, followed: Option<Followed>) -> Response {
    bounded(upgrade, app.body_bytes_max).on_upgrade(async move |socket| {
        let open = app.sockets.clone();
        let (tenant, follow) = followed.unzip();
        let desk = Desk::open(app, tenant);
        serve(socket, desk, follow).await;
        drop(open);
    })
}

/// What was asked on a socket and is not answered yet.
struct Desk {
    app: App,
    tenant: Option<Tenant>,
    asked: mpsc::Sender<Asked>,
    answers: mpsc::Receiver<Answer>,
    waiting: usize,
    waiting_bytes: usize,
}

/// A command, or why it is none: both are answered in their turn.
type Asked = Result<Intent, Problem>;

struct Answer {
    text: String,
    bytes: usize,
}

impl Desk {
    fn open(app: App, tenant: Option<Tenant>) -> Self {
        let ((asked, commands), (done, answers)) =
            (mpsc::channel(SOCKET_COMMANDS_MAX), mpsc::channel(SOCKET_COMMANDS_MAX));
        // A task of its own: what it does must go on while a client takes its time to read.
        tokio::spawn(execute_all(app.clone(), commands, done, app.sockets.clone()));
        Self { app, tenant, asked, answers, waiting: 0, waiting_bytes: 0 }
    }

    fn has_room(&self) -> bool {
        self.waiting < SOCKET_COMMANDS_MAX && self.waiting_bytes < SOCKET_COMMANDS_BYTES_MAX
    }

    fn ask(&mut self, asked: Asked) -> Result<(), Ended> {
        self.waiting += 1;
        self.waiting_bytes += bytes(&asked);
        // There is room, as there never are more than it has; only a task that is gone takes nothing.
        self.asked.try_send(asked).map_err(|_| Ended)
    }

    async fn answered(&mut self) -> Option<String> {
        let Answer { text, bytes } = self.answers.recv().await?;
        self.waiting -= 1;
        self.waiting_bytes -= bytes;
        Some(text)
    }

    /// Asks for what a frame says. The first command of a socket without a tenant says whose it is; then its events follow.
    async fn take(&mut self, text: Bytes) -> Result<Option<Follow>, Ended> {
        let asked = Intent::parse(text);
        let (asked, follow) = match (asked, &self.tenant) {
            (Ok(intent), Some(tenant)) if intent.tenant != *tenant => (Err(intent.refused(another())), None),
            (Ok(intent), None) => match intent.tenant.clone().follow(&self.app, None).await {
                Ok((tenant, follow)) => {
                    self.tenant = Some(tenant);
                    (Ok(intent), Some(follow))
                }
                Err(problem) => (Err(problem), None),
            },
            (asked, _) => (asked, None),
        };
        self.ask(asked)?;
        Ok(follow)
    }
}

fn bytes(asked: &Asked) -> usize {
    asked.as_ref().map_or(0, Intent::bytes)
}

fn another() -> Problem {
    let detail = "this socket is another tenant's; open one for each tenant";
    Problem::bad_request("TENANT_MISMATCH", detail)
}

/// Executes what is asked. It ends when nobody asks any more and all is done: a client that is gone does not undo what it sent.
async fn execute_all(app: App, mut asked: mpsc::Receiver<Asked>, answers: mpsc::Sender<Answer>, open: OpenSocket) {
    let mut running = FuturesOrdered::new();
    loop {
        tokio::select! {
            Some(answer) = running.next() => {
                // There is room, as there never are more than it has. Who does not listen any more gets none.
                let _ = answers.try_send(answer);
            }
            Some(asked) = asked.recv() => running.push_back(execute(&app, asked)),
            else => break,
        }
    }
    drop(open);
}

async fn execute(app: &App, asked: Asked) -> Answer {
    let bytes = bytes(&asked);
    let done = match asked {
        Ok(intent) => intent.execute(app).await,
        Err(problem) => Err(problem),
    };
    let text = done.map_or_else(|problem| problem.body().to_string(), |(text, _)| text);
    Answer { text, bytes }
}

/// What is to be sent next.
enum Next {
    Answer(String),
    Message(Message),
    Follow(Box<Follow>),
    Stops,
}

async fn serve(mut socket: WebSocket, mut desk: Desk, mut follow: Option<Follow>) {
    let app = desk.app.clone();
    let mut stopped = pin!(app.live.stopped());
    loop {
        let next = tokio::select! {
            next = next(&mut socket, &mut desk, &mut follow) => next,
            () = &mut stopped => Ok(Next::Stops),
        };
        let sent = match next {
            Err(ended) => Err(ended),
            Ok(Next::Follow(begun)) => {
                follow = Some(*begun);
                Ok(())
            }
            Ok(Next::Stops) => {
                stop(&mut socket, &mut desk).await;
                return;
            }
            // A client that does not read must not hold up a server that stops; one that does is closed in order.
            Ok(Next::Answer(text)) => tokio::select! {
                biased;
                sent = send(&mut socket, text) => sent,
                () = &mut stopped => Err(Ended),
            },
            Ok(Next::Message(message)) => tokio::select! {
                biased;
                sent = send_all(&mut socket, message) => sent,
                () = &mut stopped => Err(Ended),
            },
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn next(socket: &mut WebSocket, desk: &mut Desk, follow: &mut Option<Follow>) -> Result<Next, Ended> {
    let found = {
        let is_followed = follow.is_some();
        let mut events = pin!(async {
            match follow {
                Some(follow) => follow.next().await,
                None => None,
            }
        });
        loop {
            tokio::select! {
                // Answers first: a client that hears of its commands asks for no more than it can take.
                biased;
                answer = desk.answered() => return answer.map(Next::Answer).ok_or(Ended),
                frame = socket.recv(), if desk.has_room() => {
                    if let Some(begun) = hear(socket, desk, frame).await? {
                        return Ok(Next::Follow(Box::new(begun)));
                    }
                }
                found = &mut events, if is_followed => break found,
            }
        }
    };
    match found {
        Some(Ok(message)) => Ok(Next::Message(message)),
        Some(Err(error)) => {
            tracing::error!(%error, "the events of a socket for commands were cut off");
            Err(close(socket, close_code::ERROR, "reading failed").await)
        }
        None => Ok(Next::Stops),
    }
}

async fn hear(
    socket: &mut WebSocket,
    desk: &mut Desk,
    frame: Option<Result<Frame, axum::Error>>,
) -> Result<Option<Follow>, Ended> {
    match frame {
        Some(Ok(Frame::Text(text))) => desk.take(text.into()).await,
        Some(Ok(Frame::Binary(_))) => {
            let detail = "a command is JSON in a text frame; this one is binary";
            desk.ask(Err(Problem::bad_request("INVALID_COMMAND", detail)))?;
            Ok(None)
        }
        // Pings are answered below us.
        Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => Ok(None),
        // The answer to its close is on its way already.
        Some(Ok(Frame::Close(_))) | None => Err(Ended),
        Some(Err(_)) => Err(close(socket, close_code::SIZE, "too much was said, or none of it understood").await),
    }
}

/// The server stops: what was asked before is answered still.
async fn stop(socket: &mut WebSocket, desk: &mut Desk) {
    while desk.waiting > 0 {
        let Some(answer) = desk.answered().await else { break };
        // A client that takes nothing is not waited for.
        let sent = timeout(Duration::from_millis(STOP_STALL_MS), send(socket, answer)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
    close(socket, close_code::AWAY, "the server stops").await;
}
