//! Formats of reads, long polls, and what caches are told.

use serde_json::{Value, json};
use weir_tests::Client;

use crate::follow::{publish, topic};
use crate::server;

const READS: [&str; 4] = ["/topics/default/events", "/events", "/topics/default/streams/s", "/streams/s"];

async fn stream_event(api: &Client, n: u64) {
    api.post("/streams/s", json!({"type": "t", "payload": {"n": n}})).await.ok(200);
}

#[tokio::test]
async fn the_four_reads_are_answered_in_the_format_that_is_liked_best() {
    let server = server().await;
    let api = &server.client;
    for n in 1..=3 {
        stream_event(api, n).await;
    }
    for path in READS {
        let json = api.get_with(path, &[("accept", "*/*")]).await;
        assert_eq!(json.headers["content-type"], "application/json");
        let lines = api.get_with(path, &[("accept", "application/json;q=0.1, application/x-ndjson")]).await;
        assert_eq!((lines.status, &lines.headers["content-type"]), (200, &"application/x-ndjson".parse().expect("it")));
        assert_eq!(
            (&json.headers["vary"], &lines.headers["vary"]),
            (&"accept".parse().expect("it"), &json.headers["vary"])
        );
        let events: Vec<Value> = lines.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!((&json!(events), events.len()), (&json.ok(200)["events"], 3), "{path}");
        assert!(lines.text.ends_with('\n'));
        let refused = api.get_with(path, &[("accept", "text/html, image/*")]).await;
        refused.problem(406, "NOT_ACCEPTABLE");
        let offers = refused.json()["acceptable"].clone();
        let all =
            ["application/json", "application/x-ndjson", "application/cloudevents-batch+json", "text/event-stream"];
        assert_eq!(offers, json!(all));
    }
    let nothing = api.get_with("/events?from=9", &[("accept", "application/x-ndjson")]).await;
    assert_eq!((nothing.status, nothing.text.as_str()), (200, ""));
}

