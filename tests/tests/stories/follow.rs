//! Following live, as server-sent events: what there is, `caught-up`, and then what is committed.

use serde_json::{Value, json};
use weir_tests::scenarios::{FollowersPlan, followers};
use weir_tests::{Client, Follower, ServerOptions, TestServer};

use crate::{options, server};

/// A server with these lines in its `weir.toml`.
pub async fn server_with(toml: &str) -> (TestServer, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::with_suffix(".toml").expect("a file");
    std::fs::write(file.path(), toml).expect("written");
    let path = file.path().to_str().expect("text").to_owned();
    let options = ServerOptions { args: vec!["--config".to_owned(), path], ..options() };
    (TestServer::start(options).await, file)
}

pub async fn topic(api: &Client, name: &str) {
    api.post("/topics", json!({"name": name, "adapter": "redb"})).await.ok(201);
}

/// Publishes one event with this number, and answers its id.
pub async fn publish(api: &Client, topic: &str, event_type: &str, n: u64) -> String {
    let body = json!([{"topic": topic, "type": event_type, "payload": {"n": n}}]);
    api.post("/events", body).await.ok(201)["eventIds"][0].as_str().expect("an id").to_owned()
}

async fn follow(api: &Client, path: &str) -> Follower {
    let follower = Follower::open(&api.base, path, "").await;
    assert_eq!(follower.status, 200, "{}", follower.head);
    follower
}

#[tokio::test]
async fn a_follower_gets_what_there_is_then_caught_up_then_what_comes() {
    let server = server().await;
    let api = &server.client;
    topic(api, "t").await;
    publish(api, "t", "a", 1).await;
    publish(api, "default", "other", 9).await;
    publish(api, "t", "b", 2).await;
    let mut follower = follow(api, "/topics/t/events").await;
    assert!(follower.head.to_lowercase().contains("content-type: text/event-stream"), "{}", follower.head);
    let past = [follower.told().await, follower.told().await];
    let caught_up = follower.told().await;
    assert_eq!((caught_up.name.as_str(), caught_up.id.clone()), ("caught-up", None));
    assert_eq!(caught_up.json(), json!({"position": 3, "from": 3}));
    publish(api, "default", "other", 9).await;
    publish(api, "t", "a", 3).await;
    let live = follower.told().await;
    let read = api.events("t").await;
    for (told, event) in [&past[0], &past[1], &live].into_iter().zip(&read) {
        assert_eq!((told.name.as_str(), told.id.as_deref()), ("message", event["id"].as_str()));
        assert_eq!(told.json(), *event, "the same JSON as a read gives");
    }
    assert_eq!(read.len(), 3);
}

#[tokio::test]
async fn a_payload_with_line_breaks_is_one_event() {
    let server = server().await;
    let api = &server.client;
    let mut follower = follow(api, "/events").await;
    let payload = "{ \"a\":\n 1,\r\n\n\"b\":\"x\\ny\" }";
    api.post("/events", format!("[{{\"topic\":\"default\",\"type\":\"t\",\"payload\":{payload}}}]")).await.ok(201);
    assert_eq!(follower.past().await, [""; 0]);
    assert_eq!(follower.told().await.json()["payload"], json!({"a": 1, "b": "x\ny"}));
}

#[tokio::test]
async fn a_browser_that_comes_back_goes_on_after_its_last_event() {
    let server = server().await;
    let api = &server.client;
    topic(api, "t").await;
    topic(api, "u").await;
    for n in 1..=3 {
        publish(api, "t", "a", n).await;
        publish(api, "u", "a", n).await;
    }
    let resumed = async |path: &str, id: &str| {
        let mut follower = Follower::open(&api.base, path, &format!("last-event-id: {id}\r\n")).await;
        assert_eq!(follower.status, 200, "{path} {id}: {}", follower.head);
        follower.past().await
    };
    assert_eq!(resumed("/topics/t/events", "t-2").await, ["t-3"]);
    assert_eq!(resumed("/topics/t/events?from=1", "t-2").await, ["t-3"], "the header wins");
    assert_eq!(resumed("/topics/t/events?sinceEventId=t-1", "t-2").await, ["t-3"]);
    assert_eq!(resumed("/events", "t-2").await, ["u-2", "t-3", "u-3"], "an id is also a place in the store");
    assert_eq!(resumed("/events", "u-3").await, [""; 0]);
    let mut since = follow(api, "/events?sinceEventId=u-2").await;
    assert_eq!(since.past().await, ["t-3", "u-3"]);
    for (path, id) in
        [("/topics/t/events", "u-1"), ("/topics/t/events", "x"), ("/events", "t-99"), ("/events", "nowhere-1")]
    {
        let refused = api.get_with(path, &[("accept", "text/event-stream"), ("last-event-id", id)]).await;
        refused.problem(400, "INVALID_QUERY");
    }
}

