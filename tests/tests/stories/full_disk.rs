//! A disk that fills up under a server, and gets room again.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use weir_tests::{Client, ServerOptions, SmallDisk, TestServer, eventually};

use crate::options;

const MIB: u64 = 1 << 20;
/// Bytes in one event of the story: some sixty fill a segment of the log.
const EVENT_BYTES: usize = 900 << 10;

/// The event's id; `None` if there is no room.
async fn publish(client: &Client, n: u64) -> Option<String> {
    let body = json!([{"topic": "t1", "type": "t", "payload": {"n": n, "filling": "x".repeat(EVENT_BYTES)}}]);
    let answer = client.post("/events", body).await;
    if answer.status == 201 {
        return Some(answer.json()["eventIds"][0].as_str().expect("an id").to_owned());
    }
    // Not even a failed write: the batch is refused before one is tried.
    answer.problem(507, "DISK_FULL");
    None
}

/// What the server has, by number, page by page: all of it together would be many megabytes.
async fn stored(client: &Client) -> BTreeMap<u64, String> {
    let mut found = BTreeMap::new();
    for from in (1..).step_by(10) {
        let page = client.get(&format!("/topics/t1/events?from={from}&limit=10")).await.ok(200);
        let events = page["events"].as_array().expect("a list").clone();
        for (sequence, event) in (from..).zip(&events) {
            assert_eq!(event["sequence"], sequence, "gapless");
            let number = event["payload"]["n"].as_u64().expect("a number");
            let twice = found.insert(number, event["id"].as_str().expect("an id").to_owned());
            assert_eq!(twice, None, "event {number} is there once");
        }
        if events.len() < 10 {
            break;
        }
    }
    found
}

/// A directory with a small disk as the data directory.
async fn small_disk(mebibytes: u64) -> (TempDir, SmallDisk) {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    std::fs::create_dir(&data).expect("a directory");
    let disk = SmallDisk::mount(&data, mebibytes).await;
    (dir, disk.expect("a small file system: this needs `unshare` and `nsenter`, and user namespaces"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_a_full_disk_acknowledges_nothing_that_it_does_not_keep_and_goes_on_by_itself() {
    let (dir, disk) = small_disk(240).await;
    // Room for the log's first segment and the rest of a new store, but for no second segment.
    disk.fill_up("filling", 100 * MIB);
    let options = ServerOptions { under: disk.enter(), ..options() };
    let mut server = TestServer::start_in(options, dir).await;
    server.client.post("/topics", json!({"name": "t1", "adapter": "redb"})).await.ok(201);

    let mut acknowledged = BTreeMap::new();
    let mut refused = 0;
    for n in 0..200 {
        match publish(&server.client, n).await {
            Some(id) => drop(acknowledged.insert(n, id)),
            None => refused += 1,
        }
        if refused > 5 {
            break;
        }
    }
    assert!(refused > 5 && acknowledged.len() > 20, "{refused} refused, {} taken", acknowledged.len());
    assert!(stored(&server.client).await == acknowledged, "what was acknowledged is there, and nothing else");

    disk.fill_up("more", MIB);
    server.client.post("/topics", json!({"name": "t2", "adapter": "redb"})).await.problem(507, "DISK_FULL");

    disk.remove("filling");
    disk.remove("more");
    let id = eventually("it takes events again", 30, async || publish(&server.client, 1000).await).await;
    acknowledged.insert(1000, id);
    server.client.post("/topics", json!({"name": "t2", "adapter": "redb"})).await.ok(201);
    for n in 1001..1070 {
        acknowledged.insert(n, publish(&server.client, n).await.expect("there is room"));
    }
    server.kill().await;
    server.start_again().await;
    assert!(stored(&server.client).await == acknowledged, "what was acknowledged is there, and nothing else");
    let topics: Value = server.client.get("/topics").await.ok(200);
    assert!(topics.to_string().contains("\"t2\""), "{topics}");
}

/// The log's room is its own before it is used; here it is taken away, as other writers do on disks that promise more than
/// they have.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_a_full_disk_stopped_goes_on_by_itself_when_there_is_room() {
    let (dir, disk) = small_disk(240).await;
    let options = ServerOptions { under: disk.enter(), ..options() };
    let server = TestServer::start_in(options, dir).await;
    let api = &server.client;
    api.post("/topics", json!({"name": "t1", "adapter": "redb"})).await.ok(201);
    let mut acknowledged = BTreeMap::new();
    for n in 0..5 {
        acknowledged.insert(n, publish(api, n).await.expect("there is room"));
    }
    // The log's second segment is being made.
    eventually("no more room is taken", 30, async || {
        let free = disk.free();
        tokio::time::sleep(Duration::from_millis(500)).await;
        (disk.free() == free).then_some(())
    })
    .await;
    disk.take_room_back("store/log");
    disk.fill_up("filling", 0);
    let event = json!([{"topic": "t1", "type": "t", "payload": {"n": 5, "filling": "x".repeat(EVENT_BYTES)}}]);
    let answer = api.post("/events", &event).await;
    let detail = answer.problem(500, "OUTCOME_UNKNOWN");
    assert!(detail.contains("No space left"), "{detail}");
    api.post("/events", &event).await.problem(503, "STORE_STOPPED");
    assert_eq!(api.get("/health").await.ok(503)["status"], "unhealthy");
    assert!(stored(api).await == acknowledged, "what was acknowledged can be read");

    disk.remove("filling");
    let healed = eventually("it goes on, where it was", 30, async || {
        let answer = api.try_send(Method::POST, "/events", event.to_string()).await;
        answer.ok().filter(|answer| answer.status == 201)
    });
    let id = healed.await.json()["eventIds"][0].as_str().expect("an id").to_owned();
    acknowledged.insert(5, id);
    // The one of unknown outcome was not durable, and so it is not there: `stored` refuses two of one number.
    assert!(stored(api).await == acknowledged, "what was acknowledged is there, and nothing else");
    api.get("/health").await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_finds_no_room_waits_for_it() {
    let (dir, disk) = small_disk(120).await;
    disk.fill_up("filling", MIB);
    let options = ServerOptions { under: disk.enter(), ..options() };
    let starting = tokio::spawn(TestServer::start_in(options, dir));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!starting.is_finished(), "it waits");
    disk.remove("filling");
    let server = starting.await.expect("it starts");
    server.client.post("/topics", json!({"name": "t1", "adapter": "redb"})).await.ok(201);
    assert!(publish(&server.client, 1).await.is_some());
}