#[tokio::test]
async fn many_lines_are_streamed_whole_and_in_order() {
    let server = server().await;
    let api = &server.client;
    for _ in 0..4 {
        let batch: Vec<Value> = (0..1_500)
            .map(|n| json!({"topic": "default", "type": "t", "payload": {"n": n, "x": "y".repeat(400)}}))
            .collect();
        api.post("/events", json!(batch)).await.ok(201);
    }
    let lines = api.get_with("/events", &[("accept", "application/x-ndjson")]).await.text;
    let mut count = 0;
    for (index, line) in lines.lines().enumerate() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!((&event["position"], &event["payload"]["n"]), (&json!(index + 1), &json!(index % 1_500)));
        count += 1;
    }
    assert_eq!(count, 6_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_polls_wait_for_the_store_and_for_streams_too() {
    let server = server().await;
    let api = server.client.clone();
    topic(&api, "t").await;
    let waits = ["/events?wait=20", "/streams/s?wait=20", "/topics/default/streams/s?wait=20&type=t"];
    let waiting = waits.map(|path| {
        let api = api.clone();
        tokio::spawn(async move { api.get(path).await.ok(200) })
    });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
    stream_event(&api, 1).await;
    for waiting in waiting {
        let answer =
            tokio::time::timeout(std::time::Duration::from_secs(10), waiting).await.expect("woken by the commit");
        assert_eq!(answer.expect("an answer")["events"][0]["id"], "default-1");
    }
    assert_eq!(api.get("/streams/s?from=2&wait=1").await.ok(200), json!({"events": []}));
}

#[tokio::test]
async fn since_an_event_is_a_place_in_every_read() {
    let server = server().await;
    let api = &server.client;
    topic(api, "t").await;
    for n in 1..=3 {
        publish(api, "t", "a", n).await;
        stream_event(api, n).await;
    }
    let ids = async |path: &str| {
        let body = api.get(path).await.ok(200);
        let ids = body["events"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|event| event["id"].as_str().expect("an id").to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(ids("/events?sinceEventId=default-2").await, ["t-3", "default-3"]);
    assert_eq!(ids("/events?sinceEventId=t-2&direction=backward").await, ["default-1", "t-1"]);
    assert_eq!(ids("/streams/s?sinceEventId=default-1").await, ["default-2", "default-3"]);
    assert_eq!(ids("/streams/s?sinceEventId=default-3&direction=backward").await, ["default-2", "default-1"]);
    assert_eq!(ids("/topics/t/events?sinceEventId=t-2").await, ["t-3"]);
    api.get("/streams/s?sinceEventId=t-1").await.problem(400, "INVALID_QUERY");
    api.get("/events?sinceEventId=t-9").await.problem(400, "INVALID_QUERY");
    api.get("/events?adapter=memory&sinceEventId=t-1").await.problem(400, "INVALID_QUERY");
}

fn header<'a>(answer: &'a weir_tests::Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().expect("text"))
}

#[tokio::test]
async fn a_client_that_has_a_stream_is_told_so_until_it_changes() {
    let server = server().await;
    let api = &server.client;
    stream_event(api, 1).await;
    let first = api.get("/streams/s").await;
    assert_eq!((header(&first, "etag"), header(&first, "cache-control")), ("\"1\"", "no-cache"));
    for known in ["\"1\"", "W/\"1\"", "\"0\", \"1\"", "*"] {
        let same = api.get_with("/streams/s", &[("if-none-match", known)]).await;
        assert_eq!((same.status, same.text.as_str(), header(&same, "etag")), (304, "", "\"1\""), "{known}");
    }
    let head = api.send(reqwest::Method::HEAD, "/streams/s", "").await;
    assert_eq!((head.status, header(&head, "etag"), head.text.as_str()), (200, "\"1\"", ""));
    stream_event(api, 2).await;
    let changed = api.get_with("/streams/s", &[("if-none-match", "\"1\"")]).await;
    assert_eq!(header(&changed, "etag"), "\"2\"");
    assert_eq!(changed.ok(200)["events"].as_array().map(Vec::len), Some(2));
    let lines = api.get_with("/streams/s", &[("accept", "application/x-ndjson"), ("if-none-match", "\"2\"")]).await;
    assert_eq!((lines.status, header(&lines, "etag")), (200, "\"2-lines\""), "the same events are not the same bytes");
}

#[tokio::test]
async fn a_page_that_cannot_grow_may_be_kept_for_a_while_and_no_other() {
    let server = server().await;
    let api = &server.client;
    for n in 1..=3 {
        stream_event(api, n).await;
    }
    let closed = "private, max-age=60";
    let cases = [
        ("/topics/default/events?from=1&limit=2", closed),
        ("/topics/default/events?from=1&limit=3", closed),
        ("/topics/default/events?sinceEventId=default-1&limit=2", closed),
        ("/topics/default/events?from=1&limit=1&type=t", closed),
        ("/events?from=2&limit=2", closed),
        ("/streams/s?from=1&limit=1", closed),
        ("/events/default-1", closed),
        ("/events?from=2&limit=2&form=stored", "private, max-age=3600"),
        ("/events/default-1?form=stored", "private, max-age=3600"),
        // A place from the edge moves with retention, a limit that is not reached with the next event.
        ("/topics/default/events?limit=2", "no-cache"),
        ("/topics/default/events?from=1&limit=4", "no-cache"),
        ("/topics/default/events?from=1", "no-cache"),
        ("/topics/default/events?from=3&limit=2&direction=backward", "no-cache"),
        ("/events?from=4&limit=1", "no-cache"),
    ];
    for (path, control) in cases {
        let answer = api.get(path).await;
        assert_eq!((answer.status, header(&answer, "cache-control")), (200, control), "{path}");
        let tag = header(&answer, "etag").to_owned();
        assert_eq!(tag.is_empty(), control == "no-cache", "{path}: {tag}");
        if !tag.is_empty() {
            let known = api.get_with(path, &[("if-none-match", &tag)]).await;
            assert_eq!(
                (known.status, header(&known, "cache-control"), known.text.as_str()),
                (304, control, ""),
                "{path}"
            );
        }
    }
    stream_event(api, 4).await;
    let grown = api.get_with("/topics/default/events?from=1&limit=4", &[("if-none-match", "\"1-3\"")]).await;
    assert_eq!((grown.status, header(&grown, "cache-control"), header(&grown, "etag")), (200, closed, "\"1-4\""));
}

/// Its events are gone after a restart, and their names are given again.
#[tokio::test]
async fn what_lives_in_memory_is_never_kept() {
    let server = server().await;
    let api = &server.client;
    api.post("/topics", json!({"name": "m", "adapter": "memory"})).await.ok(201);
    api.post("/topics/m/streams/s", json!({"type": "t", "payload": {}})).await.ok(200);
    for path in ["/topics/m/events?from=1&limit=1", "/topics/m/streams/s", "/events/m-1"] {
        let answer = api.get_with(path, &[("if-none-match", "*")]).await;
        assert_eq!((answer.status, header(&answer, "cache-control")), (200, "no-store"), "{path}");
    }
    assert_eq!(
        header(&api.get("/topics/m/streams/s").await, "etag"),
        "\"1\"",
        "it can be expected of the next publish"
    );
}
