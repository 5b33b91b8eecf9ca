//! Key layouts: order, and that no name's keys lie between another's, over many names that begin alike.

use super::*;
use crate::storage::contract::dice::Dice;

const LETTERS: [&str; 4] = ["a", "b", "-", "0"];

/// Few letters and all lengths, so that names are often each other's beginnings.
fn random_name(dice: &mut Dice) -> String {
    let length = if dice.chance(6) { 190 + dice.below(11) } else { 1 + dice.below(4) };
    (0..length).map(|_| LETTERS[dice.below(4) as usize]).collect()
}

fn random_number(dice: &mut Dice) -> u64 {
    match dice.below(4) {
        0 => dice.below(3),
        1 => u64::MAX - dice.below(3),
        2 => 1 << dice.below(64),
        _ => dice.roll(),
    }
}

/// How names are ordered in keys: shorter ones first.
fn rank(name: &str) -> (usize, &str) {
    (name.len(), name)
}

fn stream_key_of(topic: &str, stream: &str, number: u64) -> Vec<u8> {
    let (topic, stream) = (TopicName::parse(topic).expect("a name"), StreamName::parse(stream).expect("a name"));
    stream_key(&topic, &stream, number)
}

/// Keys of one name, as each table makes them.
fn keys_of(name: &str, number: u64) -> [Vec<u8>; 3] {
    let topic = topic_key(&TopicName::parse(name).expect("a name"), number);
    let tag = tag_key(&Tag::parse(name).expect("a tag"), number);
    [topic, tag, type_key(&EventType::parse(name).expect("a name"), number)]
}

#[test]
fn keys_are_in_the_order_of_name_and_number() {
    let mut dice = Dice::new(21);
    for _ in 0..20_000 {
        let (a, b) = (random_name(&mut dice), random_name(&mut dice));
        let (m, n) = (random_number(&mut dice), random_number(&mut dice));
        for (of_a, of_b) in keys_of(&a, m).iter().zip(&keys_of(&b, n)) {
            assert_eq!(of_a.cmp(of_b), (rank(&a), m).cmp(&(rank(&b), n)), "{a} {m}, {b} {n}");
        }
    }
}

#[test]
fn stream_keys_are_in_the_order_of_topic_stream_and_number() {
    let mut dice = Dice::new(22);
    for _ in 0..20_000 {
        let names: Vec<_> = (0..4).map(|_| random_name(&mut dice)).collect();
        let same_topic = dice.chance(2);
        let (topic_a, topic_b) = (&names[0], if same_topic { &names[0] } else { &names[1] });
        let (m, n) = (random_number(&mut dice), random_number(&mut dice));
        let (of_a, of_b) = (stream_key_of(topic_a, &names[2], m), stream_key_of(topic_b, &names[3], n));
        let expected = (rank(topic_a), rank(&names[2]), m).cmp(&(rank(topic_b), rank(&names[3]), n));
        assert_eq!(of_a.cmp(&of_b), expected, "{names:?} {m} {n}");
    }
}

/// A scan from a name's first key to its last one meets no other name's.
#[test]
fn no_names_keys_lie_between_anothers() {
    let mut dice = Dice::new(23);
    for _ in 0..20_000 {
        let (a, b, c) = (random_name(&mut dice), random_name(&mut dice), random_name(&mut dice));
        let number = random_number(&mut dice);
        let between = |low: &[u8], key: &[u8], high: &[u8]| low <= key && key <= high;
        for ((low, key), high) in keys_of(&a, 0).iter().zip(&keys_of(&b, number)).zip(&keys_of(&a, u64::MAX)) {
            assert_eq!(between(low, key, high), a == b, "{a} {b}");
        }
        let (low, high) = (stream_key_of(&a, &b, 0), stream_key_of(&a, &b, u64::MAX));
        for (topic, stream) in [(&a, &b), (&a, &c), (&c, &b), (&b, &a)] {
            let key = stream_key_of(topic, stream, number);
            assert_eq!(between(&low, &key, &high), (topic, stream) == (&a, &b), "{a}/{b} {topic}/{stream}");
        }
    }
}

#[test]
fn the_number_of_a_key_comes_back() {
    let mut dice = Dice::new(24);
    for _ in 0..20_000 {
        let (name, number) = (random_name(&mut dice), random_number(&mut dice));
        for key in keys_of(&name, number).iter().chain([&stream_key_of(&name, &name, number)]) {
            assert_eq!(key_number(key), Some(number));
            assert_eq!(key_number(&key[..dice.below(8) as usize]), None, "shorter than a number");
        }
    }
}

#[test]
fn a_segments_file_name_gives_its_number_and_lists_in_order() {
    let mut dice = Dice::new(25);
    for _ in 0..2_000 {
        let (m, n) = (random_number(&mut dice), random_number(&mut dice));
        let (a, b) = (segment_file(Path::new("log"), m), segment_file(Path::new("log"), n));
        assert_eq!(segment_number(&a), Some((m, 0)));
        assert_eq!(segment_number(&generation_file(Path::new("log"), m, n | 1)), Some((m, n | 1)));
        assert_eq!(a.cmp(&b), m.cmp(&n));
    }
    for other in ["prepared.new", "x.seg", "1.segment", ".seg", "-1.seg"] {
        assert_eq!(segment_number(Path::new(other)), None, "{other}");
    }
}
