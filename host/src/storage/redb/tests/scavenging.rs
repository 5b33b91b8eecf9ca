//! Deleted events leave the files and the index; everything else is as it was.

use std::collections::HashMap;

use super::sim::{Fault, SimDisk, What};
use super::*;
use crate::model::{Condition, Direction, Event, Filter, NewEvent, Read, Scope, Sequence, TopicName};
use crate::storage::contract::{batch, event, forward, key, kind, read_all, stream, tag, topic};
use crate::storage::{AppendError, Batch, Cuts, EventLog, Kept, archive};

/// Of the topics, "cut" loses events in these tests and "kept" does not.
const CUT: &str = "cut";

/// Two events of each topic in turn; streams and tags come and go, and some are used all the time.
fn events(round: u64) -> Vec<NewEvent> {
    let labelled = |of: &str, name: &str, n: u64| NewEvent {
        tags: vec![tag("all"), tag(&format!("{of}:{round}"))],
        event_type: kind(["Placed", "Paid"][(n % 2) as usize]),
        ..event(of, name, vec![b'x'; 100 + (round % 7 * 40) as usize])
    };
    let old = format!("s{}", round / 10);
    vec![labelled(CUT, "always", 0), labelled("kept", "always", 1), labelled(CUT, &old, 1), labelled("kept", "", 0)]
}

async fn fill(store: &Store, rounds: std::ops::Range<u64>) {
    for round in rounds {
        store.log.append(batch(events(round))).await.expect("appends");
    }
}

/// The log as the engine sees it, with "cut" cut.
fn cut(store: &Store, through: Sequence) -> Kept {
    let cuts = Arc::new(Cuts::default());
    cuts.cut(&topic(CUT), through);
    Kept { log: store.log.clone(), cuts }
}

async fn scavenge(log: &dyn EventLog, through: Sequence) -> u64 {
    log.scavenge(HashMap::from([(topic(CUT), through)])).await.expect("scavenges")
}

/// Every read that there is, in both directions.
async fn everything(log: &dyn EventLog) -> Vec<Vec<Event>> {
    let mut scopes = vec![Scope::Store];
    for name in [CUT, "kept"].map(topic) {
        scopes.push(Scope::Topic(name.clone()));
        scopes.extend(["always", "s0", "s3", "s9", "none"].map(|of| Scope::Stream(name.clone(), stream(of))));
    }
    let filters = [
        Filter::default(),
        Filter { tags: vec![tag("all")], ..Filter::default() },
        Filter { tags: vec![tag("cut:3")], types: vec![kind("Paid")], ..Filter::default() },
    ];
    let mut found = vec![];
    for scope in &scopes {
        for filter in &filters {
            for (direction, from) in
                [(Direction::Forward, 1), (Direction::Backward, u64::MAX), (Direction::Backward, 9)]
            {
                let read = Read { direction, from, filter: filter.clone(), ..forward(scope.clone(), 1) };
                found.push(read_all(log, read).await);
            }
        }
    }
    found
}

fn assert_same(found: &[Vec<Event>], expected: &[Vec<Event>]) {
    for (n, (found, expected)) in found.iter().zip(expected).enumerate() {
        let differs = found.iter().zip(expected).position(|(found, expected)| found != expected);
        assert_eq!((differs, found.len()), (None, expected.len()), "read {n}");
    }
}

async fn heads(log: &dyn EventLog) -> Vec<u64> {
    let mut found = vec![*log.head().borrow()];
    for name in [CUT, "kept"].map(topic) {
        found.push(log.tip(&name).sequence);
        for of in ["always", "s0", "s3", "s9", "none"].map(stream) {
            found.push(log.stream_head(&name, &of).await.expect("a head"));
        }
    }
    found
}

