//! What the index has to forget when the events that retention deleted leave the log, and where the others lie then.

use redb::{ReadableTable, Table, WriteTransaction};
use std::collections::{BTreeMap, HashMap};

use super::index::row;
use super::keys::{
    self, META, SEGMENTS, STREAM_POSTINGS, STRETCHES, TAG_POSTINGS, TOPIC_BYTES, TOPIC_POSTINGS, TYPE_POSTINGS,
};
use super::labels::Labels;
use super::postings;
use crate::model::{Position, TopicName};
use crate::storage::gap::Left;

/// A segment's new file, which holds gaps in the place of deleted events.
pub struct Rewritten {
    pub segment: u64,
    pub generation: u64,
    /// The positions that the segment has.
    pub positions: std::ops::RangeInclusive<Position>,
    /// Where in the new file some of them lie, as `STRETCHES` has it.
    pub stretches: Vec<(Position, u64)>,
    /// Where each topic and stream of which something is deleted here stands behind that. All before it is deleted.
    pub left: BTreeMap<TopicName, Left>,
    /// The positions that were deleted, by what their events carried.
    pub labels: Labels,
    /// Bytes that it is smaller than the file before.
    pub saved: u64,
}

pub fn apply(txn: &WriteTransaction, new: &Rewritten) -> Result<(), redb::Error> {
    txn.open_table(SEGMENTS)?.insert(new.segment, new.generation)?;
    txn.open_table(META)?.insert(keys::META_GAPS, 1)?;
    let mut stretches = txn.open_table(STRETCHES)?;
    stretches.retain_in(new.positions.clone(), |_, _| false)?;
    for (position, offset) in &new.stretches {
        stretches.insert(position, (new.segment, *offset))?;
    }
    let (mut topics, mut streams) = (txn.open_table(TOPIC_POSTINGS)?, txn.open_table(STREAM_POSTINGS)?);
    let mut bytes = txn.open_table(TOPIC_BYTES)?;
    for (topic, left) in &new.left {
        forget_places(&mut topics, |first| keys::topic_key(topic, first), left.tip.sequence)?;
        for (stream, version) in &left.streams {
            let key = |first| keys::stream_key(topic, stream, first);
            forget_places(&mut streams, key, *version)?;
            if streams.range(key(0).as_slice()..=key(u64::MAX).as_slice())?.next().is_none() {
                let (key, row) = row(key(version + 1), &[]);
                streams.insert(key.as_slice(), row.as_slice())?;
            }
        }
        // The last of these rows may tell of bytes that are kept.
        let (low, high) = (keys::topic_key(topic, 0), keys::topic_key(topic, left.tip.sequence + 1));
        let of_row = bytes.range(low.as_slice()..=high.as_slice())?.next_back().transpose()?;
        if let Some(last) = of_row.map(|(key, _)| key.value().to_vec()) {
            bytes.retain_in(low.as_slice()..last.as_slice(), |_, _| false)?;
        }
    }
    forget_positions(txn.open_table(TAG_POSTINGS)?, &new.labels.tags, keys::tag_key)?;
    forget_positions(txn.open_table(TYPE_POSTINGS)?, &new.labels.types, keys::type_key)
}

type Rows<'t> = Table<'t, &'static [u8], &'static [u8]>;

/// Of a list by places, all up to `last`.
fn forget_places(rows: &mut Rows<'_>, key: impl Fn(u64) -> Vec<u8>, last: u64) -> Result<(), redb::Error> {
    let (low, high) = (key(0), key(last));
    let range = low.as_slice()..=high.as_slice();
    let mut kept = None;
    if let Some(reaching) = rows.range(range.clone())?.next_back().transpose()? {
        let first = keys::key_number(reaching.0.value()).unwrap_or(0);
        let positions = decode(reaching.0.value(), reaching.1.value())?;
        let gone = usize::try_from((last + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        kept = positions.get(gone..).filter(|kept| !kept.is_empty()).map(|kept| row(key(last + 1), kept));
    }
    rows.retain_in(range, |_, _| false)?;
    if let Some((key, row)) = kept {
        rows.insert(key.as_slice(), row.as_slice())?;
    }
    Ok(())
}

/// Of lists by position, those that are named.
fn forget_positions<L>(
    mut rows: Rows<'_>,
    lists: &HashMap<L, Vec<Position>>,
    key: impl Fn(&L, Position) -> Vec<u8>,
) -> Result<(), redb::Error> {
    for (label, gone) in lists {
        let (Some(first), Some(last)) = (gone.first(), gone.last()) else { continue };
        // The row that holds the first of them may start before it.
        let floor = rows.range(key(label, 0).as_slice()..=key(label, *first).as_slice())?.next_back().transpose()?;
        let low = floor.map_or_else(|| key(label, *first), |(key, _)| key.value().to_vec());
        let high = key(label, *last);
        let mut kept = vec![];
        for found in rows.range(low.as_slice()..=high.as_slice())? {
            let (at, found) = found?;
            let mut positions = decode(at.value(), found.value())?;
            positions.retain(|position| gone.binary_search(position).is_err());
            kept.extend(positions.first().map(|first| row(key(label, *first), &positions)));
        }
        rows.retain_in(low.as_slice()..=high.as_slice(), |_, _| false)?;
        for (key, row) in kept {
            rows.insert(key.as_slice(), row.as_slice())?;
        }
    }
    Ok(())
}

fn decode(key: &[u8], row: &[u8]) -> Result<Vec<Position>, redb::Error> {
    postings::decode(key, row).map_err(|damage| redb::Error::Corrupted(damage.to_string()))
}
