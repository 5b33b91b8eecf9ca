//! Following over HTTP, whatever carries it: events, the word that everything was caught up with, a heartbeat when there was
//! silence for long, and the trouble that an upcaster makes. It asks for a page only when the one before was taken.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::App;
use super::problem::Problem;
use super::read_query::ReadQuery;
use crate::engine::{EngineError, Follower, Found, LiveEvent, Reached, Target};
use crate::model::{Direction, limits};

pub struct Follow {
    follower: Follower,
    plugins: crate::plugin::Plugins,
    /// What the first look gave: it was made before the answer began, so that its failure is an answer too.
    first: Option<Found>,
    heartbeat: Duration,
    /// When something was sent last.
    spoken: Instant,
    /// Made once and set anew only when it goes off, not with every event.
    silence: Pin<Box<Sleep>>,
    /// An upcaster failed, and the client was told.
    troubled: bool,
}

/// What goes to the client next.
#[derive(Debug)]
pub enum Message {
    Events(Vec<Arc<LiveEvent>>),
    CaughtUp(Reached),
    Heartbeat(Reached),
    /// An upcaster fails; what comes next waits for it.
    Trouble(Problem),
}

/// How far a follower is, as JSON.
pub fn reached(reached: Reached) -> Value {
    json!({ "position": reached.position, "from": reached.from })
}

impl Follow {
    /// Begins to follow. Parameters that only make sense for a read that ends are refused.
    pub async fn open(app: &App, target: &Target, query: ReadQuery) -> Result<Self, Problem> {
        let refuse = |detail: &str| Err(Problem::bad_request("INVALID_QUERY", detail));
        if query.selection.direction == Direction::Backward {
            return refuse("what follows goes forward; leave direction out");
        }
        if query.wait_s > 0 {
            return refuse("what follows waits by itself; leave wait out");
        }
        let mut follower = app.live.follow(target, query.selection).await?;
        let first = Some(follower.look().await?);
        let (heartbeat, spoken) = (app.heartbeat, Instant::now());
        let silence = Box::pin(sleep_until(spoken + heartbeat));
        let plugins = app.engine.plugins().clone();
        Ok(Self { follower, plugins, first, heartbeat, spoken, silence, troubled: false })
    }

    /// The next message; `None` at the end. A storage that fails is an error: the transfer must not look complete.
    pub async fn next(&mut self) -> Option<Result<Message, EngineError>> {
        loop {
            let found = match self.first.take() {
                Some(found) => Ok(found),
                None => self.follower.look().await,
            };
            // Only what gets past the trouble ends it: to look again, elsewhere, is not yet that.
            if matches!(found, Ok(Found::Events(_) | Found::CaughtUp | Found::Nothing)) {
                self.troubled = false;
            }
            let message = match found {
                Ok(Found::Events(events)) => Some(Message::Events(events)),
                Ok(Found::CaughtUp) => Some(Message::CaughtUp(self.follower.reached())),
                Ok(Found::End) => return None,
                Ok(Found::Looked | Found::Nothing) if self.spoken.elapsed() >= self.heartbeat => {
                    Some(Message::Heartbeat(self.follower.reached()))
                }
                Ok(Found::Looked) => {
                    tokio::task::consume_budget().await;
                    None
                }
                Ok(Found::Nothing) => {
                    self.wait().await;
                    None
                }
                Err(error @ (EngineError::Plugin(_) | EngineError::UpcastRefused(_))) => self.trouble(error).await,
                Err(error) => return Some(Err(error)),
            };
            if let Some(message) = message {
                self.spoken = Instant::now();
                return Some(Ok(message));
            }
        }
    }

    /// Waits for something new, or until there was silence for long enough.
    async fn wait(&mut self) {
        tokio::select! {
            _ = self.follower.changed() => return,
            () = &mut self.silence => {}
        }
        let due = self.spoken + self.heartbeat;
        let next = if due <= Instant::now() { Instant::now() + self.heartbeat } else { due };
        self.silence.as_mut().reset(next);
    }

    /// Tells of a failing upcaster once, then waits until it may work again.
    async fn trouble(&mut self, error: EngineError) -> Option<Message> {
        if !std::mem::replace(&mut self.troubled, true) {
            return Some(Message::Trouble(error.into()));
        }
        let mut changes = self.plugins.changes();
        tokio::select! {
            () = sleep(Duration::from_millis(limits::FOLLOW_RETRY_MS)) => {}
            _ = changes.changed() => {}
            () = self.follower.stopped() => {}
        }
        (self.spoken.elapsed() >= self.heartbeat).then(|| Message::Heartbeat(self.follower.reached()))
    }

    /// Waits until the server stops.
    pub async fn stopped(&mut self) {
        self.follower.stopped().await;
    }

    /// Whether the server stops; else the end came because of a limit.
    pub fn is_stopped(&self) -> bool {
        self.follower.is_stopped()
    }
}
