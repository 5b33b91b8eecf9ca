//! A page of a filtered read: the index says where the events are, so what does not match is not looked at.

use bytes::Bytes;

use super::labels::beyond;
use super::paging::{Allowed, SLICE_EVENTS, end, look};
use super::search::Ended;
use super::shared::Shared;
use crate::model::{Direction, Page, Position, Read};
use crate::storage::StorageError;
use crate::storage::codec::Damage;
use crate::storage::page::{PageBuilder, Span};

/// Reads a page; `None` if that needs the disk and only memory is allowed. **Invariant:** the scope is no stream.
pub fn page(shared: &Shared, read: &Read, allowed: Allowed) -> Result<Option<Page>, StorageError> {
    let Some(last) = end(shared, &read.scope, allowed)? else { return Ok(None) };
    let span = Span::new(read, last);
    let Some(first) = span.next() else { return Ok(Some(Page::default())) };
    let Some(start) = start(shared, read, first, allowed)? else { return Ok(None) };
    let mut finding = Finding { read, last, page: PageBuilder::new(read), next: None };
    finding.run(shared, start, allowed).map(|done| done.then(|| finding.page.finish(finding.next)))
}

/// The position of the first place. The prefix may have grown past the tail's answer, so both are asked in one round.
fn start(shared: &Shared, read: &Read, place: u64, allowed: Allowed) -> Result<Option<Position>, StorageError> {
    let (position, prefix) = {
        let state = shared.state();
        (state.tail.position_of(&read.scope, place), state.tail.prefix.clone())
    };
    if position.is_some() || allowed == Allowed::Memory {
        return Ok(position);
    }
    let found = prefix.position_of(&read.scope, place, read.direction)?;
    found.map(Some).ok_or_else(|| prefix.lacks(&read.scope, place))
}

struct Finding<'r> {
    read: &'r Read,
    /// The scope's last place when the page was begun.
    last: u64,
    page: PageBuilder,
    next: Option<u64>,
}

impl Finding<'_> {
    /// Fills the page; `false` if that needs the disk and only memory is allowed.
    fn run(&mut self, shared: &Shared, start: Position, allowed: Allowed) -> Result<bool, StorageError> {
        let Read { scope, filter, direction, .. } = self.read;
        let mut at = Some(start);
        while let Some(position) = at {
            let (hits, prefix) = {
                let state = shared.state();
                let prefix = state.tail.prefix.clone();
                // What the prefix has comes from there, and needs no search under the lock.
                let in_tail = position > prefix.position;
                let find = || state.tail.find(scope, filter, position, *direction, SLICE_EVENTS);
                (in_tail.then(find), prefix)
            };
            at = match hits {
                None if allowed == Allowed::Memory => return Ok(false),
                None => match self.take_from_index(&prefix, position)? {
                    Ended::Nothing if *direction == Direction::Forward => Some(prefix.position + 1),
                    Ended::Nothing => None,
                    Ended::Enough(place) => return Ok(self.ends_before(place)),
                },
                Some(hits) => match hits.last().map(|hit| hit.1) {
                    Some(last) => {
                        if let Some(place) = self.take_from_memory(hits)? {
                            return Ok(self.ends_before(place));
                        }
                        beyond(last, *direction)
                    }
                    None if *direction == Direction::Backward => Some(prefix.position).filter(|p| *p > 0),
                    None => None,
                },
            };
        }
        Ok(true)
    }

    /// The read goes on from this place, if the scope has it.
    fn ends_before(&mut self, place: Option<u64>) -> bool {
        self.next = place.filter(|place| *place <= self.last);
        true
    }

    fn take_from_index(&mut self, prefix: &super::prefix::Prefix, at: Position) -> Result<Ended, StorageError> {
        let Read { scope, filter, direction, .. } = self.read;
        prefix.find(scope, filter, at, *direction, |place, position, stored| {
            if place > self.last {
                return Ok(false);
            }
            look(&mut self.page, self.read, place, Some(position), stored, |view| {
                Bytes::copy_from_slice(&stored[view.payload_at..])
            })?;
            Ok(!self.page.is_full())
        })
    }

    /// The place to go on from, once the page takes no more: `Some(None)` at the end of the read.
    fn take_from_memory(&mut self, hits: Vec<(u64, Position, Bytes)>) -> Result<Option<Option<u64>>, StorageError> {
        for (place, position, stored) in hits {
            if place > self.last {
                return Ok(Some(None));
            }
            let corrupt = |Damage(detail)| StorageError::Corrupt {
                place: format!("the tail in memory, position {position}"),
                detail: detail.into(),
            };
            let payload = |view: &crate::storage::codec::View<'_>| stored.slice(view.payload_at..);
            look(&mut self.page, self.read, place, Some(position), &stored, payload).map_err(corrupt)?;
            if self.page.is_full() {
                return Ok(Some(beyond(place, self.read.direction)));
            }
        }
        Ok(None)
    }
}
