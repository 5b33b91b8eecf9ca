//! What is stored can be proved to be what was written, with the server running and without.

use std::fs;
use std::process::Output;

use serde_json::{Value, json};
use tokio::process::Command;
use weir_tests::TestServer;

use crate::{schema, server};

async fn fill(server: &TestServer) {
    server.client.post("/topics", json!({"name": "m", "adapter": "memory"})).await.ok(201);
    for n in 0..20 {
        let event =
            |i: u64| json!({"topic": "default", "type": "made", "payload": {"n": n, "marker": format!("{n}-{i}")}});
        server.client.post("/events", json!([event(0), event(1), event(2)])).await.ok(201);
        server.client.post("/topics/m/events", json!({"type": "made", "payload": {}})).await.ok(201);
    }
}

async fn verify(server: &TestServer) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir-under-test"));
    command.arg("verify").arg("--data-dir").arg(server.data_dir());
    command.output().await.expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn a_running_server_verifies_itself_and_goes_on() {
    let server = server().await;
    fill(&server).await;
    let found = server.client.get("/verify").await.ok(200);
    assert_eq!(found["ok"], true, "{found}");
    let mut head = server.client.get("/topics/default/head").await.ok(200);
    assert_eq!(head.as_object_mut().expect("an object").remove("first"), Some(json!(1)));
    assert_eq!(found["stores"][0]["topics"], json!([head]));
    let of = |store: usize| (found["stores"][store]["adapter"].clone(), found["stores"][store]["events"].clone());
    assert_eq!((of(0), of(1)), ((json!("redb"), json!(60)), (json!("memory"), json!(20))));
    let lines = server.client.get_with("/verify", &[("accept", "application/x-ndjson")]).await;
    assert_eq!(lines.headers["content-type"], "application/x-ndjson");
    let last: Value = serde_json::from_str(lines.text.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last, found);
}

#[tokio::test]
async fn a_stopped_servers_data_is_verified_by_a_command_that_names_the_first_bad_position() {
    let mut server = server().await;
    fill(&server).await;
    let head = server.client.get("/topics/default/head").await.ok(200);
    let refused = verify(&server).await;
    assert!(!refused.status.success() && text(&refused.stderr).contains("in use"), "{refused:?}");
    server.stop().await;
    let sound = verify(&server).await;
    let told = text(&sound.stdout);
    assert!(sound.status.success() && told.contains("60 events, 1 topics"), "{sound:?}");
    assert!(told.contains(head["hash"].as_str().expect("a hash")), "{told}");

    let segment = server.data_dir().join("store/log/00000000000000000001.seg");
    let whole = fs::read(&segment).expect("readable");
    let at = whole.windows(6).position(|window| window == b"\"11-1\"").expect("the event is there");
    let mut bad = whole.clone();
    bad[at + 1] ^= 1;
    fs::write(&segment, &bad).expect("writes");
    let found = verify(&server).await;
    let told = text(&found.stderr);
    assert!(!found.status.success() && told.contains("position 35") && told.contains("34 events before"), "{told}");
    // The server serves what is sound, says what is not, and never serves what is damaged.
    server.start_again().await;
    let online = server.client.get("/verify").await.ok(200);
    assert_eq!((&online["ok"], &online["stores"][0]["damage"]["position"]), (&json!(false), &json!(35)), "{online}");
    server.client.get("/events/default-34").await.ok(200);
    let detail = server.client.get("/events/default-35").await.problem(500, "STORAGE_FAILED");
    assert!(detail.contains("position 35"), "{detail}");
    server.stop().await;
    fs::write(&segment, &whole).expect("writes");
    assert!(verify(&server).await.status.success());
}

async fn weir(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weir-under-test")).args(args).output().await.expect("it runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_taken_under_load_becomes_a_server_with_all_that_was_there() {
    let mut server = server().await;
    fill(&server).await;
    let api = server.client.clone();
    api.post("/topics", json!({"name": "t", "schemas": [schema("made")]})).await.ok(201);
    let paused = json!({"callback": "http://127.0.0.1:1/", "topics": {"default": null}});
    let consumer = api.post("/consumers/register", paused).await.ok(201)["consumerId"].clone();
    let publisher = tokio::spawn(async move {
        for n in 0..300 {
            api.post("/events", json!([{"topic": "t", "type": "made", "payload": {"n": n}}])).await.ok(201);
        }
    });
    while server.client.get("/topics/t").await.ok(200)["sequence"].as_u64() < Some(20) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let taken = weir(&["backup", &path("one.backup"), "--url", &server.client.base]).await;
    assert!(taken.status.success(), "{taken:?}");
    let again = weir(&["backup", &path("one.backup"), "--url", &server.client.base]).await;
    assert!(!again.status.success() && text(&again.stderr).contains("exists already"), "{again:?}");
    publisher.await.expect("no panic");
    let all = server.client.get("/events").await.ok(200)["events"].clone();

    let restored = weir(&["restore", "--verify", "--data-dir", &path("data"), &path("one.backup")]).await;
    assert!(restored.status.success(), "{restored:?}");
    assert!(text(&restored.stdout).contains("all is as it was written"), "{restored:?}");
    let twice = weir(&["restore", "--data-dir", &path("data"), &path("one.backup")]).await;
    assert!(!twice.status.success() && text(&twice.stderr).contains("exists already"), "{twice:?}");
    for (name, change) in [("cut", 1), ("flipped", 0)] {
        let mut bytes = fs::read(path("one.backup")).expect("readable");
        bytes.truncate(bytes.len() - change);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1 - change as u8;
        fs::write(path(name), bytes).expect("writes");
        let refused = weir(&["restore", "--data-dir", &path(&format!("data-{name}")), &path(name)]).await;
        assert!(!refused.status.success(), "{name}: {refused:?}");
        assert!(!std::path::Path::new(&path(&format!("data-{name}"))).join("store").exists(), "nothing half-made");
    }

    server.kill().await;
    fs::remove_dir_all(server.data_dir().join("store")).expect("removes");
    fs::rename(dir.path().join("data/store"), server.data_dir().join("store")).expect("renames");
    server.start_again().await;
    let events = server.client.get("/events").await.ok(200)["events"].clone();
    let (events, all) = (events.as_array().expect("a list"), all.as_array().expect("a list"));
    assert!(events.len() >= 80 && events[..] == all[..events.len()], "{} of {}", events.len(), all.len());
    let consumers = server.client.get("/consumers").await.ok(200);
    assert_eq!(consumers["consumers"][0]["id"], consumer);
    let detail = server.client.post("/events", json!([{"topic": "t", "type": "nope", "payload": {}}])).await;
    detail.problem(400, "EVENT_PUBLISH_FAILED");
    let next = server.client.post("/topics/t/events", json!({"type": "made", "payload": {"n": 1}})).await.ok(201);
    assert_eq!(next["positions"][0].as_u64(), Some(events.len() as u64 + 1), "ids go on");
}
