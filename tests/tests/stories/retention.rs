//! What a topic no longer keeps is gone, for good, and nothing else is.

use serde_json::{Value, json};
use weir_tests::{Client, Receiver, TestServer, eventually};

use crate::follow::{publish, server_with};
use crate::server;

async fn topic(api: &Client, name: &str, retention: Value) {
    api.post("/topics", json!({"name": name, "adapter": "redb", "retention": retention})).await.ok(201);
}

async fn ids(api: &Client, path: &str) -> Vec<String> {
    let body = api.get(path).await.ok(200);
    let events = body["events"].as_array().expect("a list");
    events.iter().map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
}

async fn first(api: &Client, topic: &str) -> u64 {
    api.get(&format!("/topics/{topic}/head")).await.ok(200)["first"].as_u64().expect("a sequence")
}

async fn until_first_is(api: &Client, topic: &str, sequence: u64) {
    eventually("old events are deleted", 20, async || (first(api, topic).await == sequence).then_some(())).await;
}

#[tokio::test]
async fn a_topic_keeps_so_many_events_and_ids_never_come_again() {
    let (mut server, _file) = server_with("retention_look_ms = 50").await;
    let api = server.client.clone();
    topic(&api, "t", json!({"maxEvents": 3})).await;
    topic(&api, "all", Value::Null).await;
    for n in 1..=10 {
        let event = json!([{"topic": "t", "type": "made", "stream": "s", "tags": ["x"], "payload": {"n": n}}]);
        api.post("/events", event).await.ok(201);
        publish(&api, "all", "made", n).await;
    }
    let head = api.get("/topics/t/head").await.ok(200)["hash"].clone();
    until_first_is(&api, "t", 8).await;
    let check = async |api: &Client| {
        let kept = ["t-8", "t-9", "t-10"];
        for path in ["/topics/t/events", "/topics/t/events?from=2", "/topics/t/events?sinceEventId=t-3"] {
            assert_eq!(ids(api, path).await, kept, "{path}");
        }
        for path in ["/topics/t/streams/s", "/topics/t/events?tag=x&type=made", "/topics/t/events?stream=s&from=1"] {
            assert_eq!(ids(api, path).await, kept, "{path}");
        }
        assert_eq!(ids(api, "/topics/t/events?direction=backward").await, ["t-10", "t-9", "t-8"]);
        assert_eq!(ids(api, "/topics/t/events?direction=backward&from=7").await, [""; 0]);
        assert_eq!(ids(api, "/events?tag=x").await, kept);
        assert_eq!(ids(api, "/events").await.len(), 13);
        assert_eq!(ids(api, "/events?sinceEventId=t-3&limit=2").await, ["t-8", "all-8"]);
        for (id, status) in [("t-7", 404), ("t-8", 200), ("t-1", 404)] {
            assert_eq!(api.get(&format!("/events/{id}")).await.status, status, "{id}");
        }
        let now = api.get("/topics/t/head").await.ok(200);
        assert_eq!(now, json!({"topic": "t", "sequence": 10, "first": 8, "hash": head}));
        assert_eq!(api.get("/verify").await.ok(200)["ok"], true);
    };
    check(&api).await;
    server.kill().await;
    server.start_again().await;
    let api = server.client.clone();
    check(&api).await;
    assert_eq!(publish(&api, "t", "made", 11).await, "t-11");
    until_first_is(&api, "t", 9).await;
    // Whoever keeps more from now on gets nothing back.
    api.put("/topics/t", json!({"retention": {"maxEvents": 100}})).await.ok(200);
    assert_eq!(api.get("/topics/t").await.ok(200)["retention"], json!({"maxEvents": 100}));
    api.put("/topics/t", json!({"retention": null})).await.ok(200);
    assert_eq!(api.get("/topics/t").await.ok(200)["retention"], Value::Null);
    for n in 12..=20 {
        publish(&api, "t", "made", n).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(ids(&api, "/topics/t/events").await.len(), 12, "9 to 20");
}

#[tokio::test]
async fn events_that_are_too_old_are_deleted_and_a_consumer_gets_those_that_are_left() {
    let (server, _file) = server_with("retention_look_ms = 50").await;
    let api = &server.client;
    topic(api, "t", json!({"maxAgeSeconds": 1})).await;
    for n in 1..=5 {
        publish(api, "t", "made", n).await;
    }
    assert_eq!(ids(api, "/topics/t/events").await.len(), 5, "they are young");
    until_first_is(api, "t", 6).await;
    assert_eq!(ids(api, "/topics/t/events").await, [""; 0]);
    assert_eq!(ids(api, "/events").await, [""; 0]);
    api.put("/topics/t", json!({"retention": null})).await.ok(200);
    publish(api, "t", "made", 6).await;
    let receiver = Receiver::start().await;
    api.post("/consumers/register", json!({"callback": receiver.url(), "topics": {"t": null}})).await.ok(201);
    api.post("/consumers/register", json!({"callback": receiver.url(), "topics": {"t": "t-2"}})).await.ok(201);
    let got = eventually("both get it", 20, async || {
        let events = receiver.events();
        (events.len() >= 2).then_some(events)
    })
    .await;
    assert!(got.iter().all(|event| event["id"] == "t-6"), "{got:?}");
}

#[tokio::test]
async fn a_topic_keeps_at_least_so_many_bytes() {
    let (server, _file) = server_with("retention_look_ms = 50").await;
    let api = &server.client;
    topic(api, "t", json!({"maxBytes": 5_000_000})).await;
    let text = "x".repeat(100_000);
    for n in 1..=300 {
        api.post("/topics/t/events", json!({"type": "made", "payload": {"n": n, "text": text}})).await.ok(201);
    }
    eventually("old events are deleted", 20, async || (first(api, "t").await > 100).then_some(())).await;
    let (first, kept) = (first(api, "t").await, ids(api, "/topics/t/events").await);
    assert_eq!(kept.len() as u64, 301 - first);
    assert!(kept.len() >= 50, "{} events of 100 kB", kept.len());
}

fn bytes_of_log(server: &TestServer) -> u64 {
    let files = std::fs::read_dir(server.data_dir().join("store").join("log")).expect("lists");
    // A file may go while we look.
    files.filter_map(|file| file.ok()?.metadata().ok()).map(|file| file.len()).sum()
}

#[tokio::test]
async fn the_room_of_deleted_events_is_given_back() {
    let (mut server, _file) = server_with("retention_look_ms = 50").await;
    let api = server.client.clone();
    topic(&api, "t", Value::Null).await;
    topic(&api, "all", Value::Null).await;
    let text = "x".repeat(90_000);
    for n in 0..250 {
        let event =
            |of: u64| json!({"topic": "t", "type": "made", "stream": "s", "payload": {"n": n * 10 + of, "text": text}});
        let mut events: Vec<Value> = (0..10).map(event).collect();
        events.push(json!({"topic": "all", "type": "made", "stream": "s", "tags": ["x"], "payload": {"n": n}}));
        api.post("/events", json!(events)).await.ok(201);
    }
    let before = bytes_of_log(&server);
    assert!(before > 220_000_000, "{before} bytes");
    let kept = ids(&api, "/topics/all/events?limit=1000").await;
    api.put("/topics/t", json!({"retention": {"maxEvents": 20}})).await.ok(200);
    eventually("room is given back", 60, async || (bytes_of_log(&server) < 140_000_000).then_some(())).await;
    let check = async |api: &Client| {
        assert_eq!(ids(api, "/topics/all/events?limit=1000").await, kept);
        assert_eq!(ids(api, "/events?tag=x&limit=1000").await, kept);
        assert_eq!(ids(api, "/topics/t/streams/s?limit=1000").await.len(), 20);
        assert_eq!(ids(api, "/events?limit=1000").await.len(), 270);
        assert_eq!(api.get("/verify").await.ok(200)["ok"], true);
    };
    check(&api).await;
    server.kill().await;
    server.start_again().await;
    check(&server.client.clone()).await;
    let added = json!([{"topic": "t", "type": "made", "stream": "s", "payload": {"n": 1}}]);
    assert_eq!(server.client.post("/events", added).await.ok(201)["eventIds"], json!(["t-2501"]));
}

#[tokio::test]
async fn a_retention_that_makes_no_sense_is_refused() {
    let server = server().await;
    let api = &server.client;
    for (retention, code) in [
        (json!({}), "INVALID_RETENTION"),
        (json!({"maxEvents": 0}), "INVALID_RETENTION"),
        (json!({"maxAgeSeconds": 5, "maxBytes": 0}), "INVALID_RETENTION"),
        (json!({"maxAge": 5}), "INVALID_REQUEST"),
        (json!({"maxEvents": -1}), "INVALID_REQUEST"),
        (json!("7d"), "INVALID_REQUEST"),
    ] {
        let body = json!({"name": "t", "adapter": "redb", "retention": retention});
        let detail = api.post("/topics", body).await.problem(400, code);
        let on_change = api.put("/topics/default", json!({"retention": retention})).await.problem(400, code);
        assert!(!detail.is_empty() && !on_change.is_empty(), "{retention}");
    }
    api.get("/topics/t").await.problem(404, "TOPIC_NOT_FOUND");
    api.put("/topics/default", json!({})).await.problem(400, "INVALID_REQUEST");
    api.put("/topics/default", json!({"retention": {"maxEvents": 5}})).await.ok(200);
}