async fn assert_sound(log: &dyn EventLog, when: &str) {
    let verified = log.verify(Arc::new(|_| ())).await.expect("looks");
    assert_eq!(verified.damage, None, "{when}");
    assert_eq!(verified.events, *log.head().borrow(), "{when}");
    for (topic, tip) in verified.topics {
        assert_eq!(tip, log.tip(&topic), "{when}: {topic}");
    }
}

fn log_bytes(dir: &Path) -> u64 {
    let files = std::fs::read_dir(keys::log_dir(dir)).expect("lists");
    files.map(|file| file.expect("a file").metadata().expect("its size").len()).sum()
}

async fn close(store: Store) {
    store.log.close().await;
    store.records.close().await;
}

#[tokio::test]
async fn what_was_not_deleted_is_as_it_was_and_the_room_is_given_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open_at(dir.path(), tiny).expect("opens");
    fill(&store, 0..1_000).await;
    let (kept, before) = (cut(&store, 1_500), log_bytes(dir.path()));
    let (expected, expected_heads) = (everything(&kept).await, heads(&kept).await);

    let given_back = scavenge(&kept, 1_500).await;
    assert!(given_back > before / 4 && log_bytes(dir.path()) < before - before / 4, "{given_back} of {before}");
    assert_same(&everything(&kept).await, &expected);
    assert_eq!(heads(&kept).await, expected_heads);
    assert_sound(&kept, "after it").await;
    assert_eq!(scavenge(&kept, 1_500).await, 0, "nothing is left that is worth it");

    // It goes on from where it was: streams that have nothing left too.
    let places =
        store.log.append(batch(vec![event(CUT, "s0", "x"), event(CUT, "", "x")])).await.expect("appends").places;
    assert_eq!((places[0].position, places[0].sequence, places[0].version), (4_001, 2_001, Some(11)));
    fill(&store, 1_000..1_400).await;
    drop(kept);
    let kept = cut(&store, 2_700);
    let (expected, expected_heads) = (everything(&kept).await, heads(&kept).await);
    assert!(scavenge(&kept, 2_700).await > 0, "what was deleted since");
    assert_same(&everything(&kept).await, &expected);
    assert_sound(&kept, "after the second").await;
    drop(kept);
    close(store).await;

    for rebuilt in [false, true, false] {
        if rebuilt {
            std::fs::remove_file(keys::index_file(dir.path())).expect("removes");
        }
        let store = open_at(dir.path(), tiny).expect("opens");
        let kept = cut(&store, 2_700);
        println!("rebuilt: {rebuilt}");
        assert_same(&everything(&kept).await, &expected);
        assert_eq!(heads(&kept).await, expected_heads);
        assert_sound(&kept, "opened again").await;
        drop(kept);
        close(store).await;
    }
    let verified = verify(dir.path(), &|_| ()).expect("looks");
    assert_eq!((verified.damage, verified.events), (None, 5_602));
}

#[tokio::test]
async fn nothing_of_a_deleted_event_is_left_in_any_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open_at(dir.path(), tiny).expect("opens");
    let secret = NewEvent { tags: vec![tag("customer:jane")], ..event(CUT, "", "a secret payload") };
    store.log.append(batch(vec![secret])).await.expect("appends");
    fill(&store, 0..800).await;
    let holds = |what: &str| {
        let mut paths: Vec<_> = std::fs::read_dir(keys::log_dir(dir.path())).expect("lists").collect();
        paths.extend(std::fs::read_dir(dir.path()).expect("lists"));
        let paths = paths.into_iter().map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
        let holds = |bytes: Vec<u8>| bytes.windows(what.len()).any(|window| window == what.as_bytes());
        paths.filter(|path| holds(std::fs::read(path).expect("readable"))).count()
    };
    assert!(holds("a secret payload") == 1 && holds("customer:jane") == 2);
    assert!(scavenge(&*store.log, 1_200).await > 0);
    fill(&store, 800..1_000).await;
    close(store).await;
    // The index's freed pages are used again by and by.
    assert_eq!((holds("a secret payload"), holds("customer:jane") <= 1), (0, true));
    let store = open_at(dir.path(), tiny).expect("opens");
    let filter = Filter { tags: vec![tag("customer:jane")], ..Filter::default() };
    assert_eq!(read_all(&*store.log, Read { filter, ..forward(Scope::Store, 1) }).await, []);
}

