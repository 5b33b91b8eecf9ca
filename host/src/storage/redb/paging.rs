//! A page of a read, from tail and index.

use bytes::Bytes;

use super::finding;
use super::shared::Shared;
use crate::model::limits::STRETCH_BYTES;
use crate::model::{Direction, Page, Position, Read, Scope};
use crate::storage::codec::{Damage, View};
use crate::storage::gap::{self, Gap};
use crate::storage::page::{PageBuilder, Span};
use crate::storage::{StorageError, Stored};

/// How many handles on tail events are taken under its lock at once.
pub const SLICE_EVENTS: usize = 256;

/// What a read may touch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    Memory,
    Disk,
}

/// Reads a page; `None` if that needs the disk and only memory is allowed.
///
/// The boundary between tail and index moves while we read, but only ever up, and in one step with the snapshot: so each
/// round looks under the lock who has the next place, and no event is in neither.
pub fn page(shared: &Shared, read: &Read, allowed: Allowed) -> Result<Option<Page>, StorageError> {
    let labelled = !read.filter.types.is_empty() || !read.filter.tags.is_empty();
    if labelled && !matches!(read.scope, Scope::Stream(..)) {
        return finding::page(shared, read, allowed);
    }
    let Some(end) = end(shared, &read.scope, allowed)? else { return Ok(None) };
    let mut span = Span::new(read, end);
    let mut page = PageBuilder::new(read);
    while span.next().is_some() && !page.is_full() {
        let (events, prefix) = {
            let state = shared.state();
            let count = if read.filter == Default::default() { page.room().min(SLICE_EVENTS) } else { SLICE_EVENTS };
            (state.tail.slice(&read.scope, span, count), state.tail.prefix.clone())
        };
        if !events.is_empty() {
            take_from_memory(&mut page, &mut span, read, events)?;
            continue;
        }
        if allowed == Allowed::Memory {
            return Ok(None);
        }
        let before = span.at;
        span = prefix.visit(&read.scope, span, |place, position, stored| {
            look(&mut page, read, place, Some(position), stored, |view| {
                Bytes::copy_from_slice(&stored[view.payload_at..])
            })?;
            Ok(!page.is_full())
        })?;
        if span.at == before && !page.is_full() {
            return Err(prefix.lacks(&read.scope, before));
        }
    }
    Ok(Some(page.finish(span.next())))
}

pub fn end(shared: &Shared, scope: &Scope, allowed: Allowed) -> Result<Option<u64>, StorageError> {
    let known = shared.state().tail.end(scope);
    match (known, scope) {
        (None, Scope::Stream(topic, stream)) if allowed == Allowed::Disk => shared.stream_head(topic, stream).map(Some),
        (known, _) => Ok(known),
    }
}

fn take_from_memory(
    page: &mut PageBuilder,
    span: &mut Span,
    read: &Read,
    events: Vec<(u64, Bytes)>,
) -> Result<(), StorageError> {
    for (place, stored) in events {
        if page.is_full() {
            break;
        }
        let corrupt = |Damage(detail)| StorageError::Corrupt {
            place: format!("the tail in memory, place {place} of {:?}", read.scope),
            detail: detail.into(),
        };
        look(page, read, place, None, &stored, |view| stored.slice(view.payload_at..)).map_err(corrupt)?;
        span.step();
    }
    Ok(())
}

/// Looks at one event: is it the one that the index promised, is it wanted, and then into the page. Of a deleted one nothing
/// is there.
pub fn look<'a>(
    page: &mut PageBuilder,
    read: &Read,
    place: u64,
    position: Option<Position>,
    stored: &'a [u8],
    payload: impl FnOnce(&View<'a>) -> Bytes,
) -> Result<(), Damage> {
    if stored.is_empty() || gap::is_gap(stored) {
        page.look();
        return Ok(());
    }
    let view = View::parse(stored)?;
    let promised = match &read.scope {
        Scope::Store => view.place.position == place,
        Scope::Topic(topic) => view.place.sequence == place && view.topic == topic.as_str(),
        Scope::Stream(topic, stream) => {
            view.place.version == Some(place) && view.topic == topic.as_str() && view.stream == Some(stream.as_str())
        }
    };
    if !promised || position.is_some_and(|position| position != view.place.position) {
        return Err(Damage("another event than the index says"));
    }
    page.look();
    if view.matches(&read.filter) {
        page.push(view.event(payload(&view))?);
    }
    Ok(())
}

/// Events' stored bytes, one behind the other, each with its checksum looked at.
pub fn stored(shared: &Shared, from: Position, end: Position, bytes_max: usize) -> Result<Stored, StorageError> {
    let mut span = Span { direction: Direction::Forward, at: from, end };
    let mut out = Vec::with_capacity(bytes_max + STRETCH_BYTES as usize);
    while span.next().is_some() && out.len() < bytes_max {
        let (events, prefix) = {
            let state = shared.state();
            (state.tail.slice(&Scope::Store, span, SLICE_EVENTS), state.tail.prefix.clone())
        };
        for (_, stored) in &events {
            out.extend_from_slice(stored);
            span.step();
        }
        if events.is_empty() {
            let before = span.at;
            span = prefix.visit(&Scope::Store, span, |_, position, stored| {
                // A gap is its last position's; its others have nothing.
                let found = match stored {
                    [] => position,
                    stored if gap::is_gap(stored) => Gap::parse(stored)?.last,
                    stored => View::parse(stored)?.place.position,
                };
                if found != position {
                    return Err(Damage("another event than the index says"));
                }
                out.extend_from_slice(stored);
                Ok(out.len() < bytes_max)
            })?;
            if span.at == before {
                return Err(prefix.damaged(before, Damage("nobody has it")));
            }
        }
    }
    Ok(Stored { bytes: out, next: span.at })
}
