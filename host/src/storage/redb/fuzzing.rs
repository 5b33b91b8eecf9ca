//! Stored bytes that nobody wrote, for the fuzz targets. Dev code: it panics when a decoder breaks a promise.

use super::{group, postings};
use crate::storage::codec::{View, claims};

/// Looks for records as opening a store does, and through the events of one that is whole.
pub fn group(bytes: &[u8]) {
    for at in group::candidates(bytes, 0) {
        assert!(at < bytes.len() && group::has_magic(&bytes[at..]));
        let Some(header) = group::header(&bytes[at..], 0) else { continue };
        if group::record(&bytes[at..], 0).is_some() {
            events(&bytes[at + group::HEADER_BYTES..at + group::HEADER_BYTES + header.body_bytes]);
        }
    }
    // As if somebody had written a record of them.
    let mut record = group::begin(bytes.len());
    record.extend_from_slice(bytes);
    group::seal(&mut record, 1, 1, 1, 0);
    assert_eq!(group::record(&record, 0).map(|header| header.record_bytes()), Some(record.len()));
    events(bytes);
}

fn events(mut body: &[u8]) {
    while let Some((length, _)) = claims(body) {
        let Some(event) = body.get(..length).filter(|event| !event.is_empty()) else { return };
        let _ = View::parse(event);
        body = &body[length..];
    }
}

pub fn row(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first() else { return };
    let (key, row) = rest.split_at(rest.len().min(usize::from(*length)));
    decode(key, row);
    let mut row = row.to_vec();
    postings::dress_up(key, &mut row);
    decode(key, &row);
}

fn decode(key: &[u8], row: &[u8]) {
    if let Ok(positions) = postings::decode(key, row) {
        assert!(positions.is_sorted_by(|a, b| a < b) && positions.len() <= row.len());
        assert_eq!(postings::count(key, row), Ok(positions.len() as u64));
    }
}

#[cfg(test)]
pub fn is_group(bytes: &[u8]) -> bool {
    group::record(bytes, 0).is_some()
}

#[cfg(test)]
pub fn sample_group(events: &[u8], first: u64, count: usize) -> Vec<u8> {
    let mut record = group::begin(events.len());
    record.extend_from_slice(events);
    group::seal(&mut record, first, first, count, 0);
    record
}

#[cfg(test)]
pub fn sample_row(key: &[u8], positions: &[u64]) -> Vec<u8> {
    [&[key.len() as u8][..], key, &postings::encode(key, positions)].concat()
}