#[tokio::test]
async fn what_is_not_worth_it_or_still_in_use_stays() {
    let dir = tempfile::tempdir().expect("a directory");
    let now = Arc::new(AtomicU64::new(1_000));
    let store = open(config(dir.path(), tiny), standing(&now)).expect("opens");
    fill(&store, 0..100).await;
    let keyed = Batch { key: Some(key(7, 1)), ..batch(events(100)) };
    let first = store.log.append(keyed.clone()).await.expect("appends");
    fill(&store, 101..1_000).await;
    let before = log_bytes(dir.path());
    assert_eq!(scavenge(&*store.log, 40).await, 0, "some few");
    assert_eq!(log_bytes(dir.path()), before);

    // The answer to a repetition is made of the events that the key appended.
    scavenge(&*store.log, 1_500).await;
    let again = store.log.append(keyed.clone()).await.expect("is known");
    assert_eq!((again.places, again.replayed), (first.places, true));
    assert!(log_bytes(dir.path()) > before * 8 / 10);

    // Keys of two generations are forgotten after twice their time.
    for round in 0..3 {
        now.fetch_add(crate::model::limits::IDEMPOTENCY_KEYS_KEPT_MS, std::sync::atomic::Ordering::Relaxed);
        fill(&store, 1_000 + round * 100..1_100 + round * 100).await;
    }
    assert!(scavenge(&*store.log, 1_500).await > 0);
    assert!(!store.log.append(keyed).await.expect("appends").replayed);
    assert_sound(&*store.log, "after all").await;
    close(store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_and_writers_notice_nothing_of_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open_at(dir.path(), tiny).expect("opens");
    fill(&store, 0..1_500).await;
    let kept = Arc::new(cut(&store, 2_000));
    let expected = Arc::new(everything(&*kept).await);
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (kept, expected) = (kept.clone(), expected.clone());
            tokio::spawn(async move {
                for _ in 0..12 {
                    let mut found = everything(&*kept).await;
                    found.iter_mut().for_each(|events| events.retain(|event| event.position <= 6_000));
                    assert_same(&found, &expected);
                }
            })
        })
        .collect();
    let writer = tokio::spawn({
        let store = store.clone();
        async move { fill(&store, 1_500..1_800).await }
    });
    assert!(scavenge(&*kept, 2_000).await > 0);
    for task in readers.into_iter().chain([writer]) {
        task.await.expect("no panic");
    }
    assert_sound(&*kept, "after all").await;
}

#[tokio::test]
async fn a_backup_holds_what_was_not_deleted_and_can_be_restored() {
    let (dir, target) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let store = open_at(dir.path(), tiny).expect("opens");
    fill(&store, 0..1_000).await;
    let kept = cut(&store, 1_500);
    let mut writer = archive::Writer::default();
    assert!(scavenge(&kept, 1_500).await > 0);
    let (mut bytes, mut next) = (vec![], 1);
    while next <= 4_000 {
        let stored = store.log.stored(next, 4_000, 10_000).await.expect("stored");
        bytes.extend(writer.events(&stored.bytes));
        next = stored.next;
    }
    bytes.extend(writer.end(4_000).0);
    let (expected, expected_heads) = (everything(&kept).await, heads(&kept).await);
    let restored = target.path().join("store");
    restore(&restored, &bytes[..], &|_| ()).await.expect("restores");
    let copy = open_at(&restored, tiny).expect("opens");
    let kept = cut(&copy, 1_500);
    assert_same(&everything(&kept).await, &expected);
    assert_eq!(heads(&kept).await, expected_heads);
    assert_sound(&kept, "restored").await;
}

