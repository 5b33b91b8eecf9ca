//! Torn ends are cut; damage before the end is found, and the place is named.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::model::Scope;
use crate::storage::codec;
use crate::storage::contract::{batch, dice::Dice, event, forward, read_all, topic};

/// A store of `groups` groups of two events each, in one segment; and where each group's record lies.
async fn sample(dir: &Path, groups: u64) -> (PathBuf, Vec<std::ops::Range<usize>>) {
    let store = open_at(dir, log_only).expect("opens");
    for n in 0..groups {
        store
            .log
            .append(batch(vec![event("t", "s", format!("first {n}")), event("t", "", "2")]))
            .await
            .expect("appends");
    }
    drop(store);
    let segment = keys::segment_file(&keys::log_dir(dir), 1);
    let (bytes, salt) =
        (fs::read(&segment).expect("readable"), Directory::open(Arc::new(OsDisk), dir).expect("opens").salt);
    let mut records = vec![];
    let mut at = 0;
    while let Some(header) = group::record(&bytes[at..], salt) {
        records.push(at..at + group::HEADER_BYTES + header.body_bytes);
        at += header.record_bytes();
    }
    assert_eq!(records.len() as u64, groups);
    (segment, records)
}

async fn positions(dir: &Path) -> Vec<u64> {
    let store = open_at(dir, log_only).expect("opens");
    let events = read_all(&*store.log, forward(Scope::Topic(topic("t")), 1)).await;
    events.iter().map(|event| event.position).collect()
}

#[tokio::test]
async fn a_last_group_torn_at_any_byte_is_dropped_and_all_before_it_is_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let (segment, records) = sample(dir.path(), 3).await;
    let (whole, last) = (fs::read(&segment).expect("readable"), records[2].clone());
    assert_eq!(positions(dir.path()).await, [1, 2, 3, 4, 5, 6], "untorn, it is there");
    for at in last.clone() {
        let mut zeroed = whole.clone();
        zeroed[at..].fill(0);
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        for (how, torn) in [("cut", &whole[..at]), ("zeroed from", &zeroed), ("flipped", &flipped)] {
            // A byte that was zero anyway is no tear.
            if torn.get(last.clone()) == whole.get(last.clone()) {
                continue;
            }
            fs::write(&segment, torn).expect("writes");
            assert_eq!(positions(dir.path()).await, [1, 2, 3, 4], "{how} at {at}");
        }
    }
}

