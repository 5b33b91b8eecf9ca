//! The API's own descriptions: they are valid by other people's reading, and the server does what they say.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;
use weir_tests::Client;
use weir_tests::clients::{packages, root, run};
use weir_tests::scenarios::{OpenApiPlan, openapi, schema};

use crate::{options, server};

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_to_schemathesis_is_one_that_the_document_has() {
    let summary = openapi(options(), OpenApiPlan { cases: 20, seconds: None }).await;
    println!("{summary}");
}

#[tokio::test]
async fn the_document_is_valid_openapi_and_the_router_has_its_routes_and_no_others() {
    let server = server().await;
    let api = &server.client;
    let mut python = Command::new("python3");
    python.arg(root().join("tests/clients/openapi/validate.py")).arg(&api.base);
    python.env("PYTHONPATH", packages("openapi", "requirements.txt", "pip.stamp").join("lib"));
    assert!(run(python).await >= 30);
    let document = api.get("/openapi.json").await.ok(200);
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    for (path, item) in document["paths"].as_object().expect("paths") {
        let mut documented: Vec<String> =
            item.as_object().expect("methods").keys().map(|method| method.to_uppercase()).collect();
        if documented.iter().any(|method| method == "GET") {
            documented.push("HEAD".to_owned());
        }
        documented.sort_unstable();
        let refused = api.send(Method::OPTIONS, &path.replace(['{', '}'], ""), "").await;
        refused.problem(405, "METHOD_NOT_ALLOWED");
        let mut allowed: Vec<&str> = refused.headers["allow"].to_str().expect("text").split(',').collect();
        allowed.sort_unstable();
        assert_eq!(allowed, documented, "{path}");
    }
}

#[tokio::test]
async fn descriptions_are_kept_by_caches_and_the_page_loads_nothing() {
    let server = server().await;
    let api = &server.client;
    for path in ["/openapi.json", "/docs"] {
        let first = api.get(path).await;
        let tag = first.headers["etag"].to_str().expect("text");
        assert_eq!(
            (first.status, &first.headers["cache-control"]),
            (200, &"no-cache".parse().expect("a value")),
            "{path}"
        );
        let again = api.get_with(path, &[("if-none-match", tag)]).await;
        assert_eq!((again.status, again.text.as_str()), (304, ""), "{path}");
    }
    let page = api.get("/docs").await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(page.headers["content-security-policy"].to_str().expect("text").starts_with("default-src 'none'"));
    assert!(page.text.contains("<h3><b class=\"post\">post</b>") && !page.text.contains("<script"));
}

#[tokio::test]
async fn a_path_that_is_no_text_is_a_problem_as_any_other() {
    let server = server().await;
    for path in [
        "/topics/%FF",
        "/aggregates/t/%FF",
        "/topics/%FF/events",
        "/streams/%C3%28",
        "/events/%FF",
        "/consumers/%FF",
        "/plugins/%FF",
    ] {
        server.client.get(path).await.problem(400, "INVALID_PATH");
    }
}

#[tokio::test]
async fn an_array_is_refused_where_an_object_is_meant_whatever_its_items_are() {
    let server = server().await;
    let api = &server.client;
    api.post("/topics", json!(["positional", null, "redb"])).await.problem(400, "INVALID_REQUEST");
    api.put("/topics/default", json!([[]])).await.problem(400, "INVALID_REQUEST");
    let event = json!(["default", "made", {"n": 1}]);
    api.post("/events", json!([event])).await.problem(400, "INVALID_EVENT");
    api.post("/topics/default/events", json!({"events": [event]})).await.problem(400, "INVALID_REQUEST");
    api.post("/streams/s", json!(["made", {"n": 1}])).await.problem(400, "INVALID_EVENT");
    let consumer = json!({"callback": "http://127.0.0.1:9/hook", "topics": {"default": null}, "retry": []});
    api.post("/consumers/register", consumer).await.problem(400, "INVALID_REQUEST");
    assert_eq!(api.events("default").await.len(), 0);
    assert_eq!(api.get("/topics").await.ok(200), json!({"topics": ["default"]}));
}

