//! What is no CloudEvent that can be published, and what is said about it.

use serde_json::{Value, json};

use super::{batch, refused, request, structured};
use crate::http::cloud_events::STRUCTURED;
use crate::model::limits;

fn minimal() -> Value {
    json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "made"})
}

/// The text of a CloudEvent with more members at its end, which may repeat others.
fn text_with(more: &str) -> String {
    format!("{},{more}}}", minimal().to_string().trim_end_matches('}'))
}

fn replaced(name: &str, value: Value) -> Value {
    let mut event = minimal();
    event[name] = value;
    event
}

/// The attribute and the message of the only fault.
#[track_caller]
fn only_fault(problem: &Value) -> (&str, &str) {
    assert_eq!((&problem["code"], &problem["status"]), (&json!("INVALID_CLOUD_EVENT"), &json!(400)), "{problem}");
    let errors = problem["errors"].as_array().expect("errors");
    assert_eq!(errors.len(), 1, "{problem}");
    let message = errors[0]["message"].as_str().expect("a message");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(message)), "{problem}");
    (errors[0]["attribute"].as_str().unwrap_or_default(), message)
}

#[test]
fn each_required_attribute_is_missed_by_name_and_all_at_once() {
    for name in ["specversion", "id", "source", "type"] {
        let mut event = minimal();
        event.as_object_mut().expect("an object").remove(name);
        let problem = refused(structured(&event));
        let (attribute, message) = only_fault(&problem);
        assert!(attribute == name && message.contains("is missing"), "{problem}");
        assert!(only_fault(&refused(structured(replaced(name, Value::Null)))).1.contains("is missing"));
    }
    let all = refused(structured("{}"));
    assert_eq!(all["errors"].as_array().map(Vec::len), Some(4), "{all}");
    assert!(all["detail"].as_str().is_some_and(|detail| detail.ends_with("see errors for more")), "{all}");
}

#[test]
fn a_wrong_attribute_is_named_with_its_mend() {
    let long = "x".repeat(limits::EVENT_METADATA_BYTES_MAX);
    let cases = [
        (replaced("specversion", json!("0.3")), "specversion", "this server takes specversion '1.0'"),
        (replaced("specversion", json!(1)), "specversion", "this server takes specversion '1.0'"),
        (replaced("id", json!("")), "id", "is empty"),
        (replaced("id", json!(7)), "id", "must be a string"),
        (replaced("source", json!("a b")), "source", "is not a URI-reference"),
        (replaced("type", json!("a b")), "type", "names no event type of Weir: event type 'a b' may only have"),
        (replaced("type", json!(true)), "type", "must be a string"),
        (replaced("time", json!("12:00")), "time", "RFC 3339"),
        (replaced("subject", json!("")), "subject", "is empty"),
        (replaced("dataschema", json!("/x")), "dataschema", "is not a URI"),
        (replaced("datacontenttype", json!("json")), "datacontenttype", "is not a media type"),
        (replaced("traceParent", json!("x")), "traceParent", "is not an attribute's name"),
        (replaced("a-b", Value::Null), "a-b", "is not an attribute's name"),
        (replaced("note", json!("a\nb")), "note", "has the character U+000A"),
        (replaced("note", json!([1])), "note", "a whole number of 32 bits"),
        (replaced("note", json!({})), "note", "a whole number of 32 bits"),
        (replaced("note", json!(1.5)), "note", "a whole number of 32 bits"),
        (replaced("note", json!(1u64 << 31)), "note", "a whole number of 32 bits"),
        (replaced("data_base64", json!("*")), "data_base64", "is not base64"),
        (replaced("data_base64", json!(7)), "data_base64", "must be a string"),
        (replaced("weirstraem", json!("s")), "weirstraem", "is not known"),
        (replaced("weirstream", json!("a b")), "weirstream", "names no stream"),
        (replaced("weirtags", json!("a,b")), "weirtags", "must be a JSON array of strings"),
        (replaced("weirtags", json!("[\"\"]")), "weirtags", "is empty"),
        (replaced("weirmetadata", json!("[]")), "weirmetadata", "must be a JSON object"),
        (replaced("weirexpectedversion", json!("maybe")), "weirexpectedversion", "must be a number from 0"),
        (replaced("weirexpectedversion", json!(-1)), "weirexpectedversion", "must be a number from 0"),
        (replaced("weirexpectedversion", json!(1)), "weirexpectedversion", "needs a stream"),
        (replaced("note", json!(long)), "", "has too many or too long attributes"),
        (replaced(&"n".repeat(1 << 16), json!("x")), "", "has too many or too long attributes"),
    ];
    for (event, attribute, words) in cases {
        let problem = refused(structured(&event));
        let (found, message) = only_fault(&problem);
        assert!(found == attribute && message.contains(words), "{event}\n{problem}");
    }
}