#[tokio::test]
async fn after_a_torn_group_the_log_goes_on_where_it_was_cut() {
    let dir = tempfile::tempdir().expect("a directory");
    let (segment, records) = sample(dir.path(), 3).await;
    let mut bytes = fs::read(&segment).expect("readable");
    bytes[records[2].end - 1] ^= 1;
    fs::write(&segment, &bytes).expect("writes");
    for expected in [5, 6, 7] {
        let store = open_at(dir.path(), log_only).expect("opens");
        let place = store.log.append(batch(vec![event("t", "s", "x")])).await.expect("appends").places[0];
        assert_eq!((place.position, place.sequence, place.version), (expected, expected, Some(expected - 2)));
    }
    assert_eq!(positions(dir.path()).await, [1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn damage_before_the_last_group_is_refused_with_its_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let (segment, records) = sample(dir.path(), 5).await;
    let whole = fs::read(&segment).expect("readable");
    for record in &records[..4] {
        for at in [record.start, record.start + 9, record.start + 33, record.end - 1] {
            let mut bad = whole.clone();
            bad[at] ^= 0x10;
            fs::write(&segment, &bad).expect("writes");
            let Err(StorageError::Corrupt { place, detail }) = open_at(dir.path(), log_only) else {
                panic!("byte {at} was not found")
            };
            assert!(place.ends_with(&format!("1.seg at offset {}", record.start)), "{place}: {detail}");
        }
    }
    fs::write(&segment, &whole).expect("writes");
    assert_eq!(positions(dir.path()).await.len(), 10, "undamaged, it opens");
}

#[tokio::test]
async fn a_damaged_or_missing_segment_before_the_last_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open_at(dir.path(), log_only).expect("opens");
    for _ in 0..100 {
        store.log.append(batch(vec![event("t", "s", vec![b'x'; 3000])])).await.expect("appends");
    }
    drop(store);
    let file = |number| keys::segment_file(&keys::log_dir(dir.path()), number);
    for number in [1, 2, 3] {
        let whole = fs::read(file(number)).expect("readable");
        fs::remove_file(file(number)).expect("removes");
        let Err(StorageError::Corrupt { place, .. }) = open_at(dir.path(), log_only) else { panic!("{number}") };
        assert!(place.contains(&format!("{number:020}.seg")), "{place}");
        fs::write(file(number), vec![0; whole.len()]).expect("writes");
        assert!(matches!(open_at(dir.path(), log_only), Err(StorageError::Corrupt { .. })), "zeroed {number}");
        fs::write(file(number), whole).expect("writes");
    }
    assert_eq!(positions(dir.path()).await.len(), 100);
}

/// Somebody wrote it with care: both checksums fit, what they cover does not.
#[tokio::test]
async fn events_that_do_not_go_on_from_those_before_are_refused_however_well_they_are_dressed() {
    let dir = tempfile::tempdir().expect("a directory");
    let (segment, records) = sample(dir.path(), 3).await;
    let salt = Directory::open(Arc::new(OsDisk), dir.path()).expect("opens").salt;
    let whole = fs::read(&segment).expect("readable");
    let (mut dice, mut refused) = (Dice::new(5), 0);
    for round in 0..150 {
        let record = records[dice.below(3) as usize].clone();
        let header = group::record(&whole[record.clone()], salt).expect("a record");
        let mut body = whole[record.start + group::HEADER_BYTES..record.end].to_vec();
        let (first, _) = codec::claims(&body).expect("an event");
        let own = if dice.chance(2) { 0..first } else { first..body.len() };
        let at = own.start + dice.below(own.len() as u64) as usize;
        body[at] = if dice.chance(3) { dice.below(256) as u8 } else { body[at] ^ (1 << dice.below(8)) };
        if dice.chance(4) {
            body.truncate(body.len() - 1 - dice.below(3) as usize);
        } else {
            codec::dress_up(&mut body[own]);
        }
        let mut again = group::begin(body.len());
        again.extend_from_slice(&body);
        group::seal(&mut again, header.number, header.first, header.events, salt);
        let mut bad = whole.clone();
        bad[record.start..record.end].fill(0);
        bad[record.start..record.start + again.len()].copy_from_slice(&again);
        fs::write(&segment, &bad).expect("writes");
        match open_at(dir.path(), log_only) {
            Ok(_) => assert!(bad == whole, "round {round}: byte {at} of the group is another, and it opens"),
            Err(StorageError::Corrupt { place, .. }) => {
                assert!(place.contains("1.seg at offset"), "{place}");
                refused += 1;
            }
            Err(other) => panic!("round {round}: {other}"),
        }
    }
    assert!(refused > 100, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_shorter_than_what_redb_has_from_it_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let large = |config: &mut RedbConfig| (tiny(config), config.segment_bytes = 1 << 20).0;
    let store = open_at(dir.path(), large).expect("opens");
    for _ in 0..100 {
        store.log.append(batch(vec![event("t", "s", vec![b'x'; 1000])])).await.expect("appends");
    }
    std::thread::sleep(std::time::Duration::from_millis(500));
    drop(store);
    let segment = keys::segment_file(&keys::log_dir(dir.path()), 1);
    let whole = fs::read(&segment).expect("readable");
    fs::write(&segment, &whole[..500]).expect("writes");
    let Err(StorageError::Corrupt { place, .. }) = open_at(dir.path(), large) else { panic!("opened") };
    assert!(place.contains("1.seg at offset"), "{place}");
    fs::write(&segment, whole).expect("writes");
    open_at(dir.path(), large).expect("opens");
}

#[tokio::test]
async fn old_records_after_the_end_are_ignored() {
    let dir = tempfile::tempdir().expect("a directory");
    let (segment, records) = sample(dir.path(), 4).await;
    let mut bytes = fs::read(&segment).expect("readable");
    let end = group::aligned(records[3].end);
    for (n, record) in [(0, 3), (1, 0), (2, 1)] {
        let (at, length) = (end + n * 512, records[record].len());
        bytes.copy_within(records[record].start..records[record].start + length, at);
    }
    fs::write(&segment, &bytes).expect("writes");
    assert_eq!(positions(dir.path()).await, [1, 2, 3, 4, 5, 6, 7, 8]);
}

/// What the index holds is not replayed when a store is opened; its events' own checksums are looked at when they are read.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_in_an_old_event_is_found_when_it_is_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open_at(dir.path(), tiny).expect("opens");
    for n in 0..40 {
        store.log.append(batch(vec![event("t", "s", format!("marker-{n:04}-{:900}", ""))])).await.expect("appends");
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    store.log.close().await;
    drop(store);
    let path = keys::segment_file(&keys::log_dir(dir.path()), 1);
    let mut bytes = fs::read(&path).expect("readable");
    let at = bytes.windows(11).position(|window| window == b"marker-0003").expect("the event is there");
    bytes[at + 100] ^= 1;
    fs::write(&path, bytes).expect("writes");
    let store = open_at(dir.path(), tiny).expect("opens");
    assert_eq!(store.log.read(&forward(Scope::Store, 5)).await.expect("the others are fine").events[0].position, 5);
    for scope in [Scope::Store, Scope::Topic(topic("t"))] {
        let error = store.log.read(&forward(scope, 4)).await;
        let Err(StorageError::Corrupt { place, .. }) = error else { panic!("the damage was not found") };
        assert!(place.contains("position 4"), "{place}");
    }
}

#[tokio::test]
async fn another_format_or_none_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    sample(dir.path(), 1).await;
    let file = keys::format_file(dir.path());
    let right = fs::read_to_string(&file).expect("readable");
    let current = format!("weir-redb {}", keys::FORMAT);
    assert!(right.starts_with(&current), "{right}");
    fs::write(&file, right.replace(&current, "weir-redb 1")).expect("writes");
    let Err(StorageError::Format { found, known, .. }) = open_at(dir.path(), tiny) else { panic!("opened") };
    assert_eq!((found, known), (1, keys::FORMAT));
    for wrong in ["", "weir", "weir-redb x", &current, &format!("{current} zz")] {
        fs::write(&file, wrong).expect("writes");
        assert!(matches!(open_at(dir.path(), tiny), Err(StorageError::Corrupt { .. })), "{wrong}");
    }
    fs::remove_file(&file).expect("removes");
    assert!(matches!(open_at(dir.path(), tiny), Err(StorageError::Corrupt { .. })));
    fs::write(&file, right).expect("writes");
    open_at(dir.path(), tiny).expect("opens");
}
