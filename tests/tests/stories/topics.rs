//! Topics as the API describes them: every status, code and word.

use serde_json::{Value, json};

use crate::{schema, server};

#[tokio::test]
async fn a_topic_is_created_listed_shown_and_changed() {
    let server = server().await;
    let api = &server.client;
    let made = api.post("/topics", json!({"name": "orders", "schemas": [schema("placed")]})).await.ok(201);
    let expected = json!({"message": "Topic 'orders' created successfully", "name": "orders", "adapter": "redb"});
    assert_eq!(made, expected);
    assert_eq!(api.get("/topics").await.ok(200), json!({"topics": ["default", "orders"]}));

    let shown = api.get("/topics/orders").await.ok(200);
    assert_eq!(shown["name"], "orders");
    assert_eq!(shown["sequence"], 0);
    assert_eq!(shown["schemas"], json!([schema("placed")]));
    assert_eq!(api.get("/topics?view=details").await.ok(200)["topics"][1], shown);

    let gone = api.put("/topics/orders", json!({"schemas": [schema("paid")]})).await;
    let detail = gone.problem(400, "SCHEMA_REMOVAL_NOT_ALLOWED");
    assert_eq!(detail, "Cannot remove schemas. Missing eventTypes: placed");

    api.post("/events", json!([{"topic": "orders", "type": "placed", "payload": {"n": 1}}])).await.ok(201);
    let changed = api.put("/topics/orders", json!({"schemas": [schema("placed"), schema("paid")]})).await.ok(200);
    assert_eq!(changed, json!({"message": "Topic 'orders' schemas updated successfully"}));
    api.post("/events", json!([{"topic": "orders", "type": "paid", "payload": {"n": 2}}])).await.ok(201);
    assert_eq!(api.get("/topics/orders").await.ok(200)["sequence"], 2);
}

#[tokio::test]
async fn a_topic_that_cannot_be_is_refused_and_nothing_is_half_made() {
    let server = server().await;
    let api = &server.client;
    let required = "Invalid request body. Required: name, schemas array";
    for body in [json!({}), json!({"name": "x"}), json!({"schemas": []}), json!({"name": "x", "schemas": {}})] {
        let detail = api.post("/topics", &body).await.problem(400, "INVALID_REQUEST");
        assert!(detail.starts_with(required), "{body}: {detail}");
    }
    api.post("/topics", "{").await.problem(400, "INVALID_JSON");
    for name in ["", "a b", "a/b", "..", &"x".repeat(201)] {
        api.post("/topics", json!({"name": name, "schemas": []})).await.problem(400, "INVALID_NAME");
    }
    let bad = json!([schema("fine"), {"eventType": "broken", "type": "nonsense"}]);
    let detail = api.post("/topics", json!({"name": "x", "schemas": bad})).await.problem(400, "INVALID_SCHEMA");
    assert!(detail.contains("Schema 1") && detail.contains("broken"), "names index and reason: {detail}");
    let unknown = api.post("/topics", json!({"name": "x", "adapter": "tape"})).await;
    let detail = unknown.problem(400, "ADAPTER_UNKNOWN");
    assert!(detail.contains("redb") && detail.contains("memory"), "lists what exists: {detail}");
    api.get("/topics/x").await.problem(404, "TOPIC_NOT_FOUND");
    assert_eq!(api.get("/topics").await.ok(200), json!({"topics": ["default"]}));
}

#[tokio::test]
async fn a_second_topic_of_the_same_name_is_refused() {
    let server = server().await;
    let api = &server.client;
    api.post("/topics", json!({"name": "x", "schemas": []})).await.ok(201);
    let detail = api.post("/topics", json!({"name": "x", "schemas": []})).await.problem(400, "TOPIC_CREATION_FAILED");
    assert_eq!(detail, "Topic 'x' already exists");
    api.post("/topics", json!({"name": "x", "adapter": "redb"})).await.problem(409, "TOPIC_CREATION_FAILED");
}

#[tokio::test]
async fn an_empty_schema_list_refuses_all_events_and_an_adapter_alone_takes_any() {
    let server = server().await;
    let api = &server.client;
    api.post("/topics", json!({"name": "closed", "schemas": []})).await.ok(201);
    let refused = api.post("/events", json!([{"topic": "closed", "type": "t", "payload": {}}])).await;
    let detail = refused.problem(400, "EVENT_PUBLISH_FAILED");
    assert_eq!(detail, "No schema found for topic 'closed' and type 't'");
    api.post("/topics", json!({"name": "open", "adapter": "redb"})).await.ok(201);
    api.post("/events", json!([{"topic": "open", "type": "t", "payload": {}}])).await.ok(201);
}

#[tokio::test]
async fn topics_and_their_schemas_survive_a_restart_and_those_in_memory_do_not() {
    let mut server = server().await;
    server.client.post("/topics", json!({"name": "kept", "schemas": [schema("t")]})).await.ok(201);
    server.client.post("/topics", json!({"name": "lost", "adapter": "memory"})).await.ok(201);
    let event = |topic: &str| json!([{"topic": topic, "type": "t", "payload": {"n": 1}}]);
    server.client.post("/events", event("kept")).await.ok(201);
    server.client.post("/events", event("lost")).await.ok(201);
    let mixed = json!([event("kept")[0], event("lost")[0]]);
    server.client.post("/events", mixed).await.problem(400, "STORES_MIXED");
    server.stop().await;
    server.start_again().await;
    let api = &server.client;
    assert_eq!(api.get("/topics").await.ok(200), json!({"topics": ["default", "kept"]}));
    let invalid = api.post("/events", json!([{"topic": "kept", "type": "t", "payload": {"n": "x"}}])).await;
    assert_eq!(invalid.ok(400)["errors"][0]["pointer"], "/n");
    api.post("/events", event("kept")).await.ok(201);
    let sequences: Vec<Value> = api.events("kept").await.iter().map(|event| event["sequence"].clone()).collect();
    assert_eq!(sequences, [1, 2]);
}
