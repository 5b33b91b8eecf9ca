//! Round trips, and hostile bytes.

use super::*;
use crate::storage::contract::dice::Dice;

fn sample(dice: &mut Dice) -> NewEvent {
    let payload: Vec<u8> = (0..dice.below(300)).map(|_| dice.below(256) as u8).collect();
    NewEvent {
        topic: TopicName::parse("orders").expect("a name"),
        stream: dice.chance(2).then(|| StreamName::parse("order:17/a").expect("a name")),
        event_type: EventType::parse("Placed").expect("a name"),
        payload: if dice.chance(2) { Payload::Bytes(payload.into()) } else { Payload::Json(" {\"ä\": 1 }\n".into()) },
        tags: (0..dice.below(4)).map(|n| Tag::parse(&format!("tag ü {n}")).expect("a tag")).collect(),
        metadata: (0..dice.below(4)).map(|n| (format!("key{n}"), "v".repeat(n as usize * 200))).collect(),
    }
}

const KEYED: Keyed = Keyed { key: IdempotencyKey { key: [1; 16], request: [2; 16] }, events: 3 };

fn stored(event: &NewEvent) -> Vec<u8> {
    let mut bytes = vec![];
    let keyed = event.tags.len().is_multiple_of(2).then_some(KEYED);
    let body = encode(event, keyed, &mut bytes).expect("encodes");
    let place = Place { position: 7, sequence: 3, version: event.stream.as_ref().map(|_| 2), time_ms: 1234 };
    seal(&mut bytes, &body, &place, &[9; 32]);
    bytes
}

fn decode(bytes: &[u8]) -> Result<Event, Damage> {
    let view = View::parse(bytes)?;
    view.event(Bytes::copy_from_slice(&bytes[view.payload_at..]))
}

#[test]
fn an_event_comes_back_as_it_was() {
    let mut dice = Dice::new(1);
    for _ in 0..200 {
        let new = sample(&mut dice);
        let bytes = stored(&new);
        let view = View::parse(&bytes).expect("parses");
        assert_eq!(view.keyed, new.tags.len().is_multiple_of(2).then_some(KEYED));
        let event = decode(&bytes).expect("decodes");
        assert_eq!((event.position, event.sequence, event.time_ms), (7, 3, 1234));
        assert_eq!(event.stream, new.stream.map(|stream| (stream, 2)));
        assert_eq!((event.topic, event.event_type, event.payload), (new.topic, new.event_type, new.payload));
        assert_eq!((event.tags, event.metadata), (new.tags, new.metadata));
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    let mut dice = Dice::new(2);
    let bytes = stored(&sample(&mut dice));
    for at in 0..bytes.len() {
        assert!(View::parse(&bytes[..at]).is_err(), "cut at {at}");
        for bit in 0..8 {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << bit;
            assert!(View::parse(&bad).is_err(), "bit {bit} of byte {at}");
        }
    }
}

/// Who changes an event and its checksum still breaks the chain, whatever byte it was.
#[test]
fn a_change_that_fits_its_checksum_is_found_by_the_hash() {
    let mut dice = Dice::new(6);
    let bytes = stored(&sample(&mut dice));
    assert!(follows(&bytes, &[9; 32]) && !follows(&bytes, &[8; 32]));
    for at in (0..bytes.len()).filter(|at| !(8..12).contains(at)) {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        refit_checksum(&mut bad);
        assert!(!follows(&bad, &[9; 32]), "byte {at}");
    }
}

/// With a checksum that fits, the shape alone has to hold.
#[test]
fn bytes_with_a_right_checksum_and_a_wrong_shape_are_refused_without_a_panic() {
    let mut dice = Dice::new(3);
    let (mut refused, mut taken) = (0, 0);
    for _ in 0..20_000 {
        let mut bytes = stored(&sample(&mut dice));
        for _ in 0..1 + dice.below(4) {
            let at = dice.below(bytes.len() as u64) as usize;
            bytes[at] = if dice.chance(2) { 255 } else { dice.below(256) as u8 };
        }
        bytes.truncate(EVENT_HEADER_BYTES.max(bytes.len() - dice.below(3) as usize));
        assert!(dress_up(&mut bytes));
        match decode(&bytes) {
            Ok(_) => taken += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 1000 && taken > 1000, "both ways were tried: {refused} refused, {taken} taken");
}

#[test]
fn random_bytes_are_refused_without_a_panic() {
    let mut dice = Dice::new(4);
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..dice.below(120)).map(|_| dice.below(256) as u8).collect();
        assert!(View::parse(&bytes).is_err());
    }
}

#[test]
fn filtering_a_view_is_filtering_the_event() {
    let mut dice = Dice::new(5);
    for _ in 0..300 {
        let bytes = stored(&sample(&mut dice));
        let filter = Filter {
            types: if dice.chance(2) { vec![] } else { vec![EventType::parse("Placed").expect("a name")] },
            tags: (0..dice.below(3)).map(|n| Tag::parse(&format!("tag ü {n}")).expect("a tag")).collect(),
            time_ms: dice.chance(2).then(|| dice.below(2000)..1300),
        };
        let view = View::parse(&bytes).expect("parses");
        assert_eq!(view.matches(&filter), filter.matches(&decode(&bytes).expect("decodes")));
    }
}
