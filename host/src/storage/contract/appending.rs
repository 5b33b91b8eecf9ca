//! What `append` promises.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Open, batch, batch_if, condition, event, forward, key, kind, read_all, stream, tag, ticking, topic};
use crate::model::{Condition, Expected, Filter, NewEvent, Payload, Scope};
use crate::storage::{AppendError, Appended, Batch, EventLog, Place, Tip};

pub async fn positions_sequences_and_versions_are_gapless_under_40_concurrent_appenders(open: Open<'_>) {
    let store = open(ticking());
    let appenders: Vec<_> = (0..40).map(|n| tokio::spawn(append_some(store.log.clone(), n))).collect();
    let mut places = vec![];
    for appender in appenders {
        places.extend(appender.await.expect("no panic"));
    }
    assert_eq!(places.len(), 40 * 10 * 3);
    let mut positions: Vec<_> = places.iter().map(|place| place.position).collect();
    positions.sort_unstable();
    assert!(positions.iter().copied().eq(1..=1200), "positions have no gap and no double");

    let events = read_all(&*store.log, forward(Scope::Store, 1)).await;
    assert!(events.iter().map(|event| event.position).eq(1..=1200));
    for name in ["even", "odd"] {
        let sequences = events.iter().filter(|event| event.topic == topic(name)).map(|event| event.sequence);
        assert!(sequences.eq(1..=600), "sequences of {name}");
        assert_eq!(store.log.topic_head(&topic(name)), 600);
        for n in 0..5 {
            let own = stream(&format!("stream-{n}"));
            let of_stream = |event: &&crate::model::Event| {
                event.topic == topic(name) && event.stream.as_ref().is_some_and(|(stream, _)| *stream == own)
            };
            let versions: Vec<_> =
                events.iter().filter(of_stream).filter_map(|event| event.stream.as_ref().map(|s| s.1)).collect();
            let head = store.log.stream_head(&topic(name), &own).await.expect("a head");
            assert!(versions.iter().copied().eq(1..=head), "versions of {name}/{own}");
        }
    }
}

async fn append_some(log: Arc<dyn EventLog>, n: u64) -> Vec<Place> {
    let name = if n.is_multiple_of(2) { "even" } else { "odd" };
    let mut places = vec![];
    for round in 0..10 {
        let own = format!("stream-{}", (n + round) % 5);
        let events = vec![event(name, &own, "a"), event(name, "", "b"), event(name, &own, vec![b'x'; 500])];
        let answer = log.append(batch(events)).await.expect("appends").places;
        assert!(answer.windows(2).all(|pair| pair[0].position + 1 == pair[1].position), "adjacent");
        assert!(answer.windows(2).all(|pair| pair[0].sequence + 1 == pair[1].sequence), "adjacent");
        assert_eq!(answer[0].version.map(|version| version + 1), answer[2].version);
        assert_eq!(answer[1].version, None);
        places.extend(answer);
    }
    places
}

