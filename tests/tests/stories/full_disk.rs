//! A disk that fills up under a server, and gets room again.

use std::collections::BTreeMap;

use serde_json::{Value, json};
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

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_a_full_disk_acknowledges_nothing_that_it_does_not_keep_and_goes_on_by_itself() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    std::fs::create_dir(&data).expect("a directory");
    let disk = SmallDisk::mount(&data, 240).await;
    let disk = disk.expect("a small file system: this needs `unshare` and `nsenter`, and user namespaces");
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
