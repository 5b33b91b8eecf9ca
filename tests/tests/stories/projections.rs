//! Projections at work: views that follow the log, are always of one generation, and are built anew beside what is read.

use serde_json::{Value, json};
use weir_tests::scenarios::{ViewsPlan, odd, odd_version, views};
use weir_tests::{Client, eventually};

use crate::upcasters::put;
use crate::{options, server};

/// Publishes `count` events of one stream; answers the last one's position.
async fn publish(api: &Client, stream: &str, count: usize) -> u64 {
    let event = json!({"type": "counted", "stream": stream, "payload": {}});
    let answer = api.post("/topics/default/events", Value::Array(vec![event; count])).await.ok(201);
    answer["positions"][count - 1].as_u64().expect("a position")
}

/// The value of a stream in a view that has reached a position.
async fn counted(api: &Client, view: &str, stream: &str, position: u64) -> u64 {
    let path = format!("/projections/{view}/state/{stream}?minPosition={position}&wait=30");
    api.get(&path).await.ok(200).as_u64().expect("a number")
}

async fn projection(api: &Client, view: &str) -> Value {
    api.get(&format!("/projections/{view}")).await.ok(200)
}

/// Waits until another generation than this one is read.
async fn switched(api: &Client, view: &str, from: u64) -> Value {
    eventually("another generation is read", 60, async || {
        let shown = projection(api, view).await;
        (shown["live"]["number"].as_u64() != Some(from) && shown["building"].is_null()).then_some(shown)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_follows_the_log_and_says_how_far_it_is() {
    let server = server().await;
    let api = &server.client;
    publish(api, "before", 2).await;
    put(&server, "count", odd("odd-projection", "accept")).await;
    let position = publish(api, "s", 3).await;
    let path = format!("/projections/count/state/s?minPosition={position}&wait=30");
    let read = api.get(&path).await;
    assert_eq!(read.ok(200), 3);
    assert_eq!(read.headers["weir-position"], position.to_string().as_str());
    let tag = read.headers["etag"].to_str().expect("a tag").to_owned();
    assert_eq!(api.get_with(&path, &[("if-none-match", &tag)]).await.status, 304);
    assert_eq!(counted(api, "count", "before", position).await, 2, "what was there before the plugin");
    let page = api.get("/projections/count/state?limit=1").await.ok(200);
    let entries = json!([{"key": "before", "value": 2}]);
    assert_eq!((&page["entries"], &page["next"]), (&entries, &json!("before")));
    let page = api.get("/projections/count/state?prefix=s&after=before").await.ok(200);
    assert_eq!((&page["entries"], &page["next"]), (&json!([{"key": "s", "value": 3}]), &Value::Null));
    assert_eq!(api.get("/projections/count/query/count").await.ok(200), 2);
    let shown = projection(api, "count").await;
    assert_eq!((&shown["live"]["state"], &shown["live"]["lag"]), (&json!("running"), &json!(0)));
    assert_eq!(api.get("/projections").await.ok(200)["projections"], json!([shown]));
    api.get("/projections/count/state/nobody").await.problem(404, "KEY_NOT_FOUND");
    api.get("/projections/nothing/state/s").await.problem(404, "PROJECTION_NOT_FOUND");
    api.get("/projections/count/query/sum").await.problem(404, "QUERY_NOT_FOUND");
    api.get("/projections/count/state/s?minposition=1").await.problem(400, "INVALID_QUERY");
    let late = api.get(&format!("/projections/count/state/s?minPosition={}&wait=0", position + 1)).await;
    assert_eq!(late.json()["position"], position);
    late.problem(504, "VIEW_BEHIND");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_the_position_of_what_he_wrote_reads_it() {
    let server = server().await;
    let api = &server.client;
    put(&server, "count", odd("odd-projection", "accept")).await;
    let writers = (0..8).map(|writer| async move {
        let stream = format!("s{writer}");
        for round in 1..=50 {
            let position = publish(api, &stream, 1).await;
            assert_eq!(counted(api, "count", &stream, position).await, round, "stale");
        }
    });
    futures_util::future::join_all(writers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inline_view_has_what_was_answered() {
    let server = server().await;
    let api = &server.client;
    std::fs::write(server.plugins_dir().join("count.toml"), "consistency = \"inline\"\n").expect("a side-car");
    put(&server, "count", odd("odd-projection", "accept")).await;
    // It is there a moment before it is known what will write it.
    eventually("the view is there", 20, async || (api.get("/projections/count").await.status == 200).then_some(()))
        .await;
    eventually("it is inline", 20, async || (projection(api, "count").await["consistency"] == "inline").then_some(()))
        .await;
    publish(api, "s", 1).await;
    eventually("the view runs", 20, async || (projection(api, "count").await["live"]["lag"] == 0).then_some(())).await;
    for round in 2..=100 {
        publish(api, "s", 1).await;
        assert_eq!(api.get("/projections/count/state/s").await.ok(200), round);
    }
    // One that stands still delays nobody for long.
    api.post("/plugins/count/pause", "").await.ok(200);
    eventually("it waits", 20, async || (projection(api, "count").await["live"]["state"] == "waiting").then_some(()))
        .await;
    let begun = std::time::Instant::now();
    publish(api, "s", 1).await;
    assert!(begun.elapsed().as_secs() < 4, "a publisher waited for a view that waits");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_counts_everything_once_whenever_the_server_is_killed() {
    let mut server = server().await;
    put(&server, "count", odd("odd-projection", "accept")).await;
    let mut position = 0;
    for round in 0..5 {
        for _ in 0..20 {
            position = publish(&server.client, "s", 37).await;
        }
        if round % 2 == 0 {
            counted(&server.client, "count", "s", position - 100).await;
        }
        server.kill().await;
        server.start_again().await;
    }
    eventually("the plugin serves again", 60, async || {
        (server.client.get("/plugins/count").await.json()["state"] == "active").then_some(())
    })
    .await;
    assert_eq!(counted(&server.client, "count", "s", position).await, 5 * 20 * 37);
    assert_eq!(projection(&server.client, "count").await["live"]["number"], 1, "the same generation all the time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_goes_on_beside_what_is_read_and_can_be_taken_back() {
    let server = server().await;
    let api = &server.client;
    put(&server, "count", odd("odd-projection", "accept")).await;
    let mut position = publish(api, "s", 1_000).await;
    for round in 1..=4 {
        position = publish(api, "s", 1_000).await.max(position);
        assert_eq!(counted(api, "count", "s", position).await, 1_000 * (round + 1));
    }
    api.post("/projections/count/rebuild", "").await.ok(200);
    let (mut before, mut reads) = (5_000, 0);
    let shown = loop {
        position = publish(api, "s", 10).await;
        let read = api.get("/projections/count/state/s").await.ok(200).as_u64().expect("a number");
        assert!(read >= before, "{read} after {before}: a view that was half built was read");
        (before, reads) = (read, reads + 1);
        let shown = projection(api, "count").await;
        if shown["live"]["number"] == 2 {
            break shown;
        }
        assert!(reads < 5_000, "{shown}");
    };
    assert_eq!((&shown["building"], &shown["kept"]), (&Value::Null, &json!(1)));
    assert_eq!(counted(api, "count", "s", position).await, 5_000 + 10 * (reads as u64));
    api.post("/projections/count/rollback", "").await.ok(200);
    position = publish(api, "s", 1).await;
    assert_eq!(counted(api, "count", "s", position).await, 5_001 + 10 * (reads as u64));
    let shown = projection(api, "count").await;
    assert_eq!((&shown["live"]["number"], &shown["kept"]), (&json!(1), &json!(2)));
    let files = std::fs::read_dir(server.data_dir().join("views/count")).expect("a directory").count();
    assert_eq!(files, 2, "a file for each generation that can still be read");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_state_version_builds_another_view_and_the_old_plugin_gets_its_own_back() {
    let server = server().await;
    let api = &server.client;
    put(&server, "count", odd("odd-projection", "accept")).await;
    let position = publish(api, "s", 100).await;
    assert_eq!(counted(api, "count", "s", position).await, 100);
    put(&server, "count", odd("odd-projection", "state-2")).await;
    let shown = switched(api, "count", 1).await;
    assert_eq!((&shown["live"]["stateVersion"], &shown["kept"]), (&json!(2), &json!(1)));
    assert_eq!(counted(api, "count", "s", position).await, 100);
    api.post("/projections/count/rollback", "").await.problem(409, "PROJECTION_CONFLICT");
    // The same number with other code goes on with the same view.
    put(&server, "count", odd_version("odd-projection", "state-2", "9.9.9")).await;
    let position = publish(api, "s", 1).await;
    assert_eq!(counted(api, "count", "s", position).await, 101);
    assert_eq!(projection(api, "count").await["live"]["number"], shown["live"]["number"]);
    put(&server, "count", odd("odd-projection", "accept")).await;
    let shown = switched(api, "count", 2).await;
    assert_eq!(shown["live"]["number"], 1, "the view that it made before");
    assert_eq!(counted(api, "count", "s", position).await, 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_fails_pauses_the_view_until_it_is_mended_or_is_left_out() {
    let server = server().await;
    let api = &server.client;
    put(&server, "count", odd("odd-projection", "problem")).await;
    publish(api, "s", 5).await;
    let bad = json!([{"type": "odd.bad", "stream": "s", "payload": {}}]);
    let bad = api.post("/topics/default/events", bad).await.ok(201)["positions"][0].as_u64().expect("a position");
    let position = publish(api, "s", 5).await;
    let paused = eventually("it is paused", 30, async || {
        let shown = projection(api, "count").await;
        (shown["live"]["state"] == "paused").then_some(shown)
    })
    .await;
    let reason = paused["live"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("default-6") && reason.contains("odd.bad is bad"), "{reason}");
    assert_eq!(paused["live"]["position"], bad - 1);
    assert_eq!(counted(api, "count", "s", bad - 1).await, 5, "what came before it is there");
    api.post("/projections/count/replay", json!({"from": bad + 1})).await.problem(409, "REPLAY_GAP");
    // The operator's word is enough to go on.
    std::fs::write(server.plugins_dir().join("count.toml"), "on_trap = \"skip\"\n").expect("a side-car");
    assert_eq!(counted(api, "count", "s", position).await, 10);
    let letters = api.get("/projections/count/dead-letters").await.ok(200);
    let letter = &letters["deadLetters"][0];
    assert_eq!((&letter["eventId"], &letter["position"]), (&json!("default-6"), &json!(bad)));
    // Going back gives the events again: it is the plugin that knows what it had.
    api.post("/projections/count/replay", json!({"from": bad + 1})).await.ok(200);
    eventually("the last five are counted again", 30, async || {
        (api.get("/projections/count/state/s").await.ok(200) == 15).then_some(())
    })
    .await;
}

/// The short form of `cargo xtask soak views`.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_built_anew_under_traffic_and_reads_are_whole_and_fresh() {
    let plan = ViewsPlan { events: 20_000, events_per_second: 500, readers: 2, pairs: 200, clients: 4 };
    println!("{:?}", views(options(), plan).await);
}
