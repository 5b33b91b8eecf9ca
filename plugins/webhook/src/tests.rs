//! Stories of deliveries, against the SDK's stand-in for the server.

use serde_json::{Value, json};
use weir_plugin_sdk::http::{HttpError, Request};
use weir_plugin_sdk::testing::{Host, event, status};
use weir_plugin_sdk::{Event, Payload, Problem, Receipt, Rest, Retry, Sink, Target};

use crate::Webhook;

fn target(config: Value) -> Target {
    Target { id: "c1".into(), config_json: config.to_string() }
}

fn plain() -> Target {
    target(json!({"callback": "http://a.example/hook"}))
}

fn batch(sequences: std::ops::RangeInclusive<u64>) -> Vec<Event> {
    sequences.map(|sequence| event("t1", sequence, "made", &format!("{{\"n\":{sequence}}}"))).collect()
}

fn deliver(events: &[Event]) -> Receipt {
    Webhook.deliver(&plain(), events)
}

fn answering(code: u16, headers: &'static [(&'static str, &'static str)]) -> Host {
    let host = Host::new();
    host.answer(move |_| {
        let mut response = status(code);
        response.headers.extend(headers.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        Ok(response)
    });
    host
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(request.body.as_deref().expect("a body")).expect("JSON")
}

fn sequences(request: &Request) -> Vec<u64> {
    let body = body(request);
    body["events"]
        .as_array()
        .expect("events")
        .iter()
        .map(|event| event["sequence"].as_u64().expect("a number"))
        .collect()
}

fn retry(receipt: Receipt) -> Retry {
    assert_eq!(receipt.accepted, 0);
    match receipt.rest {
        Rest::Retry(retry) => retry,
        rest => panic!("{rest:?} is no retry"),
    }
}

#[test]
fn a_delivery_is_one_post_with_everything_about_the_events() {
    let host = answering(204, &[]);
    let mut rich = event("t1", 7, "made", r#"{"n":1}"#);
    rich.position = 99;
    rich.time_ms = 1_709_251_199_001;
    rich.stream = Some("order:1".into());
    rich.version = Some(2);
    rich.tags = vec!["red".into(), "big".into()];
    rich.metadata = vec![("actor".into(), "ann".into())];
    let events = [rich, event("t1", 8, "made", "[]")];

    assert_eq!(deliver(&events), Receipt { accepted: 2, rest: Rest::Done });

    let requests = host.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!((requests[0].method.as_str(), requests[0].url.as_str()), ("POST", "http://a.example/hook"));
    assert!(requests[0].headers.contains(&("content-type".into(), "application/json".into())));
    assert!(
        requests[0].headers.contains(&("user-agent".into(), format!("weir-webhook/{}", env!("CARGO_PKG_VERSION"))))
    );
    assert_eq!(
        body(&requests[0]),
        json!({"consumerId": "c1", "events": [
            {"id": "t1-7", "timestamp": "2024-02-29T23:59:59.001Z", "type": "made", "payload": {"n": 1}, "topic": "t1",
             "sequence": 7, "position": 99, "stream": "order:1", "version": 2, "tags": ["red", "big"],
             "metadata": {"actor": "ann"}},
            {"id": "t1-8", "timestamp": "1970-01-01T00:00:00.000Z", "type": "made", "payload": [], "topic": "t1",
             "sequence": 8, "position": 8},
        ]})
    );
}

#[test]
fn bytes_travel_as_base64() {
    let host = answering(200, &[]);
    let mut binary = event("t1", 1, "made", "");
    binary.payload = Payload::Bytes(vec![0xff, 0, 1]);
    deliver(&[binary]);
    let body = body(&host.requests()[0]);
    assert_eq!(body["events"][0]["data"], "/wAB");
    assert_eq!(body["events"][0].get("payload"), None);
}

#[test]
fn the_consumers_headers_and_timeout_go_along() {
    let host = answering(200, &[]);
    let config = json!({"callback": "https://a.example", "headers": {"x-key": "{{secret:K}}", "User-Agent": "me"}, "timeoutMs": 250});
    Webhook.deliver(&target(config), &batch(1..=1));
    let request = &host.requests()[0];
    assert_eq!(request.timeout_ms, Some(250));
    assert!(request.headers.contains(&("x-key".into(), "{{secret:K}}".into())));
    let agents: Vec<_> = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("user-agent")).collect();
    assert_eq!(agents, [&("User-Agent".to_string(), "me".to_string())]);
}

#[test]
fn gone_means_gone() {
    let _host = answering(410, &[]);
    let receipt = deliver(&batch(1..=3));
    assert_eq!(receipt.accepted, 0);
    assert!(matches!(receipt.rest, Rest::Gone(problem) if problem.message.contains("410")));
}

#[test]
fn a_receiver_that_names_a_time_gets_it() {
    for code in [429, 503] {
        let _host = answering(code, &[("Retry-After", "7")]);
        let retry = retry(deliver(&batch(1..=1)));
        assert_eq!(retry.after_ms, Some(7_000));
        assert!(retry.reason.contains(&code.to_string()), "{}", retry.reason);
    }
    let host = answering(503, &[("retry-after", "Thu, 29 Feb 2024 00:00:10 GMT")]);
    host.set_now_ms(1_709_164_800_000);
    assert_eq!(retry(deliver(&batch(1..=1))).after_ms, Some(10_000));
    host.set_now_ms(1_709_164_800_000 + 60_000);
    assert_eq!(retry(deliver(&batch(1..=1))).after_ms, Some(0));
}

#[test]
fn a_time_that_cannot_be_read_or_belongs_to_another_status_is_left_to_the_host() {
    let _host = answering(429, &[("retry-after", "soon")]);
    assert_eq!(retry(deliver(&batch(1..=1))).after_ms, None);
    let _host = answering(500, &[("retry-after", "7")]);
    assert_eq!(retry(deliver(&batch(1..=1))).after_ms, None);
}

#[test]
fn every_other_status_is_tried_again_and_redirects_are_not_followed() {
    for code in [199, 301, 302, 304, 400, 401, 403, 404, 409, 500, 502] {
        let host = answering(code, &[("location", "http://b.example/")]);
        let retry = retry(deliver(&batch(1..=2)));
        assert!(retry.after_ms.is_none() && retry.reason.contains(&code.to_string()), "{retry:?}");
        assert_eq!(host.requests().len(), 1);
    }
}

#[test]
fn a_failed_exchange_is_tried_again_and_named() {
    let errors = [
        (HttpError::Denied("host not granted".into()), "host not granted"),
        (HttpError::Timeout, "in time"),
        (HttpError::Connect("refused".into()), "refused"),
        (HttpError::TooLarge(77), "77"),
        (HttpError::Protocol("bad chunk".into()), "bad chunk"),
    ];
    for (error, word) in errors {
        let host = Host::new();
        host.answer(move |_| Err(error.clone()));
        assert!(retry(deliver(&batch(1..=1))).reason.contains(word));
    }
}

/// Answers 413 to more than `events_max` events at once, and `code` to a batch that holds event `bad`.
fn small_receiver(events_max: usize, bad: u64, code: u16) -> Host {
    let host = Host::new();
    host.answer(move |request| {
        let sequences = sequences(request);
        Ok(status(match sequences.len() > events_max {
            true => 413,
            false if sequences.contains(&bad) => code,
            false => 200,
        }))
    });
    host
}

#[test]
fn a_batch_that_is_too_large_is_sent_in_halves_in_order() {
    let host = small_receiver(2, 0, 200);
    assert_eq!(deliver(&batch(1..=5)), Receipt { accepted: 5, rest: Rest::Done });
    let delivered: Vec<Vec<u64>> = host.requests().iter().map(sequences).filter(|batch| batch.len() <= 2).collect();
    assert_eq!(delivered, [vec![1, 2], vec![3], vec![4, 5]]);
}

#[test]
fn what_was_delivered_before_a_failed_half_counts() {
    let host = small_receiver(2, 4, 500);
    let receipt = deliver(&batch(1..=8));
    assert_eq!(receipt.accepted, 2);
    assert!(matches!(receipt.rest, Rest::Retry(retry) if retry.reason.contains("500")));
    assert_eq!(host.requests().last().map(sequences), Some(vec![3, 4]), "nothing may be sent after the failure");
}

#[test]
fn a_single_event_that_is_too_large_is_poison_and_the_ones_before_it_count() {
    let _host = small_receiver(1, 3, 413);
    let receipt = deliver(&batch(1..=4));
    assert_eq!(receipt.accepted, 2);
    assert!(matches!(receipt.rest, Rest::Poison(problem) if problem.code == "too-large"));
}

#[test]
fn good_callbacks_are_accepted() {
    for callback in [
        "http://a.example",
        "HTTPS://a.example:8443/x?y=z#f",
        "http://[::1]:80/",
        "http://127.0.0.1:3000",
        "http://a/@x",
    ] {
        assert_eq!(Webhook.check(&target(json!({"callback": callback}))), Ok(()), "{callback}");
    }
}

#[test]
fn bad_callbacks_are_refused_by_code() {
    let bad = [
        "",
        "a.example/x",
        "/x",
        "ftp://a.example",
        "http://",
        "http:///x",
        "http://:80",
        "http://u:p@a.example/",
        "http://u@a.example",
        "http://a.example:99999",
        "http://a.example:x",
        "http://a b/",
        "http://a\n.example",
        "http://a.example\\@b",
    ];
    for callback in bad {
        let problem = refused(&target(json!({"callback": callback})));
        assert_eq!(
            (problem.code.as_str(), problem.pointer.as_deref()),
            ("INVALID_CALLBACK", Some("/callback")),
            "{callback}"
        );
    }
    assert_eq!(refused(&target(json!({}))).code, "INVALID_CALLBACK");
}

/// The one reason.
fn refused(target: &Target) -> Problem {
    let [problem] = Webhook.check(target).expect_err(&target.config_json).try_into().expect("one reason");
    problem
}

#[test]
fn other_bad_config_is_refused_and_never_sent() {
    let bad = [
        json!({"callback": "http://a", "headers": {"content-type": "text/plain"}}),
        json!({"callback": "http://a", "headers": {"x y": "1"}}),
        json!({"callback": "http://a", "headers": {"x": "1\r\ny: 2"}}),
        json!({"callback": "http://a", "timeoutMs": 0}),
        json!({"callback": 5}),
    ];
    let host = answering(200, &[]);
    for config in bad {
        let target = target(config);
        assert_eq!(refused(&target).code, "INVALID_CONFIG", "{}", target.config_json);
        assert!(matches!(Webhook.deliver(&target, &batch(1..=1)).rest, Rest::Retry(_)));
    }
    assert_eq!(host.requests(), []);
}

#[test]
fn an_empty_batch_is_not_sent() {
    let host = answering(200, &[]);
    assert_eq!(deliver(&[]), Receipt { accepted: 0, rest: Rest::Done });
    assert_eq!(host.requests(), []);
}
