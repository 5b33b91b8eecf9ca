//! One append, every condition; a request that is sent again; and the hash that covers a topic.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{schema, server};

fn seat(n: u64, tags: &[&str]) -> Value {
    json!({"topic": "default", "type": "booked", "payload": {"seat": n}, "tags": tags})
}

fn unless(tag: &str, after: u64) -> Value {
    json!({"query": {"types": ["booked"], "tags": [tag]}, "after": after})
}

#[tokio::test]
async fn an_append_is_refused_when_an_event_that_matches_came_meanwhile() {
    let server = server().await;
    let api = &server.client;
    let book = |n, after| json!({"events": [seat(n, &[&format!("seat:{n}"), "hall:1"])], "conditions": [unless(&format!("seat:{n}"), after)]});
    assert_eq!(api.post("/events", book(1, 0)).await.ok(201)["positions"], json!([1]));
    api.post("/events", book(2, 1)).await.ok(201);
    let taken = api.post("/events", book(1, 0)).await;
    let detail = taken.problem(409, "CONFLICT");
    assert!(detail.contains("position 1"), "{detail}");
    assert_eq!(
        taken.json()["conditions"],
        json!([{
            "query": {"types": ["booked"], "tags": ["seat:1"]}, "expected": {"after": 0}, "actual": 1
        }])
    );
    api.post("/events", book(1, 1)).await.ok(201);
    // All that fail are told, whatever their kind; nothing is written.
    let conditions = json!([
        unless("hall:1", 2), unless("hall:1", 3), {"head": 3}, {"head": 9}, {"stream": "s", "version": "exists"},
        {"stream": "s", "topic": "default", "version": 0},
    ]);
    let answer = api.post("/topics/default/events", json!({"conditions": conditions, "events": [seat(9, &[])]})).await;
    answer.problem(409, "CONFLICT");
    let told = answer.json()["conditions"].clone();
    assert_eq!(told.as_array().map(Vec::len), Some(3), "{told}");
    assert_eq!((&told[0]["actual"], &told[1]["actual"], &told[2]["actual"]), (&json!(3), &json!(3), &json!(0)));
    assert_eq!(told[1], json!({"head": true, "expected": 9, "actual": 3}));
    assert_eq!(api.get("/topics/default").await.ok(200)["sequence"], 3);
}

#[tokio::test]
async fn conditions_that_cannot_be_checked_are_refused_with_the_mend() {
    let server = server().await;
    let api = &server.client;
    api.post("/topics", json!({"name": "m", "adapter": "memory"})).await.ok(201);
    let ask = async |conditions: Value| {
        api.post("/events", json!({"events": [seat(1, &[])], "conditions": conditions})).await
    };
    for (conditions, part) in [
        (json!([{"query": {}, "after": 0}]), "types or tags"),
        (json!([{"query": {"tags": ["x"]}}]), "conditions[0]"),
        (json!([{"head": 1, "after": 1}]), "conditions[0]"),
        (json!([{"stream": "s", "version": "any"}]), "leave the condition out"),
    ] {
        let detail = ask(conditions.clone()).await.problem(400, "INVALID_CONDITION");
        assert!(detail.contains(part), "{conditions}: {detail}");
    }
    ask(json!([{"heads": 1}])).await.problem(400, "INVALID_REQUEST");
    ask(json!([{"stream": "s", "topic": "nowhere", "version": 0}])).await.problem(400, "TOPIC_NOT_FOUND");
    ask(json!([{"stream": "s", "topic": "m", "version": 0}])).await.problem(400, "STORES_MIXED");
    assert_eq!(api.events("default").await.len(), 0, "nothing was written");
}

