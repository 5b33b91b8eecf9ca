//! Delivery as the API describes it: in order, at least once, never lost, and never in the publishers' way.

use serde_json::{Value, json};
use weir_tests::{Client, Receiver, Reply, eventually};

use crate::server;

async fn register(api: &Client, body: Value) -> String {
    let answer = api.post("/consumers/register", body).await.ok(201);
    answer["consumerId"].as_str().expect("an id").to_owned()
}

async fn publish(api: &Client, count: u64) {
    for n in 0..count {
        api.post("/events", json!([{"topic": "default", "type": "t", "payload": {"n": n}}])).await.ok(201);
    }
}

fn ids(range: std::ops::RangeInclusive<u64>) -> Vec<String> {
    range.map(|n| format!("default-{n}")).collect()
}

/// Without duplicates, keeping the first of each.
fn once(ids: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    ids.into_iter().filter(|id| seen.insert(id.clone())).collect()
}

#[tokio::test]
async fn a_consumer_gets_the_past_and_the_future_in_order() {
    let (server, receiver) = (server().await, Receiver::start().await);
    let api = &server.client;
    publish(api, 3).await;
    let id = register(api, json!({"callback": receiver.url(), "topics": {"default": null}})).await;
    publish(api, 3).await;
    eventually("six events", 10, async || (receiver.ids().len() == 6).then_some(())).await;
    assert_eq!(receiver.ids(), ids(1..=6));
    let body = &receiver.bodies()[0];
    assert_eq!(body["consumerId"], id.as_str());
    assert_eq!(body["events"][0]["payload"], json!({"n": 0}));
    let shown = eventually("no lag", 5, async || {
        let shown = api.get(&format!("/consumers/{id}")).await.ok(200);
        (shown["lag"] == 0).then_some(shown)
    })
    .await;
    assert_eq!((&shown["state"], &shown["topics"]), (&json!("active"), &json!({"default": "default-6"})));
    assert_eq!(api.get("/consumers").await.ok(200)["consumers"][0]["id"], id.as_str());
    assert_eq!(api.get("/health").await.ok(200)["runningDispatchers"], json!(["default"]));
    let gone = api.delete(&format!("/consumers/{id}")).await.ok(200);
    assert_eq!(gone, json!({"message": format!("Consumer {id} unregistered")}));
    api.delete(&format!("/consumers/{id}")).await.problem(404, "CONSUMER_NOT_FOUND");
    publish(api, 1).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(receiver.ids().len(), 6, "nothing comes after the end");
}

#[tokio::test]
async fn a_consumer_begins_after_the_event_it_names_and_sees_only_its_types() {
    let (server, receiver) = (server().await, Receiver::start().await);
    let api = &server.client;
    publish(api, 4).await;
    api.post("/streams/s", json!({"type": "other", "payload": {}})).await.ok(200);
    publish(api, 1).await;
    let body = json!({"callback": receiver.url(), "topics": {"default": "default-3"}, "types": ["t"]});
    let id = register(api, body).await;
    eventually("two events", 10, async || (receiver.ids().len() == 2).then_some(())).await;
    assert_eq!(receiver.ids(), ["default-4", "default-6"]);
    eventually("no lag", 5, async || (api.get(&format!("/consumers/{id}")).await.ok(200)["lag"] == 0).then_some(()))
        .await;
}

#[tokio::test]
async fn what_cannot_be_registered_is_refused_and_nothing_is_registered() {
    let server = server().await;
    let api = &server.client;
    let url = "http://127.0.0.1:9/x";
    let required = "Invalid request body. Required: callback URL and topics object";
    for body in [
        json!({}),
        json!({"callback": url}),
        json!({"topics": {"default": null}}),
        json!({"callback": url, "topics": []}),
    ] {
        let detail = api.post("/consumers/register", &body).await.problem(400, "INVALID_REQUEST");
        assert!(detail.starts_with(required), "{body}: {detail}");
    }
    for callback in ["nonsense", "ftp://127.0.0.1/x", "http://10.0.0.1/x", "http://169.254.169.254/latest"] {
        let body = json!({"callback": callback, "topics": {"default": null}});
        api.post("/consumers/register", body).await.problem(400, "INVALID_CALLBACK");
    }
    for topics in [json!({"nowhere": null}), json!({"default": "default-1"}), json!({"default": 7})] {
        let answer = api.post("/consumers/register", json!({"callback": url, "topics": topics})).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
    }
    for no_sink in ["nowhere", "schema"] {
        let body = json!({"callback": url, "topics": {"default": null}, "sink": no_sink});
        api.post("/consumers/register", body).await.problem(400, "SINK_UNKNOWN");
    }
    api.post("/plugins/webhook/pause", "").await.ok(200);
    let paused = json!({"callback": url, "topics": {"default": null}});
    api.post("/consumers/register", &paused).await.problem(503, "SINK_UNAVAILABLE");
    api.post("/plugins/webhook/resume", "").await.ok(200);
    let misspelt = json!({"callback": url, "topics": {"default": null}, "durabel": false});
    assert!(api.post("/consumers/register", misspelt).await.problem(400, "INVALID_REQUEST").contains("durabel"));
    assert_eq!(api.get("/consumers").await.ok(200), json!({"consumers": []}));
}

