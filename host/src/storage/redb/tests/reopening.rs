//! What was acknowledged is there after any stop.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::model::{Condition, Expected, Read, Scope};
use crate::storage::contract::{batch, condition, dice::Dice, event, forward, histories, read_all, stream, topic};
use crate::storage::{Batch, Change, memory};

/// 200 histories of appends, refusals, reads and reopenings, the same on this adapter and on the oracle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_histories_with_reopenings_are_as_in_memory() {
    for seed in 0..200 {
        let dir = tempfile::tempdir().expect("a directory");
        let now = Arc::new(AtomicU64::new(900));
        let mut dice = Dice::new(seed);
        let tune = if dice.chance(3) { log_only } else { tiny };
        let oracle = memory::open(standing(&now));
        let mut store = open(config(dir.path(), tune), standing(&now)).expect("opens");
        let mut history = histories::History::default();
        for _ in 0..3 + dice.below(10) {
            now.fetch_add(dice.below(40), Ordering::Relaxed);
            let wanted = Batch { events: histories::random_batch(&mut dice), conditions: conditions(&mut dice) };
            let (ours, theirs) = (store.log.append(wanted.clone()).await, oracle.log.append(wanted.clone()).await);
            assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "seed {seed}");
            if let Ok(places) = ours {
                history.record(wanted.events, &places);
            }
            if dice.chance(4) {
                if dice.chance(2) {
                    store.log.close().await;
                }
                drop(store);
                store = open(config(dir.path(), tune), standing(&now)).expect("opens again");
            }
            let read = history.random_read(&mut dice);
            same_pages(&store, &oracle, read, seed).await;
        }
        for scope in [Scope::Store, Scope::Topic(topic("ab")), Scope::Stream(topic("a"), stream("12"))] {
            same_pages(&store, &oracle, forward(scope, 1), seed).await;
        }
        assert_eq!(*store.log.head().borrow(), *oracle.log.head().borrow());
    }
}

fn conditions(dice: &mut Dice) -> Vec<Condition> {
    let all = [Expected::None, Expected::Exists, Expected::Exactly(1), Expected::Exactly(2), Expected::Exactly(4)];
    let count = if dice.chance(2) { 0 } else { dice.below(3) };
    (0..count).map(|_| condition("a", ["1", "2"][dice.below(2) as usize], all[dice.below(5) as usize])).collect()
}

async fn same_pages(store: &Store, oracle: &Store, mut read: Read, seed: u64) {
    loop {
        let (ours, theirs) = (store.log.read(&read).await.expect("a page"), oracle.log.read(&read).await);
        assert!(ours == theirs.expect("a page"), "seed {seed}, {read:?}");
        match ours.next {
            Some(next) => read.from = next,
            None => return,
        }
    }
}

/// The directory is copied while the writer stands before a sync and the filler before a transaction: what a crash at
/// that moment would leave, with a group written and not synced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_the_directory_at_any_moment_has_all_that_was_acknowledged() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, faults) = open_faulty(dir.path(), tiny);
    let acknowledged = Arc::new(AtomicU64::new(0));
    let (log, seen) = (store.log.clone(), acknowledged.clone());
    let appender = tokio::spawn(async move {
        while let Ok(places) = log.append(batch(vec![event("t", "s", vec![b'x'; 700]), event("t", "", "y")])).await {
            seen.store(places[1].position, Ordering::Release);
        }
    });
    for round in 0..8 {
        tokio::time::sleep(Duration::from_millis(40 + round * 7)).await;
        let copy = tempfile::tempdir().expect("a directory");
        let promised = {
            let _gate = faults.gate.lock().expect("not poisoned");
            std::thread::sleep(Duration::from_millis(100));
            copy_dir(dir.path(), copy.path());
            acknowledged.load(Ordering::Acquire)
        };
        let reopened = open_at(copy.path(), tiny).expect("opens");
        let head = *reopened.log.head().borrow();
        assert!(promised > 0 && head >= promised && head <= promised + 2, "{promised} were promised, {head} are there");
        let events = read_all(&*reopened.log, forward(Scope::Store, 1)).await;
        assert!(events.iter().map(|event| event.position).eq(1..=head));
        assert_eq!(
            reopened.log.append(batch(vec![event("t", "s", "next")])).await.expect("appends")[0].position,
            head + 1
        );
    }
    store.log.close().await;
    appender.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_are_used_again_and_old_bytes_in_them_are_never_taken_for_new() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut last = 0;
    for _ in 0..4 {
        let store = open_at(dir.path(), tiny).expect("opens");
        assert_eq!(*store.log.head().borrow(), last);
        for _ in 0..150 {
            last = store.log.append(batch(vec![event("t", "s", vec![b'x'; 3000])])).await.expect("ok")[0].position;
        }
    }
    let numbers = segments::numbers(&keys::wal_dir(dir.path())).expect("lists");
    let highest = numbers.last().copied().expect("a segment");
    assert!(highest > 20 && numbers.len() < 15, "{} files, up to number {highest}", numbers.len());
    let store = open_at(dir.path(), tiny).expect("opens");
    let events = read_all(&*store.log, forward(Scope::Stream(topic("t"), stream("s")), 1)).await;
    assert!(events.iter().map(|event| event.position).eq(1..=600));
}

#[tokio::test]
async fn records_survive_a_stop() {
    let dir = tempfile::tempdir().expect("a directory");
    for round in 1..=3 {
        let store = open_at(dir.path(), tiny).expect("opens");
        store.records.commit(vec![Change::put("k", format!("{round}"))]).await.expect("commits");
        let record = store.records.get("k").await.expect("readable").expect("there");
        assert_eq!((record.revision, record.value.as_ref()), (round, format!("{round}").as_bytes()));
        if round == 2 {
            store.records.close().await;
            assert!(store.records.commit(vec![Change::put("k", "late")]).await.is_err());
        }
    }
}

#[tokio::test]
async fn a_second_open_is_refused_until_the_first_store_is_gone() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = open_at(dir.path(), tiny).expect("opens");
    assert!(matches!(open_at(dir.path(), tiny), Err(StorageError::Locked { .. })));
    drop(first.records);
    assert!(matches!(open_at(dir.path(), tiny), Err(StorageError::Locked { .. })));
    drop(first.log);
    open_at(dir.path(), tiny).expect("opens");
}
