//! Reading as the API describes it: every parameter, in both directions, over pages and over restarts.

use serde_json::{Value, json};
use weir_tests::{Client, TestServer};

use crate::server;

/// Thirty events in topic `r`: types alternate, every third is in stream `s`, every fifth has the tag `five`.
async fn filled() -> TestServer {
    let server = server().await;
    server.client.post("/topics", json!({"name": "r", "adapter": "redb"})).await.ok(201);
    let events: Vec<Value> = (1..=30)
        .map(|n| {
            let mut event = json!({"topic": "r", "type": if n % 2 == 0 { "even" } else { "odd" }, "payload": {"n": n}});
            if n % 3 == 0 {
                event["stream"] = json!("s");
            }
            if n % 5 == 0 {
                event["tags"] = json!(["five", "x=1"]);
                event["metadata"] = json!({"by": "test"});
            }
            event
        })
        .collect();
    server.client.post("/events", json!(events)).await.ok(201);
    server
}

async fn sequences(api: &Client, query: &str) -> Vec<u64> {
    let body = api.get(&format!("/topics/r/events{query}")).await.ok(200);
    body["events"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|event| event["sequence"].as_u64().expect("a number"))
        .collect()
}

#[tokio::test]
async fn every_parameter_chooses_what_it_says() {
    let server = filled().await;
    let api = &server.client;
    assert_eq!(sequences(api, "").await, (1..=30).collect::<Vec<_>>());
    assert_eq!(sequences(api, "?sinceEventId=r-27").await, [28, 29, 30]);
    assert_eq!(sequences(api, "?from=27").await, [27, 28, 29, 30]);
    assert_eq!(sequences(api, "?limit=2").await, [1, 2]);
    assert_eq!(sequences(api, "?type=even&limit=2&from=5").await, [6, 8]);
    assert_eq!(sequences(api, "?type=even&type=odd&from=29").await, [29, 30]);
    assert_eq!(sequences(api, "?tag=five").await, [5, 10, 15, 20, 25, 30]);
    assert_eq!(sequences(api, "?tag=five&tag=x%3D1&type=odd").await, [5, 15, 25]);
    assert_eq!(sequences(api, "?tag=none").await, [0; 0]);
    assert_eq!(sequences(api, "?stream=s&from=10").await, [12, 15, 18, 21, 24, 27, 30]);
    assert_eq!(sequences(api, "?direction=backward&limit=3").await, [30, 29, 28]);
    assert_eq!(sequences(api, "?direction=backward&from=4").await, [4, 3, 2, 1]);
    assert_eq!(sequences(api, "?direction=backward&sinceEventId=r-4").await, [3, 2, 1]);
    assert_eq!(sequences(api, "?direction=backward&stream=s&from=10").await, [9, 6, 3]);
    assert_eq!(sequences(api, "?direction=backward&stream=s&from=2").await, [0; 0]);
    assert_eq!(sequences(api, "?from=31").await, [0; 0]);
    assert_eq!(sequences(api, "?date=1999-01-01").await, [0; 0]);
    let today = api.events("r").await[0]["timestamp"].as_str().expect("a time")[..10].to_owned();
    assert_eq!(sequences(api, &format!("?date={today}&limit=1")).await, [1]);
    for bad in ["?from=1&sinceEventId=r-1", "?limit=0", "?date=x", "?since=1", "?direction=up"] {
        api.get(&format!("/topics/r/events{bad}")).await.problem(400, "INVALID_QUERY");
    }
    api.get("/topics/nowhere/events").await.problem(404, "TOPIC_NOT_FOUND");
}

