//! Publishing as the API describes it: the forms, the refusals, and what concurrency must not break.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{schema, server};

fn event(topic: &str, n: u64) -> Value {
    json!({"topic": topic, "type": "t", "payload": {"n": n}})
}

#[tokio::test]
async fn events_of_several_topics_are_published_together_in_request_order() {
    let server = server().await;
    let api = &server.client;
    for topic in ["t1", "t2"] {
        api.post("/topics", json!({"name": topic, "schemas": [schema("t")]})).await.ok(201);
    }
    let answer = api.post("/events", json!([event("t1", 1), event("t2", 2), event("t1", 3)])).await.ok(201);
    assert_eq!(answer, json!({"eventIds": ["t1-1", "t2-1", "t1-2"], "positions": [1, 2, 3]}));
    let one = api.post("/topics/t2/events", json!({"type": "t", "payload": {"n": 4}})).await.ok(201);
    assert_eq!(one["eventIds"], json!(["t2-2"]));
    let two = json!([{"type": "t", "payload": {"n": 5}}, {"topic": "t2", "type": "t", "payload": {"n": 6}}]);
    assert_eq!(api.post("/topics/t2/events", two).await.ok(201)["eventIds"], json!(["t2-3", "t2-4"]));
}

#[tokio::test]
async fn what_cannot_be_published_is_refused_in_the_words_of_the_api() {
    let server = server().await;
    let api = &server.client;
    api.post("/topics", json!({"name": "t1", "schemas": [schema("t")]})).await.ok(201);
    for body in ["[]", "{}", "7", "\"x\"", "null"] {
        let detail = api.post("/events", body).await.problem(400, "INVALID_REQUEST");
        assert_eq!(detail, "Request body must be a non-empty array of events", "{body}");
    }
    for body in ["", "[", "[{]", "\u{1}"] {
        let code = api.post("/events", body).await.ok(400)["code"].clone();
        assert!(code == "INVALID_JSON" || code == "INVALID_REQUEST", "{body}: {code}");
    }
    for part in ["topic", "type", "payload"] {
        let mut body = event("t1", 1);
        body.as_object_mut().expect("an object").remove(part);
        let detail = api.post("/events", json!([body])).await.problem(400, "INVALID_EVENT");
        assert_eq!(detail, "Each event must have topic, type, and payload", "without {part}");
    }
    for payload in [json!([1]), json!("x"), json!(1)] {
        let body = json!([{"topic": "t1", "type": "t", "payload": payload}]);
        api.post("/events", body).await.problem(400, "EVENT_PUBLISH_FAILED");
    }
    let detail = api.post("/events", json!([event("nowhere", 1)])).await.problem(400, "TOPIC_NOT_FOUND");
    assert_eq!(detail, "Topic 'nowhere' not found");
    api.post("/topics/nowhere/events", json!([event("nowhere", 1)])).await.problem(404, "TOPIC_NOT_FOUND");
    let none = api.post("/events", json!([{"topic": "t1", "type": "nope", "payload": {}}])).await;
    let detail = none.problem(400, "EVENT_PUBLISH_FAILED");
    assert_eq!(detail, "No schema found for topic 't1' and type 'nope'");
    let misspelt = json!([{"topic": "t1", "type": "t", "payload": {"n": 1}, "expectedversion": 1}]);
    assert!(api.post("/events", misspelt).await.problem(400, "INVALID_EVENT").contains("expectedversion"));
    assert_eq!(api.events("t1").await.len(), 0, "nothing was written");
}

#[tokio::test]
async fn one_invalid_event_refuses_the_whole_batch_and_names_the_places() {
    let server = server().await;
    let api = &server.client;
    api.post("/topics", json!({"name": "t1", "schemas": [schema("t")]})).await.ok(201);
    let bad = json!({"topic": "t1", "type": "t", "payload": {"n": "seven"}});
    let answer = api.post("/events", json!([event("t1", 1), bad])).await;
    let detail = answer.problem(400, "EVENT_PUBLISH_FAILED");
    assert!(detail.starts_with("Validation failed: "), "{detail}");
    let error = answer.json()["errors"][0].clone();
    assert_eq!((&error["pointer"], &error["event"]), (&json!("/n"), &json!(1)), "{error}");
    assert_eq!(api.events("t1").await.len(), 0);
    assert_eq!(api.get("/topics/t1").await.ok(200)["sequence"], 0);
}

