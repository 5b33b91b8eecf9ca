//! What a publisher asks to hold: the `conditions` of a request body, and the headers `If-Match` and `If-None-Match`.

use axum::http::{HeaderMap, HeaderName, header};
use serde::Deserialize;

use super::body::Object;
use super::event_body::{ExpectedBody, Text};
use super::problem::Problem;
use crate::model::{Condition, EventType, Expected, Filter, NewEvent, Position, StreamName, Tag, TopicName, limits};

/// One entry of `conditions`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionBody<'a> {
    #[serde(borrow)]
    stream: Option<Text<'a>>,
    #[serde(borrow)]
    topic: Option<Text<'a>>,
    version: Option<ExpectedBody>,
    #[serde(borrow)]
    query: Option<Object<QueryBody<'a>>>,
    after: Option<Position>,
    head: Option<Position>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryBody<'a> {
    #[serde(borrow, default)]
    types: Vec<Text<'a>>,
    #[serde(borrow, default)]
    tags: Vec<Text<'a>>,
}

const FORMS: &str = "a condition is {stream, topic?, version}, {query: {types, tags}, after} or {head}";

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::bad_request("INVALID_CONDITION", detail)
}

/// Makes the conditions of a request. A stream without a topic is of the topic that all events are of.
pub fn conditions(bodies: Vec<Object<ConditionBody<'_>>>, events: &[NewEvent]) -> Result<Vec<Condition>, Problem> {
    if bodies.len() > limits::CONDITIONS_MAX {
        return Err(invalid(format!("a request has at most {} conditions", limits::CONDITIONS_MAX)));
    }
    let one = |(index, Object(body)): (usize, Object<ConditionBody<'_>>)| {
        body.into_condition(events).map_err(|detail| invalid(format!("conditions[{index}]: {detail}")))
    };
    bodies.into_iter().enumerate().map(one).collect()
}

impl ConditionBody<'_> {
    fn into_condition(self, events: &[NewEvent]) -> Result<Condition, String> {
        match self {
            Self { stream: Some(stream), topic, version: Some(version), query: None, after: None, head: None } => {
                let topic =
                    topic.map(|text| TopicName::parse(&text.0)).transpose().map_err(|error| error.to_string())?;
                let topic = topic.or_else(|| only_topic(events).cloned());
                Ok(Condition::Stream {
                    topic: topic.ok_or("the events are of several topics; say which topic the stream is of")?,
                    stream: StreamName::parse(&stream.0).map_err(|error| error.to_string())?,
                    expected: version.0.ok_or("version \"any\" always holds; leave the condition out")?,
                })
            }
            Self {
                query: Some(Object(query)),
                after: Some(after),
                stream: None,
                topic: None,
                version: None,
                head: None,
            } => Ok(Condition::Query { filter: query.filter()?, after }),
            Self { head: Some(head), stream: None, topic: None, version: None, query: None, after: None } => {
                Ok(Condition::Head(head))
            }
            _ => Err(FORMS.to_owned()),
        }
    }
}

fn only_topic(events: &[NewEvent]) -> Option<&TopicName> {
    let first = &events.first()?.topic;
    events.iter().all(|event| event.topic == *first).then_some(first)
}

impl QueryBody<'_> {
    fn filter(&self) -> Result<Filter, String> {
        if self.types.is_empty() && self.tags.is_empty() {
            return Err("a query needs types or tags; use {head} if no event at all may have come".to_owned());
        }
        if self.types.len().max(self.tags.len()) > limits::QUERY_LABELS_MAX {
            return Err(format!("a query has at most {} types and as many tags", limits::QUERY_LABELS_MAX));
        }
        let types: Result<Vec<_>, _> = self.types.iter().map(|text| EventType::parse(&text.0)).collect();
        let tags: Result<Vec<_>, _> = self.tags.iter().map(|text| Tag::parse(&text.0)).collect();
        Ok(Filter {
            types: types.map_err(|error| error.to_string())?,
            tags: tags.map_err(|error| error.to_string())?,
            time_ms: None,
        })
    }
}

/// `If-Match: "n"` (or `*`: the stream exists) and `If-None-Match: *` (it has no event), on the one stream of a request.
pub fn preconditions(headers: &HeaderMap, events: &[NewEvent]) -> Result<Vec<Condition>, Problem> {
    let wanted = expectations(headers)?;
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let of = |event: &NewEvent| Some((event.topic.clone(), event.stream.clone()?));
    let only = events.first().and_then(of).filter(|only| events.iter().all(|event| of(event).as_ref() == Some(only)));
    let (topic, stream) = only.ok_or_else(|| {
        invalid("If-Match and If-None-Match are about one stream; give all events the same one, or use conditions")
    })?;
    let condition = |expected| Condition::Stream { topic: topic.clone(), stream: stream.clone(), expected };
    Ok(wanted.into_iter().map(condition).collect())
}

/// The same on a request whose path names the stream.
pub fn expectations(headers: &HeaderMap) -> Result<Vec<Expected>, Problem> {
    let wanted = [expected(headers, &header::IF_MATCH)?, expected(headers, &header::IF_NONE_MATCH)?];
    Ok(wanted.into_iter().flatten().collect())
}

