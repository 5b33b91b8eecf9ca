//! What was acknowledged is there after any stop.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::sim::SimDisk;
use super::*;
use crate::model::{Condition, Expected, Filter, NewEvent, Read, Scope};
use crate::storage::contract::{
    batch, condition, dice::Dice, event, forward, histories, key, read_all, stream, tag, topic,
};
use crate::storage::{Appended, Batch, Change, Progress, memory};

/// Histories of appends, refusals, reads and reopenings on a real disk, the same on this adapter and on the oracle. Many
/// more, and on a bad disk, are in `histories`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_histories_with_reopenings_are_as_in_memory() {
    for seed in 0..40 {
        let dir = tempfile::tempdir().expect("a directory");
        let now = Arc::new(AtomicU64::new(900));
        let mut dice = Dice::new(seed);
        let tune = if dice.chance(3) { log_only } else { tiny };
        let oracle = memory::open(standing(&now));
        let mut store = open(config(dir.path(), tune), standing(&now)).expect("opens");
        let mut history = histories::History::default();
        for _ in 0..3 + dice.below(10) {
            now.fetch_add(dice.below(40), Ordering::Relaxed);
            let (events, conditions) =
                (histories::random_batch(&mut dice), conditions(&mut dice, history.events.len()));
            let key = dice.chance(3).then(|| key(dice.below(4) as u8, dice.below(2) as u8));
            let wanted = Batch { events, conditions, key };
            let (ours, theirs) = (store.log.append(wanted.clone()).await, oracle.log.append(wanted.clone()).await);
            assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "seed {seed}");
            if let Ok(Appended { places, replayed: false }) = ours {
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
        for name in ["a", "ab", "orders"] {
            assert_eq!(store.log.tip(&topic(name)), oracle.log.tip(&topic(name)), "seed {seed}: the chain of {name}");
        }
    }
}

fn conditions(dice: &mut Dice, events: usize) -> Vec<Condition> {
    let all = [Expected::None, Expected::Exists, Expected::Exactly(1), Expected::Exactly(2), Expected::Exactly(4)];
    let count = if dice.chance(2) { 0 } else { dice.below(3) };
    let mut one = || match dice.below(3) {
        0 => condition("a", ["1", "2"][dice.below(2) as usize], all[dice.below(5) as usize]),
        1 => {
            let after = if dice.chance(8) { u64::MAX } else { dice.below(events as u64 + 3) };
            Condition::Query { filter: histories::random_filter(dice), after }
        }
        _ => Condition::Head(events as u64 + dice.below(2)),
    };
    (0..count).map(|_| one()).collect()
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

/// What a power loss would leave, tried at many moments of a store that is busy all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_power_loss_at_any_moment_all_that_was_acknowledged_is_there() {
    let disk = SimDisk::new(1);
    let store = open_on(&disk, tiny).expect("opens");
    let acknowledged = Arc::new(AtomicU64::new(0));
    let (log, seen) = (store.log.clone(), acknowledged.clone());
    let appender = tokio::spawn(async move {
        while let Ok(appended) = log.append(batch(vec![event("t", "s", vec![b'x'; 700]), event("t", "", "y")])).await {
            seen.store(appended.places[1].position, Ordering::Release);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    for round in 0..24 {
        tokio::time::sleep(Duration::from_millis(5 + round)).await;
        let promised = acknowledged.load(Ordering::Acquire);
        let lost = disk.after_power_loss(round);
        let allowed = acknowledged.load(Ordering::Acquire) + 2;
        let reopened = open_on(&lost, tiny).expect("opens");
        let head = *reopened.log.head().borrow();
        assert!(head >= promised && head <= allowed, "{promised} were promised, {allowed} sent, {head} are there");
        let events = read_all(&*reopened.log, forward(Scope::Store, 1)).await;
        assert!(events.iter().map(|event| event.position).eq(1..=head));
        let next = reopened.log.append(batch(vec![event("t", "s", "next")])).await.expect("appends").places[0];
        assert_eq!(next.position, head + 1);
    }
    assert!(acknowledged.load(Ordering::Acquire) > 0);
    store.log.close().await;
    appender.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_hold_the_events_for_good_and_an_index_that_is_gone_is_made_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut last = 0;
    for round in 0..4 {
        let store = open_at(dir.path(), tiny).expect("opens");
        assert_eq!(*store.log.head().borrow(), last);
        for n in 0..150 {
            let tags = vec![tag(&format!("n:{n}")), tag("all")];
            let wanted = vec![NewEvent { tags, ..event("t", "s", vec![b'x'; 3000]) }];
            let key = (n == 7).then(|| key(round, 1));
            last = store.log.append(Batch { key, ..batch(wanted) }).await.expect("appends").places[0].position;
        }
    }
    let numbers = segments::generations(&OsDisk, &keys::log_dir(dir.path())).expect("lists");
    assert!(numbers.len() > 20 && numbers.keys().copied().eq(1..=numbers.len() as u64), "{numbers:?}");
    // As it was; made anew by the next start; and by the command.
    for round in 0..3 {
        if round == 2 {
            let told = Arc::new(Mutex::new(vec![]));
            let teller = told.clone();
            let tell = move |progress| teller.lock().expect("no panic").push(progress);
            assert_eq!(reindex(config(dir.path(), tiny), &tell).expect("reindexes"), 600);
            let told = told.lock().expect("no panic").clone();
            assert!(told.len() > 3 && told.is_sorted_by_key(|progress| progress.position));
            assert!(told.iter().all(|progress| (550..=700).contains(&progress.head)), "about right: {told:?}");
            assert_eq!(told.last(), Some(&Progress { position: 600, head: 600 }));
        }
        let store = open_at(dir.path(), tiny).expect("opens");
        let events = read_all(&*store.log, forward(Scope::Stream(topic("t"), stream("s")), 1)).await;
        assert!(events.iter().map(|event| event.position).eq(1..=600));
        let filter = Filter { tags: vec![tag("all"), tag("n:8")], ..Filter::default() };
        let tagged = read_all(&*store.log, Read { filter, ..forward(Scope::Store, 1) }).await;
        assert!(tagged.iter().map(|event| event.position).eq([9, 159, 309, 459]));
        for round in 0..4 {
            let recalled = store.log.recall(&key(round, 1).key).await.expect("looks").expect("is known");
            assert_eq!(recalled.places[0].position, u64::from(round) * 150 + 8);
        }
        drop(store);
        fs::remove_file(keys::index_file(dir.path())).expect("removes");
    }
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