/// What a stop at any moment of it leaves is whole, with or without the deleted events.
#[tokio::test]
async fn wherever_it_is_stopped_nothing_that_was_kept_is_lost() {
    let disk = SimDisk::new(3);
    let store = open_on(&disk, small_segments).expect("opens");
    fill(&store, 0..60).await;
    let expected = everything(&cut(&store, 90)).await;
    close(store).await;
    let mut finished = 0;
    let stops = |after| {
        let whats = if after % 4 == 0 { &[What::PowerLoss, What::Kill, What::Broken][..] } else { &[What::PowerLoss] };
        whats.iter().map(move |what| (after, *what))
    };
    for (after, what) in (0..400).flat_map(stops) {
        let disk = disk.after_power_loss(after);
        let when = format!("{what:?} after {after}");
        let store = open_on(&disk, small_segments).expect("opens");
        disk.plan(Fault { ops: vec![], owner: None, after, times: 1, what });
        let done = store.log.scavenge(HashMap::from([(topic(CUT), 90)])).await;
        let met = disk.faults_met() > 0;
        assert!(met || done.is_ok_and(|bytes| bytes > 0), "{when}");
        drop(store);
        disk.restart();
        let store = open_on(&disk, small_segments).unwrap_or_else(|error| panic!("{when}: {error}"));
        let kept = cut(&store, 90);
        assert_same(&everything(&kept).await, &expected);
        assert_sound(&kept, &when).await;
        // It goes on where it was.
        scavenge(&kept, 90).await;
        assert_same(&everything(&kept).await, &expected);
        drop((kept, store));
        finished += u64::from(!met);
        if finished > 6 {
            return;
        }
    }
    panic!("it never came to its end");
}

#[tokio::test]
async fn a_condition_does_not_count_what_was_deleted() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open_at(dir.path(), tiny).expect("opens");
    fill(&store, 0..1_000).await;
    assert!(scavenge(&*store.log, 1_500).await > 0);
    let query =
        |name: &str| Condition::Query { filter: Filter { tags: vec![tag(name)], ..Filter::default() }, after: 0 };
    let asked = |name: &str| Batch { conditions: vec![query(name)], ..batch(vec![event("kept", "", "x")]) };
    store.log.append(asked("cut:3")).await.expect("it is not there any more");
    assert!(matches!(store.log.append(asked("cut:990")).await, Err(AppendError::Conflict(_))));
    let name: TopicName = topic(CUT);
    assert_eq!(store.log.tip(&name).sequence, 2_000);
}

/// Of a log from which nothing was deleted, a first row that is missing is damage, and no deleted event.
#[tokio::test]
async fn what_is_missing_from_the_index_is_not_taken_for_deleted() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open_at(dir.path(), at_once).expect("opens");
    fill(&store, 0..20).await;
    close(store).await;
    {
        let directory = Directory::open(Arc::new(OsDisk), dir.path()).expect("opens");
        let index = Index::open(&directory, 0).expect("opens");
        let txn = index.db.begin_write().expect("begins");
        for (table, first) in [
            (keys::TOPIC_POSTINGS, keys::topic_key(&topic(CUT), 1)),
            (keys::STREAM_POSTINGS, keys::stream_key(&topic(CUT), &stream("always"), 1)),
        ] {
            let mut rows = txn.open_table(table).expect("opens");
            assert!(rows.remove(first.as_slice()).expect("removes").is_some());
        }
        txn.commit().expect("commits");
    }
    let store = open_at(dir.path(), at_once).expect("opens");
    for scope in [Scope::Topic(topic(CUT)), Scope::Stream(topic(CUT), stream("always"))] {
        let read = store.log.read(&forward(scope.clone(), 1)).await;
        assert!(matches!(read, Err(StorageError::Corrupt { .. })), "{scope:?}: {read:?}");
    }
}
