//! Upcasters at work: readers get the form of today, the log keeps what it has.

use serde_json::{Value, json};
use weir_tests::scenarios::{odd, odd_version};
use weir_tests::{Client, Follower, Receiver, TestServer, eventually};

use crate::follow::publish;
use crate::server;

/// Puts a file in, and waits until it serves.
pub async fn put(server: &TestServer, name: &str, bytes: Vec<u8>) {
    let shown = async || server.client.get(&format!("/plugins/{name}")).await.json();
    let before = shown().await["digest"].clone();
    std::fs::write(server.plugins_dir().join(format!("{name}.wasm")), bytes).expect("dropped in");
    eventually("it serves", 60, async || {
        let shown = shown().await;
        // The server may look between a side-car and its component.
        let awaited = shown["reason"].as_str().is_some_and(|reason| reason.contains("beside it"));
        assert!(shown["state"] != "failed" || awaited, "{shown}");
        (shown["state"] == "active" && shown["digest"] != before).then_some(())
    })
    .await;
}

fn forms(events: &[Value]) -> Vec<(&str, &Value)> {
    events.iter().map(|event| (event["type"].as_str().expect("a type"), &event["payload"])).collect()
}

async fn events(api: &Client, path: &str) -> Vec<Value> {
    api.get(path).await.ok(200)["events"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_read_and_delivery_gives_the_form_of_today_and_the_log_keeps_its_own() {
    let server = server().await;
    let api = &server.client;
    api.post("/streams/s", json!({"type": "v1", "payload": {"n": 1}})).await.ok(200);
    api.post("/streams/s", json!({"type": "other", "payload": {"n": 2}})).await.ok(200);
    let mut before = Follower::open(&api.base, "/events", "").await;
    assert_eq!(before.past().await, ["default-1", "default-2"]);
    put(&server, "up", odd("odd-upcaster", "accept")).await;
    let (new, old, other) = (json!({"v": 2}), json!({"n": 1}), json!({"n": 2}));
    for path in ["/topics/default/events", "/events", "/streams/s", "/topics/default/streams/s"] {
        let read = events(api, path).await;
        assert_eq!(forms(&read), [("v2", &new), ("other", &other)], "{path}");
        assert!(read[0]["metadata"]["weir.plugin"].as_str().is_some_and(|by| by.starts_with("up ")), "{}", read[0]);
        assert_eq!(read[1]["metadata"], Value::Null, "what did not change is not signed");
        let stored = events(api, &format!("{path}?form=stored")).await;
        assert_eq!((forms(&stored), &stored[0]["metadata"]), (vec![("v1", &old), ("other", &other)], &Value::Null));
        let lines = api.get_with(path, &[("accept", "application/x-ndjson")]).await.text;
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines, read, "{path}");
        let mut follower = Follower::open(&api.base, path, "").await;
        assert_eq!([follower.told().await.json(), follower.told().await.json()], [read[0].clone(), read[1].clone()]);
        let mut follower = Follower::open(&api.base, &format!("{path}?form=stored"), "").await;
        assert_eq!(follower.told().await.json(), stored[0]);
    }
    assert_eq!(api.get("/events/default-1").await.ok(200)["type"], "v2");
    assert_eq!(api.get("/events/default-1?form=stored").await.ok(200)["type"], "v1");
    assert_eq!(forms(&events(api, "/events?type=v1").await), [("v2", &new)], "filters are about what was recorded");
    assert!(events(api, "/events?type=v2").await.is_empty());
    publish(api, "default", "v1", 3).await;
    assert_eq!(before.told().await.json()["type"], "v2", "also to one who followed before");
    let receiver = Receiver::start().await;
    api.post("/consumers/register", json!({"callback": receiver.url(), "topics": {"default": null}})).await.ok(201);
    eventually("all is delivered", 20, async || (receiver.events().len() == 3).then_some(())).await;
    assert_eq!(forms(&receiver.events()), [("v2", &new), ("other", &other), ("v2", &new)]);
    let version = api.get("/streams/s").await.headers["etag"].to_str().expect("text").to_owned();
    assert!(version.starts_with("\"2-") && version.len() > 10, "the tag names the form: {version}");
    std::fs::remove_file(server.plugins_dir().join("up.wasm")).expect("removed");
    eventually("it goes away", 20, async || (api.get("/plugins/up").await.status == 404).then_some(())).await;
    let plain = api.get_with("/streams/s", &[("if-none-match", &version)]).await;
    assert_eq!((plain.status, plain.json()["events"][0]["type"].clone()), (200, json!("v1")));
    assert_eq!(plain.headers["etag"], "\"2\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_file_gives_the_next_read_and_the_next_event_its_form() {
    let server = server().await;
    let api = &server.client;
    publish(api, "default", "a", 1).await;
    put(&server, "up", odd_version("odd-upcaster", "stamp", "1.0.0")).await;
    let mut follower = Follower::open(&api.base, "/topics/default/events", "").await;
    assert_eq!(follower.told().await.json()["payload"], json!({"version": "1.0.0"}));
    assert_eq!(follower.told().await.name, "caught-up");
    publish(api, "default", "a", 2).await;
    assert_eq!(follower.told().await.json()["payload"], json!({"version": "1.0.0"}));
    put(&server, "up", odd_version("odd-upcaster", "stamp", "2.0.0")).await;
    let forms: Vec<Value> = events(api, "/events").await.iter().map(|event| event["payload"].clone()).collect();
    assert_eq!(forms, [json!({"version": "2.0.0"}), json!({"version": "2.0.0"})]);
    let mut late = Follower::open(&api.base, "/topics/default/events?from=2", "").await;
    assert_eq!(late.told().await.json()["payload"], json!({"version": "2.0.0"}), "not what was made for others before");
    publish(api, "default", "a", 3).await;
    assert_eq!(follower.told().await.json()["payload"], json!({"version": "2.0.0"}));
}

/// In the order of their names: the second one sees what the first one made.
#[tokio::test(flavor = "multi_thread")]
async fn upcasters_follow_each_other_by_name() {
    let server = server().await;
    let api = &server.client;
    publish(api, "default", "v1", 1).await;
    put(&server, "b-up", odd_version("odd-upcaster", "stamp", "9.0.0")).await;
    put(&server, "a-up", odd("odd-upcaster", "accept")).await;
    let event = &events(api, "/events").await[0];
    assert_eq!((&event["type"], &event["payload"]), (&json!("v2"), &json!({"version": "9.0.0"})));
    let by: Vec<String> =
        event["metadata"]["weir.plugin"].as_str().expect("who").split(", ").map(str::to_owned).collect();
    assert!(by.len() == 2 && by[0].starts_with("a-up ") && by[1].starts_with("b-up "), "{by:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upcaster_that_fails_serves_nothing_half_and_deliveries_wait_for_its_mending() {
    let server = server().await;
    let api = &server.client;
    put(&server, "up", odd("odd-upcaster", "by-type")).await;
    let receiver = Receiver::start().await;
    let mut follower = Follower::open(&api.base, "/events", "").await;
    assert_eq!(follower.past().await, [""; 0]);
    let consumer =
        api.post("/consumers/register", json!({"callback": receiver.url(), "topics": {"default": null}})).await;
    let consumer = consumer.ok(201)["consumerId"].as_str().expect("an id").to_owned();
    publish(api, "default", "v1", 1).await;
    let told = follower.told().await;
    assert_eq!(told.json()["type"], "v2", "{told:?}");
    eventually("the first is delivered", 20, async || (receiver.events().len() == 1).then_some(())).await;
    let batch: Vec<Value> =
        (0..1_500).map(|n| json!({"topic": "default", "type": "v1", "payload": {"n": n}})).collect();
    publish(api, "default", "odd.trap", 2).await;
    api.post("/events", json!(batch)).await.ok(201);
    for path in ["/events", "/topics/default/events?from=2&limit=1", "/events/default-2"] {
        let failed = api.get(path).await;
        let detail = failed.problem(503, "PLUGIN_FAILED");
        assert!(detail.contains("plugin 'up'") && failed.json()["plugin"]["name"] == "up", "{detail}");
        assert_eq!(failed.json()["retryable"], true);
        assert!(failed.headers.contains_key("retry-after"));
    }
    let refused = api.get_with("/events", &[("accept", "text/event-stream")]).await;
    refused.problem(503, "PLUGIN_FAILED");
    assert_eq!(api.get("/events/default-1").await.ok(200)["type"], "v2", "what it does not fail on is served");
    assert_eq!(events(api, "/events?form=stored&limit=2").await[1]["type"], "odd.trap");
    let told = follower.told().await;
    assert_eq!((told.name.as_str(), &told.id), ("problem", &None));
    assert_eq!((&told.json()["code"], &told.json()["plugin"]["name"]), (&json!("PLUGIN_FAILED"), &json!("up")));
    let shown = eventually("the delivery says why it waits", 20, async || {
        let shown = api.get(&format!("/consumers/{consumer}")).await.ok(200);
        (shown["state"] == "retrying").then_some(shown)
    })
    .await;
    assert!(shown["lastError"].as_str().is_some_and(|why| why.contains("plugin 'up'")), "{shown}");
    assert_eq!((&shown["deadLetters"], receiver.events().len()), (&json!(0), 1), "{shown}");
    put(&server, "up", odd("odd-upcaster", "accept")).await;
    assert_eq!(events(api, "/events").await.len(), 1_502);
    eventually("all is delivered", 30, async || (receiver.events().len() == 1_502).then_some(())).await;
    let types: Vec<Value> = receiver.events().iter().map(|event| event["type"].clone()).collect();
    assert!(types[1] == "odd.trap" && types.iter().filter(|one| *one == "v2").count() == 1_501);
    for n in 2..=1_502 {
        let mut told = follower.told().await;
        // It may have taken so long that the follower was told how far it is.
        while told.name == "heartbeat" {
            told = follower.told().await;
        }
        assert_eq!(told.id, Some(format!("default-{n}")), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_fails_halfway_is_broken_off() {
    let server = server().await;
    let api = &server.client;
    put(&server, "up", odd("odd-upcaster", "by-type")).await;
    for _ in 0..3 {
        let batch: Vec<Value> = (0..1_000)
            .map(|n| json!({"topic": "default", "type": "a", "payload": {"n": n, "x": "y".repeat(400)}}))
            .collect();
        api.post("/events", json!(batch)).await.ok(201);
    }
    publish(api, "default", "odd.trap", 2).await;
    for accept in ["application/json", "application/x-ndjson"] {
        let broken = api.try_get_with("/events", &[("accept", accept)]).await;
        assert!(broken.is_err(), "{accept}: it must not look whole: {broken:?}");
        let whole = api.get_with("/events?limit=2500", &[("accept", accept)]).await;
        assert_eq!((whole.status, whole.text.matches("\"id\":").count()), (200, 2_500));
    }
}

/// An operator may let readers have the stored form instead of nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_upcaster_may_be_passed_over_and_its_problem_is_told() {
    let server = server().await;
    let api = &server.client;
    put(&server, "up", odd("odd-upcaster", "problem")).await;
    publish(api, "default", "odd.bad", 1).await;
    let refused = api.get("/events").await;
    let detail = refused.problem(503, "PLUGIN_FAILED");
    assert!(detail.contains("plugin 'up'") && detail.contains("'default-1'"), "{detail}");
    assert_eq!(refused.json()["errors"][0]["code"], "odd");
    std::fs::write(server.plugins_dir().join("up.toml"), "on_trap = \"pass\"\n").expect("a side-car");
    let answer = eventually("it is passed over", 30, async || {
        let answer = api.get("/events").await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(answer.json()["events"][0]["type"], "odd.bad");
    assert_eq!(answer.headers["cache-control"], "no-store", "the next answer may be another");
}
