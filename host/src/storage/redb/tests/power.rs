//! What neither a power loss nor a failed sync may take away: one small test for each thing that histories found.

use super::sim::{Fault, Op, Owner, SimDisk, What};
use super::*;
use crate::model::Scope;
use crate::storage::contract::{batch, event, forward, read_all};
use crate::storage::{AppendError, Change};

async fn append(store: &Store) -> Result<u64, AppendError> {
    Ok(store.log.append(batch(vec![event("t", "s", vec![b'x'; 900])])).await?.places[0].position)
}

/// Lets go of a store; then the power goes.
fn lose_power(disk: &SimDisk, store: Store) {
    disk.stop(What::PowerLoss);
    drop(store);
    disk.restart();
}

async fn assert_holds(disk: &SimDisk, tune: fn(&mut RedbConfig), events: u64, when: &str) -> Store {
    let store = open_on(disk, tune).unwrap_or_else(|error| panic!("{when}: {error}"));
    let found = read_all(&*store.log, forward(Scope::Store, 1)).await;
    assert!(found.iter().map(|event| event.position).eq(1..=events), "{when}: {} of {events} are there", found.len());
    store
}

#[tokio::test]
async fn a_new_store_has_its_first_event_and_record_after_a_power_loss() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let store = open_on(&disk, tiny).expect("opens");
        append(&store).await.expect("appends");
        store.records.commit(vec![Change::put("k", "v")]).await.expect("commits");
        lose_power(&disk, store);
        let store = assert_holds(&disk, tiny, 1, &format!("seed {seed}")).await;
        assert!(store.records.get("k").await.expect("readable").is_some(), "seed {seed}");
    }
}

#[tokio::test]
async fn a_store_can_be_made_again_whenever_its_making_is_interrupted() {
    for what in [What::PowerLoss, What::Kill] {
        for after in 0..120 {
            let when = format!("{what:?} after {after}");
            let disk = SimDisk::new(after);
            disk.plan(Fault { ops: vec![], owner: None, after, times: 1, what });
            drop(open_on(&disk, tiny));
            disk.restart();
            let store = open_on(&disk, tiny).unwrap_or_else(|error| panic!("{when}: {error}"));
            append(&store).await.expect("appends");
            store.records.commit(vec![Change::put("k", "v")]).await.expect("commits");
            lose_power(&disk, store);
            let store = assert_holds(&disk, tiny, 1, &when).await;
            assert!(store.records.get("k").await.expect("readable").is_some(), "{when}");
        }
    }
}

/// After a failed sync, Linux takes pages for written that are not: a second sync says nothing of them.
#[tokio::test]
async fn a_group_whose_sync_failed_is_durable_once_it_is_seen() {
    for seed in 0..60 {
        let disk = SimDisk::new(seed);
        let store = open_on(&disk, log_only).expect("opens");
        append(&store).await.expect("appends");
        disk.plan(Fault::next(Op::Sync, Owner::Log, What::Broken));
        assert!(matches!(append(&store).await, Err(AppendError::Unknown { .. })));
        drop(store);
        disk.restart();
        let store = open_on(&disk, log_only).expect("opens");
        let seen = *store.log.head().borrow();
        lose_power(&disk, store);
        assert_holds(&disk, log_only, seen, &format!("seed {seed}")).await;
    }
}

/// A group that was written and not synced is found when the store is opened again, and moves into the index at once.
#[tokio::test]
async fn the_index_never_holds_a_group_that_the_log_may_lose() {
    for after in 0..80 {
        let disk = SimDisk::new(after);
        let store = open_on(&disk, at_once).expect("opens");
        append(&store).await.expect("appends");
        disk.plan(Fault::next(Op::Sync, Owner::Log, What::Kill));
        assert!(matches!(append(&store).await, Err(AppendError::Unknown { .. })));
        drop(store);
        disk.restart();
        disk.plan(Fault { ops: vec![], owner: None, after, times: 1, what: What::PowerLoss });
        drop(open_on(&disk, at_once));
        disk.restart();
        let store = open_on(&disk, at_once).unwrap_or_else(|error| panic!("after {after}: {error}"));
        let head = *store.log.head().borrow();
        assert!((1..=2).contains(&head), "after {after}: {head}");
        drop(store);
        disk.restart();
        assert_holds(&disk, at_once, head, &format!("after {after}")).await;
    }
}

#[tokio::test]
async fn records_whose_sync_failed_are_durable_once_they_are_seen() {
    for seed in 0..60 {
        let disk = SimDisk::new(seed);
        let store = open_on(&disk, tiny).expect("opens");
        store.records.commit(vec![Change::put("a", "1")]).await.expect("commits");
        disk.plan(Fault { after: seed % 3, ..Fault::next(Op::Sync, Owner::Records, What::Broken) });
        for _ in 0..3 {
            if store.records.commit(vec![Change::put("a", "2")]).await.is_err() {
                break;
            }
        }
        assert!(disk.faults_met() > 0, "seed {seed}");
        drop(store);
        disk.restart();
        let store = open_on(&disk, tiny).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        store.records.commit(vec![Change::put("b", "3")]).await.expect("commits");
        let seen = store.records.scan("", None, 9).await.expect("scans");
        lose_power(&disk, store);
        let store = open_on(&disk, tiny).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(store.records.scan("", None, 9).await.expect("scans"), seen, "seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_whose_sync_failed_does_not_keep_the_store_from_opening() {
    for seed in 0..40 {
        let disk = SimDisk::new(seed);
        let store = open_on(&disk, tiny).expect("opens");
        disk.plan(Fault { after: seed % 4, ..Fault::next(Op::Sync, Owner::Index, What::Broken) });
        for _ in 0..200 {
            if append(&store).await.is_err() {
                break;
            }
        }
        let promised = *store.log.head().borrow();
        drop(store);
        disk.restart();
        let store = assert_holds(&disk, tiny, promised, &format!("seed {seed}")).await;
        for _ in 0..40 {
            append(&store).await.expect("appends");
        }
        lose_power(&disk, store);
        assert_holds(&disk, tiny, promised + 40, &format!("seed {seed}, the second time")).await;
    }
}
