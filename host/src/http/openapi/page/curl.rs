//! An example of each operation for a terminal.

use serde_json::{Value, json};

use super::{Operation, list, text};

/// What stands for the parts of a path.
fn part(name: &str, path: &str) -> &'static str {
    match name {
        "topic" => "orders",
        "stream" => "order:1",
        "version" => "1",
        "name" if path.starts_with("/aggregates") => "place",
        "projection" => "current-state",
        "key" => "orders/1",
        "query" => "list",
        "action" if path.starts_with("/projections") => "rebuild",
        "name" => "schema",
        "action" => "reload",
        "id" if path.starts_with("/events") => "orders-1",
        "id" if path.starts_with("/aggregates") => "order:1",
        _ => "9f3c0f0e-4b1e-4f0e-9d53-0a7c8d5a2b11",
    }
}

/// A body for each schema that a request may have. A test says when one is missing.
fn body(schema: &str) -> Option<Value> {
    let payload = json!({ "total": 17.5 });
    Some(match schema {
        "Publication" => json!([{ "topic": "orders", "type": "order-placed", "payload": payload }]),
        "TopicPublication" | "NewStreamEvent" => json!({ "type": "order-placed", "payload": payload }),
        "NewTopic" => json!({ "name": "orders", "schemas": [{ "eventType": "order-placed", "type": "object" }] }),
        "CommandPayload" | "Patch" => payload,
        "NewCommand" => json!({
            "name": "place-order", "type": "create", "tenant": "acme", "targetName": "orders", "body": payload
        }),
        "TopicChange" => json!({ "schemas": [{ "eventType": "order-placed", "required": ["total"] }] }),
        "ReplayFrom" => json!({ "from": 1 }),
        "NewConsumer" => json!({ "callback": "http://127.0.0.1:9000/hook", "topics": { "orders": null } }),
        _ => return None,
    })
}

pub fn example(document: &Value, operation: &Operation<'_>) -> String {
    let server = text(&document["servers"][0], "url");
    let server = if server.is_empty() { "localhost:8000" } else { server };
    let mut path = operation.path.to_owned();
    for parameter in list(&operation.value["parameters"]) {
        let name = text(parameter, "name");
        path = path.replace(&format!("{{{name}}}"), part(name, operation.path));
    }
    let schema = &operation.value["requestBody"]["content"]["application/json"]["schema"];
    // One that may be left out is there as one of two.
    let named = |schema| super::schema::named(schema);
    let name = named(schema).or_else(|| list(&schema["oneOf"]).iter().find_map(named));
    let body = name.and_then(body).map(|body| format!(" -d '{body}'"));
    let method = match (operation.method, &body) {
        ("get", _) | ("post", Some(_)) => String::new(),
        (method, _) => format!(" -X {}", method.to_uppercase()),
    };
    // A patch is only one by its content type.
    let kind = if operation.method == "patch" { " -H 'content-type: application/json'" } else { "" };
    format!("curl -s{method} {server}{path}{kind}{}", body.unwrap_or_default())
}
