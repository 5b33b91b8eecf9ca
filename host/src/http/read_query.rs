//! The query string of reads. An unknown parameter is refused: a misspelt filter must not answer everything.

use std::borrow::Cow;

use url::form_urlencoded;

use super::problem::Problem;
use super::time::day;
use crate::engine::Selection;
use crate::model::{Direction, EventId, EventType, StreamName, Tag, TopicName};

/// Longest `wait`, in seconds.
const WAIT_S_MAX: u64 = 60;

#[derive(Debug, Default)]
pub struct ReadQuery {
    pub selection: Selection,
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
    /// `from` is a version.
    Stream,
}

fn refuse(detail: impl Into<String>) -> Problem {
    Problem::bad_request("INVALID_QUERY", detail)
}

fn known(of: Of<'_>) -> &'static str {
    match of {
        Of::Store => "from, date, type, tag, limit, direction and adapter",
        Of::Topic(_) => "sinceEventId, from, date, type, stream, tag, limit, direction and wait",
        Of::Stream => "from, date, type, tag, limit and direction",
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
            match (&*name, of) {
                ("sinceEventId", Of::Topic(topic)) => since = Some(sequence(&value, topic)?),
                ("from", _) => from = Some(number("from", &value)?),
                _ => parsed.take(&name, value, of)?,
            }
        }
        parsed.selection.from = start(since, from, parsed.selection.direction)?;
        Ok(parsed)
    }

    fn take(&mut self, name: &str, value: Cow<'_, str>, of: Of<'_>) -> Result<(), Problem> {
        let Selection { stream, direction, filter, limit, .. } = &mut self.selection;
        match name {
            "date" => {
                let range =
                    day(&value).ok_or_else(|| refuse(format!("date '{value}' must be a UTC day, YYYY-MM-DD")))?;
                filter.time_ms = Some(range);
            }
            "type" => filter.types.push(EventType::parse(&value)?),
            "tag" => filter.tags.push(Tag::parse(&value)?),
            "stream" if matches!(of, Of::Topic(_)) => *stream = Some(StreamName::parse(&value)?),
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
            "wait" if matches!(of, Of::Topic(_)) => match number("wait", &value)? {
                seconds if seconds <= WAIT_S_MAX => self.wait_s = seconds,
                _ => return Err(refuse(format!("wait must be 0 to {WAIT_S_MAX} seconds"))),
            },
            "adapter" if matches!(of, Of::Store) => self.adapter = Some(value.into_owned()),
            _ => return Err(refuse(format!("query parameter '{name}' is not known here; known are {}", known(of)))),
        }
        Ok(())
    }
}

/// The sequence in an event id of this topic.
fn sequence(text: &str, topic: &TopicName) -> Result<u64, Problem> {
    match EventId::parse(text) {
        Some(id) if id.topic == *topic => Ok(id.sequence),
        _ => Err(refuse(format!("sinceEventId '{text}' must be an event id of topic '{topic}', like '{topic}-1'"))),
    }
}

/// Where to begin: `sinceEventId` is exclusive, `from` inclusive, in the direction of the read.
fn start(since: Option<u64>, from: Option<u64>, direction: Direction) -> Result<u64, Problem> {
    match (since, from, direction) {
        (Some(_), Some(_), _) => Err(refuse("give either sinceEventId or from, not both")),
        (Some(since), None, Direction::Forward) => Ok(since.saturating_add(1)),
        (Some(since), None, Direction::Backward) if since > 1 => Ok(since - 1),
        (Some(_), None, Direction::Backward) => Err(refuse("nothing comes before the first event")),
        (None, from, _) => Ok(from.unwrap_or(0)),
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
        assert_eq!(parse("sinceEventId=t-4").expect("valid").selection.from, 5);
        assert_eq!(parse("from=4").expect("valid").selection.from, 4);
        assert_eq!(parse("sinceEventId=t-4&direction=backward").expect("valid").selection.from, 3);
        assert!(parse("from=4&sinceEventId=t-4").is_err());
    }

    #[test]
    fn filters_are_read_and_may_repeat() {
        let query = parse("type=a&type=b&tag=x%3D1&limit=7&stream=s%3A1&wait=3").expect("valid");
        assert_eq!(query.selection.filter.types.len(), 2);
        assert_eq!(query.selection.filter.tags[0].as_str(), "x=1");
        assert_eq!((query.selection.limit, query.wait_s), (Some(7), 3));
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
            "type=a%20b",
            "adapter=memory",
            "x",
        ];
        for query in bad {
            assert_eq!(parse(query).err().map(|problem| problem.code().starts_with("INVALID_")), Some(true), "{query}");
        }
    }
}