#[tokio::test]
async fn headers_say_what_a_stream_must_be_like() {
    let server = server().await;
    let api = &server.client;
    let body = json!({"type": "made", "payload": {}});
    let send = async |name: &str, value: &str| api.post_with("/streams/s", &body, &[(name, value)]).await;
    send("if-match", "*").await.problem(412, "CONFLICT");
    send("if-none-match", "*").await.ok(200);
    send("if-none-match", "*").await.problem(412, "CONFLICT");
    let answer = send("if-match", "\"7\"").await;
    answer.problem(412, "CONFLICT");
    assert_eq!(answer.json()["conditions"][0]["actual"], 1);
    let tag = api.get("/streams/s").await.headers["etag"].to_str().expect("text").to_owned();
    send("if-match", &tag).await.ok(200);
    send("if-match", &tag).await.problem(412, "CONFLICT");
    send("if-match", "1").await.problem(400, "INVALID_CONDITION");
    send("if-none-match", "\"1\"").await.problem(400, "INVALID_CONDITION");
    let several = json!([{"topic": "default", "type": "t", "payload": {}, "stream": "a"}, {"topic": "default", "type": "t", "payload": {}}]);
    api.post_with("/events", several, &[("if-match", "*")]).await.problem(400, "INVALID_CONDITION");
    api.post_with("/streams/s/9", &body, &[("if-match", "\"2\"")]).await.problem(409, "CONFLICT");
    assert_eq!(api.events("default").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_sent_again_gets_its_first_answer_also_after_a_kill() {
    let mut server = server().await;
    let api = server.client.clone();
    api.post("/topics", json!({"name": "t", "schemas": [schema("booked")]})).await.ok(201);
    let body = json!([{"topic": "t", "type": "booked", "payload": {"n": 1}, "stream": "s", "expectedVersion": 0}, seat(2, &["x"])]);
    let send =
        async |api: &crate::Client, key: &str| api.post_with("/events", &body, &[("idempotency-key", key)]).await;
    let first = send(&api, "k1").await;
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let first = first.ok(201);
    let mut again = JoinSet::new();
    for _ in 0..10 {
        let (api, body) = (api.clone(), body.clone());
        again.spawn(async move { api.post_with("/events", body, &[("idempotency-key", "k1")]).await });
    }
    for answer in again.join_all().await {
        assert_eq!(answer.headers["idempotency-replayed"], "true");
        assert_eq!(answer.ok(201), first);
    }
    let other = json!([seat(3, &[])]);
    api.post_with("/events", &other, &[("idempotency-key", "k1")]).await.problem(422, "IDEMPOTENCY_KEY_REUSED");
    api.post_with("/topics/default/events", &other, &[("idempotency-key", "k1")])
        .await
        .problem(422, "IDEMPOTENCY_KEY_REUSED");
    // What was refused has not used its key.
    let wrong = json!([{"topic": "t", "type": "booked", "payload": {"n": "one"}}]);
    api.post_with("/events", &wrong, &[("idempotency-key", "k2")]).await.problem(400, "EVENT_PUBLISH_FAILED");
    api.post_with("/events", &other, &[("idempotency-key", "k2")]).await.ok(201);
    let on_stream = json!({"type": "made", "payload": {}});
    let answer = api.post_with("/streams/z/1", &on_stream, &[("idempotency-key", "k3")]).await.ok(200);
    server.kill().await;
    server.start_again().await;
    let api = &server.client;
    let answer_again = api.post_with("/streams/z/1", &on_stream, &[("idempotency-key", "k3")]).await;
    assert_eq!(answer_again.headers["idempotency-replayed"], "true");
    assert_eq!(answer_again.ok(200), answer);
    assert_eq!(send(api, "k1").await.ok(201), first);
    for key in ["", &"x".repeat(256)] {
        send(api, key).await.problem(400, "INVALID_IDEMPOTENCY_KEY");
    }
    assert_eq!(api.get("/events").await.ok(200)["events"].as_array().map(Vec::len), Some(4));
}

#[tokio::test]
async fn the_head_of_a_topic_has_a_hash_that_every_event_changes() {
    let mut server = server().await;
    let empty = server.client.get("/topics/default/head").await.ok(200);
    assert_eq!(empty, json!({"topic": "default", "sequence": 0, "first": 1, "hash": "0".repeat(64)}));
    let mut seen = vec![empty["hash"].clone()];
    for n in 1..=5 {
        server.client.post("/events", json!([seat(n, &[])])).await.ok(201);
        let head = server.client.get("/topics/default/head").await.ok(200);
        assert_eq!(head["sequence"], n);
        assert!(!seen.contains(&head["hash"]), "{head}");
        seen.push(head["hash"].clone());
    }
    server.kill().await;
    server.start_again().await;
    assert_eq!(server.client.get("/topics/default/head").await.ok(200)["hash"], seen[5]);
    server.client.get("/topics/nowhere/head").await.problem(404, "TOPIC_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_publish_nothing_are_also_done_once() {
    let mut server = server().await;
    let api = server.client.clone();
    let topic = json!({"name": "t", "adapter": "redb"});
    let first = api.post_with("/topics", &topic, &[("idempotency-key", "t")]).await.ok(201);
    let again = api.post_with("/topics", &topic, &[("idempotency-key", "t")]).await;
    assert_eq!((&again.headers["idempotency-replayed"], again.ok(201)), (&"true".parse().expect("a value"), first));
    let other = json!({"name": "u", "adapter": "redb"});
    api.post_with("/topics", &other, &[("idempotency-key", "t")]).await.problem(422, "IDEMPOTENCY_KEY_REUSED");
    // What was refused has not used its key.
    api.post_with("/topics", &topic, &[("idempotency-key", "u")]).await.problem(409, "TOPIC_CREATION_FAILED");
    api.post_with("/topics", &other, &[("idempotency-key", "u")]).await.ok(201);
    let register = json!({"callback": "http://127.0.0.1:1/", "topics": {"t": null}});
    let mut tasks = JoinSet::new();
    for _ in 0..10 {
        let (api, register) = (api.clone(), register.clone());
        tasks.spawn(async move {
            loop {
                let answer = api.post_with("/consumers/register", &register, &[("idempotency-key", "c")]).await;
                if answer.status != 409 {
                    return answer.ok(201)["consumerId"].clone();
                }
                answer.problem(409, "IDEMPOTENCY_KEY_IN_USE");
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        });
    }
    let all = tokio::time::timeout(std::time::Duration::from_secs(30), tasks.join_all()).await.expect("they end");
    assert!(all.iter().all(|id| *id == all[0]), "{all:?}");
    server.kill().await;
    server.start_again().await;
    let api = &server.client;
    let answer = api.post_with("/consumers/register", &register, &[("idempotency-key", "c")]).await.ok(201);
    assert_eq!(answer["consumerId"], all[0]);
    assert_eq!(api.get("/consumers").await.ok(200)["consumers"].as_array().map(Vec::len), Some(1));
}