#[tokio::test]
async fn formats_and_the_draft_that_a_schema_names_are_enforced() {
    let server = server().await;
    let api = &server.client;
    let new = json!({"eventType": "new", "properties": {"at": {"type": "string", "format": "date-time"}}});
    // In draft 4, `exclusiveMaximum` is a flag beside `maximum`; in 2020-12 a boolean there is no schema at all.
    let old = json!({
        "eventType": "old", "$schema": "http://json-schema.org/draft-04/schema#",
        "properties": {"n": {"maximum": 10, "exclusiveMaximum": true}}
    });
    api.post("/topics", json!({"name": "f", "schemas": [new, old]})).await.ok(201);
    let publish = async |kind: &str, payload: Value| {
        api.post("/events", json!([{"topic": "f", "type": kind, "payload": payload}])).await.status
    };
    assert_eq!(publish("new", json!({"at": "2026-01-01T00:00:00Z"})).await, 201);
    assert_eq!(publish("new", json!({"at": "yesterday"})).await, 400);
    assert_eq!(publish("old", json!({"n": 9})).await, 201);
    assert_eq!(publish("old", json!({"n": 10})).await, 400);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_with_413() {
    let server = server().await;
    // The last one is still on its way when it is refused.
    for bytes in [1 << 20, 32 << 20] {
        let big = json!([{"topic": "default", "type": "t", "payload": {"x": "y".repeat(bytes)}}]);
        let detail = server.client.post("/events", big).await.problem(413, "PAYLOAD_TOO_LARGE");
        assert_eq!(detail, "Payload too large");
    }
    server.client.get("/health").await.ok(200);
}

#[tokio::test]
async fn a_stream_takes_events_as_exactly_the_next_version() {
    let server = server().await;
    let api = &server.client;
    let body = json!({"type": "made", "payload": {"a": 1}});
    let first = api.post("/streams/order:1", &body).await.ok(200);
    assert_eq!(first, json!({"eventId": "default-1", "position": 1, "version": 1}));
    api.post("/streams/order:1/2", &body).await.ok(200);
    for wrong in ["2", "4", "0"] {
        let detail = api.post(&format!("/streams/order:1/{wrong}"), &body).await.problem(409, "CONFLICT");
        assert_eq!(detail, "The requested version is invalid. Current Version: 2");
    }
    api.post("/streams/order:1/x", &body).await.problem(400, "INVALID_VERSION");
    let bytes = json!({"type": "raw", "data": "AP8="});
    api.post("/topics/default/streams/a%2Fb", &bytes).await.ok(200);
    let read = api.get("/streams/a%2Fb").await;
    assert_eq!(read.headers["etag"], "\"1\"");
    assert_eq!(read.ok(200)["events"][0]["data"], "AP8=");
    for bad in [
        json!({"type": "t"}),
        json!({"payload": {}}),
        json!({"type": "t", "data": "*"}),
        json!({"type": "t", "data": "", "payload": {}}),
    ] {
        api.post("/streams/s", &bad).await.problem(400, "INVALID_EVENT");
    }
    api.post("/streams/s", "{\"type\":").await.problem(400, "INVALID_JSON");
}

#[tokio::test]
async fn expected_versions_are_checked_in_the_commit_and_all_that_fail_are_told() {
    let server = server().await;
    let api = &server.client;
    let on = |stream: &str, expected: Value| json!({"topic": "default", "type": "t", "payload": {}, "stream": stream, "expectedVersion": expected});
    api.post("/events", json!([on("a", json!("none")), on("b", json!(0))])).await.ok(201);
    let both = json!([on("a", json!("none")), on("b", json!(7)), on("c", json!("exists"))]);
    let answer = api.post("/events", both).await;
    answer.problem(409, "CONFLICT");
    let conditions = answer.json()["conditions"].clone();
    assert_eq!(
        conditions,
        json!([
            {"topic": "default", "stream": "a", "expected": "none", "actual": 1},
            {"topic": "default", "stream": "b", "expected": 7, "actual": 1},
            {"topic": "default", "stream": "c", "expected": "exists", "actual": 0},
        ])
    );
    api.post("/events", json!([on("a", json!(1)), on("b", json!("exists")), on("c", json!("any"))])).await.ok(201);
    api.post("/events", json!([on("a", json!("maybe"))])).await.problem(400, "INVALID_EVENT");
    assert_eq!(api.get("/topics/default").await.ok(200)["sequence"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_thirty_that_want_to_be_first_in_a_stream_exactly_one_is() {
    let server = server().await;
    let mut tasks = JoinSet::new();
    for n in 0..30 {
        let api = server.client.clone();
        tasks.spawn(async move { api.post("/streams/s/1", json!({"type": "t", "payload": {"n": n}})).await.status });
    }
    let mut statuses = tasks.join_all().await;
    statuses.sort_unstable();
    assert_eq!((statuses[0], statuses[1], statuses[29]), (200, 409, 409), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_publishers_at_once_get_ids_without_a_gap() {
    let server = server().await;
    server.client.post("/topics", json!({"name": "t1", "schemas": [schema("t")]})).await.ok(201);
    let mut tasks = JoinSet::new();
    for publisher in 0..40 {
        let api = server.client.clone();
        tasks.spawn(async move {
            let mut ids = Vec::new();
            for n in 0..25 {
                let answer = api.post("/events", json!([event("t1", publisher * 100 + n)])).await.ok(201);
                ids.push(answer["eventIds"][0].as_str().expect("an id").to_owned());
            }
            ids
        });
    }
    let ids: BTreeSet<String> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(ids, (1..=1_000).map(|n| format!("t1-{n}")).collect());
    let events = server.client.events("t1").await;
    for (i, event) in events.iter().enumerate() {
        assert_eq!((&event["sequence"], &event["position"]), (&json!(i + 1), &json!(i + 1)));
    }
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_told_apart() {
    let server = server().await;
    let api = &server.client;
    api.get("/nowhere").await.problem(404, "NOT_FOUND");
    let wrong = api.delete("/events").await;
    wrong.problem(405, "METHOD_NOT_ALLOWED");
    let allow = wrong.headers["allow"].to_str().expect("text");
    assert!(allow.contains("POST") && allow.contains("GET"), "{allow}");
    let health = api.get("/health").await.ok(200);
    assert_eq!((&health["status"], &health["consumers"]), (&json!("healthy"), &json!(0)));
    assert_eq!(health["runningDispatchers"], json!([]));
}