#[test]
fn what_is_there_and_wrong_is_not_missing() {
    for (name, attribute) in [("ce-id", "id"), ("ce-weirtopic", "weirtopic"), ("ce-type", "type")] {
        let good =
            [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t"), ("ce-weirtopic", "t")];
        let headers = good.map(|(other, value)| (other, if other == name { "%ff" } else { value }));
        let problem = refused(request(&headers, "{}", false));
        assert_eq!(
            only_fault(&problem),
            (attribute, &*format!("attribute '{attribute}' has escapes that are not UTF-8"))
        );
    }
    for (name, value) in [("id", json!(1.5)), ("weirtopic", json!([]))] {
        let event = replaced(name, value).to_string();
        let problem = refused(request(&[("content-type", STRUCTURED)], event, name == "id"));
        assert_eq!(only_fault(&problem).0, name, "{problem}");
    }
}

#[test]
fn what_is_there_twice_is_refused() {
    let cases = [
        (r#""id":"2""#, "id"),
        (r#""note":"a","note":"a""#, "note"),
        (r#""data":1,"data":1"#, "data"),
        (r#""data_base64":"","data_base64":"""#, "data_base64"),
        (r#""data":1,"data_base64":"""#, "data"),
        (r#""data":null,"data_base64":"""#, "data"),
    ];
    for (more, attribute) in cases {
        let problem = refused(structured(text_with(more)));
        assert_eq!(only_fault(&problem).0, attribute, "{more}: {problem}");
    }
    let problem = refused(structured(text_with(r#""datacontenttype":"text/plain","data":{}"#)));
    assert_eq!(only_fault(&problem).0, "data", "text must be a string: {problem}");
    structured(text_with(r#""data":1,"data_base64":null"#)).expect("null is as good as left out");
}

#[test]
fn too_many_attributes_are_refused_however_they_are_spelt() {
    let many = |count: usize| (0..count).map(|n| format!("\"a{n}\":\"\"")).collect::<Vec<_>>().join(",");
    for count in [limits::EVENT_METADATA_ENTRIES_MAX, limits::CLOUD_EVENT_MEMBERS_MAX, 50_000] {
        assert!(only_fault(&refused(structured(text_with(&many(count))))).1.contains("at most") || count == 64);
    }
    structured(text_with(&many(limits::EVENT_METADATA_ENTRIES_MAX - 3))).expect("as many as there may be");
}

#[test]
fn a_body_of_another_shape_is_refused_in_words_that_fit() {
    for body in ["[]", "7", "\"x\""] {
        let problem = refused(structured(body));
        assert!(only_fault(&problem).1.contains("must be a JSON object"), "{problem}");
    }
    for body in ["", "{", "{}x", "\u{1}"] {
        assert_eq!(refused(structured(body))["code"], "INVALID_JSON", "{body}");
    }
    let not_utf8 = request(&[("content-type", STRUCTURED)], &b"{\"id\":\"\xff\"}"[..], true);
    assert_eq!(refused(not_utf8)["code"], "INVALID_JSON");
    for (body, detail) in [("[]", "array of events"), ("{}", "array of CloudEvents")] {
        let problem = refused(batch(body));
        assert_eq!(problem["code"], "INVALID_REQUEST");
        assert!(problem["detail"].as_str().is_some_and(|text| text.contains(detail)), "{problem}");
    }
    let many = format!("[{}]", vec!["1"; limits::BATCH_EVENTS_MAX + 1].join(","));
    assert_eq!(refused(batch(many))["status"], 413);
    for content_type in ["application/cloudevents+avro", "application/cloudevents", "Application/CloudEvents-Batch+xml"]
    {
        assert_eq!(refused(request(&[("content-type", content_type)], "x", true))["status"], 415, "{content_type}");
    }
}

#[test]
fn faults_in_a_batch_say_where_they_are_and_end_somewhere() {
    let list = json!([minimal(), replaced("id", json!("")), 7, replaced("source", json!(" "))]);
    let problem = refused(batch(list));
    let places: Vec<&Value> = problem["errors"].as_array().expect("errors").iter().map(|e| &e["event"]).collect();
    assert_eq!(places, [1, 2, 3], "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("event 1: attribute 'id' is empty")));
    let problem = refused(batch(format!("[{}]", vec!["{}"; 5_000].join(","))));
    assert_eq!(problem["errors"].as_array().map(Vec::len), Some(limits::CLOUD_EVENT_FAULTS_SHOWN));
}

#[test]
fn a_topic_must_be_named_somewhere() {
    let read = |event: &Value| request(&[("content-type", STRUCTURED)], event.to_string(), false);
    let problem = refused(read(&minimal()));
    let (attribute, message) = only_fault(&problem);
    assert!(attribute == "weirtopic" && message.contains("/topics/{topic}/events"), "{problem}");
    for name in ["weirtopic", "topic"] {
        let problem = refused(read(&replaced(name, json!("a b"))));
        assert_eq!(only_fault(&problem).0, name, "{problem}");
    }
}

#[test]
fn headers_are_held_to_the_same_rules() {
    let good = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "made")];
    let cases = [
        (vec![("ce-id", "2")], "id", "more than once"),
        (vec![("ce-note", "a"), ("Ce-Note", "a")], "note", "more than once"),
        (vec![("content-type", "text/plain"), ("content-type", "text/plain")], "datacontenttype", "more than once"),
        (vec![("ce-note", "%C0%A0")], "note", "escapes that are not UTF-8"),
        (vec![("ce-note", "100%")], "note", "write a percent sign as %25"),
        (vec![("ce-note", "ü")], "note", "percent-encode them"),
        (vec![("ce-note", "a%0Ab")], "note", "U+000A"),
        (vec![("ce-no_te", "a")], "no_te", "is not an attribute's name"),
        (vec![("ce-", "a")], "", "is not an attribute's name"),
        (vec![("ce-data", "a")], "data", "data is the body"),
        (vec![("ce-data_base64", "YQ==")], "data_base64", "data is the body"),
        (vec![("ce-datacontenttype", "text/plain")], "datacontenttype", "is the header content-type"),
        (vec![("content-type", "text")], "datacontenttype", "is not a media type"),
        (vec![("content-type", "teüt/plain")], "datacontenttype", "is not a media type"),
    ];
    for (more, attribute, words) in cases {
        let problem = refused(request(&[&good[..], &more].concat(), "{}", true));
        let (found, message) = only_fault(&problem);
        assert!(found == attribute && message.contains(words), "{more:?}: {problem}");
    }
    let problem = refused(request(&good, "hello", true));
    assert!(only_fault(&problem).1.contains("is not JSON"), "{problem}");
    for (index, (name, _)) in good.iter().enumerate() {
        let mut headers = good.to_vec();
        headers.remove(index);
        assert_eq!(Some(only_fault(&refused(request(&headers, "{}", true))).0), name.strip_prefix("ce-"));
    }
    let structured = [&good[..], &[("content-type", STRUCTURED)]].concat();
    assert_eq!(refused(request(&structured, "{}", true))["errors"].as_array().map(Vec::len), Some(4));
}
