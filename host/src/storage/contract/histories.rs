//! Random histories, read in every way, against a plain list of events.

use super::dice::Dice;
use super::{Open, batch, event, kind, stream, tag, ticking, topic};
use crate::model::{Direction, Event, Filter, NewEvent, Page, Read, Scope};
use crate::storage::{EventLog, Place};

const TOPICS: [&str; 3] = ["a", "ab", "orders"];
const STREAMS: [&str; 5] = ["", "1", "2", "12", "x:y/z"];
const KINDS: [&str; 3] = ["Placed", "Paid", "Sent"];
const TAGS: [&str; 3] = ["order:1", "order:2", "red"];

pub async fn random_histories_read_as_a_plain_list_says(open: Open<'_>) {
    for seed in 0..20 {
        let mut dice = Dice::new(seed);
        let store = open(ticking());
        let mut history = History::default();
        for _ in 0..30 {
            let events = random_batch(&mut dice);
            let places = store.log.append(batch(events.clone())).await.expect("appends").places;
            history.record(events, &places);
        }
        let recorded = super::read_all(&*store.log, super::forward(Scope::Store, 1)).await;
        assert!(recorded.is_sorted_by_key(|event| event.time_ms));
        assert!(recorded == history.events, "seed {seed}: events are not as they were appended");
        for _ in 0..150 {
            let read = history.random_read(&mut dice);
            check(&*store.log, &history, read, seed).await;
        }
    }
}

pub fn random_batch(dice: &mut Dice) -> Vec<NewEvent> {
    (0..1 + dice.below(12)).map(|_| random_event(dice)).collect()
}

/// Types and tags, mostly few or none.
pub fn random_filter(dice: &mut Dice) -> Filter {
    Filter {
        types: KINDS.iter().filter(|_| dice.chance(4)).map(|name| kind(name)).collect(),
        tags: TAGS.iter().filter(|_| dice.chance(5)).map(|name| tag(name)).collect(),
        time_ms: None,
    }
}

fn pick<'a>(dice: &mut Dice, from: &[&'a str]) -> &'a str {
    from[dice.below(from.len() as u64) as usize]
}

fn random_event(dice: &mut Dice) -> NewEvent {
    let size = if dice.chance(30) { 6000 } else { dice.below(400) as usize };
    let (in_topic, in_stream) = (pick(dice, &TOPICS), pick(dice, &STREAMS));
    let payload = vec![dice.below(256) as u8; size];
    let tags = TAGS.iter().filter(|_| dice.chance(2)).map(|name| tag(name)).collect();
    NewEvent { event_type: kind(pick(dice, &KINDS)), tags, ..event(in_topic, in_stream, payload) }
}

/// What was recorded, as simply as can be.
#[derive(Default)]
pub struct History {
    pub events: Vec<Event>,
}

impl History {
    pub fn record(&mut self, new: Vec<NewEvent>, places: &[Place]) {
        assert_eq!(new.len(), places.len());
        for (new, place) in new.into_iter().zip(places) {
            let (topic, stream) = (&new.topic, &new.stream);
            assert_eq!(place.position, self.events.len() as u64 + 1);
            assert_eq!(place.sequence, self.count(&Scope::Topic(topic.clone())) + 1);
            let version = stream.as_ref().map(|s| self.count(&Scope::Stream(topic.clone(), s.clone())) + 1);
            assert_eq!(place.version, version);
            self.events.push(place.record(new));
        }
    }

    fn place(scope: &Scope, event: &Event) -> Option<u64> {
        match scope {
            Scope::Store => Some(event.position),
            Scope::Topic(topic) => (event.topic == *topic).then_some(event.sequence),
            Scope::Stream(topic, stream) => {
                let (own, version) = event.stream.as_ref()?;
                (event.topic == *topic && own == stream).then_some(*version)
            }
        }
    }

    fn count(&self, scope: &Scope) -> u64 {
        self.events.iter().filter(|event| Self::place(scope, event).is_some()).count() as u64
    }

    pub fn random_read(&self, dice: &mut Dice) -> Read {
        let scope = match dice.below(3) {
            0 => Scope::Store,
            1 => Scope::Topic(topic(pick(dice, &TOPICS))),
            _ => Scope::Stream(topic(pick(dice, &TOPICS)), stream(pick(dice, &STREAMS[1..]))),
        };
        let (low, high) = (900 + dice.below(150), 900 + dice.below(150));
        let filter = Filter { time_ms: dice.chance(4).then_some(low..high), ..random_filter(dice) };
        let direction = if dice.chance(2) { Direction::Forward } else { Direction::Backward };
        let from = if dice.chance(10) { u64::MAX } else { dice.below(self.count(&scope) + 3) };
        let (events_max, bytes_max) = (1 + dice.below(40) as usize, 1 + dice.below(8000) as usize);
        Read { scope, direction, from, filter, events_max, bytes_max }
    }

    /// The page that the list gives.
    fn page(&self, read: &Read) -> Page {
        let of_scope = |event: &&Event| {
            Self::place(&read.scope, event).is_some_and(|place| match read.direction {
                Direction::Forward => place >= read.from,
                Direction::Backward => place <= read.from,
            })
        };
        let mut rest: Vec<_> = self.events.iter().filter(of_scope).collect();
        if read.direction == Direction::Backward {
            rest.reverse();
        }
        let mut page = Page::default();
        let mut bytes = 0;
        for event in rest {
            if page.events.len() >= read.events_max || bytes >= read.bytes_max {
                page.next = Self::place(&read.scope, event);
                break;
            }
            if read.filter.matches(event) {
                bytes += event.payload.as_bytes().len();
                page.events.push(event.clone());
            }
        }
        page
    }
}

/// Follows a read to its end, page by page.
pub async fn check(log: &dyn EventLog, history: &History, mut read: Read, seed: u64) {
    loop {
        let (page, expected) = (log.read(&read).await.expect("a page"), history.page(&read));
        let places = |page: &Page| page.events.iter().map(|event| event.position).collect::<Vec<_>>();
        assert_eq!((places(&page), page.next), (places(&expected), expected.next), "seed {seed}, {read:?}");
        assert!(page == expected, "seed {seed}, {read:?}: an event is not as it was recorded");
        match page.next {
            Some(next) => read.from = next,
            None => break,
        }
    }
    if let Scope::Stream(topic, stream) = &read.scope {
        let head = log.stream_head(topic, stream).await.expect("a head");
        assert_eq!(head, history.count(&read.scope), "seed {seed}");
    }
}