#[tokio::test]
async fn a_receiver_that_fails_is_tried_again_until_it_works_and_nothing_is_lost() {
    let (server, receiver) = (server().await, Receiver::start().await);
    let api = &server.client;
    receiver.reply(Reply::Status(500));
    let retry = json!({"maxAttempts": 1000, "initialDelayMs": 20, "maxDelayMs": 100});
    let id = register(api, json!({"callback": receiver.url(), "topics": {"default": null}, "retry": retry})).await;
    publish(api, 5).await;
    let shown = eventually("a retry", 10, async || {
        let shown = api.get(&format!("/consumers/{id}")).await.ok(200);
        (shown["state"] == "retrying" && receiver.requests() >= 3).then_some(shown)
    })
    .await;
    assert!(shown["lastError"].as_str().is_some_and(|error| error.contains("500")), "{shown}");
    assert_eq!(shown["topics"], json!({"default": null}), "the position waits");
    receiver.reply(Reply::Status(204));
    eventually("all five", 10, async || (once(receiver.ids()).len() == 5).then_some(())).await;
    assert_eq!(once(receiver.ids()), ids(1..=5));
}

/// An address is checked before it is called; where a receiver points to was never checked.
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (server, receiver, elsewhere) = (server().await, Receiver::start().await, Receiver::start().await);
    receiver.reply(Reply::Redirect(elsewhere.address()));
    let retry = json!({"maxAttempts": 1000, "initialDelayMs": 10, "maxDelayMs": 10});
    let body = json!({"callback": receiver.url(), "topics": {"default": null}, "retry": retry});
    let id = register(&server.client, body).await;
    publish(&server.client, 1).await;
    eventually("some tries", 10, async || (receiver.requests() >= 5).then_some(())).await;
    assert_eq!(elsewhere.requests(), 0);
    let shown = server.client.get(&format!("/consumers/{id}")).await.ok(200);
    assert!(shown["lastError"].as_str().is_some_and(|error| error.contains("307")), "{shown}");
}

#[tokio::test]
async fn an_event_that_always_fails_is_dead_lettered_alone_and_the_rest_goes_on() {
    let (mut server, receiver) = (server().await, Receiver::start().await);
    receiver.reply(Reply::FailOn(3));
    publish(&server.client, 6).await;
    let retry = json!({"maxAttempts": 4, "initialDelayMs": 5, "maxDelayMs": 10});
    let body = json!({"callback": receiver.url(), "topics": {"default": null}, "retry": retry});
    let id = register(&server.client, body).await;
    eventually("the rest", 10, async || (once(receiver.ids()).len() == 5).then_some(())).await;
    assert_eq!(once(receiver.ids()), ["default-1", "default-2", "default-4", "default-5", "default-6"]);
    let path = format!("/consumers/{id}");
    let shown = eventually("no lag", 5, async || {
        let shown = server.client.get(&path).await.ok(200);
        (shown["lag"] == 0).then_some(shown)
    })
    .await;
    assert_eq!(shown["deadLetters"], 1);
    server.kill().await;
    server.start_again().await;
    eventually("dead letters are kept", 5, async || {
        (server.client.get(&path).await.ok(200)["deadLetters"] == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_sent_nothing_more() {
    let (server, receiver) = (server().await, Receiver::start().await);
    let api = &server.client;
    receiver.reply(Reply::Status(410));
    let id = register(api, json!({"callback": receiver.url(), "topics": {"default": null}})).await;
    publish(api, 1).await;
    eventually("it is gone", 10, async || {
        (api.get(&format!("/consumers/{id}")).await.ok(200)["state"] == "gone").then_some(())
    })
    .await;
    publish(api, 3).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(receiver.requests(), 1);
}

#[tokio::test]
async fn a_durable_consumer_goes_on_where_it_was_and_a_transient_one_ends_with_the_process() {
    let (mut server, receiver, passing) = (server().await, Receiver::start().await, Receiver::start().await);
    let durable = register(&server.client, json!({"callback": receiver.url(), "topics": {"default": null}})).await;
    let transient = json!({"callback": passing.url(), "topics": {"default": null}, "durable": false});
    register(&server.client, transient).await;
    publish(&server.client, 3).await;
    eventually("both have three", 10, async || (receiver.ids().len() == 3 && passing.ids().len() == 3).then_some(()))
        .await;
    server.stop().await;
    server.start_again().await;
    let listed = server.client.get("/consumers").await.ok(200);
    assert_eq!(listed["consumers"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed["consumers"][0]["id"], durable.as_str());
    publish(&server.client, 2).await;
    eventually("five", 10, async || (receiver.ids().len() >= 5).then_some(())).await;
    assert_eq!(receiver.ids(), ids(1..=5), "after a clean stop nothing comes twice");
    assert_eq!(passing.ids().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_or_slow_receiver_delays_no_publisher_and_no_other_consumer() {
    let (server, hanging, slow, good) =
        (server().await, Receiver::start().await, Receiver::start().await, Receiver::start().await);
    let api = &server.client;
    hanging.reply(Reply::Hang);
    slow.reply(Reply::Slow(300));
    for receiver in [&hanging, &slow, &good] {
        register(api, json!({"callback": receiver.url(), "topics": {"default": null}})).await;
    }
    publish(api, 50).await;
    eventually("the good one has all", 10, async || (good.ids().len() == 50).then_some(())).await;
    eventually("the slow one has all", 20, async || (slow.ids().len() == 50).then_some(())).await;
    assert_eq!((good.ids(), slow.ids()), (ids(1..=50), ids(1..=50)));
    assert_eq!(hanging.ids().len(), 0);
}
