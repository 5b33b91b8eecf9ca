//! Posting rows in redb: the stretch of a list that holds a place or a position.

use redb::ReadOnlyTable;
use std::path::Path;

use super::directory::redb_error;
use super::labels::Postings;
use super::{keys, postings};
use crate::model::{Direction, Position};
use crate::storage::StorageError;
use crate::storage::codec::Damage;

pub type Rows = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// One posting list of a snapshot. Its rows' keys are `key` with a number: a place, or the row's first position.
pub struct List<'p, K> {
    pub rows: &'p Rows,
    pub path: &'p Path,
    pub key: K,
    pub current: Option<Row>,
}

/// Places that follow each other, from `first` on, and their positions.
pub struct Row {
    pub first: u64,
    pub positions: Vec<Position>,
}

impl Row {
    pub fn position(&self, place: u64) -> Option<Position> {
        self.positions.get(usize::try_from(place.checked_sub(self.first)?).ok()?).copied()
    }

    pub fn place(&self, position: Position) -> Option<u64> {
        self.positions.binary_search(&position).ok().map(|index| self.first + index as u64)
    }

    /// One before `first` if everything up to there was deleted.
    pub fn last(&self) -> u64 {
        self.first + self.positions.len() as u64 - 1
    }
}

impl<K: Fn(u64) -> Vec<u8>> List<'_, K> {
    fn failed(&self, error: impl Into<redb::Error>) -> StorageError {
        redb_error(self.path, error)
    }

    fn damaged(&self, key: &[u8], damage: Damage) -> StorageError {
        let place = format!("{}, index row '{}'", self.path.display(), key.escape_ascii());
        StorageError::Corrupt { place, detail: damage.to_string() }
    }

    /// The last row that starts at or before a number, if `last`; else the first that starts at or after it.
    fn row(&self, number: u64, last: bool) -> Result<Option<Row>, StorageError> {
        let at = (self.key)(number);
        let found = if last {
            let low = (self.key)(0);
            self.rows.range(low.as_slice()..=at.as_slice()).map_err(|error| self.failed(error))?.next_back()
        } else {
            let high = (self.key)(u64::MAX);
            self.rows.range(at.as_slice()..=high.as_slice()).map_err(|error| self.failed(error))?.next()
        };
        let Some(found) = found else { return Ok(None) };
        let (key, row) = found.map_err(|error| self.failed(error))?;
        let first = keys::key_number(key.value()).unwrap_or(0);
        let positions = postings::decode(key.value(), row.value());
        let positions = positions.map_err(|damage| self.damaged(key.value(), damage))?;
        if first == 0 {
            return Err(self.damaged(key.value(), Damage("a row without a place")));
        }
        Ok(Some(Row { first, positions }))
    }

    /// The first row of the list.
    pub fn first_row(&self) -> Result<Option<Row>, StorageError> {
        self.row(0, false)
    }

    /// The row that starts at or before a number.
    pub fn row_from(&self, number: u64) -> Result<Option<Row>, StorageError> {
        self.row(number, true)
    }
}

/// A list whose rows are keyed by their first position.
pub struct ByPosition<'p, K>(pub List<'p, K>);

impl<K: Fn(u64) -> Vec<u8>> Postings for ByPosition<'_, K> {
    type Error = StorageError;

    fn seek(&mut self, at: Position, direction: Direction) -> Result<Option<Position>, StorageError> {
        let list = &mut self.0;
        if !list.current.as_ref().is_some_and(|row| holds(row, at)) {
            list.current = list.row(at, true)?;
        }
        if let Some(found) = within(list.current.as_ref(), at, direction) {
            return Ok(Some(found));
        }
        if direction == Direction::Backward {
            return Ok(None);
        }
        list.current = list.row(at, false)?;
        Ok(within(list.current.as_ref(), at, direction))
    }
}

/// A list whose rows are keyed by their first place, of which there are `places`: the row of a position is found by halving.
pub struct ByPlace<'p, K> {
    pub list: List<'p, K>,
    pub places: u64,
}

impl<K: Fn(u64) -> Vec<u8>> ByPlace<'_, K> {
    /// Loads the row that holds the nearest position at or beyond `at`.
    fn load(&mut self, at: Position, direction: Direction) -> Result<(), StorageError> {
        // Invariant: rows that start below `low` end before `at`; rows that end above `high` start after it.
        let (mut low, mut high) = (1, self.places);
        let mut nearest = None;
        while low <= high {
            let middle = low + (high - low) / 2;
            let Some(row) = self.list.row(middle, true)? else {
                // All up to here was deleted.
                low = middle + 1;
                continue;
            };
            if row.positions.last().is_some_and(|last| *last < at) {
                low = row.last() + 1;
                nearest = if direction == Direction::Backward { Some(row) } else { nearest };
            } else if row.positions.first().is_some_and(|first| *first > at) {
                high = row.first - 1;
                nearest = if direction == Direction::Forward { Some(row) } else { nearest };
            } else {
                nearest = Some(row);
                break;
            }
        }
        self.list.current = nearest;
        Ok(())
    }

    /// The place of a position that was just sought.
    pub fn place(&self, position: Position) -> Option<u64> {
        self.list.current.as_ref()?.place(position)
    }
}

impl<K: Fn(u64) -> Vec<u8>> Postings for ByPlace<'_, K> {
    type Error = StorageError;

    fn seek(&mut self, at: Position, direction: Direction) -> Result<Option<Position>, StorageError> {
        if !self.list.current.as_ref().is_some_and(|row| holds(row, at)) {
            self.load(at, direction)?;
        }
        Ok(within(self.list.current.as_ref(), at, direction))
    }
}

fn holds(row: &Row, at: Position) -> bool {
    row.positions.first().is_some_and(|first| *first <= at) && row.positions.last().is_some_and(|last| *last >= at)
}

fn within(row: Option<&Row>, at: Position, direction: Direction) -> Option<Position> {
    row.and_then(|row| row.positions.as_slice().seek(at, direction).unwrap_or(None))
}
