//! Plugins as operators handle them: dropped in, replaced, removed and broken, while publishers go on.

use serde_json::{Value, json};
use weir_tests::scenarios::{PROJECTS, ReloadsPlan, another_schema_plugin, hostile, odd, projects, reload, reloads};
use weir_tests::{Client, TestServer, eventually};

use crate::{options, schema, server};

async fn plugin(api: &Client, name: &str) -> Value {
    api.get(&format!("/plugins/{name}")).await.json()
}

/// Waits until the plugin shows what `check` looks for.
async fn shows(api: &Client, name: &str, what: &str, check: impl Fn(&Value) -> bool) -> Value {
    eventually(what, 60, async || {
        let shown = plugin(api, name).await;
        check(&shown).then_some(shown)
    })
    .await
}

async fn with_schemas() -> TestServer {
    let server = server().await;
    server.client.post("/topics", json!({"name": "t1", "schemas": [schema("t")]})).await.ok(201);
    server
}

async fn publish(api: &Client, n: Value) -> u16 {
    api.post("/events", json!([{"topic": "t1", "type": "t", "payload": {"n": n}}])).await.status
}

#[tokio::test]
async fn both_sample_plugins_are_active_out_of_the_box() {
    let server = server().await;
    let list = server.client.get("/plugins").await.ok(200);
    for (index, (name, kind)) in [("schema", "validator"), ("webhook", "sink")].into_iter().enumerate() {
        let shown = &list["plugins"][index];
        assert_eq!(
            (&shown["name"], &shown["state"], &shown["source"]),
            (&json!(name), &json!("active"), &json!("embedded"))
        );
        assert_eq!(shown["serving"]["kind"], kind);
        assert_eq!(shown["digest"].as_str().map(str::len), Some(64));
    }
    server.client.get("/plugins/nowhere").await.problem(404, "PLUGIN_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_plugin_dropped_in_under_load_takes_over_and_no_request_fails() {
    let report = reload(options(), 2).await;
    println!("{report:?}");
    assert!(report.publishes > 100, "there was load: {report:?}");
}

/// `cargo xtask soak reloads` does more of them, and looks at memory.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_every_kind_come_and_go_and_every_answer_is_accounted_for() {
    let plan = ReloadsPlan { seed: rand::random(), reloads: 60, rules: 4, fill_mib: 0, steady: None };
    let report = reloads(options(), plan).await;
    println!("{report:#?}");
    assert!(report.recorded > 100 && report.generations_that_signed > 2, "{report:#?}");
}

/// The ratio of the two p99 is for the soak: a test machine is never quiet.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_components_are_refused_or_contained_while_publishers_go_on() {
    let report = hostile(options(), 1, std::time::Duration::from_secs(1)).await;
    println!("{report:#?}");
    assert!(report.refused.len() >= 22 && !report.sinks.is_empty());
}

/// All kinds and languages are for the soak: some of their tools are installed from the network.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_project_builds_and_its_plugin_serves() {
    let target = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("projects");
    projects(options(), &PROJECTS[..6], &target).await;
}

