//! A deployment as one directory tree: topics, components with configs in files of their own, and what is fetched by its digest.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use weir_tests::clients::root;
use weir_tests::scenarios::odd;
use weir_tests::{TestServer, eventually};

use crate::options;

/// A host of files that counts how often it was asked.
struct Shelf {
    url: String,
    asked: Arc<AtomicUsize>,
}

async fn shelf(content: Vec<u8>) -> Shelf {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/file", listener.local_addr().expect("an address"));
    let asked = Arc::new(AtomicUsize::new(0));
    let state = (asked.clone(), Arc::new(content));
    let give = async |State((asked, content)): State<(Arc<AtomicUsize>, Arc<Vec<u8>>)>| {
        asked.fetch_add(1, Ordering::Relaxed);
        content.as_ref().clone()
    };
    let router = Router::new().fallback(give).with_state(state);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Shelf { url, asked }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn artifact(path: &str, url: &str, sha256: &str) -> String {
    format!("[[artifact]]\npath = \"{path}\"\nurl = \"{url}\"\nsha256 = \"{sha256}\"\n")
}

fn write(dir: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = dir.join(path);
    std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
    std::fs::write(path, content).expect("written");
}

/// Runs the program and gives what it says, good or bad.
async fn weir(args: &[&str]) -> (bool, String) {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    let run = move || Command::new(env!("CARGO_BIN_EXE_weir-under-test")).args(args).output().expect("it runs");
    let output = tokio::task::spawn_blocking(run).await.expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_holds_topics_rules_and_what_is_fetched_by_its_digest() {
    let home = tempfile::tempdir().expect("a directory");
    let config = home.path().join("config");
    let dir = config.as_path();
    let counter = odd("odd-decider", "accept");
    let shelf = shelf(counter.clone()).await;
    write(dir, "artifacts.toml", artifact("plugins/counter.wasm", &shelf.url, &digest(&counter)));
    let schema = json!({"eventType": "made", "type": "object", "required": ["n"]});
    write(dir, "topics/orders.json", json!({"schemas": [schema], "retention": {"maxEvents": 100}}).to_string());
    write(dir, "topics/counts.json", json!({"name": "counts", "decider": "counter"}).to_string());
    write(dir, "topics/.swap.json", "half");
    let rules = std::fs::read(root().join("plugins/dist/rules.wasm")).expect("cargo xtask plugins was run");
    write(dir, "plugins/rules.wasm", rules);
    let rule = json!({"topic": "orders", "type": "made", "check": "payload.n < 10", "message": "n is too large"});
    write(dir, "plugins/rules.config.json", json!({"rules": [rule]}).to_string());

    let mut server = TestServer::start_in(options(), home).await;
    let api = server.client.clone();
    assert_eq!(shelf.asked.load(Ordering::Relaxed), 1);
    let shown = api.get("/topics/orders").await.ok(200);
    assert_eq!((&shown["schemas"], &shown["retention"]["maxEvents"]), (&json!([schema]), &json!(100)));
    api.post("/aggregates/counts/a/commands/add", json!({"by": 1})).await.ok(200);
    let publish =
        async |payload: Value| api.post("/topics/orders/events", json!({"type": "made", "payload": payload})).await;
    publish(json!({"n": 1})).await.ok(201);
    publish(json!({})).await.problem(400, "EVENT_PUBLISH_FAILED");
    let refused = publish(json!({"n": 10})).await;
    assert!(refused.problem(400, "EVENT_PUBLISH_FAILED").contains("n is too large"));

    // Rules are replaced as plugins are: while it runs.
    let rule = json!({"topic": "orders", "type": "made", "check": "payload.n < 100", "message": "n is too large"});
    write(dir, "plugins/rules.config.json", json!({"rules": [rule]}).to_string());
    eventually("the new rule holds", 60, async || (publish(json!({"n": 10})).await.status == 201).then_some(())).await;
    publish(json!({"n": 100})).await.problem(400, "EVENT_PUBLISH_FAILED");
    write(dir, "plugins/rules.toml", "[config]\nx = 1\n");
    let reason = eventually("both at once are refused", 60, async || {
        let shown = api.get("/plugins/rules").await.json();
        shown["reason"].as_str().filter(|reason| reason.contains("rules.config.json")).map(str::to_owned)
    })
    .await;
    assert!(reason.contains("the side-car has a config too"), "{reason}");
    publish(json!({"n": 100})).await.problem(400, "EVENT_PUBLISH_FAILED");
    std::fs::remove_file(dir.join("plugins/rules.toml")).expect("removed");

    // The next start takes what changed, and fetches nothing that is there.
    let other = json!({"eventType": "gone", "type": "object"});
    write(dir, "topics/orders.json", json!({"schemas": [schema, other]}).to_string());
    server.stop().await;
    server.start_again().await;
    assert_eq!(shelf.asked.load(Ordering::Relaxed), 1);
    let shown = server.client.get("/topics/orders").await.ok(200);
    assert_eq!((&shown["schemas"], &shown["retention"]["maxEvents"]), (&json!([schema, other]), &json!(100)));
    assert_eq!(shown["sequence"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_followed_starts_no_server_and_says_why() {
    let config = tempfile::tempdir().expect("a directory");
    let (dir, data) = (config.path(), tempfile::tempdir().expect("a directory"));
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let start = async || {
        let (dir, data) = (text(dir), text(data.path()));
        let (good, said) = weir(&["serve", "--port", "0", "--config-dir", &dir, "--data-dir", &data]).await;
        assert!(!good, "{said}");
        said
    };
    let bad_files = [
        ("orders", "{", "is not JSON"),
        ("orders", "{}", "Required"),
        ("orders", r#"{"schemas": [], "name": "other"}"#, "must be 'orders'"),
        ("or ders", r#"{"schemas": []}"#, "letters"),
        ("orders", r#"{"adapter": "tape"}"#, "tape"),
        ("orders", r#"{"schemas": [{"eventType": "a", "type": 1}]}"#, "schemas"),
        ("default", r#"{"adapter": "memory"}"#, "are in 'redb' already"),
    ];
    for (name, content, word) in bad_files {
        let path = format!("topics/{name}.json");
        write(dir, &path, content);
        let said = start().await;
        assert!(said.contains(&format!("{name}.json")) && said.contains(word), "{content}: {said}");
        std::fs::remove_file(dir.join(path)).expect("removed");
    }
    let (content, wrong) = (b"no component".to_vec(), "0".repeat(64));
    let shelf = shelf(content.clone()).await;
    write(dir, "artifacts.toml", artifact("plugins/a.wasm", &shelf.url, &wrong));
    let said = start().await;
    assert!(said.contains(&format!("has the digest {}, not {wrong}", digest(&content))), "{said}");
    assert!(!dir.join("plugins/a.wasm").exists());
    write(dir, "artifacts.toml", artifact("../a.wasm", &shelf.url, &wrong));
    assert!(start().await.contains("must be a file under plugins/ or topics/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_filled_when_it_is_built() {
    let config = tempfile::tempdir().expect("a directory");
    let (dir, content) = (config.path(), br#"{"schemas": []}"#.to_vec());
    let shelf = shelf(content.clone()).await;
    write(dir, "artifacts.toml", artifact("topics/orders.json", &shelf.url, &digest(&content)));
    let of = dir.to_str().expect("text");
    let (good, said) = weir(&["fetch", "--config-dir", of, "--check"]).await;
    assert!(!good && said.contains("orders.json is not there"), "{said}");
    assert_eq!(weir(&["fetch", "--config-dir", of]).await, (true, "1 fetched, 0 there already\n".to_owned()));
    assert_eq!(weir(&["fetch", "--config-dir", of]).await, (true, "0 fetched, 1 there already\n".to_owned()));
    assert!(weir(&["fetch", "--config-dir", of, "--check"]).await.0);
    assert_eq!(std::fs::read(dir.join("topics/orders.json")).expect("it is there"), content);
    write(dir, "topics/orders.json", "changed");
    let (good, said) = weir(&["fetch", "--config-dir", of, "--check"]).await;
    assert!(!good && said.contains("should have the digest"), "{said}");
    assert_eq!(weir(&["fetch", "--config-dir", of]).await, (true, "1 fetched, 0 there already\n".to_owned()));
    assert_eq!(shelf.asked.load(Ordering::Relaxed), 2);
}
