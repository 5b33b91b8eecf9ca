//! Everything that is stored is looked at, and what is wrong is named with its position.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use super::*;
use crate::storage::contract::{batch, dice::Dice, histories};
use crate::storage::{Progress, Verified};

fn looked_at(dir: &Path) -> Verified {
    verify(dir, &|_: Progress| ()).expect("the disk is fine")
}

/// A store of some hundred events in several segments, closed, so that all is in the index.
async fn sample(dir: &Path, seed: u64) {
    let store = open_at(dir, tiny).expect("opens");
    let mut dice = Dice::new(seed);
    for _ in 0..60 {
        store.log.append(batch(histories::random_batch(&mut dice))).await.expect("appends");
    }
    store.log.close().await;
    store.records.close().await;
}

/// The segments' files, and where in them each event's bytes or a group's header lie, with the position that they concern.
fn live_bytes(dir: &Path) -> Vec<(PathBuf, Range<usize>, u64)> {
    let salt = Directory::open(Arc::new(OsDisk), dir).expect("opens").salt;
    let mut live = vec![];
    for number in segments::generations(&OsDisk, &keys::log_dir(dir)).expect("lists").into_keys() {
        let path = keys::segment_file(&keys::log_dir(dir), number);
        let (bytes, mut at) = (fs::read(&path).expect("readable"), 0);
        while let Some(header) = group::record(&bytes[at..], salt) {
            // The last four bytes of a header are zero and mean nothing yet, but its checksum covers them.
            live.push((path.clone(), at..at + group::HEADER_BYTES, header.first));
            let mut event = at + group::HEADER_BYTES;
            for position in (header.first..).take(header.events) {
                let (length, _) = crate::storage::codec::claims(&bytes[event..]).expect("an event");
                live.push((path.clone(), event..event + length, position));
                event += length;
            }
            at += header.record_bytes();
        }
    }
    live
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_a_thousand_flipped_bytes_is_found_with_its_position() {
    let dir = tempfile::tempdir().expect("a directory");
    sample(dir.path(), 1).await;
    let sound = looked_at(dir.path());
    assert!(sound.damage.is_none() && sound.events > 300 && sound.topics.len() == 3, "{sound:?}");
    let live = live_bytes(dir.path());
    let total: usize = live.iter().map(|(_, range, _)| range.len()).sum();
    let mut dice = Dice::new(2);
    for trial in 0..1_000 {
        let mut at = dice.below(total as u64) as usize;
        let hit = live.iter().find(|(_, range, _)| {
            let inside = at < range.len();
            at -= if inside { 0 } else { range.len() };
            inside
        });
        let (path, range, position) = hit.expect("a live byte");
        let offset = (range.start + at) as u64;
        let flip = |by: u8| {
            use std::os::unix::fs::FileExt;
            let file = fs::OpenOptions::new().read(true).write(true).open(path).expect("opens");
            let mut byte = [0];
            file.read_exact_at(&mut byte, offset).expect("reads");
            file.write_all_at(&[byte[0] ^ by], offset).expect("writes");
        };
        let by = 1 + dice.below(255) as u8;
        flip(by);
        let found = looked_at(dir.path()).damage.unwrap_or_else(|| panic!("trial {trial}: {offset} of {path:?}"));
        assert_eq!(found.position, Some(*position), "trial {trial}: byte {offset} of {path:?}: {found:?}");
        assert!(found.place.contains(&*path.to_string_lossy()), "{found:?}");
        flip(by);
    }
    assert_eq!(looked_at(dir.path()), sound);
}

/// Who can write files can make checksums fit; the chain still tells.
#[tokio::test]
async fn an_event_that_was_changed_together_with_its_checksums_is_found() {
    let dir = tempfile::tempdir().expect("a directory");
    sample(dir.path(), 3).await;
    let salt = Directory::open(Arc::new(OsDisk), dir.path()).expect("opens").salt;
    let path = keys::segment_file(&keys::log_dir(dir.path()), 1);
    let mut bytes = fs::read(&path).expect("readable");
    let header = group::record(&bytes, salt).expect("a group");
    let mut record = bytes[..group::HEADER_BYTES + header.body_bytes].to_vec();
    let (length, _) = crate::storage::codec::claims(&record[group::HEADER_BYTES..]).expect("an event");
    let event = &mut record[group::HEADER_BYTES..group::HEADER_BYTES + length];
    *event.last_mut().expect("a byte") ^= 1;
    crate::storage::codec::refit_checksum(event);
    group::seal(&mut record, header.number, header.first, header.events, salt);
    bytes[..record.len()].copy_from_slice(&record);
    fs::write(&path, bytes).expect("writes");
    let found = looked_at(dir.path()).damage.expect("is found");
    assert!(found.position == Some(1) && found.detail.contains("hash"), "{found:?}");
}

#[tokio::test]
async fn a_lost_segment_a_cut_end_and_a_wrong_index_are_found() {
    let dir = tempfile::tempdir().expect("a directory");
    sample(dir.path(), 4).await;
    let sound = looked_at(dir.path());
    let segments = segments::generations(&OsDisk, &keys::log_dir(dir.path())).expect("lists");
    for number in segments.keys().take(segments.len() - 1) {
        let path = keys::segment_file(&keys::log_dir(dir.path()), *number);
        let aside = path.with_extension("aside");
        fs::rename(&path, &aside).expect("renames");
        let found = looked_at(dir.path()).damage.unwrap_or_else(|| panic!("segment {number}"));
        assert!(found.position.is_some(), "{found:?}");
        fs::rename(&aside, &path).expect("renames");
    }
    // An index of another log.
    let other = tempfile::tempdir().expect("a directory");
    sample(other.path(), 5).await;
    let (index, own) = (keys::index_file(dir.path()), dir.path().join("own"));
    fs::rename(&index, &own).expect("renames");
    fs::copy(keys::index_file(other.path()), &index).expect("copies");
    assert!(looked_at(dir.path()).damage.is_some());
    // An index that is none.
    fs::write(&index, vec![7; 10_000]).expect("writes");
    let found = looked_at(dir.path()).damage.expect("is found");
    assert!(found.position.is_none() && found.place.contains("index.redb"), "{found:?}");
    fs::rename(&own, &index).expect("renames");
    assert_eq!(looked_at(dir.path()), sound);
}

#[tokio::test]
async fn a_store_in_use_and_a_place_without_one_are_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let none = verify(dir.path(), &|_| ()).expect_err("nothing is there").to_string();
    assert!(none.contains("there is no store in"), "{none}");
    assert!(fs::read_dir(dir.path()).expect("lists").next().is_none(), "and nothing was made");
    let _store = open_at(dir.path(), tiny).expect("opens");
    assert!(matches!(verify(dir.path(), &|_| ()), Err(StorageError::Locked { .. })));
}