#[tokio::test]
async fn the_embedded_plugin_comes_back_when_the_file_goes_away() {
    let server = with_schemas().await;
    let api = &server.client;
    let file = server.plugins_dir().join("schema.wasm");
    std::fs::write(&file, another_schema_plugin()).expect("dropped in");
    shows(api, "schema", "the file serves", |shown| shown["serving"]["source"] == "directory").await;
    std::fs::remove_file(&file).expect("removed");
    shows(api, "schema", "the embedded one comes back", |shown| shown["serving"]["source"] == "embedded").await;
    assert_eq!((publish(api, json!(1)).await, publish(api, json!("x")).await), (201, 400));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_or_hostile_file_leaves_the_old_generation_serving_and_says_why() {
    let server = with_schemas().await;
    let api = &server.client;
    assert_eq!(publish(api, json!(1)).await, 201);
    let good = plugin(api, "schema").await["serving"]["digest"].clone();
    let file = server.plugins_dir().join("schema.wasm");
    let whole = another_schema_plugin();
    let cases: [(&str, Vec<u8>); 9] = [
        ("truncated", whole[..whole.len() / 2].to_vec()),
        ("empty", Vec::new()),
        ("text", b"not a component".to_vec()),
        ("loop in describe", odd("odd", "loop-in-describe")),
        ("loop in init", odd("odd", "loop-in-init")),
        ("loop in validate", odd("odd", "loop-in-validate")),
        ("memory bomb", odd("odd", "memory-in-validate")),
        ("trap", odd("odd", "trap-in-validate")),
        ("too few verdicts", odd("odd", "none")),
    ];
    let mut before = Value::Null;
    for (what, bytes) in cases {
        std::fs::write(&file, bytes).expect("dropped in");
        let shown = shows(api, "schema", what, |shown| shown["state"] == "failed" && shown["digest"] != before).await;
        let reason = shown["reason"].as_str().expect("a reason").to_owned();
        println!("{what}: {reason}");
        assert!(reason.len() > 15 && reason.len() < 600, "one clear sentence: {reason}");
        assert_eq!(shown["serving"]["digest"], good, "{what}: the old generation serves");
        before = shown["digest"].clone();
        assert_eq!((publish(api, json!(2)).await, publish(api, json!("x")).await), (201, 400), "{what}");
    }
    std::fs::write(&file, whole).expect("dropped in");
    let shown = shows(api, "schema", "a good file serves at last", |shown| shown["state"] == "active").await;
    assert_eq!(shown["source"], "directory");
    assert_eq!((publish(api, json!(3)).await, publish(api, json!("x")).await), (201, 400));
}

#[tokio::test]
async fn a_topic_with_schemas_is_never_published_to_unvalidated() {
    let server = with_schemas().await;
    let api = &server.client;
    std::fs::write(server.plugins_dir().join("schema.toml"), "enabled = false\n").expect("a side-car");
    shows(api, "schema", "it is switched off", |shown| shown["state"] == "disabled").await;
    let refused = api.post("/events", json!([{"topic": "t1", "type": "t", "payload": {"n": 1}}])).await;
    let detail = refused.problem(503, "VALIDATOR_UNAVAILABLE");
    assert!(detail.contains("t1") && detail.contains("schema"), "{detail}");
    assert!(refused.headers.contains_key("retry-after"));
    let created = api.post("/topics", json!({"name": "t2", "schemas": [schema("t")]})).await;
    created.problem(503, "VALIDATOR_UNAVAILABLE");
    api.post("/streams/s", json!({"type": "t", "payload": {}})).await.ok(200);
    std::fs::remove_file(server.plugins_dir().join("schema.toml")).expect("removed");
    shows(api, "schema", "it is back", |shown| shown["state"] == "active").await;
    assert_eq!(publish(api, json!(1)).await, 201);
    assert_eq!(api.events("t1").await.len(), 1);
}

#[tokio::test]
async fn a_validator_of_the_operators_own_refuses_replaces_and_fails_closed() {
    let server = with_schemas().await;
    let api = &server.client;
    let drop_in = async |behaviour: &str, digest_before: Value| {
        std::fs::write(server.plugins_dir().join("rule.wasm"), odd("odd", behaviour)).expect("dropped in");
        let loaded = |shown: &Value| shown["state"] == "active" && shown["digest"] != digest_before;
        shows(api, "rule", behaviour, loaded).await["digest"].clone()
    };
    let digest = drop_in("reject-all", Value::Null).await;
    let open = json!({"type": "t", "payload": {"n": 1}});
    let refused = api.post("/streams/s", &open).await;
    refused.problem(400, "EVENT_PUBLISH_FAILED");
    assert_eq!((&refused.json()["plugin"], &refused.json()["errors"][0]["code"]), (&json!("rule"), &json!("odd")));
    let digest = drop_in("replace", digest).await;
    api.post("/streams/s", &open).await.ok(200);
    assert_eq!(api.get("/events/default-1").await.ok(200)["payload"], json!({"odd": true}));
    assert_eq!(publish(api, json!(1)).await, 400, "what was replaced is held against the schema");
    drop_in("by-type", digest).await;
    api.post("/streams/s", &open).await.ok(200);
    let trap = api.post("/streams/s", json!({"type": "odd.trap", "payload": {}})).await;
    let detail = trap.problem(503, "PLUGIN_FAILED");
    assert!(detail.contains("rule"), "{detail}");
    assert_eq!(trap.json()["plugin"]["name"], "rule");
    let looping = api.post("/streams/s", json!({"type": "odd.loop", "payload": {}})).await;
    looping.problem(503, "PLUGIN_FAILED");
    api.post("/streams/s", &open).await.ok(200);
    assert_eq!(api.get("/topics/default").await.ok(200)["sequence"], 3);
    std::fs::remove_file(server.plugins_dir().join("rule.wasm")).expect("removed");
    eventually("it goes away", 20, async || (api.get("/plugins/rule").await.status == 404).then_some(())).await;
    api.post("/streams/s", json!({"type": "odd.trap", "payload": {}})).await.ok(200);
}
