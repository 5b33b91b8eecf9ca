//! Commands on aggregates, with a decider that is put in as a file: a counter (tests/guests/odd-decider), and documents.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use weir_tests::clients::root;
use weir_tests::scenarios::{odd, odd_version};
use weir_tests::{Client, TestServer, eventually};

use crate::{schema, server};

/// Puts a plugin in, or another one in its place, and waits until it serves.
pub async fn put_in(server: &TestServer, name: &str, sidecar: &str, component: &[u8]) {
    let plugins = server.plugins_dir();
    std::fs::create_dir_all(&plugins).expect("a directory");
    let generation = generation(&server.client, name).await;
    std::fs::write(plugins.join(format!("{name}.toml")), sidecar).expect("written");
    std::fs::write(plugins.join(format!("{name}.wasm")), component).expect("written");
    eventually(&format!("{name} serves"), 60, async || {
        (self::generation(&server.client, name).await > generation).then_some(())
    })
    .await;
}

async fn generation(api: &Client, name: &str) -> u64 {
    let shown = api.get(&format!("/plugins/{name}")).await.json();
    shown["serving"]["generation"].as_u64().unwrap_or_default()
}

/// A server whose topic `t` is bound to a counter.
pub async fn with_counter(behaviour: &str) -> TestServer {
    let server = server().await;
    put_in(&server, "counter", "", &odd("odd-decider", behaviour)).await;
    server.client.post("/topics", json!({"name": "t", "decider": "counter"})).await.ok(201);
    server
}

async fn add(api: &Client, id: &str, by: i64) -> Value {
    api.post(&format!("/aggregates/t/{id}/commands/add"), json!({ "by": by })).await.ok(200)
}

#[tokio::test]
async fn a_command_is_decided_recorded_and_answered() {
    let server = with_counter("accept").await;
    let api = &server.client;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01";
    let path = "/aggregates/t/order%3A1%2Fa/commands/add";
    let answer = api.post_with(path, json!({"by": 3}), &[("traceparent", trace)]).await;
    let done = answer.ok(200);
    assert_eq!((&done["version"], &done["state"]), (&json!(1), &json!({"n": 3})));
    assert_eq!(answer.headers["etag"], "\"1\"");
    let event = &done["events"][0];
    assert_eq!((&event["id"], &event["stream"], &event["type"]), (&json!("t-1"), &json!("order:1/a"), &json!("added")));
    assert!(event["metadata"]["weir.plugin"].as_str().is_some_and(|plugin| plugin.starts_with("counter ")));
    assert_eq!(event["metadata"]["traceparent"], trace);
    assert_eq!(api.events("t").await, std::slice::from_ref(event), "readers get the same");

    let state = api.get("/aggregates/t/order%3A1%2Fa").await;
    assert_eq!(state.ok(200), json!({"topic": "t", "id": "order:1/a", "version": 1, "state": {"n": 3}}));
    assert_eq!(state.headers["etag"], "\"1\"");
}

#[tokio::test]
async fn what_is_refused_says_why_and_writes_nothing() {
    let server = with_counter("accept").await;
    let api = &server.client;
    add(api, "s", 1).await;
    let refused = api.post("/aggregates/t/s/commands/sub", json!({"by": 5})).await;
    refused.problem(422, "COMMAND_REFUSED");
    let body = refused.json();
    assert_eq!((&body["errors"][0]["code"], &body["plugin"]), (&json!("below-zero"), &json!("counter")));
    let invalid = api.post("/aggregates/t/s/commands/add", json!({"by": "much"})).await;
    assert!(invalid.problem(422, "COMMAND_INVALID").contains("refused the command: "));
    api.post("/aggregates/t/s/commands/add", "").await.problem(422, "COMMAND_INVALID");
    api.post("/aggregates/t/s/commands/add", "{").await.problem(400, "INVALID_JSON");
    api.post("/aggregates/t/s/commands/dance", "").await.problem(404, "COMMAND_UNKNOWN");
    api.post("/aggregates/t/s/commands/a%20b", "").await.problem(400, "INVALID_NAME");
    api.post("/aggregates/nowhere/s/commands/add", "").await.problem(404, "TOPIC_NOT_FOUND");
    api.get("/aggregates/t/nobody").await.problem(404, "AGGREGATE_NOT_FOUND");
    assert_eq!(api.events("t").await.len(), 1);
}

