//! Where states come from: the cache, snapshots, events.

use serde_json::json;

use super::super::cache::Cache;
use super::*;
use crate::model::limits::SNAPSHOT_EVERY;

#[tokio::test]
async fn a_state_at_hand_costs_no_reading() {
    let shop = Shop::open().await;
    shop.publish("s", 50, 1).await;
    assert_eq!(n(shop.state("s").await.map(|state| state.payload).as_ref()), 50);
    assert_eq!(shop.folded(), 50);
    for _ in 0..10 {
        shop.add("s", 1).await;
    }
    // Once before it is recorded, once after it.
    assert_eq!(shop.folded(), 70);
    shop.state("s").await;
    assert_eq!(shop.folded(), 70);
    assert_eq!(n(run(&shop.another().await, "add", "s", json!({"by": 1})).await.expect("added").state.as_ref()), 61);
    assert_eq!(shop.folded(), 132);
}

#[tokio::test]
async fn what_has_no_events_takes_no_place_among_those_at_hand() {
    let shop = Shop::open().await;
    for n in 0..10 {
        assert_eq!(shop.state(&format!("no-{n}")).await, None);
    }
    assert_eq!(shop.engine.command_counts().cached, 0);
    shop.publish("s", 1, 1).await;
    shop.state("s").await;
    assert_eq!(shop.engine.command_counts().cached, 1);
}

#[tokio::test]
async fn what_others_publish_in_between_is_read_first() {
    let shop = Shop::open().await;
    shop.add("s", 1).await;
    shop.publish("s", 3, 10).await;
    let done = shop.run("sub", "s", json!({"by": 31})).await.expect("there are 31");
    assert_eq!((done.version, n(done.state.as_ref())), (5, 0));
}

#[tokio::test]
async fn a_long_stream_is_read_from_its_snapshot_on() {
    let shop = Shop::open().await;
    let many = 2 * SNAPSHOT_EVERY as usize;
    shop.publish("s", many, 1).await;
    shop.state("s").await;
    shop.snapshots(1).await;
    shop.publish("s", 5, 1).await;
    shop.forget();
    let before = shop.folded();
    let state = shop.state("s").await.expect("a state");
    assert_eq!((n(Some(&state.payload)), state.version), (many as i64 + 5, many as u64 + 5));
    assert_eq!(shop.folded() - before, 5);
    // Without it, and with one that is no snapshot, everything is there as well.
    for value in [None, Some("nonsense"), Some("{\"version\":1}\nx")] {
        let key = format!("snapshot/t/{}", "s");
        let change = crate::storage::Change { value: value.map(Into::into), ..crate::storage::Change::delete(key) };
        shop.store.records.commit(vec![change]).await.expect("committed");
        shop.forget();
        assert_eq!(shop.state("s").await.as_ref(), Some(&state));
    }
}

#[tokio::test]
async fn commands_leave_a_snapshot_now_and_then() {
    let shop = Shop::open().await;
    shop.publish("s", SNAPSHOT_EVERY as usize - 2, 1).await;
    for _ in 0..5 {
        shop.add("s", 1).await;
    }
    shop.snapshots(1).await;
    shop.publish("s", SNAPSHOT_EVERY as usize - 5, 1).await;
    shop.add("s", 1).await;
    assert_eq!(shop.engine.command_counts().snapshots, 1);
    shop.add("s", 1).await;
    shop.snapshots(2).await;
}

#[tokio::test]
async fn a_new_generation_keeps_states_and_a_new_state_version_drops_them() {
    let shop = Shop::open().await;
    let many = SNAPSHOT_EVERY as usize + 10;
    shop.publish("s", many, 1).await;
    shop.state("s").await;
    shop.snapshots(1).await;
    shop.house.put("counter.wasm", counter("accept", "0.2.0"));
    shop.house.until_serving(COUNTER, 2).await;
    let before = shop.folded();
    assert_eq!(n(shop.state("s").await.map(|state| state.payload).as_ref()), many as i64);
    assert_eq!(shop.folded() - before, 0, "the same state version");
    shop.house.put("counter.wasm", counter("state-2", "0.3.0"));
    shop.house.until_serving(COUNTER, 3).await;
    let before = shop.folded();
    assert_eq!(n(shop.state("s").await.map(|state| state.payload).as_ref()), many as i64);
    assert_eq!(shop.folded() - before, many as u64, "neither what was at hand nor the snapshot");
}

#[tokio::test]
async fn states_of_the_past_are_there_too() {
    let shop = Shop::open().await;
    for by in 1..=4 {
        shop.add("s", by).await;
    }
    let at = async |version| shop.engine.state(&topic("t"), &stream("s"), Some(version)).await;
    for (version, expected) in [(1, 1), (2, 3), (3, 6), (4, 10)] {
        let state = at(version).await.expect("a version").expect("a state");
        assert_eq!((state.version, n(Some(&state.payload))), (version, expected));
    }
    assert_eq!(at(0).await.expect("before all"), None);
    assert!(matches!(at(5).await, Err(EngineError::VersionUnknown { version: 5, head: 4, .. })));
    assert_eq!(shop.state("s").await.map(|state| state.version), Some(4));
}

#[tokio::test]
async fn a_state_without_its_first_events_is_not_served() {
    let shop = Shop::open().await;
    shop.publish("s", 3, 1).await;
    shop.engine.cuts.cut(&topic("t"), 2);
    let state = shop.engine.state(&topic("t"), &stream("s"), None).await;
    assert!(matches!(state, Err(EngineError::HistoryDeleted { version: 1, .. })), "{state:?}");
}

#[tokio::test]
async fn a_state_is_not_made_of_events_that_an_upcaster_passed_over() {
    let shop = Shop::open().await;
    shop.publish("s", 1, 1).await;
    shop.house.put("up.toml", "on_trap = \"pass\"\n");
    shop.house.put("up.wasm", odd("odd-upcaster", "trap-in-upcast", "0.1.0"));
    shop.house.until_serving("up", 1).await;
    let state = shop.engine.state(&topic("t"), &stream("s"), None).await;
    assert!(matches!(&state, Err(EngineError::Plugin(error)) if error.plugin.name == "up"), "{state:?}");
}

#[tokio::test]
async fn ten_thousand_aggregates_need_no_more_memory_than_they_may() {
    let mut shop = Shop::open().await;
    let engine = Arc::get_mut(&mut shop.engine).expect("nobody else has it");
    engine.aggregates.cache = Cache::new(1_000, 1 << 20);
    for i in 0..10_000 {
        shop.add(&format!("s{i}"), i).await;
        assert!(shop.engine.command_counts().cached <= 1_000);
    }
    for i in [0, 5_000, 9_999] {
        assert_eq!(n(shop.add(&format!("s{i}"), 1).await.state.as_ref()), i + 1);
    }
}
