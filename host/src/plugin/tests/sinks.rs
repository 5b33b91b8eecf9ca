//! What a sink's call may do: reach only what it was granted, and answer only for what it was given.

use std::sync::Arc;
use std::time::Duration;

use super::guests;
use super::house::{House, recorded};
use crate::plugin::{Fault, Receipt, Rest, Target};

const GRANT: &str =
    "[grants]\nhttp = [{ host = \"*.example.com\", methods = [\"POST\"] }]\n[limits]\ncpu_ms_per_call = 60\n";

async fn open(sidecar: &str) -> House {
    House::with(Vec::new(), |dir| {
        std::fs::write(dir.join("post.wasm"), guests::sink()).expect("a file");
        std::fs::write(dir.join("post.toml"), sidecar).expect("a file");
    })
    .await
}

fn to(url: &str) -> Target {
    Target { id: "c1".into(), config_json: url.into() }
}

#[tokio::test]
async fn a_sink_reaches_what_it_was_granted_and_nothing_else() {
    let house = open(GRANT).await;
    let sink = house.plugins.sink("post").expect("a sink");
    let receipt = sink.deliver(&to("https://a.example.com/hook"), &recorded(5)).await.expect("a receipt");
    assert_eq!(receipt, Receipt { accepted: 5, rest: Rest::Done });
    for url in ["https://example.org/", "https://a.example.com@evil.org/", "file:///etc/passwd"] {
        let receipt = sink.deliver(&to(url), &recorded(5)).await.expect("a receipt");
        assert_eq!(receipt.accepted, 0, "{url}");
        assert!(matches!(&receipt.rest, Rest::Poison(why) if !why.message.is_empty()), "{url}: {receipt:?}");
    }
    let serving = house.status("post").and_then(|status| status.serving).expect("it serves");
    assert_eq!(serving.wishes, ["http any *"]);
    assert_eq!(serving.grants, ["http POST *.example.com"]);
}

#[tokio::test]
async fn without_a_grant_a_sink_reaches_nothing() {
    let house = open("").await;
    let sink = house.plugins.sink("post").expect("a sink");
    let receipt = sink.deliver(&to("https://a.example.com/hook"), &recorded(1)).await.expect("a receipt");
    let Rest::Poison(why) = receipt.rest else { panic!("it was let out") };
    assert!(why.message.contains("not granted"), "{}", why.message);
}

#[tokio::test]
async fn a_sink_checks_a_target() {
    let house = open(GRANT).await;
    let sink = house.plugins.sink("post").expect("a sink");
    assert_eq!(sink.check(&to("x")).await.expect("an answer"), Ok(()));
    assert_eq!(sink.check(&to("")).await.expect("an answer").expect_err("a refusal")[0].message, "no");
}

#[tokio::test]
async fn a_sink_that_traps_or_computes_too_long_fails_its_own_call() {
    let house = open(GRANT).await;
    let sink = house.plugins.sink("post").expect("a sink");
    let fault = sink.deliver(&to("x"), &recorded(2)).await.expect_err("a trap").fault;
    assert!(matches!(fault, Fault::Trap(_)), "{fault}");
    let looping = sink.clone();
    let call = tokio::spawn(async move { looping.deliver(&to("x"), &recorded(3)).await });
    let start = std::time::Instant::now();
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(start.elapsed() < Duration::from_millis(500), "the loop held up the only thread");
    let fault = call.await.expect("a task").expect_err("a loop").fault;
    assert!(matches!(fault, Fault::Cpu(_)), "{fault}");
    let receipt = sink.deliver(&to("https://a.example.com/hook"), &recorded(1)).await.expect("a receipt");
    assert_eq!(receipt.accepted, 1);
    assert_eq!(Arc::strong_count(&sink), 3, "the list, the call and this test hold it");
}
