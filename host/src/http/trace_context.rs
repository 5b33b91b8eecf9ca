//! The trace that a publish belongs to (W3C Trace Context): the request's headers, kept in the metadata of its events, so
//! that who handles them later can go on with the trace. Weir makes no spans of its own here.

use axum::http::{HeaderMap, HeaderName};

use crate::model::{Metadata, NewEvent, limits};

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";
/// A header is found quicker by a name that is ready.
const PARENT_HEADER: HeaderName = HeaderName::from_static(PARENT);

/// Adds the request's trace to every event that names none itself and has room for it.
pub fn keep(headers: &HeaderMap, events: &mut [NewEvent]) {
    let Some(trace) = trace(headers) else { return };
    for event in events {
        let names_one = event.metadata.iter().any(|(key, _)| key == PARENT);
        if !names_one && has_room(&event.metadata, &trace) {
            event.metadata.extend_from_slice(&trace);
        }
    }
}

/// What a command knows of the trace that it belongs to.
pub fn of(headers: &HeaderMap) -> Metadata {
    trace(headers).unwrap_or_default()
}

fn has_room(metadata: &Metadata, trace: &Metadata) -> bool {
    let all = || metadata.iter().chain(trace);
    let bytes: usize = all().map(|(key, value)| key.len() + value.len()).sum();
    all().count() <= limits::EVENT_METADATA_ENTRIES_MAX && bytes <= limits::EVENT_METADATA_BYTES_MAX
}

/// What the headers say. By the specification, a trace that is malformed is as good as none.
fn trace(headers: &HeaderMap) -> Option<Metadata> {
    let mut parents = headers.get_all(&PARENT_HEADER).iter();
    let parent = parents.next()?.to_str().ok().filter(|parent| is_parent(parent))?;
    if parents.next().is_some() {
        return None;
    }
    let mut trace = vec![(PARENT.to_owned(), parent.to_owned())];
    trace.extend(state(headers).map(|state| (STATE.to_owned(), state)));
    Some(trace)
}

fn state(headers: &HeaderMap) -> Option<String> {
    let states: Option<Vec<&str>> = headers.get_all(STATE).iter().map(|state| state.to_str().ok()).collect();
    let state = states?.join(",");
    let is_plain = state.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    (!state.is_empty() && is_plain && state.len() <= limits::TRACESTATE_BYTES_MAX).then_some(state)
}

/// `<version>-<trace>-<span>-<flags>` in lower-case hexadecimal digits. Later versions may have more behind that.
fn is_parent(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut part = |length: usize| {
        parts.next().filter(|part| part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
    };
    let (version, trace, span, flags) = (part(2), part(32), part(16), part(2));
    let is_set = |id: Option<&str>| id.is_some_and(|id| id.bytes().any(|byte| byte != b'0'));
    let ends = version != Some("00") || parts.next().is_none();
    version.is_some_and(|version| version != "ff") && is_set(trace) && is_set(span) && flags.is_some() && ends
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::model::{EventType, Payload, TopicName};

    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01";

    fn headers(entries: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in entries {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn kept(headers: &HeaderMap, metadata: Metadata) -> Metadata {
        let topic = TopicName::parse("t").expect("a name");
        let event_type = EventType::parse("t").expect("a name");
        let payload = Payload::Json("{}".into());
        let mut events = [NewEvent { topic, stream: None, event_type, payload, tags: Vec::new(), metadata }];
        keep(headers, &mut events);
        let [event] = events;
        event.metadata
    }

    fn entry(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn a_trace_in_the_headers_is_kept_where_the_event_names_none() {
        let with_state = headers(&[(PARENT, TRACE), (STATE, "a=1"), (STATE, "b=2")]);
        let (parent, state) = (entry(PARENT, TRACE), entry(STATE, "a=1,b=2"));
        assert_eq!(kept(&with_state, vec![entry("k", "v")]), [entry("k", "v"), parent.clone(), state]);
        let own = vec![entry(PARENT, "mine")];
        assert_eq!(kept(&with_state, own.clone()), own);
        assert_eq!(kept(&headers(&[(STATE, "a=1")]), Vec::new()), []);
        assert_eq!(kept(&headers(&[(PARENT, TRACE)]), Vec::new()), [parent]);
    }

    #[test]
    fn a_malformed_trace_is_as_good_as_none() {
        let bad = [
            "",
            "x",
            "00-0AF7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01",
            "00-00000000000000000000000000000000-b9c7c989f97918e1-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01",
            "00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01-x",
            "00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1",
        ];
        for parent in bad {
            assert_eq!(kept(&headers(&[(PARENT, parent)]), Vec::new()), [], "{parent}");
        }
        assert_eq!(kept(&headers(&[(PARENT, TRACE), (PARENT, TRACE)]), Vec::new()), []);
        let later = "01-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01-more";
        assert_eq!(kept(&headers(&[(PARENT, later)]), Vec::new()), [entry(PARENT, later)]);
    }

    #[test]
    fn metadata_does_not_grow_beyond_its_limits() {
        let trace = headers(&[(PARENT, TRACE)]);
        let full = vec![entry("k", ""); limits::EVENT_METADATA_ENTRIES_MAX];
        assert_eq!(kept(&trace, full.clone()), full);
        let long = vec![entry("k", &"x".repeat(limits::EVENT_METADATA_BYTES_MAX - 20))];
        assert_eq!(kept(&trace, long.clone()), long);
    }
}
