//! The server under schemathesis: it makes requests of the server's own OpenAPI document, good ones and bad ones, and holds
//! every answer against it. `tests/clients/openapi` has what it is told besides.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::process::Command;

use super::schema;
use crate::clients::{packages, root};
use crate::{Receiver, ServerOptions, TestServer};

/// How long and how much.
#[derive(Debug, Clone, Copy)]
pub struct OpenApiPlan {
    /// Requests of each operation at most, in each phase.
    pub cases: u32,
    /// All together, in seconds: what is left of it is used up. Without it, each run makes the same requests.
    pub seconds: Option<u64>,
}

/// Another name than those of the plugins that everything relies on.
const SPARE_PLUGIN: &str = "spare";
/// Who decides on commands, and for which topic.
const DECIDER: &str = "counter";
const DECIDED_TOPIC: &str = "counters";
const SCHEMA_TOPIC: &str = "orders";
const TOPICS: [(&str, &str); 2] = [("open", "redb"), ("volatile", "memory")];

/// Webhooks go nowhere but here, whatever callbacks are made up.
const WEBHOOK_SIDECAR: &str = "[[grants.http]]\nhost = \"127.0.0.1\"\nmethods = [\"POST\"]\n";

/// A run may go on for so long after its time is up.
const SECONDS_MORE: u64 = 300;

/// Runs all checks against all operations; what schemathesis says at its end.
///
/// # Panics
/// When it finds anything, or when the server is not well afterwards.
pub async fn openapi(options: ServerOptions, plan: OpenApiPlan) -> String {
    let packages = packages("openapi", "requirements.txt", "pip.stamp");
    let mut server = prepared(options).await;
    let receiver = Receiver::start().await;
    fill(&server, &receiver).await;
    let own = root().join("tests/clients/openapi");
    let place = tempfile::tempdir().expect("a directory");
    let mut run = Command::new("python3");
    run.arg(packages.join("lib/bin/schemathesis")).arg("--config-file").arg(own.join("schemathesis.toml"));
    run.arg("run").arg(format!("{}/openapi.json", server.client.base)).args(["--checks", "all", "--no-color"]);
    run.args(["--continue-on-failure", "--max-examples", &plan.cases.to_string()]);
    match plan.seconds {
        Some(seconds) => run.args(["--generation-database", "none", "--max-time", &seconds.to_string()]),
        // What is short is the same every time: a test that fails must fail again.
        None => run.arg("--generation-deterministic"),
    };
    let topics: Vec<&str> =
        TOPICS.iter().map(|(name, _)| *name).chain(["default", SCHEMA_TOPIC, DECIDED_TOPIC]).collect();
    run.env("PYTHONPATH", packages.join("lib")).env("PYTHONDONTWRITEBYTECODE", "1");
    run.env("SCHEMATHESIS_HOOKS", own.join("hooks.py"));
    run.env("WEIR_TOPICS", topics.join(",")).env("WEIR_SCHEMA_TOPIC", SCHEMA_TOPIC).env("WEIR_PLUGIN", SPARE_PLUGIN);
    run.current_dir(&place).stdin(Stdio::null()).kill_on_drop(true);
    let most = Duration::from_secs(plan.seconds.unwrap_or_default() + SECONDS_MORE);
    let output = tokio::time::timeout(most, run.output()).await.expect("it ends in time").expect("it runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(server.client.get("/health").await.ok(200)["status"], "healthy");
    assert_eq!(server.client.get("/verify").await.ok(200)["ok"], true);
    server.stop().await;
    printed.split("= SUMMARY =").last().unwrap_or_default().trim_matches(['=', '\n', ' ']).to_owned()
}

/// A server whose followers are told something often, and with a plugin that nobody misses.
async fn prepared(options: ServerOptions) -> TestServer {
    let mut server = TestServer::start(options).await;
    server.stop().await;
    let plugins = server.plugins_dir();
    std::fs::create_dir_all(&plugins).expect("a directory");
    let spare = root().join("plugins/examples/dist/rust-validator.wasm");
    std::fs::copy(spare, plugins.join(format!("{SPARE_PLUGIN}.wasm"))).expect("copied");
    std::fs::write(plugins.join(format!("{DECIDER}.wasm")), super::odd("odd-decider", "accept")).expect("written");
    std::fs::write(plugins.join("webhook.toml"), WEBHOOK_SIDECAR).expect("written");
    std::fs::write(plugins.join("../weir.toml"), "heartbeat_ms = 200\n").expect("written");
    server.start_again().await;
    server
}

/// Something of everything.
async fn fill(server: &TestServer, receiver: &Receiver) {
    let api = &server.client;
    for (name, adapter) in TOPICS {
        api.post("/topics", json!({"name": name, "adapter": adapter})).await.ok(201);
    }
    api.post("/topics", json!({"name": SCHEMA_TOPIC, "schemas": [schema("made")]})).await.ok(201);
    api.post("/topics", json!({"name": DECIDED_TOPIC, "decider": DECIDER})).await.ok(201);
    api.post(&format!("/aggregates/{DECIDED_TOPIC}/s/commands/add"), json!({"by": 1})).await.ok(200);
    for topic in TOPICS.iter().map(|(name, _)| *name).chain(["default", SCHEMA_TOPIC]) {
        let event =
            |n: u32| json!({"type": "made", "payload": {"n": n}, "stream": "s", "tags": ["a"], "metadata": {"k": "v"}});
        let events: Vec<_> = (0..5).map(event).collect();
        api.post(&format!("/topics/{topic}/events"), json!(events)).await.ok(201);
    }
    api.post("/streams/bytes", json!({"type": "made", "data": "AP8="})).await.ok(200);
    let consumer = json!({"callback": receiver.url(), "topics": {"open": null}});
    api.post("/consumers/register", consumer).await.ok(201);
}