fn expected(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Expected>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().map(str::trim).filter(|_| values.next().is_none());
    // The tag of a stream that was read in another form or format says that behind its version.
    let version = |text: &str| text.strip_prefix('"')?.strip_suffix('"')?.split('-').next()?.parse().ok();
    match (text, name == header::IF_MATCH) {
        (Some("*"), true) => Ok(Some(Expected::Exists)),
        (Some("*"), false) => Ok(Some(Expected::None)),
        (Some(text), true) if version(text).is_some() => Ok(version(text).map(Expected::Exactly)),
        (_, true) => Err(invalid("If-Match must be one version in quotes, like \"3\", or *")),
        (_, false) => Err(invalid("If-None-Match must be * on a request that writes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(topic: &str, stream: Option<&str>) -> NewEvent {
        NewEvent {
            topic: TopicName::parse(topic).expect("a name"),
            stream: stream.map(|stream| StreamName::parse(stream).expect("a name")),
            event_type: EventType::parse("made").expect("a name"),
            payload: crate::model::Payload::Json("{}".into()),
            tags: vec![],
            metadata: vec![],
        }
    }

    fn parse(json: &str, events: &[NewEvent]) -> Result<Vec<Condition>, String> {
        let bodies: Vec<Object<ConditionBody<'_>>> = serde_json::from_str(json).map_err(|error| error.to_string())?;
        conditions(bodies, events).map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn the_three_forms_are_read() {
        let read = parse(
            r#"[{"stream":"s","version":3},{"stream":"s","topic":"u","version":"none"},
               {"query":{"types":["a","b"],"tags":["x y"]},"after":7},{"query":{"tags":["x"]},"after":0},{"head":9}]"#,
            &[event("t", None), event("t", Some("s"))],
        )
        .expect("valid");
        let shown: Vec<String> = read.iter().map(|condition| format!("{condition:?}")).collect();
        assert!(shown[0].contains("\"t\"") && shown[0].contains("Exactly(3)"), "{}", shown[0]);
        assert!(shown[1].contains("\"u\"") && shown[1].contains("None"), "{}", shown[1]);
        assert!(shown[2].contains("[\"a\", \"b\"]") && shown[2].contains("after: 7"), "{}", shown[2]);
        assert_eq!(read[4], Condition::Head(9));
    }

    #[test]
    fn other_forms_are_refused_by_number_and_with_the_mend() {
        for (json, part) in [
            (r#"[{"head":1},{"head":1,"after":2}]"#, "conditions[1]: a condition is {stream"),
            ("[{}]", "conditions[0]: a condition is"),
            (r#"[{"stream":"s"}]"#, "a condition is"),
            (r#"[{"stream":"s","version":1}]"#, "say which topic"),
            (r#"[{"stream":"s","topic":"t","version":"any"}]"#, "leave the condition out"),
            (r#"[{"stream":"a b","topic":"t","version":1}]"#, "stream 'a b'"),
            (r#"[{"query":{},"after":1}]"#, "needs types or tags"),
            (r#"[{"query":{"types":["a"]}}]"#, "a condition is"),
            (r#"[{"query":{"types":["a b"]},"after":1}]"#, "event type 'a b'"),
            (r#"[{"head":-1}]"#, "invalid value"),
            (r#"[{"heads":1}]"#, "unknown field"),
            (r#"[["s","t",1]]"#, "expected an object"),
            (r#"[{"query":[["a"],[]],"after":1}]"#, "expected an object"),
        ] {
            let error = parse(json, &[event("t", None), event("u", None)]).expect_err(json);
            assert!(error.contains(part), "{json}: {error}");
        }
    }

    #[test]
    fn headers_are_about_one_stream() {
        let ask = |name: HeaderName, value: &'static str, events: &[NewEvent]| {
            let headers = HeaderMap::from_iter([(name, axum::http::HeaderValue::from_static(value))]);
            preconditions(&headers, events).map(|conditions| match conditions.as_slice() {
                [Condition::Stream { expected, .. }] => *expected,
                other => panic!("{other:?}"),
            })
        };
        let one = [event("t", Some("s")), event("t", Some("s"))];
        assert_eq!(ask(header::IF_MATCH, "\"3\"", &one).ok(), Some(Expected::Exactly(3)));
        assert_eq!(ask(header::IF_MATCH, "\"3-00ff-lines\"", &one).ok(), Some(Expected::Exactly(3)));
        assert_eq!(ask(header::IF_MATCH, "*", &one).ok(), Some(Expected::Exists));
        assert_eq!(ask(header::IF_NONE_MATCH, "*", &one).ok(), Some(Expected::None));
        for (name, value) in [
            (header::IF_MATCH, "3"),
            (header::IF_MATCH, "W/\"3\""),
            (header::IF_MATCH, "\"3\", \"4\""),
            (header::IF_NONE_MATCH, "\"3\""),
        ] {
            assert!(ask(name, value, &one).is_err(), "{value}");
        }
        assert!(ask(header::IF_MATCH, "*", &[event("t", Some("s")), event("t", Some("z"))]).is_err());
        assert!(ask(header::IF_MATCH, "*", &[event("t", None)]).is_err());
    }
}
