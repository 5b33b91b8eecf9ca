//! The server's stand-in for native tests: it keeps the view, answers HTTP, sets the clock, and keeps what the plugin
//! logged. It is not a simulation of the server: limits, grants, interests and reloads are tested with `weir plugin check`
//! and `test`.
//!
//! A test tells a story: a [`Case`] is given events and says what must follow. It begins with [`validator`], [`upcaster`],
//! [`projection`], [`decider`] or [`process_manager`]; a sink's tests call [`Sink::deliver`](crate::Sink::deliver) beside a
//! [`Host`] that answers.
//!
//! ```
//! use weir_plugin_sdk::{info, testing::Host};
//! let host = Host::new();
//! info!(topic = "orders"; "configured");
//! assert_eq!(host.lines(), ["INFO configured topic=orders"]);
//! ```

mod case;
mod decider;
mod process_manager;
mod projection;
mod upcaster;
mod validator;
pub(crate) mod view;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::marker::PhantomData;

pub use case::Case;
pub use decider::{Decided, decider};
pub use process_manager::{Reacted, process_manager};
pub use projection::{Projected, projection};
pub use upcaster::{Upcasted, upcaster};
pub use validator::{Validated, validator};

use crate::http::{HttpError, Request, Response};
use crate::log::Level;
use crate::{Command, Event, NewEvent, Payload, Timer, View};

type Answer = Box<dyn FnMut(&Request) -> Result<Response, HttpError>>;

#[derive(Default)]
struct State {
    answer: Option<Answer>,
    requests: Vec<Request>,
    lines: Vec<String>,
    counters: BTreeMap<String, u64>,
    gauges: BTreeMap<String, f64>,
    now_ms: u64,
    view: BTreeMap<String, Payload>,
    view_is_read_only: bool,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// The stand-in of this thread; a new one starts empty, so tests do not see each other.
pub struct Host(PhantomData<*const ()>);

impl Host {
    /// A fresh stand-in: its view is empty, it refuses every request, knows no lines, and its clock stands at 0.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        STATE.with_borrow_mut(|state| *state = State::default());
        Self(PhantomData)
    }

    /// The view that the plugin has, to fill it or to look into it.
    pub fn view(&self) -> View {
        View::open()
    }

    /// How to answer requests from now on.
    pub fn answer(&self, answer: impl FnMut(&Request) -> Result<Response, HttpError> + 'static) {
        STATE.with_borrow_mut(|state| state.answer = Some(Box::new(answer)));
    }

    /// Sets the clock, in Unix milliseconds.
    pub fn set_now_ms(&self, now_ms: u64) {
        STATE.with_borrow_mut(|state| state.now_ms = now_ms);
    }

    /// The requests that were sent, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        STATE.with_borrow(|state| state.requests.clone())
    }

    /// The lines that were written, as `LEVEL message key=value …`.
    pub fn lines(&self) -> Vec<String> {
        STATE.with_borrow(|state| state.lines.clone())
    }

    /// What a counter has come to.
    pub fn counter(&self, name: &str) -> u64 {
        STATE.with_borrow(|state| state.counters.get(name).copied().unwrap_or_default())
    }

    /// What a gauge was set to last.
    pub fn gauge(&self, name: &str) -> Option<f64> {
        STATE.with_borrow(|state| state.gauges.get(name).copied())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        STATE.with_borrow_mut(|state| *state = State::default());
    }
}

/// An answer with a status and nothing else.
///
/// ```
/// assert_eq!(weir_plugin_sdk::testing::status(410).status, 410);
/// ```
pub fn status(status: u16) -> Response {
    Response { status, headers: Vec::new(), body: Vec::new() }
}

/// A new event with a JSON payload and nothing else.
///
/// ```
/// let event = weir_plugin_sdk::testing::new_event("orders", "placed", "{}");
/// assert_eq!(event.event_type, "placed");
/// ```
pub fn new_event(topic: &str, event_type: &str, json: &str) -> NewEvent {
    NewEvent {
        topic: topic.into(),
        stream: None,
        event_type: event_type.into(),
        payload: Payload::Json(json.into()),
        tags: Vec::new(),
        metadata: Vec::new(),
    }
}

/// A recorded event with a JSON payload; its position is its sequence and its time 0.
///
/// ```
/// let event = weir_plugin_sdk::testing::event("orders", 7, "placed", "{}");
/// assert_eq!(event.id, "orders-7");
/// ```
pub fn event(topic: &str, sequence: u64, event_type: &str, json: &str) -> Event {
    Event {
        id: format!("{topic}-{sequence}"),
        position: sequence,
        topic: topic.into(),
        sequence,
        stream: None,
        version: None,
        event_type: event_type.into(),
        time_ms: 0,
        payload: Payload::Json(json.into()),
        tags: Vec::new(),
        metadata: Vec::new(),
    }
}

/// A recorded event of a stream; its version in the stream is its sequence as well.
///
/// ```
/// let event = weir_plugin_sdk::testing::stream_event("orders", "order-1", 7, "placed", "{}");
/// assert_eq!((event.stream.as_deref(), event.version), (Some("order-1"), Some(7)));
/// ```
pub fn stream_event(topic: &str, stream: &str, sequence: u64, event_type: &str, json: &str) -> Event {
    Event { stream: Some(stream.into()), version: Some(sequence), ..event(topic, sequence, event_type, json) }
}

/// A command with a JSON payload; its time is 0, and nobody's.
///
/// ```
/// let command = weir_plugin_sdk::testing::command("open", "accounts", "ann", "{}");
/// assert_eq!(command.stream, "ann");
/// ```
pub fn command(name: &str, topic: &str, stream: &str, json: &str) -> Command {
    Command {
        id: "command-1".into(),
        name: name.into(),
        topic: topic.into(),
        stream: stream.into(),
        payload: Payload::Json(json.into()),
        actor: None,
        tags: Vec::new(),
        metadata: Vec::new(),
        time_ms: 0,
    }
}

/// A timer with a JSON payload.
///
/// ```
/// assert_eq!(weir_plugin_sdk::testing::timer("order-1", 5_000, "{}").at_ms, 5_000);
/// ```
pub fn timer(key: &str, at_ms: u64, json: &str) -> Timer {
    Timer { key: key.into(), at_ms, payload: Payload::Json(json.into()) }
}

pub(crate) fn now_ms() -> u64 {
    STATE.with_borrow(|state| state.now_ms)
}

pub(crate) fn write(level: Level, message: &str, fields: &[(String, String)]) {
    let mut line = format!("{} {message}", format!("{level:?}").trim_start_matches("Level::").to_uppercase());
    for (key, value) in fields {
        let _ = write!(line, " {key}={value}");
    }
    STATE.with_borrow_mut(|state| state.lines.push(line));
}

pub(crate) fn count(name: &str, delta: u64) {
    STATE.with_borrow_mut(|state| *state.counters.entry(name.to_owned()).or_default() += delta);
}

pub(crate) fn gauge(name: &str, value: f64) {
    STATE.with_borrow_mut(|state| _ = state.gauges.insert(name.to_owned(), value));
}

/// The answer is taken out while it runs, so that it may itself look at the host.
pub(crate) fn send(request: Request) -> Result<Response, HttpError> {
    let answer = STATE.with_borrow_mut(|state| {
        state.requests.push(request.clone());
        state.answer.take()
    });
    let Some(mut answer) = answer else {
        return Err(HttpError::Denied("the test's Host has no answer".into()));
    };
    let result = answer(&request);
    STATE.with_borrow_mut(|state| _ = state.answer.get_or_insert(answer));
    result
}