#[tokio::test]
async fn a_topic_is_bound_by_itself_or_by_a_side_car_and_says_what_is_missing() {
    let server = with_counter("accept").await;
    let api = &server.client;
    let detail = api.post("/aggregates/default/s/commands/add", json!({"by": 1})).await.problem(400, "NO_DECIDER");
    assert!(detail.contains("topics = [\"default\"]"), "{detail}");
    api.post("/topics", json!({"name": "x", "decider": "schema"})).await.problem(400, "INVALID_DECIDER");
    api.put("/topics/t", json!({"decider": "a b"})).await.problem(400, "INVALID_NAME");

    api.post("/topics", json!({"name": "u", "schemas": [], "decider": "later"})).await.ok(201);
    assert_eq!(api.get("/topics/u").await.ok(200)["decider"], "later");
    let missing = api.get("/aggregates/u/s").await;
    missing.problem(503, "DECIDER_UNAVAILABLE");
    assert_eq!(missing.json()["retryable"], true);

    let message = api.put("/topics/u", json!({"decider": null})).await.ok(200)["message"].clone();
    assert_eq!(message, "Topic 'u' decider updated successfully");
    assert_eq!(api.get("/topics/u").await.ok(200)["decider"], Value::Null);
    put_in(&server, "counter", "topics = [\"u*\"]\n", &odd_version("odd-decider", "accept", "0.2.0")).await;
    assert_eq!(api.get("/topics/u").await.ok(200)["decider"], "counter");
    // The topic's list of schemas is empty, and holds for what a decider makes too.
    let refused = api.post("/aggregates/u/s/commands/add", json!({"by": 1})).await;
    refused.problem(422, "EVENT_PUBLISH_FAILED");
}

#[tokio::test]
async fn states_of_the_past_and_expected_versions() {
    let server = with_counter("accept").await;
    let api = &server.client;
    for by in 1..=3 {
        add(api, "s", by).await;
    }
    for (at, n) in [(1, 1), (2, 3), (3, 6)] {
        assert_eq!(api.get(&format!("/aggregates/t/s?at={at}")).await.ok(200)["state"], json!({ "n": n }));
    }
    api.get("/aggregates/t/s?at=0").await.problem(404, "AGGREGATE_NOT_FOUND");
    api.get("/aggregates/t/s?at=4").await.problem(404, "VERSION_NOT_FOUND");
    api.get("/aggregates/t/s?at=x").await.problem(400, "INVALID_QUERY");

    let path = "/aggregates/t/s/commands/add";
    let body = json!({"by": 1});
    api.post_with(path, &body, &[("if-match", "\"2\"")]).await.problem(412, "CONFLICT");
    api.post_with(path, &body, &[("if-none-match", "*")]).await.problem(412, "CONFLICT");
    let done = api.post_with(path, &body, &[("if-match", "\"3\"")]).await.ok(200);
    assert_eq!((&done["version"], &done["state"]), (&json!(4), &json!({"n": 7})));
}