#[tokio::test]
async fn an_event_has_all_its_members_and_its_payload_as_it_came() {
    let server = server().await;
    let api = &server.client;
    let payload = "{ \"b\" : 1.0,\n \"a\":\"\\u00e9\", \"big\": 123456789012345678901234567890 }";
    let body = format!(
        "[{{\"topic\":\"default\",\"type\":\"t\",\"stream\":\"s:1\",\"tags\":[\"x\"],\"metadata\":{{\"k\":\"v\"}},\"payload\":{payload}}}]"
    );
    api.post("/events", body).await.ok(201);
    let text = api.get("/events/default-1").await.text;
    assert!(text.contains(payload), "the payload's bytes are kept: {text}");
    let event: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(event["id"], "default-1");
    for (member, value) in [
        ("type", json!("t")),
        ("topic", json!("default")),
        ("sequence", json!(1)),
        ("position", json!(1)),
        ("stream", json!("s:1")),
        ("version", json!(1)),
        ("tags", json!(["x"])),
        ("metadata", json!({"k": "v"})),
    ] {
        assert_eq!(event[member], value, "{member}");
    }
    assert!(api.get("/topics/default/events").await.text.contains(payload));
    for id in ["default-2", "default-0", "nowhere-1", "x"] {
        api.get(&format!("/events/{id}")).await.problem(404, "EVENT_NOT_FOUND");
    }
}

#[tokio::test]
async fn the_store_is_read_by_position_and_a_stream_by_version() {
    let server = filled().await;
    let api = &server.client;
    api.post("/streams/other", json!({"type": "t", "payload": {}})).await.ok(200);
    let all = api.get("/events?from=30").await.ok(200);
    let ids: Vec<&str> = all["events"].as_array().expect("a list").iter().filter_map(|e| e["id"].as_str()).collect();
    assert_eq!(ids, ["r-30", "default-1"]);
    let stream = api.get("/topics/r/streams/s?from=9").await;
    assert_eq!(stream.headers["etag"], "\"10\"");
    let versions: Vec<Value> =
        stream.ok(200)["events"].as_array().expect("a list").iter().map(|e| e["version"].clone()).collect();
    assert_eq!(versions, [9, 10]);
    let nothing = api.get("/topics/r/streams/nobody").await;
    assert_eq!((nothing.headers["etag"].to_str().expect("text"), nothing.ok(200)), ("\"0\"", json!({"events": []})));
    let head = api.send(reqwest::Method::HEAD, "/topics/r/streams/s", "").await;
    assert_eq!((head.status, head.text.as_str(), head.headers["etag"].to_str().expect("text")), (200, "", "\"10\""));
}

#[tokio::test]
async fn a_read_of_many_pages_is_one_valid_answer() {
    let server = server().await;
    let api = &server.client;
    for _ in 0..10 {
        let batch: Vec<Value> = (0..800)
            .map(|n| json!({"topic": "default", "type": "t", "payload": {"n": n, "x": "y".repeat(600)}}))
            .collect();
        api.post("/events", json!(batch)).await.ok(201);
    }
    let events = api.events("default").await;
    assert_eq!(events.len(), 8_000);
    for (i, event) in events.iter().enumerate() {
        assert_eq!(event["sequence"], i + 1);
    }
    let backward = api.get("/topics/default/events?direction=backward").await.ok(200);
    assert_eq!(backward["events"].as_array().map(Vec::len), Some(8_000));
    assert_eq!(backward["events"][7_999]["sequence"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_answers_with_the_next_event_or_after_its_time() {
    let server = server().await;
    let api = server.client.clone();
    let waiting = tokio::spawn({
        let api = api.clone();
        async move { api.get("/topics/default/events?wait=20").await.ok(200) }
    });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(!waiting.is_finished());
    api.post("/streams/s", json!({"type": "t", "payload": {}})).await.ok(200);
    let answer = tokio::time::timeout(std::time::Duration::from_secs(10), waiting).await.expect("woken by the commit");
    assert_eq!(answer.expect("an answer")["events"][0]["id"], "default-1");
    let nothing = api.get("/topics/default/events?from=2&wait=1").await.ok(200);
    assert_eq!(nothing, json!({"events": []}));
}
