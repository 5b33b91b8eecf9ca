//! The query string of reads. An unknown parameter is refused: a misspelt filter must not answer everything.

use std::borrow::Cow;

use url::form_urlencoded;

use super::problem::Problem;
use super::time::day;
use crate::engine::{Selection, Start, Target};
use crate::model::{Direction, EventId, EventType, Form, StreamName, Tag, TopicName, limits};
use axum::http::HeaderMap;

#[derive(Debug, Default)]
pub struct ReadQuery {
    pub selection: Selection,
    /// Only this stream of a topic.
    pub stream: Option<StreamName>,
    pub wait_s: u64,
    /// Which store `GET /events` reads; the default one if absent.
    pub adapter: Option<String>,
}

/// What is read, and therefore which parameters make sense.
#[derive(Clone, Copy)]
pub enum Of<'a> {
    /// `from` is a position.
    Store,
    /// `from` is a sequence.
    Topic(&'a TopicName),
    /// `from` is a version; event ids are those of its topic.
    Stream(&'a TopicName),
}

/// Where a browser says how far it got before its connection broke.
const LAST_EVENT_ID: &str = "last-event-id";

fn refuse(detail: impl Into<String>) -> Problem {
    Problem::bad_request("INVALID_QUERY", detail)
}

fn known(of: Of<'_>) -> &'static str {
    match of {
        Of::Store => "sinceEventId, from, date, type, tag, limit, direction, wait, form and adapter",
        Of::Topic(_) => "sinceEventId, from, date, type, stream, tag, limit, direction, wait and form",
        Of::Stream(_) => "sinceEventId, from, date, type, tag, limit, direction, wait and form",
    }
}

fn number(name: &str, text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| refuse(format!("{name} '{text}' must be a whole number")))
}

impl ReadQuery {
    pub fn parse(query: Option<&str>, of: Of<'_>) -> Result<Self, Problem> {
        let mut parsed = Self::default();
        let (mut since, mut from) = (None, None);
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "sinceEventId" => since = Some(event_id("sinceEventId", &value, of)?),
                "from" => from = Some(number("from", &value)?),
                _ => parsed.take(&name, value, of)?,
            }
        }
        parsed.selection.start = start(since, from, parsed.selection.direction, of)?;
        Ok(parsed)
    }

    /// The query of a single event: nothing but its form.
    pub fn form(query: Option<&str>) -> Result<Form, Problem> {
        let mut chosen = Form::default();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "form" => chosen = form(&value)?,
                _ => return Err(refuse(format!("query parameter '{name}' is not known here; known is form"))),
            }
        }
        Ok(chosen)
    }

    /// A browser that comes back goes on after the last event it has, whatever its address says.
    pub fn resume(&mut self, headers: &HeaderMap, target: &Target) -> Result<(), Problem> {
        let of = match target {
            Target::Store(_) => Of::Store,
            Target::Topic(topic, _) => Of::Topic(topic),
            Target::Stream(topic, _) => Of::Stream(topic),
        };
        match headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?")) {
            None | Some("") => {}
            Some(id) => self.selection.start = Start::After(event_id("Last-Event-ID", id, of)?),
        }
        Ok(())
    }

    fn take(&mut self, name: &str, value: Cow<'_, str>, of: Of<'_>) -> Result<(), Problem> {
        let Selection { direction, filter, limit, form: wanted, .. } = &mut self.selection;
        match name {
            "date" => {
                let range =
                    day(&value).ok_or_else(|| refuse(format!("date '{value}' must be a UTC day, YYYY-MM-DD")))?;
                filter.time_ms = Some(range);
            }
            "type" => filter.types.push(EventType::parse(&value)?),
            "tag" => filter.tags.push(Tag::parse(&value)?),
            "stream" if matches!(of, Of::Topic(_)) => self.stream = Some(StreamName::parse(&value)?),
            "limit" => match number("limit", &value)? {
                0 => return Err(refuse("limit must be 1 or more; leave it out to read all")),
                most => *limit = Some(usize::try_from(most).unwrap_or(usize::MAX)),
            },
            "direction" => {
                *direction = match &*value {
                    "forward" => Direction::Forward,
                    "backward" => Direction::Backward,
                    _ => return Err(refuse(format!("direction '{value}' must be forward or backward"))),
                }
            }
            "wait" => match number("wait", &value)? {
                seconds if seconds <= limits::WAIT_S_MAX => self.wait_s = seconds,
                _ => return Err(refuse(format!("wait must be 0 to {} seconds", limits::WAIT_S_MAX))),
            },
            "form" => *wanted = form(&value)?,
            "adapter" if matches!(of, Of::Store) => self.adapter = Some(value.into_owned()),
            _ => return Err(refuse(format!("query parameter '{name}' is not known here; known are {}", known(of)))),
        }
        Ok(())
    }
}