#[tokio::test]
async fn the_same_command_sent_again_is_done_once_also_after_a_crash() {
    let mut server = with_counter("accept").await;
    let headers = [("idempotency-key", "once")];
    let path = "/aggregates/t/s/commands/add";
    let first = server.client.post_with(path, json!({"by": 3}), &headers).await.ok(200);
    add(&server.client, "s", 4).await;
    server.kill().await;
    server.start_again().await;
    let api = &server.client;
    let again = api.post_with(path, json!({"by": 3}), &headers).await;
    assert_eq!((again.ok(200), again.headers["idempotency-replayed"].as_bytes()), (first, &b"true"[..]));
    api.post_with(path, json!({"by": 9}), &headers).await.problem(422, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(api.get("/aggregates/t/s").await.ok(200)["state"], json!({"n": 7}));
    assert_eq!(api.events("t").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_commands_at_once_on_one_aggregate_beside_a_publisher() {
    let server = with_counter("accept").await;
    let api = server.client.clone();
    let publisher = tokio::spawn(async move {
        for _ in 0..20 {
            api.post("/topics/t/streams/s", json!({"type": "added", "payload": {"by": 1}})).await.ok(200);
        }
    });
    let mut running = JoinSet::new();
    for _ in 0..200 {
        let api = server.client.clone();
        running.spawn(async move { add(&api, "s", 1).await["version"].as_u64().expect("a version") });
    }
    let versions: BTreeSet<u64> = running.join_all().await.into_iter().collect();
    publisher.await.expect("published");
    assert_eq!((versions.len(), versions.last().is_some_and(|last| *last <= 220)), (200, true));
    let state = server.client.get("/aggregates/t/s").await.ok(200);
    assert_eq!((&state["version"], &state["state"]), (&json!(220), &json!({"n": 220})));
    let metrics = server.client.get("/metrics").await.text;
    assert!(metrics.contains("weir_commands_total{outcome=\"executed\"} 200\n"), "{metrics}");
}

#[tokio::test]
async fn states_are_held_to_the_topics_schema_of_states() {
    let server = with_counter("accept").await;
    let api = &server.client;
    api.put("/topics/t", json!({"stateSchema": 1})).await.problem(400, "INVALID_REQUEST");
    let detail =
        api.put("/topics/t", json!({"stateSchema": {"type": "nonsense"}})).await.problem(400, "INVALID_SCHEMA");
    assert!(detail.starts_with("stateSchema: "), "{detail}");
    let small = json!({"properties": {"n": {"maximum": 5}}});
    api.put("/topics/t", json!({ "stateSchema": small })).await.ok(200);
    assert_eq!(api.get("/topics/t").await.ok(200)["stateSchema"], small);
    add(api, "s", 5).await;
    let refused = api.post("/aggregates/t/s/commands/add", json!({"by": 1})).await;
    refused.problem(422, "STATE_INVALID");
    assert_eq!(refused.json()["errors"][0]["pointer"], "/n");
    assert_eq!(api.events("t").await.len(), 1);
    // Nobody but the server can say the name under which states are checked.
    api.post("/topics", json!({"name": "t$state", "schemas": []})).await.problem(400, "INVALID_NAME");
    api.put("/topics/t", json!({"stateSchema": null})).await.ok(200);
    add(api, "s", 1).await;
}

#[tokio::test]
async fn a_new_file_of_the_decider_goes_on_with_the_states_and_a_faulty_one_harms_nothing() {
    let server = with_counter("accept").await;
    let api = &server.client;
    for _ in 0..300 {
        add(api, "s", 1).await;
    }
    put_in(&server, "counter", "", &odd_version("odd-decider", "state-2", "0.2.0")).await;
    assert_eq!(add(api, "s", 1).await["state"], json!({"n": 301}));
    // It is tried on recorded events first, and refused.
    let faulty = odd_version("odd-decider", "trap-in-evolve", "0.3.0");
    std::fs::write(server.plugins_dir().join("counter.wasm"), faulty).expect("dropped in");
    eventually("the faulty file is refused", 60, async || {
        (api.get("/plugins/counter").await.json()["state"] == "failed").then_some(())
    })
    .await;
    assert_eq!(add(api, "s", 1).await["state"], json!({"n": 302}));
    assert_eq!(api.events("t").await.len(), 302);
}

/// A server with documents in the topic `docs`.
async fn with_documents() -> TestServer {
    let server = server().await;
    let component = std::fs::read(root().join("plugins/dist/json-patch.wasm")).expect("cargo xtask plugins was run");
    put_in(&server, "json-patch", "topics = [\"docs\"]\n", &component).await;
    server.client.post("/topics", json!({"name": "docs", "adapter": "redb"})).await.ok(201);
    server
}

#[tokio::test]
async fn documents_are_created_replaced_patched_and_deleted() {
    let server = with_documents().await;
    let api = &server.client;
    let made = api.post("/aggregates/docs/a%2Fb", json!({"n": 1, "list": [1]})).await;
    let expected = json!({"id": "a/b", "version": 1, "events": ["docs-1"], "state": {"n": 1, "list": [1]}});
    assert_eq!(made.ok(201), expected);
    let location = made.headers["location"].to_str().expect("text");
    assert_eq!(api.get(location).await.ok(200)["state"], json!({"n": 1, "list": [1]}));
    let twice = api.post("/aggregates/docs/a%2Fb", json!({})).await;
    twice.problem(409, "COMMAND_REFUSED");
    assert_eq!(twice.json()["errors"][0]["code"], "ALREADY_EXISTS");

    let path = "/aggregates/docs/a%2Fb";
    let patch =
        async |kind: &str, body: Value| api.send_with(Method::PATCH, path, &[("content-type", kind)], body).await;
    let done = patch("application/json-patch+json", json!([{"op": "add", "path": "/list/-", "value": 2}])).await;
    assert_eq!(done.ok(200)["state"], json!({"n": 1, "list": [1, 2]}));
    let done = patch("application/merge-patch+json", json!({"n": null})).await.ok(200);
    assert_eq!((&done["version"], &done["state"]), (&json!(3), &json!({"list": [1, 2]})));
    let done = patch("application/json", json!({"n": 2})).await.ok(200);
    assert_eq!(done["state"], json!({"n": 2, "list": [1, 2]}));
    let failed = patch("application/json", json!([{"op": "test", "path": "/n", "value": 9}])).await;
    failed.problem(409, "COMMAND_REFUSED");
    patch("application/json", json!([{"op": "dance"}])).await.problem(422, "COMMAND_INVALID");
    patch("application/json", json!("x")).await.problem(400, "INVALID_REQUEST");
    patch("text/plain", json!({})).await.problem(415, "UNSUPPORTED_MEDIA_TYPE");

    let replace = async |tag| api.send_with(Method::PUT, path, &[("if-match", tag)], json!({"n": 3})).await;
    replace("\"1\"").await.problem(412, "CONFLICT");
    let done = replace("\"4\"").await.ok(200);
    assert_eq!((&done["version"], &done["state"]), (&json!(5), &json!({"n": 3})));
    let gone = api.delete(path).await.ok(200);
    assert_eq!((&gone["version"], &gone["state"]), (&json!(6), &Value::Null));
    api.get(path).await.problem(404, "AGGREGATE_NOT_FOUND");
    api.delete(path).await.problem(404, "AGGREGATE_NOT_FOUND");
    assert_eq!(api.get(&format!("{path}?at=5")).await.ok(200)["state"], json!({"n": 3}));
}

#[tokio::test]
async fn a_new_document_gets_an_id_and_only_one_when_it_is_sent_twice() {
    let server = with_documents().await;
    let api = &server.client;
    let first = api.post("/aggregates/docs", json!({"n": 1})).await.ok(201);
    let second = api.post("/aggregates/docs", json!({"n": 1})).await.ok(201);
    assert_ne!(first["id"], second["id"]);
    let key = [("idempotency-key", "new")];
    let first = api.post_with("/aggregates/docs", json!({"n": 2}), &key).await;
    let again = api.post_with("/aggregates/docs", json!({"n": 2}), &key).await;
    assert_eq!(again.ok(201), first.ok(201));
    assert_eq!(
        (&again.headers["location"], &again.headers["idempotency-replayed"]),
        (&first.headers["location"], &"true".parse().expect("a value"))
    );
    api.post("/aggregates/docs", "").await.problem(400, "INVALID_JSON");
    assert_eq!(api.events("docs").await.len(), 3);
}

#[tokio::test]
async fn events_of_a_topic_with_schemas_are_validated_whoever_makes_them() {
    let server = with_counter("accept").await;
    let api = &server.client;
    let added = json!({"eventType": "added", "type": "object", "properties": {"by": {"maximum": 10}}});
    let topic = json!({"name": "strict", "decider": "counter", "schemas": [added, schema("other")]});
    api.post("/topics", topic).await.ok(201);
    let add = async |by: i64| api.post("/aggregates/strict/s/commands/add", json!({ "by": by })).await;
    add(10).await.ok(200);
    let refused = add(11).await;
    refused.problem(422, "EVENT_PUBLISH_FAILED");
    assert_eq!((&refused.json()["plugin"], &refused.json()["errors"][0]["pointer"]), (&json!("schema"), &json!("/by")));
    assert_eq!(api.events("strict").await.len(), 1);
}

/// The cases of the public suite, through the front door: what a patch makes, or that one which fails writes nothing.
#[tokio::test]
async fn every_case_of_the_json_patch_suite_goes_as_it_says() {
    let server = with_documents().await;
    let api = &server.client;
    let cases = std::fs::read(root().join("plugins/json-patch/tests/cases.json")).expect("the cases");
    let cases: Value = serde_json::from_slice(&cases).expect("JSON");
    let cases = cases["cases"].as_array().expect("a list");
    assert!(cases.len() > 100, "{}", cases.len());
    for (number, case) in cases.iter().enumerate() {
        let path = format!("/aggregates/docs/case-{number}");
        api.post(&path, case["doc"].clone()).await.ok(201);
        let kind = [("content-type", "application/json-patch+json")];
        let done = api.send_with(Method::PATCH, &path, &kind, case["patch"].clone()).await;
        let read = api.get(&path).await;
        match case.get("code").and_then(Value::as_str) {
            Some(code) => {
                assert!(matches!(done.status, 409 | 422), "{case}: {}", done.text);
                assert_eq!(done.json()["errors"][0]["code"], code, "{case}");
                let read = read.ok(200);
                assert_eq!((&read["version"], &read["state"]), (&json!(1), &case["doc"]), "{case}");
            }
            None if case.get("gone").is_some() => {
                done.ok(200);
                read.problem(404, "AGGREGATE_NOT_FOUND");
            }
            None => {
                assert_eq!(done.ok(200)["state"], case["expected"], "{case}");
                assert_eq!(read.ok(200)["state"], case["expected"], "{case}");
            }
        }
    }
}
