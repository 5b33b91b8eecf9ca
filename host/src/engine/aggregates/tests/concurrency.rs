//! Many commands at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::*;
use crate::model::Expected;
use crate::model::limits::COMMAND_RETRIES_TIME;

/// Sends `count` commands at once, and gives the versions that they made.
async fn many(engines: &[Arc<Engine>], count: usize) -> Vec<u64> {
    let mut running = JoinSet::new();
    for i in 0..count {
        let engine = engines[i % engines.len()].clone();
        running.spawn(async move { run(&engine, "add", "s", json!({"by": 1})).await });
    }
    let mut made = Vec::new();
    while let Some(done) = running.join_next().await {
        made.extend(versions(&done.expect("a task").expect("executed").events));
    }
    made.sort_unstable();
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_on_one_aggregate_wait_for_each_other() {
    let shop = Shop::open().await;
    assert_eq!(many(std::slice::from_ref(&shop.engine), 200).await, (1..=200).collect::<Vec<_>>());
    assert_eq!(shop.engine.command_counts().retries, 0);
    assert_eq!(n(shop.state("s").await.map(|state| state.payload).as_ref()), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_the_race_decides_again() {
    let shop = Shop::behaving("slow-in-decide").await;
    let engines = [shop.engine.clone(), shop.another().await];
    assert_eq!(many(&engines, 40).await, (1..=40).collect::<Vec<_>>());
    let retries: u64 = engines.iter().map(|engine| engine.command_counts().retries).sum();
    assert!(retries > 0, "two engines on one stream do get into each other's way");
}

/// Who has to read what the others wrote loses to them as long as they go on, however often that is.
#[tokio::test(flavor = "multi_thread")]
async fn who_loses_many_times_wins_when_the_others_rest() {
    let shop = Arc::new(Shop::behaving("slow-in-decide").await);
    for _ in 0..200 {
        let is_over = Arc::new(AtomicBool::new(false));
        let (begun, begins) = oneshot::channel();
        let publishing = tokio::spawn(publish_until_lost(shop.clone(), begun, is_over.clone()));
        begins.await.expect("the first is published");
        let executed = shop.run("add", "s", json!({"by": 1})).await.expect("executed");
        is_over.store(true, Ordering::Relaxed);
        let has_lost = publishing.await.expect("published");
        if has_lost && executed.version == shop.head() {
            return;
        }
        // A busy machine let the command go first: once more.
    }
    panic!("a command that takes so long did not lose")
}

/// Publishes to the stream `s` until a command on it has lost often, or is over. Gives whether it lost.
async fn publish_until_lost(shop: Arc<Shop>, begun: oneshot::Sender<()>, is_over: Arc<AtomicBool>) -> bool {
    let (started, before) = (Instant::now(), shop.engine.command_counts().retries);
    shop.publish("s", 1, 1).await;
    begun.send(()).expect("somebody waits");
    while !is_over.load(Ordering::Relaxed) {
        shop.publish("s", 1, 1).await;
        let lost = shop.engine.command_counts().retries - before;
        // A busy machine leaves time for fewer tries; the last one must not be among them.
        if lost > 18 || lost > 0 && started.elapsed() > COMMAND_RETRIES_TIME / 2 {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn publishers_and_commands_go_on_side_by_side() {
    let shop = Arc::new(Shop::open().await);
    let publishing = tokio::spawn({
        let shop = shop.clone();
        async move {
            for _ in 0..100 {
                shop.publish("s", 1, 1).await;
                tokio::time::sleep(Duration::from_micros(300)).await;
            }
        }
    });
    assert_eq!(many(std::slice::from_ref(&shop.engine), 100).await.len(), 100);
    publishing.await.expect("published");
    let state = shop.state("s").await.expect("a state");
    assert_eq!((state.version, n(Some(&state.payload))), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_at_the_same_time_is_done_once() {
    let shop = Shop::open().await;
    let key = crate::model::IdempotencyKey { key: [1; 16], request: [1; 16] };
    let mut running = JoinSet::new();
    for _ in 0..20 {
        let engine = shop.engine.clone();
        let execution = Execution { key: Some(key), ..Execution::default() };
        running.spawn(async move { engine.execute(command("add", "s", json!({"by": 1})), execution).await });
    }
    let all = running.join_all().await;
    assert!(all.iter().all(|done| done.as_ref().is_ok_and(|done| done.version == 1)));
    assert_eq!((all.iter().flatten().filter(|done| !done.replayed).count(), shop.head()), (1, 1));
}

/// What is at hand may be old when others write to the stream: a yes on it is not recorded, and a no is not the last word.
#[tokio::test]
async fn a_refusal_is_never_one_on_an_old_state() {
    let shop = Shop::open().await;
    let other = shop.another().await;
    shop.add("s", 1).await;
    run(&other, "add", "s", json!({"by": 9})).await.expect("added");
    let executed = shop.run("sub", "s", json!({"by": 5})).await.expect("there are ten");
    assert_eq!((executed.version, n(executed.state.as_ref())), (3, 5));

    run(&other, "add", "s", json!({"by": 1})).await.expect("added");
    let expecting = Execution { expected: vec![Expected::Exactly(4)], ..Execution::default() };
    let executed = shop.engine.execute(command("sub", "s", json!({"by": 6})), expecting).await.expect("as expected");
    assert_eq!((executed.version, n(executed.state.as_ref())), (5, 0));

    run(&other, "add", "s", json!({"by": 1})).await.expect("added");
    let refused = shop.run("sub", "s", json!({"by": 2})).await;
    assert!(matches!(refused, Err(EngineError::CommandRefused { .. })), "{refused:?}");
    assert_eq!(n(shop.state("s").await.map(|state| state.payload).as_ref()), 1);
}
