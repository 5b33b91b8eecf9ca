//! What `read` promises, besides what `histories` checks at random.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Open, batch, event, forward, kind, read_all, stream, ticking, topic};
use crate::model::limits::PAGE_SCANNED_MAX;
use crate::model::{Direction, Filter, Read, Scope};
use crate::storage::EventLog;

pub async fn names_that_share_letters_are_not_mixed_up(open: Open<'_>) {
    let store = open(ticking());
    let names = [("a", "bc"), ("ab", "c"), ("a", "b"), ("a", "bcd"), ("abc", "a"), ("a", "")];
    for round in 0..40 {
        let events = names.iter().map(|(t, s)| event(t, s, format!("{t}|{s}|{round:0200}"))).collect();
        store.log.append(batch(events)).await.expect("appends");
    }
    for (t, s) in names.iter().filter(|(_, s)| !s.is_empty()) {
        let read = read_all(&*store.log, forward(Scope::Stream(topic(t), stream(s)), 1)).await;
        let payloads: Vec<_> = read.iter().map(|event| event.payload.as_bytes().clone()).collect();
        let expected: Vec<_> = (0..40).map(|round| format!("{t}|{s}|{round:0200}")).collect();
        assert_eq!(payloads, expected, "{t} {s}");
    }
}

pub async fn a_page_is_bounded_in_events_and_bytes(open: Open<'_>) {
    let store = open(ticking());
    store.log.append(batch((0..20).map(|_| event("t", "s", vec![b'x'; 100])).collect())).await.expect("appends");
    let read = |events_max, bytes_max| Read { events_max, bytes_max, ..forward(Scope::Topic(topic("t")), 1) };
    for (events_max, bytes_max, count, next) in [
        (7, 1 << 20, 7, Some(8)),
        (20, 1 << 20, 20, None),
        (100, 250, 3, Some(4)),
        (100, 300, 3, Some(4)),
        (1, 1, 1, Some(2)),
    ] {
        let page = store.log.read(&read(events_max, bytes_max)).await.expect("a page");
        assert_eq!((page.events.len(), page.next), (count, next), "{events_max} events, {bytes_max} bytes");
    }
    let page = store.log.read(&Read { direction: Direction::Backward, from: 20, ..read(19, 1 << 20) }).await;
    assert_eq!(page.expect("a page").next, Some(1));
}

pub async fn a_filter_that_matches_nothing_is_read_in_bounded_steps(open: Open<'_>) {
    let store = open(ticking());
    let count = PAGE_SCANNED_MAX as u64 + 500;
    for _ in 0..count / 500 {
        store.log.append(batch((0..500).map(|_| event("t", "s", "x")).collect())).await.expect("appends");
    }
    for scope in [Scope::Store, Scope::Topic(topic("t")), Scope::Stream(topic("t"), stream("s"))] {
        let filter = Filter { types: vec![kind("Never")], ..Filter::default() };
        let read = Read { filter, ..forward(scope, 1) };
        let back = Read { direction: Direction::Backward, from: u64::MAX, ..read.clone() };
        for mut read in [read, back] {
            let mut pages = 0;
            loop {
                let page = store.log.read(&read).await.expect("a page");
                assert_eq!(page.events, []);
                pages += 1;
                let Some(next) = page.next else { break };
                // Who has no index looks at so many events a page, and says how far that was.
                assert_eq!(next.abs_diff(read.from.clamp(1, count)), PAGE_SCANNED_MAX as u64);
                read.from = next;
            }
            assert!(pages <= 2, "{pages} pages");
        }
    }
}

pub async fn reading_where_nothing_is_finds_nothing(open: Open<'_>) {
    let store = open(ticking());
    for count in [0u64, 30] {
        for _ in 0..count {
            store.log.append(batch(vec![event("t", "s", vec![b'x'; 900])])).await.expect("appends");
        }
        let nowhere = [
            forward(Scope::Store, count + 1),
            forward(Scope::Store, u64::MAX),
            forward(Scope::Topic(topic("t")), count + 1),
            forward(Scope::Topic(topic("other")), 1),
            forward(Scope::Stream(topic("t"), stream("s")), count + 1),
            forward(Scope::Stream(topic("t"), stream("other")), 1),
            forward(Scope::Stream(topic("other"), stream("s")), 1),
            Read { direction: Direction::Backward, ..forward(Scope::Store, 0) },
            Read { direction: Direction::Backward, ..forward(Scope::Stream(topic("t"), stream("other")), 9) },
        ];
        for read in nowhere {
            assert_eq!(store.log.read(&read).await.expect("a page"), Default::default(), "{read:?}");
        }
        assert_eq!(store.log.stream_head(&topic("t"), &stream("other")).await.expect("a head"), 0);
        assert_eq!(store.log.topic_head(&topic("other")), 0);
    }
}