pub async fn of_30_concurrent_appends_that_expect_a_new_stream_exactly_one_wins(open: Open<'_>) {
    let store = open(ticking());
    for round in 0..5 {
        let name = format!("order-{round}");
        let racers: Vec<_> = (0..30)
            .map(|n| {
                let conditions = vec![condition("t", &name, Expected::Exactly(0))];
                let batch = batch_if(vec![event("t", &name, format!("{n}"))], conditions);
                let log = store.log.clone();
                tokio::spawn(async move { log.append(batch).await })
            })
            .collect();
        let mut won = 0;
        for racer in racers {
            match racer.await.expect("no panic") {
                Ok(appended) => {
                    assert_eq!(appended.places[0].version, Some(1));
                    won += 1;
                }
                Err(AppendError::Conflict(conflicts)) => assert_eq!(conflicts[0].actual, 1),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(won, 1);
        assert_eq!(store.log.stream_head(&topic("t"), &stream(&name)).await.expect("a head"), 1);
    }
    assert_eq!(*store.log.head().borrow(), 5);
}

pub async fn every_condition_that_fails_is_reported_and_nothing_is_written(open: Open<'_>) {
    let store = open(ticking());
    store.log.append(batch(vec![event("t", "a", "1"), event("t", "a", "2"), event("t", "b", "3")])).await.expect("ok");
    let conditions = vec![
        condition("t", "a", Expected::Exactly(1)),
        condition("t", "b", Expected::Exactly(1)),
        condition("t", "b", Expected::None),
        condition("t", "nobody", Expected::Exists),
        condition("nowhere", "a", Expected::Exactly(7)),
    ];
    let error = store.log.append(batch_if(vec![event("t", "c", "4")], conditions.clone())).await;
    let Err(AppendError::Conflict(conflicts)) = error else { panic!("{error:?}") };
    let found: Vec<_> = conflicts.into_iter().map(|conflict| (conflict.condition, conflict.actual)).collect();
    let expected: Vec<_> = [(0, 2), (2, 1), (3, 0), (4, 0)].map(|(n, actual)| (conditions[n].clone(), actual)).into();
    assert_eq!(found, expected);
    assert_eq!(*store.log.head().borrow(), 3);
    assert_eq!(store.log.stream_head(&topic("t"), &stream("c")).await.expect("a head"), 0);
}

pub async fn each_expectation_holds_exactly_when_it_says(open: Open<'_>) {
    let store = open(ticking());
    store.log.append(batch(vec![event("t", "full", "1"), event("t", "full", "2")])).await.expect("appends");
    let cases = [
        ("full", Expected::None, false),
        ("full", Expected::Exists, true),
        ("full", Expected::Exactly(2), true),
        ("full", Expected::Exactly(1), false),
        ("full", Expected::Exactly(3), false),
        ("full", Expected::Exactly(0), false),
        ("empty", Expected::None, true),
        ("empty", Expected::Exists, false),
        ("empty", Expected::Exactly(0), true),
        ("empty", Expected::Exactly(1), false),
    ];
    for (name, expected, holds) in cases {
        let batch = batch_if(vec![], vec![condition("t", name, expected)]);
        assert_eq!(store.log.append(batch).await.is_ok(), holds, "{name} {expected}");
    }
}

pub async fn a_batch_over_several_topics_and_streams_is_adjacent_and_whole(open: Open<'_>) {
    let store = open(ticking());
    let wanted = [("a", "x"), ("b", "x"), ("a", "y"), ("a", "x"), ("b", ""), ("a", "x"), ("b", "x")];
    let events: Vec<_> = wanted.iter().map(|(t, s)| event(t, s, format!("{t}/{s}"))).collect();
    for round in 0..50u64 {
        let places = store.log.append(batch(events.clone())).await.expect("appends").places;
        let expected = [(1, Some(1)), (1, Some(1)), (2, Some(1)), (3, Some(2)), (2, None), (4, Some(3)), (3, Some(2))];
        let steps = [(4, 3), (3, 2), (4, 1), (4, 3), (3, 0), (4, 3), (3, 2)];
        for (n, place) in places.iter().enumerate() {
            let sequence = expected[n].0 + round * steps[n].0;
            let version = expected[n].1.map(|version| version + round * steps[n].1);
            assert_eq!(
                *place,
                Place { position: round * 7 + n as u64 + 1, sequence, version, time_ms: place.time_ms },
                "round {round}"
            );
        }
    }
    let read = read_all(&*store.log, forward(Scope::Store, 1)).await;
    for (event, (t, s)) in read.iter().zip(wanted.iter().cycle()) {
        assert_eq!((event.topic.as_str(), event.stream.as_ref().map_or("", |(stream, _)| stream.as_str())), (*t, *s));
    }
}

pub async fn a_refused_batch_leaves_no_gap(open: Open<'_>) {
    let store = open(ticking());
    let calls: Vec<_> = (0..60u64)
        .map(|n| {
            let expected = if n.is_multiple_of(3) { Expected::Exists } else { Expected::None };
            let conditions = vec![condition("t", "never", expected)];
            let batch = batch_if(vec![event("t", "s", "x"), event("u", "s", "y")], conditions);
            let log = store.log.clone();
            tokio::spawn(async move { log.append(batch).await })
        })
        .collect();
    let mut recorded = 0;
    for call in calls {
        recorded += call.await.expect("no panic").map_or(0, |appended| appended.places.len() as u64);
    }
    assert_eq!(recorded, 80);
    let events = read_all(&*store.log, forward(Scope::Store, 1)).await;
    assert!(events.iter().map(|event| event.position).eq(1..=80));
    for name in ["t", "u"] {
        let events = read_all(&*store.log, forward(Scope::Stream(topic(name), stream("s")), 1)).await;
        assert!(events.iter().filter_map(|event| event.stream.as_ref().map(|s| s.1)).eq(1..=40), "{name}");
    }
}

pub async fn payloads_come_back_byte_for_byte(open: Open<'_>) {
    let store = open(ticking());
    let all: Vec<u8> = (0..=255).collect();
    let payloads = [
        Payload::Json(" {\n\t\"a\" :  1.0e0 , \"ü\":\"\\u00e4 😀\" }\r\n ".into()),
        Payload::Json("null".into()),
        Payload::Bytes(all.into()),
        Payload::Bytes(vec![].into()),
        Payload::Bytes(vec![0; 5000].into()),
    ];
    let metadata = vec![("key ü".to_owned(), "välue\n".to_owned()), (String::new(), String::new())];
    let make = |payload: &Payload| NewEvent {
        payload: payload.clone(),
        tags: vec![tag("order:17"), tag("customer=Ann Lée")],
        metadata: metadata.clone(),
        ..event("t", "s", "")
    };
    let events: Vec<_> = (0..100).map(|n| make(&payloads[n % payloads.len()])).collect();
    for event in events.clone() {
        store.log.append(batch(vec![event])).await.expect("appends");
    }
    let read = read_all(&*store.log, forward(Scope::Stream(topic("t"), stream("s")), 1)).await;
    assert_eq!(read.len(), events.len());
    for (recorded, new) in read.iter().zip(&events) {
        assert_eq!(recorded.payload, new.payload);
        assert_eq!((&recorded.tags, &recorded.metadata), (&new.tags, &new.metadata));
    }
}

pub async fn a_big_payload_comes_back(open: Open<'_>) {
    let store = open(ticking());
    let big = |n: u8| vec![n; 3 << 20];
    for n in 0..4 {
        store.log.append(batch(vec![event("t", "s", "small"), event("t", "s", big(n))])).await.expect("appends");
    }
    let read = read_all(&*store.log, forward(Scope::Topic(topic("t")), 1)).await;
    assert_eq!(read.len(), 8);
    for (n, event) in read.iter().skip(1).step_by(2).enumerate() {
        assert!(*event.payload.as_bytes() == big(n as u8), "payload {n}");
    }
}

pub async fn time_never_goes_back_even_if_the_clock_does(open: Open<'_>) {
    let looks = AtomicU64::new(0);
    let store = open(Arc::new(move || [500, 900, 100, 950][looks.fetch_add(1, Ordering::Relaxed) as usize % 4]));
    for _ in 0..4 {
        store.log.append(batch(vec![event("t", "", "x")])).await.expect("appends");
    }
    let events = read_all(&*store.log, forward(Scope::Store, 1)).await;
    assert_eq!(events.iter().map(|event| event.time_ms).collect::<Vec<_>>(), [500, 900, 900, 950]);
}

pub async fn the_head_changes_only_after_the_events_are_readable(open: Open<'_>) {
    let store = open(ticking());
    let log = store.log.clone();
    let appender = tokio::spawn(async move {
        for n in 0..300 {
            let events = (0..1 + n % 3).map(|_| event("t", "s", vec![b'x'; 300])).collect();
            log.append(batch(events)).await.expect("appends");
        }
    });
    let mut head = store.log.head();
    let mut seen = 0;
    while seen < 600 {
        head.changed().await.expect("the log lives");
        let now = *head.borrow_and_update();
        assert!(now > seen, "the head only grows");
        let page = store.log.read(&forward(Scope::Store, now)).await.expect("a page");
        assert_eq!(page.events.first().map(|event| event.position), Some(now), "the head is readable");
        assert!(store.log.topic_head(&topic("t")) >= now, "and counted in its topic");
        seen = now;
    }
    appender.await.expect("no panic");
}

pub async fn an_empty_batch_only_checks_its_conditions(open: Open<'_>) {
    let store = open(ticking());
    assert_eq!(store.log.append(Batch::default()).await.expect("nothing to do"), Appended::default());
    assert_eq!(*store.log.head().borrow(), 0);
    assert!(!store.log.head().has_changed().expect("the log lives"));
}

pub async fn after_close_appends_are_refused_and_reads_still_work(open: Open<'_>) {
    let store = open(ticking());
    for _ in 0..50 {
        store.log.append(batch(vec![event("t", "s", vec![b'x'; 1000])])).await.expect("appends");
    }
    store.log.close().await;
    store.log.close().await;
    let error = store.log.append(batch(vec![event("t", "s", "late")])).await;
    assert!(matches!(error, Err(AppendError::Stopped { .. })), "{error:?}");
    assert_eq!(store.log.failure(), None, "closing is no failure");
    assert_eq!(read_all(&*store.log, forward(Scope::Store, 1)).await.len(), 50);
}

fn tagged(in_topic: &str, event_type: &str, tags: &[&str]) -> NewEvent {
    let tags = tags.iter().map(|name| tag(name)).collect();
    NewEvent { event_type: kind(event_type), tags, ..event(in_topic, "", vec![b'x'; 400]) }
}

fn none_of(types: &[&str], tags: &[&str], after: u64) -> Condition {
    let (types, tags) = (types.iter().map(|name| kind(name)).collect(), tags.iter().map(|name| tag(name)).collect());
    Condition::Query { filter: Filter { types, tags, time_ms: None }, after }
}

/// Tags that take turns: to know that no event has both, or where the one is that has, the lists are walked step by step.
pub async fn a_query_that_takes_many_steps_is_answered_too(open: Open<'_>) {
    let store = open(ticking());
    store.log.append(batch(vec![tagged("t", "Opened", &["x", "y"])])).await.expect("appends");
    for _ in 0..200 {
        let turns = ["x", "y"]
            .map(|name| NewEvent { payload: Payload::Bytes(vec![b'p'; 300].into()), ..tagged("t", "Moved", &[name]) });
        store.log.append(batch(turns.into())).await.expect("appends");
    }
    let asked = async |after| {
        let asked = batch_if(vec![tagged("t", "Asked", &[])], vec![none_of(&[], &["x", "y"], after)]);
        store.log.append(asked).await.map_err(|error| format!("{error}"))
    };
    assert_eq!(asked(0).await, Err("an event at position 1 matches the query, expected none after 0".into()));
    assert_eq!(asked(1).await.expect("holds").places[0].position, 402);
}

pub async fn a_query_is_refused_by_the_last_event_that_matches_after_its_position(open: Open<'_>) {
    let store = open(ticking());
    // Positions 1 to 4, and the same again many times over in another topic: so that it is there and long ago.
    let first =
        [("a", "Opened", &["x", "y"][..]), ("b", "Opened", &["x"]), ("a", "Closed", &["y"]), ("a", "Moved", &[])];
    store.log.append(batch(first.map(|(t, kind, tags)| tagged(t, kind, tags)).into())).await.expect("appends");
    for _ in 0..100 {
        store.log.append(batch(vec![tagged("c", "Noise", &["z"])])).await.expect("appends");
    }
    for (types, tags, last) in [
        (&["Opened"][..], &[][..], 2),
        (&["Opened", "Closed"], &[], 3),
        (&[], &["x"], 2),
        (&[], &["x", "y"], 1),
        (&["Closed"], &["y"], 3),
        (&["Closed"], &["x"], 0),
        (&["Never"], &[], 0),
        (&[], &["never"], 0),
        (&["Noise"], &["z"], 104),
        (&["Opened", "Closed", "Moved"], &["y"], 3),
    ] {
        for after in [0, last.max(1) - 1, last, last + 1, 104, u64::MAX] {
            let answer = store.log.append(batch_if(vec![], vec![none_of(types, tags, after)])).await;
            let found = match answer {
                Ok(_) => None,
                Err(AppendError::Conflict(conflicts)) => Some(conflicts[0].actual),
                Err(other) => panic!("{other}"),
            };
            assert_eq!(found, (last > after).then_some(last), "{types:?} {tags:?} after {after}");
        }
    }
    let conditions = vec![none_of(&["Moved"], &[], 3), condition("a", "s", Expected::Exists), Condition::Head(7)];
    let error = store.log.append(batch_if(vec![event("a", "s", "x")], conditions.clone())).await;
    let Err(AppendError::Conflict(conflicts)) = error else { panic!("{error:?}") };
    let found: Vec<_> = conflicts.into_iter().map(|conflict| (conflict.condition, conflict.actual)).collect();
    assert_eq!(found, conditions.into_iter().zip([4, 0, 104]).collect::<Vec<_>>(), "all that fail are told");
    assert_eq!(*store.log.head().borrow(), 104);
}

/// Thirty race for one name: who comes later must see the winner, wherever it is by then.
pub async fn of_30_concurrent_appends_that_expect_no_match_exactly_one_wins(open: Open<'_>) {
    let store = open(ticking());
    for round in 0..6u64 {
        let (name, before) = (format!("name:{round}"), *store.log.head().borrow());
        let after = if round.is_multiple_of(2) { 0 } else { before };
        let racers: Vec<_> = (0..30)
            .map(|n| {
                let claim =
                    batch_if(vec![tagged("t", "Claimed", &[&name])], vec![none_of(&["Claimed"], &[&name], after)]);
                let beside = batch(vec![tagged("t", "Claimed", &["name:other"])]);
                let log = store.log.clone();
                tokio::spawn(async move {
                    if n % 3 == 0 {
                        log.append(beside).await.expect("appends");
                    }
                    log.append(claim).await
                })
            })
            .collect();
        let (mut won, mut lost_to) = (vec![], vec![]);
        for racer in racers {
            match racer.await.expect("no panic") {
                Ok(appended) => won.push(appended.places[0].position),
                Err(AppendError::Conflict(conflicts)) => lost_to.push(conflicts[0].actual),
                Err(other) => panic!("{other}"),
            }
        }
        assert!(won.len() == 1 && lost_to.len() == 29 && lost_to.iter().all(|by| *by == won[0]), "{won:?} {lost_to:?}");
    }
    assert_eq!(*store.log.head().borrow(), 6 * 11);
}

pub async fn a_head_condition_holds_at_that_head_alone(open: Open<'_>) {
    let store = open(ticking());
    for head in 0..5 {
        for wrong in [head + 1, head + 7, u64::MAX] {
            let error = store.log.append(batch_if(vec![event("t", "", "x")], vec![Condition::Head(wrong)])).await;
            let Err(AppendError::Conflict(conflicts)) = error else { panic!("{error:?}") };
            assert_eq!(conflicts[0].actual, head);
        }
        store.log.append(batch_if(vec![event("t", "", "x")], vec![Condition::Head(head)])).await.expect("appends");
    }
    let racers: Vec<_> = (0..20)
        .map(|_| {
            let log = store.log.clone();
            tokio::spawn(async move { log.append(batch_if(vec![event("t", "", "x")], vec![Condition::Head(5)])).await })
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        won += u32::from(racer.await.expect("no panic").is_ok());
    }
    assert_eq!((won, *store.log.head().borrow()), (1, 6));
}

pub async fn a_batch_with_a_known_key_is_answered_with_its_first_places(open: Open<'_>) {
    let store = open(ticking());
    let wanted = |n: u8| vec![event("t", "s", vec![n; 500]), event("u", "", "b"), event("t", "s", "c")];
    let mut first = vec![];
    for n in 0..40 {
        let appended = store.log.append(Batch { key: Some(key(n, 1)), ..batch(wanted(n)) }).await.expect("appends");
        assert!(!appended.replayed);
        first.push(appended.places);
    }
    let head = *store.log.head().borrow();
    for n in 0..40 {
        // Conditions were met then; now they count no more.
        let again = Batch { key: Some(key(n, 1)), ..batch_if(wanted(n), vec![Condition::Head(0)]) };
        let appended = store.log.append(again).await.expect("is known");
        assert_eq!(appended, Appended { places: first[n as usize].clone(), replayed: true });
        let recalled = store.log.recall(&key(n, 1).key).await.expect("looks").expect("is known");
        assert_eq!((recalled.request, recalled.places), ([1; 16], first[n as usize].clone()));
        let other = store.log.append(Batch { key: Some(key(n, 2)), ..batch(wanted(n)) }).await;
        assert!(matches!(other, Err(AppendError::KeyReused)), "{other:?}");
    }
    assert_eq!(*store.log.head().borrow(), head);
    assert_eq!(store.log.recall(&[200; 16]).await.expect("looks"), None);
    // What was refused, or had no events, has not used its key.
    let refused = Batch { key: Some(key(90, 1)), ..batch_if(wanted(0), vec![Condition::Head(0)]) };
    assert!(matches!(store.log.append(refused).await, Err(AppendError::Conflict(_))));
    store.log.append(Batch { key: Some(key(90, 2)), ..Batch::default() }).await.expect("nothing to do");
    assert_eq!(store.log.recall(&[90; 16]).await.expect("looks"), None);
    let appended = store.log.append(Batch { key: Some(key(90, 3)), ..batch(wanted(0)) }).await.expect("appends");
    assert!(!appended.replayed);
}

pub async fn of_20_concurrent_batches_with_one_key_exactly_one_is_appended(open: Open<'_>) {
    let store = open(ticking());
    for round in 0..5u8 {
        let racers: Vec<_> = (0..20u8)
            .map(|n| {
                let request = if n < 15 { 1 } else { 2 };
                let wanted = vec![event("t", "s", "a"), event("t", "s", "b")];
                let (log, batch) = (store.log.clone(), Batch { key: Some(key(round, request)), ..batch(wanted) });
                tokio::spawn(async move { (request, log.append(batch).await) })
            })
            .collect();
        let (mut places, mut first, mut reused) = (vec![], 0, 0);
        for racer in racers {
            match racer.await.expect("no panic") {
                (request, Ok(appended)) => {
                    first += u32::from(!appended.replayed);
                    places.push((request, appended.places));
                }
                (_, Err(AppendError::KeyReused)) => reused += 1,
                (_, Err(other)) => panic!("{other}"),
            }
        }
        assert!(places.iter().all(|answer| *answer == places[0]), "{places:?}");
        assert_eq!((first, places.len() + reused), (1, 20));
        assert_eq!(*store.log.head().borrow(), u64::from(round) * 2 + 2);
    }
}

pub async fn a_topics_hash_covers_its_events_and_their_order(open: Open<'_>) {
    let still = || -> crate::storage::Clock { Arc::new(|| 5_000) };
    let events = || vec![event("t", "s", "a"), event("t", "s", "b"), event("u", "", "c"), event("t", "", "d")];
    let hash = async |order: [usize; 4], payload: &'static str| {
        let store = open(still());
        assert_eq!(store.log.tip(&topic("t")), Tip::default());
        for n in order {
            let mut event = events().swap_remove(n);
            if n == 3 {
                event.payload = Payload::Bytes(payload.into());
            }
            store.log.append(batch(vec![event])).await.expect("appends");
        }
        assert_eq!(store.log.tip(&topic("t")).sequence, 3);
        store.log.tip(&topic("t")).hash
    };
    let first = hash([0, 1, 2, 3], "d").await;
    assert_eq!(first, hash([0, 1, 2, 3], "d").await, "the same events give the same hash");
    assert_ne!(first, hash([1, 0, 2, 3], "d").await);
    assert_ne!(first, hash([0, 1, 2, 3], "e").await);
}

pub async fn verifying_counts_all_events_and_gives_the_tips(open: Open<'_>) {
    let store = open(ticking());
    for n in 0..200u32 {
        let name = if n.is_multiple_of(3) { "t" } else { "u" };
        let new = NewEvent { tags: vec![tag("a"), tag("b"), tag("a")], ..event(name, "s", vec![b'x'; 300]) };
        store.log.append(batch(vec![new])).await.expect("appends");
    }
    let (seen, told) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (last, calls) = (seen.clone(), told.clone());
    let progress = move |progress: crate::storage::Progress| {
        last.store(progress.position, Ordering::Relaxed);
        calls.fetch_add(1, Ordering::Relaxed);
    };
    let verified = store.log.verify(Arc::new(progress)).await.expect("looks");
    assert_eq!((verified.events, verified.damage), (200, None));
    let tips = ["t", "u"].map(|name| (topic(name), store.log.tip(&topic(name))));
    assert_eq!(verified.topics, tips);
    assert!(seen.load(Ordering::Relaxed) == 200 && told.load(Ordering::Relaxed) > 0);
}