async fn asyncapi(api: &Client, query: &str) -> Value {
    let mut node = Command::new("node");
    node.arg(root().join("tests/clients/javascript/asyncapi.mjs")).arg(format!("{}/asyncapi.json{query}", api.base));
    node.env("PACKAGES", packages("javascript", "package-lock.json", "npm.stamp"));
    let compared = run(node).await;
    let document = api.get(&format!("/asyncapi.json{query}")).await.ok(200);
    let all = |member: &str| document[member].as_object().map_or(0, serde_json::Map::len) as u64;
    assert_eq!(compared, all("channels") + all("operations"));
    document
}

#[tokio::test]
async fn topics_and_consumers_are_valid_asyncapi_with_the_schemas_that_were_registered() {
    let server = server().await;
    let api = &server.client;
    let old = json!({
        "eventType": "paid", "$schema": "http://json-schema.org/draft-04/schema#", "$id": "https://example.com/paid",
        "type": "object", "properties": {"sum": {"$ref": "#/definitions/sum"}},
        "definitions": {"sum": {"type": "number", "minimum": 0, "exclusiveMinimum": true}}
    });
    api.post("/topics", json!({"name": "orders", "schemas": [schema("made"), old]})).await.ok(201);
    api.post("/topics", json!({"name": "other", "schemas": []})).await.ok(201);
    let consumer = json!({"callback": "http://127.0.0.1:9/hook", "topics": {"orders": null}});
    let id = api.post("/consumers/register", consumer).await.ok(201)["consumerId"].as_str().expect("an id").to_owned();
    let document = asyncapi(api, "").await;
    let channel = &document["channels"]["topic.orders"];
    assert_eq!(channel["address"], "/topics/orders/events");
    let payload = |name: &str| channel["messages"][name]["payload"].clone();
    assert_eq!(payload("made")["schemaFormat"], "application/schema+json;version=2020-12");
    assert_eq!(payload("made")["schema"]["properties"]["payload"]["required"], json!(["n"]));
    assert_eq!(payload("paid")["schemaFormat"], "application/schema+json;version=draft-04");
    let moved = &payload("paid")["schema"]["properties"]["payload"]["properties"]["sum"]["$ref"];
    let pointer = moved.as_str().and_then(|moved| moved.strip_prefix('#')).expect("a reference into the document");
    assert_eq!(document.pointer(pointer), Some(&json!({"type": "number", "minimum": 0, "exclusiveMinimum": true})));
    assert_eq!(document["operations"]["follow.orders"]["action"], "receive");
    assert_eq!(document["operations"][format!("deliver.{id}")]["action"], "send");
    assert_eq!(document["servers"]["weir"]["host"], api.base.trim_start_matches("http://"));
    let hook = &document["channels"][format!("consumer.{id}")];
    assert_eq!(
        (&hook["address"], &document["servers"][format!("consumer.{id}")]["host"]),
        (&json!("/hook"), &json!("127.0.0.1:9"))
    );
    let one = asyncapi(api, "?topic=other").await;
    assert_eq!(one["channels"].as_object().expect("channels").keys().collect::<Vec<_>>(), ["commands", "topic.other"]);
    for n in 0..100 {
        api.post("/topics", json!({"name": format!("a{n}"), "adapter": "memory"})).await.ok(201);
    }
    let first = asyncapi(api, "").await;
    assert_eq!(
        first["channels"].as_object().expect("channels").len(),
        101,
        "those and commands, and no consumer of another topic"
    );
    assert!(first["info"]["description"].as_str().is_some_and(|text| text.contains("100 of 103 topics")));
    api.get("/asyncapi.json?topic=nowhere").await.problem(404, "TOPIC_NOT_FOUND");
    api.get("/asyncapi.json?topics=other").await.problem(400, "INVALID_QUERY");
}
