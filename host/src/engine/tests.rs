//! Random histories: whoever follows, from wherever and at whatever pace, gets what a read gives afterwards.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Engine, Follower, Found, Live, NewTopic, Selection, Start, Target};
use crate::model::{Event, EventId, EventType, Filter, Form, NewEvent, Payload, StreamName, TopicName, limits};
use crate::plugin::tests::house::House;
use crate::storage::contract::dice::Dice;
use crate::storage::contract::ticking;
use crate::storage::{Batch, memory};

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).expect("a topic")
}

fn kind(name: &str) -> EventType {
    EventType::parse(name).expect("a type")
}

/// An engine on memory alone, with topics `a` and `b`.
async fn engine() -> (Arc<Engine>, House) {
    let (house, clock) = (House::new().await, ticking());
    let engine =
        Engine::open(vec![memory::open(clock.clone())], house.plugins.clone(), clock).await.expect("an engine");
    for name in ["a", "b"] {
        engine.create_topic(topic(name), NewTopic::default()).await.expect("a topic");
    }
    (engine, house)
}

/// Publishes in batches of every size, some larger than what is kept at hand for followers.
async fn publish(engine: Arc<Engine>, name: &'static str, seed: u64, rounds: usize) {
    let mut dice = Dice::new(seed);
    for _ in 0..rounds {
        let count = if dice.chance(12) { limits::LIVE_EVENTS_MAX as u64 + dice.below(200) } else { 1 + dice.below(3) };
        let event = |_| NewEvent {
            topic: topic(name),
            stream: StreamName::parse(["s", "t"][dice.below(2) as usize]).ok(),
            event_type: kind(["often", "often", "seldom"][dice.below(3) as usize]),
            payload: Payload::Json("{}".into()),
            tags: Vec::new(),
            metadata: Vec::new(),
        };
        engine.publish(Batch { events: (0..count).map(event).collect(), ..Batch::default() }).await.expect("published");
        if dice.chance(3) {
            tokio::time::sleep(Duration::from_micros(dice.below(900))).await;
        }
    }
}

fn wish(dice: &mut Dice) -> (Target, Selection) {
    let stream = || StreamName::parse("s").expect("a stream");
    let target = match dice.below(4) {
        0 => Target::Store(None),
        1 => Target::Topic(topic("a"), None),
        2 => Target::Topic(topic("a"), Some(stream())),
        _ => Target::Stream(topic("a"), stream()),
    };
    let start = match dice.below(3) {
        0 => Start::Edge,
        1 => Start::At(1 + dice.below(300)),
        _ => Start::After(EventId { topic: topic("a"), sequence: 1 }),
    };
    let types = if dice.chance(2) { vec![kind("seldom")] } else { vec![] };
    let form = if dice.chance(2) { Form::Stored } else { Form::Current };
    (target, Selection { start, filter: Filter { types, ..Filter::default() }, form, ..Selection::default() })
}

/// What a follower gets until it has caught up after the last publish.
/// `done` is the last position, once it is known.
async fn follow(mut follower: Follower, seed: u64, done: watch::Receiver<u64>) -> Vec<Event> {
    let (mut dice, mut found, mut told) = (Dice::new(seed), Vec::new(), 0);
    loop {
        let last = *done.borrow();
        match follower.look().await.expect("a look") {
            Found::Events(events) => found.extend(events.iter().map(|event| event.event.clone())),
            Found::CaughtUp => told += 1,
            Found::Nothing if last > 0 && follower.reached().position >= last => break,
            Found::Nothing => {
                let changed = tokio::time::timeout(Duration::from_millis(20), follower.changed()).await;
                assert_ne!(changed, Ok(false), "nobody stops it");
            }
            Found::Looked => {}
            Found::End => panic!("nothing ends here"),
        }
        if dice.chance(20) {
            tokio::time::sleep(Duration::from_millis(dice.below(8))).await;
        }
    }
    assert_eq!(told, 1, "caught up once");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_at_whatever_pace_gets_what_a_read_gives() {
    for seed in 1..=6 {
        println!("seed {seed}");
        let mut dice = Dice::new(seed);
        let (engine, _house) = engine().await;
        let (_stop, stopped) = watch::channel(false);
        let live = Live::start(engine.clone(), stopped);
        let (done, is_done) = watch::channel(0);
        // So that there is an event to begin after.
        publish(engine.clone(), "a", seed, 1).await;
        let publishers = [(engine.clone(), "a"), (engine.clone(), "b")];
        let mut publishing: JoinSet<()> =
            publishers.into_iter().map(|(engine, name)| publish(engine, name, dice.roll(), 150)).collect();
        let (mut followers, mut wishes) = (Vec::new(), Vec::new());
        for _ in 0..16 {
            let (target, selection) = wish(&mut dice);
            let follower = live.follow(&target, selection.clone()).await.expect("a follower");
            followers.push(tokio::spawn(follow(follower, dice.roll(), is_done.clone())));
            wishes.push((target, selection));
            tokio::time::sleep(Duration::from_micros(dice.below(4_000))).await;
        }
        assert_eq!(live.followers(), 16);
        while let Some(ended) = publishing.join_next().await {
            ended.expect("all is published");
        }
        done.send_replace(*engine.default_store().log.head().borrow());
        for (follower, (target, selection)) in followers.into_iter().zip(wishes) {
            let found =
                tokio::time::timeout(Duration::from_secs(30), follower).await.expect("in time").expect("followed");
            let shown = format!("{target:?} {selection:?}");
            let mut cursor = engine.read(&target, selection).await.expect("a cursor");
            let mut expected = Vec::new();
            while let Some(page) = cursor.next_page().await.expect("a page") {
                expected.extend(page);
            }
            assert!(found == expected, "{shown}: {} events, not {}", found.len(), expected.len());
            assert!(!expected.is_empty(), "{shown}");
        }
        assert_eq!(live.followers(), 0, "who is dropped is counted no more");
    }
}

#[tokio::test]
async fn a_stop_ends_followers_and_those_who_come_after_it() {
    let (engine, _house) = engine().await;
    let (stop, stopped) = watch::channel(false);
    let live = Live::start(engine.clone(), stopped);
    let target = Target::Store(None);
    let mut follower = live.follow(&target, Selection::default()).await.expect("a follower");
    while !matches!(follower.look().await.expect("a look"), Found::Nothing) {}
    stop.send_replace(true);
    assert!(!follower.changed().await);
    assert!(matches!(follower.look().await, Ok(Found::End)));
    let mut late = live.follow(&target, Selection::default()).await.expect("a follower");
    assert!(matches!(late.look().await, Ok(Found::End)) && !late.changed().await && late.is_stopped());
}

/// A server that stops lets go of the feeds as soon as the last request ended, and they may not have run since the stop.
#[tokio::test]
async fn feeds_that_are_dropped_let_go_of_their_followers() {
    let (engine, _house) = engine().await;
    let (_stop, stopped) = watch::channel(false);
    let live = Live::start(engine.clone(), stopped);
    let mut follower = live.follow(&Target::Store(None), Selection::default()).await.expect("a follower");
    drop(live);
    let changed = tokio::time::timeout(Duration::from_secs(10), follower.changed()).await;
    assert_eq!(changed, Ok(false));
    assert!(matches!(follower.look().await, Ok(Found::End)));
}