pub async fn a_reader_that_follows_the_head_misses_nothing_and_sees_nothing_twice(open: Open<'_>) {
    let store = open(ticking());
    let (batches, size) = (400u64, 5u64);
    let log = store.log.clone();
    let appender = tokio::spawn(async move {
        for _ in 0..batches {
            let events = (0..size).map(|_| event("t", "s", vec![b'x'; 400])).collect();
            log.append(batch(events)).await.expect("appends");
        }
    });
    let scopes = [Scope::Store, Scope::Topic(topic("t")), Scope::Stream(topic("t"), stream("s"))];
    let followers: Vec<_> =
        scopes.into_iter().map(|scope| tokio::spawn(follow(store.log.clone(), scope, batches * size))).collect();
    // Beside those who follow the head, one reads everything again and again, wherever it is kept at the moment.
    while !appender.is_finished() {
        let known = *store.log.head().borrow();
        for direction in [Direction::Forward, Direction::Backward] {
            let from = if direction == Direction::Forward { 1 } else { known };
            let events = read_all(&*store.log, Read { direction, ..forward(Scope::Store, from) }).await;
            let mut positions: Vec<_> = events.iter().map(|event| event.position).collect();
            if direction == Direction::Backward {
                positions.reverse();
            }
            assert!(positions.len() as u64 >= known && positions.iter().copied().eq(1..=positions.len() as u64));
        }
    }
    for follower in followers {
        follower.await.expect("no panic");
    }
    appender.await.expect("no panic");
}

/// All three scopes have the same places here, so one check does.
async fn follow(log: Arc<dyn EventLog>, scope: Scope, end: u64) {
    let mut head = log.head();
    let mut next = 1;
    while next <= end {
        let known = *head.borrow_and_update();
        let read = Read { events_max: 37, ..forward(scope.clone(), next) };
        let page = log.read(&read).await.expect("a page");
        for event in &page.events {
            assert_eq!(event.position, next, "in {scope:?}");
            next += 1;
        }
        assert!(page.next.is_some() || next > known, "in {scope:?}: the end at {next} though the head is {known}");
        // The way back must be whole too, at any moment.
        let back = Read { direction: Direction::Backward, from: next - 1, events_max: 50, ..read };
        let page = log.read(&back).await.expect("a page");
        assert!(page.events.iter().map(|event| event.position).eq((next.saturating_sub(50).max(1)..next).rev()));
        if next <= end && next > *head.borrow() {
            head.changed().await.expect("the log lives");
        }
    }
}

pub async fn behind_a_sequence_there_are_so_many_bytes(open: Open<'_>) {
    const BYTES: u64 = 1_000;
    let store = open(ticking());
    let one = |name| event(name, "s", vec![b'x'; BYTES as usize]);
    for _ in 0..300 {
        store.log.append(batch(vec![one("t"), one("other"), one("t")])).await.expect("appends");
    }
    let name = topic("t");
    for bytes in [1, BYTES, 7 * BYTES, 300 * BYTES] {
        let through = store.log.beyond(&name, bytes).await.expect("a sequence");
        let read = read_all(&*store.log, forward(Scope::Topic(name.clone()), through + 1)).await;
        // Names and headers count too where they are stored.
        let most = read.len() as u64 * (BYTES + 200);
        assert!(most >= bytes, "{bytes} bytes are behind {through} of 600");
    }
    assert_eq!(store.log.beyond(&name, 600 * (BYTES + 200)).await.expect("a sequence"), 0, "there are not so many");
    assert_eq!(store.log.beyond(&topic("nothing"), 1).await.expect("a sequence"), 0);
}

pub async fn scavenging_takes_nothing_that_was_not_deleted(open: Open<'_>) {
    let store = open(ticking());
    for _ in 0..300 {
        let one = |name| event(name, "s", vec![b'x'; 400]);
        store.log.append(batch(vec![one("cut"), one("kept")])).await.expect("appends");
    }
    let scopes = |name: &str, first| {
        [forward(Scope::Topic(topic(name)), first), forward(Scope::Stream(topic(name), stream("s")), first)]
    };
    let all = async || {
        let mut found = vec![];
        for read in scopes("kept", 1).into_iter().chain(scopes("cut", 201)) {
            found.push(read_all(&*store.log, read).await);
        }
        (found, store.log.tip(&topic("cut")), store.log.tip(&topic("kept")), *store.log.head().borrow())
    };
    let before = all().await;
    for through in [100, 200, 200] {
        store.log.scavenge(HashMap::from([(topic("cut"), through)])).await.expect("scavenges");
        assert!(all().await == before, "up to {through}");
    }
    let place = store.log.append(batch(vec![event("cut", "s", "x")])).await.expect("appends").places[0];
    assert_eq!((place.position, place.sequence, place.version), (601, 301, Some(301)));
}
