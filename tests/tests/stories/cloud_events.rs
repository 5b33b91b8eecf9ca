//! CloudEvents with those who use them: the public SDKs send and read, and their own comparisons must hold.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;
use weir_tests::clients::{packages, root, run};
use weir_tests::{Answer, Client, TestServer};

use crate::{schema, server};

async fn server_with_topics() -> TestServer {
    let server = server().await;
    for topic in ["orders", "batches", "plain", "copies"] {
        server.client.post("/topics", json!({"name": topic, "adapter": "redb"})).await.ok(201);
    }
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_reads_in_every_mode_what_it_sent_in_every_mode() {
    let installed = packages("python", "requirements.txt", "pip.stamp");
    let server = server_with_topics().await;
    let mut python = Command::new("python3");
    python.arg(root().join("tests/clients/python/cloud_events.py")).arg(&server.client.base);
    python.env("PYTHONPATH", installed.join("lib")).env("PYTHONDONTWRITEBYTECODE", "1");
    assert!(run(python).await >= 130, "each event is compared in each mode");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_javascript_sdk_reads_in_every_mode_what_it_sent_in_every_mode() {
    let installed = packages("javascript", "package-lock.json", "npm.stamp");
    let server = server_with_topics().await;
    let mut node = Command::new("node");
    node.arg(root().join("tests/clients/javascript/cloud_events.mjs")).arg(&server.client.base);
    node.env("PACKAGES", installed);
    assert!(run(node).await >= 49, "each event is compared in each mode");
}

async fn send(api: &Client, path: &str, headers: &[(&str, &str)], body: impl ToString) -> Answer {
    api.send_with(Method::POST, path, headers, body).await
}

const STRUCTURED: [(&str, &str); 1] = [("content-type", "application/cloudevents+json; charset=utf-8")];

fn cloud_event(more: Value) -> Value {
    let mut event = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "t"});
    event.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    event
}

#[tokio::test]
async fn a_cloud_event_is_published_under_the_rules_of_any_other() {
    let server = server().await;
    let api = &server.client;
    api.post("/topics", json!({"name": "t1", "schemas": [schema("t")]})).await.ok(201);
    let publish = async |event: Value| send(api, "/topics/t1/events", &STRUCTURED, event).await;
    let good = publish(cloud_event(json!({"data": {"n": 1}, "weirstream": "s", "weirexpectedversion": "none"}))).await;
    assert_eq!(good.ok(201), json!({"eventIds": ["t1-1"], "positions": [1]}));
    let stale = publish(cloud_event(json!({"data": {"n": 1}, "weirstream": "s", "weirexpectedversion": 7}))).await;
    stale.problem(409, "CONFLICT");
    for data in [json!({"data": {"n": "seven"}}), json!({"data": [1]}), json!({}), json!({"data_base64": "e30="})] {
        publish(cloud_event(data)).await.problem(400, "EVENT_PUBLISH_FAILED");
    }
    let nowhere = cloud_event(json!({"weirtopic": "nowhere"}));
    send(api, "/topics/nowhere/events", &STRUCTURED, &nowhere).await.problem(404, "TOPIC_NOT_FOUND");
    send(api, "/events", &STRUCTURED, &nowhere).await.problem(400, "TOPIC_NOT_FOUND");
    assert_eq!(api.events("t1").await.len(), 1, "nothing else was written");
}

#[tokio::test]
async fn what_is_no_cloud_event_is_refused_with_attribute_and_place() {
    let server = server().await;
    let api = &server.client;
    let bad = send(api, "/topics/default/events", &STRUCTURED, cloud_event(json!({"source": " "}))).await;
    let detail = bad.problem(400, "INVALID_CLOUD_EVENT");
    assert!(detail.contains("attribute 'source' is not a URI-reference"), "{detail}");
    let batch = [("content-type", "application/cloudevents-batch+json")];
    let list = json!([cloud_event(json!({})), {"specversion": "1.0", "id": "2", "source": "/s"}]);
    let bad = send(api, "/topics/default/events", &batch, list).await;
    bad.problem(400, "INVALID_CLOUD_EVENT");
    let error = bad.json()["errors"][0].clone();
    assert_eq!((&error["event"], &error["attribute"]), (&json!(1), &json!("type")), "{error}");
    send(api, "/events", &batch, "[]").await.problem(400, "INVALID_REQUEST");
    let headers = [("ce-id", "%C0%A0"), ("CE-SOURCE", "/s"), ("Ce-Type", "t"), ("ce-specversion", "1.0")];
    let bad = send(api, "/topics/default/events", &headers, "{}").await;
    assert!(bad.problem(400, "INVALID_CLOUD_EVENT").contains("attribute 'id' has escapes that are not UTF-8"));
    let avro = [("content-type", "application/cloudevents+avro")];
    send(api, "/topics/default/events", &avro, "x").await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
    assert_eq!(api.events("default").await.len(), 0);
}

#[tokio::test]
async fn cloud_events_outlive_a_restart_and_a_list_of_many_pages_is_one_batch() {
    let mut server = server().await;
    let data = format!("{{ \"n\" : 1.50, \"x\":\"{}\" }}", "y".repeat(600));
    for n in 0..4 {
        let events: Vec<String> = (0..600)
            .map(|i| format!(r#"{{"specversion":"1.0","id":"{n}-{i}","source":"/s","type":"t","data":{data}}}"#))
            .collect();
        let batch = [("content-type", "application/cloudevents-batch+json")];
        let body = format!("[{}]", events.join(","));
        send(&server.client, "/topics/default/events", &batch, body).await.ok(201);
    }
    server.kill().await;
    server.start_again().await;
    let api = &server.client;
    let accept = [("accept", "application/cloudevents-batch+json")];
    let answer = api.send_with(Method::GET, "/topics/default/events", &accept, "").await;
    assert_eq!(answer.headers["content-type"], "application/cloudevents-batch+json");
    assert_eq!(answer.text.matches(&data).count(), 2_400, "data is the bytes that came");
    let list = answer.ok(200);
    let ids: Vec<&str> = list.as_array().expect("an array").iter().filter_map(|event| event["id"].as_str()).collect();
    let expected = (0..4).flat_map(|n| (0..600).map(move |i| format!("{n}-{i}")));
    assert!(ids.iter().copied().eq(expected), "in order and whole");
}

#[tokio::test]
async fn the_trace_of_a_request_stays_with_its_events_unless_they_have_their_own() {
    let server = server().await;
    let api = &server.client;
    let (one, other) = (
        "00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    );
    let trace = [("traceparent", one), ("tracestate", "a=1")];
    let plain = json!([{"topic": "default", "type": "t", "payload": {}}]);
    send(api, "/events", &trace, plain).await.ok(201);
    send(api, "/streams/s", &trace, json!({"type": "t", "payload": {}})).await.ok(200);
    let own = [&STRUCTURED[..], &trace].concat();
    send(api, "/topics/default/events", &own, cloud_event(json!({"traceparent": other}))).await.ok(201);
    let events = api.events("default").await;
    for event in &events[..2] {
        assert_eq!(event["metadata"], json!({"traceparent": one, "tracestate": "a=1"}));
    }
    assert_eq!(events[2]["metadata"]["traceparent"], other);
    assert!(events[2]["metadata"].get("tracestate").is_none(), "a state belongs to its trace");
}
