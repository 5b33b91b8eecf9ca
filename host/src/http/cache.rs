//! What caches may do with an answer, and whether the client has it already.
//!
//! A page is **closed** when nothing that is committed later can change it: it goes forward from an explicit place, and its
//! `limit` is reached, all within the first page of the answer. It may still change otherwise: retention may take events
//! away, and another upcaster may give them another form. So caches may keep it for a while, not for ever, and its tag
//! names the upcasters. What lives in memory begins anew with a restart under the same names: it is never to be kept.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::engine::{Cursor, Engine, Selection, Start, Target};
use crate::model::{Direction, Event, Form, limits};
use crate::plugin::OnTrap;

/// The adapter whose events are gone after a restart.
const MEMORY: &str = "memory";

/// How answers to one request are tagged.
pub struct Caching {
    /// Empty for what was recorded, `-<stamp>` for what upcasters made of it; `None` when an answer may differ from the
    /// next one although nothing changed.
    suffix: Option<String>,
    form: Form,
}

/// Headers of an answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Tagged {
    tag: Option<String>,
    control: String,
}

impl Caching {
    /// Two formats of one page are not the same bytes: `written` tells them apart, and is empty for ordinary JSON.
    pub fn new(engine: &Engine, form: Form, adapter: &str, written: &str) -> Self {
        let suffix = if adapter == MEMORY { None } else { upcast_by(engine, form) };
        Self { suffix: suffix.map(|suffix| suffix + written), form }
    }

    /// The headers of a page. A stream's tag is its version, so that it can be expected of the next publish.
    pub fn page(&self, target: &Target, selection: &Selection, cursor: &Cursor, page: &[Event]) -> Tagged {
        let closed = selection.start != Start::Edge
            && selection.direction == Direction::Forward
            && cursor.is_done()
            && selection.limit == Some(page.len());
        let tag = match (target, page) {
            (Target::Stream(..), _) => Some(self.version(cursor.head())),
            (_, [first, .., last]) if closed => self.tag(&format!("{}-{}", first.position, last.position)),
            (_, [only]) if closed => self.tag(&only.position.to_string()),
            _ => None,
        };
        Tagged { tag, control: self.control(closed) }
    }

    /// The headers of a single event.
    pub fn event(&self, event: &Event) -> Tagged {
        Tagged { tag: self.tag(&event.position.to_string()), control: self.control(true) }
    }

    /// The headers of a stream that nothing was read of yet.
    pub fn stream(&self, version: u64) -> Tagged {
        Tagged { tag: Some(self.version(version)), control: self.control(false) }
    }

    fn version(&self, version: u64) -> String {
        self.tag(&version.to_string()).unwrap_or_else(|| format!("\"{version}\""))
    }

    fn tag(&self, name: &str) -> Option<String> {
        self.suffix.as_ref().map(|suffix| format!("\"{name}{suffix}\""))
    }

    fn control(&self, closed: bool) -> String {
        let age_s = match self.form {
            Form::Current => limits::CLOSED_PAGE_AGE_S,
            Form::Stored => limits::CLOSED_PAGE_STORED_AGE_S,
        };
        match (&self.suffix, closed) {
            (None, _) => "no-store".to_owned(),
            (Some(_), false) => "no-cache".to_owned(),
            (Some(_), true) => format!("private, max-age={age_s}"),
        }
    }

    /// 304, when the client has what is tagged so.
    pub fn not_modified(&self, headers: &HeaderMap, tagged: &Tagged) -> Option<Response> {
        let tag = tagged.tag.as_deref().filter(|_| self.suffix.is_some())?;
        knows(headers, tag).then(|| tagged.put(StatusCode::NOT_MODIFIED))
    }
}

/// Whether the client says that it has what is tagged so.
pub fn knows(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = known.flat_map(|value| value.split(',')).map(str::trim);
    known.map(|known| known.strip_prefix("W/").unwrap_or(known)).any(|known| known == tag || known == "*")
}

impl Tagged {
    /// Adds the headers to an answer.
    pub fn put(&self, response: impl IntoResponse) -> Response {
        let mut response = response.into_response();
        let mut add = |name: HeaderName, text: &str| {
            // Digits, letters and quotes are always a header's value.
            if let Ok(value) = HeaderValue::from_str(text) {
                response.headers_mut().insert(name, value);
            }
        };
        add(header::VARY, "accept");
        add(header::CACHE_CONTROL, &self.control);
        if let Some(tag) = &self.tag {
            add(header::ETAG, tag);
        }
        response
    }
}

/// Names the upcasters of an answer.
fn upcast_by(engine: &Engine, form: Form) -> Option<String> {
    let upcasters = engine.plugins().upcasters();
    if form == Form::Stored || upcasters.is_empty() {
        return Some(String::new());
    }
    // One that may be passed over gives now this form and now that.
    if upcasters.iter().any(|upcaster| upcaster.on_trap() == OnTrap::Pass) {
        return None;
    }
    let stamp = upcasters.iter().fold(0_u64, |all, upcaster| all.rotate_left(5) ^ upcaster.stamp());
    Some(format!("-{stamp:016x}"))
}