#[tokio::test]
async fn a_follower_gets_only_what_it_asks_for_before_and_after_it_caught_up() {
    let server = server().await;
    let api = &server.client;
    topic(api, "t").await;
    let events = async || {
        for (n, stream) in ["s", "other", "s", ""].into_iter().enumerate() {
            let mut event = json!({"topic": "t", "type": if n == 0 { "a" } else { "b" }, "payload": {}});
            if !stream.is_empty() {
                event["stream"] = json!(stream);
                event["tags"] = json!([format!("in-{stream}")]);
            }
            api.post("/events", json!([event])).await.ok(201);
            api.post("/streams/s", json!({"type": "a", "payload": {}})).await.ok(200);
        }
    };
    events().await;
    let mut followers = Vec::new();
    let cases: [(&str, &[&str], &[&str]); 9] = [
        ("/topics/t/events?type=a", &["t-1"], &["t-5"]),
        ("/topics/t/events?stream=s", &["t-1", "t-3"], &["t-5", "t-7"]),
        ("/topics/t/events?tag=in-other&type=b", &["t-2"], &["t-6"]),
        ("/topics/t/streams/s", &["t-1", "t-3"], &["t-5", "t-7"]),
        ("/topics/t/streams/s?from=2&type=b", &["t-3"], &["t-7"]),
        ("/topics/t/streams/s?from=4", &[], &["t-7"]),
        ("/topics/t/events?from=6", &[], &["t-6", "t-7", "t-8"]),
        ("/events?type=b&from=5", &["t-3", "t-4"], &["t-6", "t-7", "t-8"]),
        ("/streams/s?from=4", &["default-4"], &["default-5", "default-6", "default-7", "default-8"]),
    ];
    for (path, past, _) in &cases {
        let mut follower = follow(api, path).await;
        assert_eq!(follower.past().await, *past, "{path}");
        followers.push(follower);
    }
    events().await;
    for ((path, _, live), follower) in cases.iter().zip(&mut followers) {
        for id in *live {
            assert_eq!(follower.told().await.id.as_deref(), Some(*id), "{path}");
        }
    }
}

#[tokio::test]
async fn a_limit_ends_the_stream_and_what_makes_no_sense_is_refused() {
    let server = server().await;
    let api = &server.client;
    publish(api, "default", "a", 1).await;
    let mut follower = follow(api, "/topics/default/events?limit=2").await;
    assert_eq!(follower.past().await, ["default-1"]);
    publish(api, "default", "a", 2).await;
    assert_eq!(follower.told().await.id.as_deref(), Some("default-2"));
    assert_eq!(follower.next().await, Ok(None));
    for query in ["direction=backward", "wait=1", "from=1&sinceEventId=default-1", "x=1", "limit=0"] {
        let refused =
            api.get_with(&format!("/topics/default/events?{query}"), &[("accept", "text/event-stream")]).await;
        refused.problem(400, "INVALID_QUERY");
    }
    let unknown = api.get_with("/topics/nowhere/events", &[("accept", "text/event-stream")]).await;
    unknown.problem(404, "TOPIC_NOT_FOUND");
}

#[tokio::test]
async fn a_heartbeat_tells_where_to_go_on_when_nothing_matched() {
    let (server, _file) = server_with("heartbeat_ms = 100").await;
    let api = &server.client;
    topic(api, "t").await;
    let mut follower = follow(api, "/topics/t/events?type=never").await;
    assert_eq!(follower.past().await, [""; 0]);
    for n in 1..=5 {
        publish(api, "t", "often", n).await;
    }
    publish(api, "default", "other", 6).await;
    let mut last = Value::Null;
    for _ in 0..100 {
        let told = follower.told().await;
        assert_eq!((told.name.as_str(), &told.id), ("heartbeat", &None));
        last = told.json();
        if last == json!({"position": 6, "from": 6}) {
            break;
        }
    }
    assert_eq!(last, json!({"position": 6, "from": 6}), "all five were looked at, and the other topic's");
    publish(api, "t", "never", 6).await;
    let mut again = follow(api, "/topics/t/events?type=never&from=6").await;
    assert_eq!((again.past().await, follower.told().await.id), (vec!["t-6".to_owned()], Some("t-6".to_owned())));
}

