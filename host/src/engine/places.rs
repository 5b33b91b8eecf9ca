//! Finds places by halving. Sequences and commit times never fall from one place of a scope to the next, so the first
//! place that is not before a bound is some thirty reads of one event away, however long the log is. Nothing is cached.

use std::ops::Range;

use super::EngineError;
use crate::model::{Direction, Event, Filter, Read, Scope, Sequence};
use crate::storage::EventLog;

/// An event's place in the unit of a scope.
pub(super) fn place(scope: &Scope, event: &Event) -> u64 {
    match scope {
        Scope::Store => event.position,
        Scope::Topic(_) => event.sequence,
        Scope::Stream(..) => event.stream.as_ref().map_or(0, |(_, version)| *version),
    }
}

/// The places that a read up to `head` may hand up. A time range in the filter becomes the places that lie in it, and is
/// taken out of the filter.
pub(super) async fn window(
    log: &dyn EventLog,
    scope: &Scope,
    head: u64,
    filter: &mut Filter,
) -> Result<Range<u64>, EngineError> {
    let Some(time_ms) = filter.time_ms.take() else { return Ok(1..head + 1) };
    let first = first_place(log, scope, 1..head + 1, |event| event.time_ms < time_ms.start).await?;
    let end = first_place(log, scope, first..head + 1, |event| event.time_ms < time_ms.end).await?;
    Ok(first..end)
}

/// Turns a sequence into the version of a stream's first event at or after it (backward: last at or before it; 0 when
/// there is none).
pub(super) async fn version_at(
    log: &dyn EventLog,
    scope: &Scope,
    head: u64,
    sequence: Sequence,
    direction: Direction,
) -> Result<u64, EngineError> {
    // Backward: the last at or before a sequence stands just before the first that is after it.
    let (bound, step) = match direction {
        Direction::Forward => (sequence, 0),
        Direction::Backward => (sequence.saturating_add(1), 1),
    };
    Ok(first_place(log, scope, 1..head + 1, |event| event.sequence < bound).await? - step)
}

/// The first of `places` whose event is not `before` a bound; the end of `places` when all are.
pub(super) async fn first_place(
    log: &dyn EventLog,
    scope: &Scope,
    places: Range<u64>,
    before: impl Fn(&Event) -> bool,
) -> Result<u64, EngineError> {
    // Invariant: every place below `low` is before the bound, every one from `high` on is not.
    let (mut low, mut high) = (places.start, places.end);
    while low < high {
        let middle = low + (high - low) / 2;
        let (direction, filter) = (Direction::Forward, Filter::default());
        let mut read = Read { scope: scope.clone(), direction, from: middle, filter, events_max: 1, bytes_max: 1 };
        // The next event that is there counts for places whose events were deleted; they may fill pages.
        let is_before = loop {
            let page = log.read_whole(&read).await?;
            match (page.events.first(), page.next) {
                (None, Some(next)) => read.from = next,
                (event, _) => break event.is_some_and(&before),
            }
        };
        if is_before { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::engine::read::cursor;
    use crate::engine::selection::Located;
    use crate::model::limits;
    use crate::storage::contract::{event, stream, topic};
    use crate::storage::{Batch, Store, memory};

    /// Twenty-four events in two topics and two streams; three commits share a time, and some times are skipped.
    async fn history() -> (Store, Vec<Event>) {
        let looks = AtomicU64::new(0);
        let clock = Arc::new(move || 100 + looks.fetch_add(1, Ordering::Relaxed) / 3 * 10);
        let store = memory::open(clock);
        let log = &store.log;
        for n in 0..24_u64 {
            let events = vec![event(["a", "b"][(n % 2) as usize], ["s", "t", ""][(n % 3) as usize], "x")];
            log.append(Batch { events, ..Batch::default() }).await.expect("appended");
        }
        let (scope, direction, filter) = (Scope::Store, Direction::Forward, Filter::default());
        let all = Read { scope, direction, from: 1, filter, events_max: 100, bytes_max: limits::PAGE_BYTES_MAX };
        let events = log.read(&all).await.expect("a page").events;
        (store, events)
    }

    fn contains(scope: &Scope, event: &Event) -> bool {
        match scope {
            Scope::Store => true,
            Scope::Topic(topic) => event.topic == *topic,
            Scope::Stream(topic, stream) => {
                event.topic == *topic && event.stream.as_ref().is_some_and(|(name, _)| name == stream)
            }
        }
    }

    /// What a scan of everything would answer.
    fn scanned(
        all: &[Event],
        scope: &Scope,
        from: u64,
        direction: Direction,
        filter: &Filter,
        limit: usize,
    ) -> Vec<Event> {
        let forward = direction == Direction::Forward;
        let wanted = |event: &&Event| {
            let place = place(scope, event);
            let beyond = if forward { place >= from } else { from == 0 || place <= from };
            contains(scope, event) && beyond && filter.matches(event)
        };
        let mut found: Vec<Event> = all.iter().filter(wanted).cloned().collect();
        if !forward {
            found.reverse();
        }
        found.truncate(limit);
        found
    }

    #[tokio::test]
    async fn a_read_within_a_time_answers_what_a_scan_would() {
        let (store, all) = history().await;
        let scopes = [Scope::Store, Scope::Topic(topic("a")), Scope::Stream(topic("b"), stream("s"))];
        let times = [0, 99, 100, 101, 110, 135, 140, 169, 170, 171, 900];
        let mut compared = 0;
        for scope in &scopes {
            let head = all.iter().filter(|event| contains(scope, event)).count() as u64;
            for (start, end) in times.iter().flat_map(|start| times.map(|end| (*start, end))) {
                for (from, limit) in [(0, 100), (1, 2), (3, 100), (head, 1), (head + 5, 3)] {
                    for direction in [Direction::Forward, Direction::Backward] {
                        let filter = Filter { time_ms: Some(start..end), ..Filter::default() };
                        let expected = scanned(&all, scope, from, direction, &filter, limit);
                        let (store, from) = (store.clone(), (from > 0).then_some(from));
                        let located = Located { store, scope: scope.clone(), head, from };
                        let opened = cursor(located, direction, filter, Some(limit), None).await;
                        let mut cursor = opened.expect("a cursor");
                        let mut found = Vec::new();
                        while let Some(page) = cursor.next_page().await.expect("a page") {
                            assert!(!page.is_empty());
                            found.extend(page);
                        }
                        assert_eq!(
                            found, expected,
                            "{scope:?} {start}..{end} from {from:?} {direction:?} limit {limit}"
                        );
                        compared += found.len();
                    }
                }
            }
        }
        assert!(compared > 1_000, "the times are such that events lie in them: {compared}");
    }

    #[tokio::test]
    async fn a_time_range_becomes_the_places_that_lie_in_it() {
        let (store, _) = history().await;
        let mut filter = Filter { time_ms: Some(120..140), ..Filter::default() };
        let window = window(&*store.log, &Scope::Store, 24, &mut filter).await.expect("places");
        assert_eq!((window, filter), (7..13, Filter::default()));
    }
}
