//! Which form an answer has, by the header `accept`.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::http::cloud_events::Mode;

fn accepted(values: &[&'static str], offered: &[Mode]) -> Option<Mode> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(header::ACCEPT, HeaderValue::from_static(value));
    }
    Mode::accepted(&headers, offered)
}

#[test]
fn the_best_range_of_what_is_offered_decides() {
    let single = [Mode::Structured, Mode::Binary];
    let cases: [(&[&str], Option<Mode>); 12] = [
        (&[], None),
        (&["*/*"], None),
        (&["application/json"], None),
        (&["application/cloudevents+json"], Some(Mode::Structured)),
        (&["Application/CloudEvents+JSON; charset=utf-8"], Some(Mode::Structured)),
        (&["application/cloudevents"], Some(Mode::Binary)),
        (&["application/json, application/cloudevents+json"], None),
        (&["application/json;q=0.5, application/cloudevents+json;q=0.8"], Some(Mode::Structured)),
        (&["application/json;q=0.5", "application/cloudevents; q = 0.8"], Some(Mode::Binary)),
        (&["application/cloudevents+json;q=0, */*;q=0.1"], None),
        (&["application/cloudevents-batch+json, application/cloudevents;q=0.1"], Some(Mode::Binary)),
        (&["application/cloudevents+json;q=many"], None),
    ];
    for (values, mode) in cases {
        assert_eq!(accepted(values, &single), mode, "{values:?}");
    }
    let list = ["application/cloudevents+json, application/cloudevents-batch+json;q=0.2"];
    assert_eq!(accepted(&list, &[Mode::Batch]), Some(Mode::Batch));
    assert_eq!(accepted(&["application/cloudevents+json"], &[Mode::Batch]), None);
}