#[tokio::test]
async fn a_day_is_followed_from_its_beginning_and_one_that_is_over_has_no_more() {
    let (server, _file) = server_with("heartbeat_ms = 100").await;
    let api = &server.client;
    publish(api, "default", "a", 1).await;
    let today = api.events("default").await[0]["timestamp"].as_str().expect("a time")[..10].to_owned();
    let mut follower = follow(api, &format!("/events?date={today}")).await;
    assert_eq!(follower.past().await, ["default-1"]);
    let mut past = follow(api, "/events?date=1999-01-01").await;
    assert_eq!(past.past().await, [""; 0]);
    publish(api, "default", "a", 2).await;
    assert_eq!(follower.told().await.id.as_deref(), Some("default-2"));
    for _ in 0..3 {
        assert_eq!(past.told().await.name, "heartbeat");
    }
}

/// Eighty megabytes for twenty followers that do not read: more than any buffer between here and there.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_does_not_read_slows_no_publisher_and_misses_nothing() {
    let server = server().await;
    let api = &server.client;
    let mut stuck = Vec::new();
    for _ in 0..20 {
        let mut follower = follow(api, "/topics/default/events").await;
        assert_eq!(follower.past().await, [""; 0]);
        stuck.push(follower);
    }
    let before = resident_kib(server.pid());
    let text = "x".repeat(100_000);
    for n in 1..=800 {
        api.post("/topics/default/events", json!({"type": "t", "payload": {"n": n, "text": text}})).await.ok(201);
    }
    let grown = resident_kib(server.pid()).saturating_sub(before) / 1024;
    assert!(grown < 400, "what they do not take is in the log, not in memory: {grown} MiB more");
    for follower in &mut stuck[..3] {
        for n in 1..=800 {
            let mut told = follower.told().await;
            while told.name == "heartbeat" {
                told = follower.told().await;
            }
            assert_eq!((told.id, told.data.len() > 100_000), (Some(format!("default-{n}")), true));
        }
    }
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

/// The grace is longer than the time in which a stop must be done.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_followers_and_those_who_wait_go_at_once() {
    let (mut server, _file) = server_with("stop_grace_ms = 600000").await;
    let api = server.client.clone();
    publish(&api, "default", "a", 1).await;
    let mut followers = [follow(&api, "/events").await, follow(&api, "/streams/s").await];
    assert_eq!(followers[0].past().await, ["default-1"]);
    assert_eq!(followers[1].past().await, [""; 0]);
    let waiting = tokio::spawn({
        let api = api.clone();
        async move { api.get("/topics/default/events?from=1000&wait=60").await.ok(200) }
    });
    let _stuck = follow(&api, "/topics/default/events").await;
    let text = "x".repeat(100_000);
    for n in 1..=200 {
        api.post("/topics/default/events", json!({"type": "t", "payload": {"n": n, "text": text}})).await.ok(201);
        assert_eq!(followers[0].told().await.id, Some(format!("default-{}", n + 1)));
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    server.stop().await;
    for follower in &mut followers {
        assert_eq!(follower.next().await, Ok(None), "a whole stream, not one that broke off");
    }
    assert_eq!(waiting.await.expect("an answer"), json!({"events": []}));
}

/// `cargo xtask soak followers` does more of them, and takes the time.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_followers_get_every_event_in_order() {
    let plan = FollowersPlan { followers: 50, events_per_second: 100, seconds: 2, idle: 20 };
    let report = followers(options(), plan).await;
    println!("{report:?}");
    assert_eq!(report.receipts, 50 * 200);
}

/// More is committed at once than a topic keeps at hand for its followers.
#[tokio::test(flavor = "multi_thread")]
async fn followers_that_fall_behind_read_the_log_and_miss_nothing() {
    let server = server().await;
    let api = &server.client;
    let mut live = [follow(api, "/events").await, follow(api, "/topics/default/streams/s").await];
    for follower in &mut live {
        assert_eq!(follower.past().await, [""; 0]);
    }
    for _ in 0..5 {
        let batch: Vec<Value> =
            (0..2_000).map(|n| json!({"topic": "default", "type": "t", "stream": "s", "payload": {"n": n}})).collect();
        api.post("/events", json!(batch)).await.ok(201);
    }
    for follower in &mut live {
        for n in 1..=10_000 {
            assert_eq!(follower.told().await.id, Some(format!("default-{n}")));
        }
    }
}