fn form(text: &str) -> Result<Form, Problem> {
    match text {
        "current" => Ok(Form::Current),
        "stored" => Ok(Form::Stored),
        _ => Err(refuse(format!("form '{text}' must be current or stored"))),
    }
}

/// An event's id; where one topic is read, of that topic.
fn event_id(name: &str, text: &str, of: Of<'_>) -> Result<EventId, Problem> {
    let shown: String = text.chars().take(240).collect();
    match (EventId::parse(text), of) {
        (Some(id), Of::Store) => Ok(id),
        (Some(id), Of::Topic(topic) | Of::Stream(topic)) if id.topic == *topic => Ok(id),
        (_, Of::Topic(topic) | Of::Stream(topic)) => {
            Err(refuse(format!("{name} '{shown}' must be an event id of topic '{topic}', like '{topic}-1'")))
        }
        (None, Of::Store) => Err(refuse(format!("{name} '{shown}' must be an event id, like 'default-1'"))),
    }
}

/// Where to begin: `sinceEventId` is exclusive, `from` inclusive, in the direction of the read.
fn start(since: Option<EventId>, from: Option<u64>, direction: Direction, of: Of<'_>) -> Result<Start, Problem> {
    match (since, from) {
        (Some(_), Some(_)) => Err(refuse("give either sinceEventId or from, not both")),
        (Some(id), None) if direction == Direction::Backward && id.sequence <= 1 && !matches!(of, Of::Store) => {
            Err(refuse("nothing comes before the first event"))
        }
        (Some(id), None) => Ok(Start::After(id)),
        (None, Some(from)) => Ok(Start::At(from)),
        (None, None) => Ok(Start::Edge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<ReadQuery, Problem> {
        ReadQuery::parse(Some(query), Of::Topic(&TopicName::parse("t").expect("a name")))
    }

    #[test]
    fn since_is_exclusive_and_from_is_inclusive() {
        let after =
            |topic: &str| Start::After(EventId { topic: TopicName::parse(topic).expect("a name"), sequence: 4 });
        assert_eq!(parse("sinceEventId=t-4").expect("valid").selection.start, after("t"));
        assert_eq!(parse("from=4").expect("valid").selection.start, Start::At(4));
        assert_eq!(parse("").expect("valid").selection.start, Start::Edge);
        let store = ReadQuery::parse(Some("sinceEventId=u-4"), Of::Store).expect("any topic's");
        assert_eq!(store.selection.start, after("u"));
        assert!(parse("from=4&sinceEventId=t-4").is_err());
        assert!(parse("sinceEventId=t-1&direction=backward").is_err());
    }

    #[test]
    fn a_browser_that_comes_back_goes_on_after_its_last_event() {
        let target = Target::Topic(TopicName::parse("t").expect("a name"), None);
        let resumed = |id: &'static str| {
            let mut query = parse("from=2").expect("valid");
            let headers =
                HeaderMap::from_iter([(LAST_EVENT_ID.parse().expect("a name"), id.parse().expect("a value"))]);
            query.resume(&headers, &target).map(|()| query.selection.start)
        };
        let after = Start::After(EventId { topic: TopicName::parse("t").expect("a name"), sequence: 7 });
        assert_eq!((resumed("t-7").ok(), resumed("").ok()), (Some(after), Some(Start::At(2))));
        assert!(resumed("u-7").is_err() && resumed("7").is_err());
    }

    #[test]
    fn filters_are_read_and_may_repeat() {
        let query = parse("type=a&type=b&tag=x%3D1&limit=7&stream=s%3A1&wait=3").expect("valid");
        assert_eq!(query.selection.filter.types.len(), 2);
        assert_eq!(query.selection.filter.tags[0].as_str(), "x=1");
        assert_eq!((query.selection.limit, query.wait_s, query.selection.form), (Some(7), 3, Form::Current));
        assert_eq!(query.stream.as_ref().map(StreamName::as_str), Some("s:1"));
        assert_eq!(parse("form=stored").expect("valid").selection.form, Form::Stored);
    }

    #[test]
    fn what_is_unknown_or_malformed_is_refused() {
        let bad = [
            "sinceEventID=t-1",
            "sinceEventId=u-1",
            "sinceEventId=t",
            "from=x",
            "from=-1",
            "date=today",
            "limit=0",
            "limit=1e3",
            "direction=up",
            "wait=61",
            "form=new",
            "type=a%20b",
            "adapter=memory",
            "x",
        ];
        for query in bad {
            assert_eq!(parse(query).err().map(|problem| problem.code().starts_with("INVALID_")), Some(true), "{query}");
        }
    }
}
