//! The targets on their corpora, as they are and mutated by dice: what a fuzzer does, without its eyes.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::*;
use crate::storage::contract::dice::{Dice, from_env};

/// Mutated inputs of one target in the ordinary tests.
const ROUNDS: u64 = 2_000;
const INPUT_BYTES_MAX: usize = 64 << 10;

fn corpus_dir(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target)
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(corpus_dir(target))
        .unwrap_or_else(|error| panic!("the corpus of {target}: {error}"))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    // For the same dice to do the same everywhere.
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("readable")).collect()
}

fn try_out(target: &str, bytes: &[u8], how: &str) {
    let input = bytes.to_vec();
    let held = catch_unwind(|| run(target, &input)).is_ok();
    assert!(held, "target {target}, {how}, input:\n{}", bytes.escape_ascii());
}

fn range(dice: &mut Dice, length: usize) -> std::ops::Range<usize> {
    let start = dice.below(length as u64 + 1) as usize;
    let most = (length - start).min(if dice.chance(4) { length } else { 8 });
    start..start + dice.below(most as u64 + 1) as usize
}

/// Something of the corpus with a few changes: bits, numbers, and pieces that are cut, doubled or from elsewhere.
fn mutated(dice: &mut Dice, corpus: &[Vec<u8>]) -> Vec<u8> {
    let pick = |dice: &mut Dice| corpus[dice.below(corpus.len() as u64) as usize].clone();
    let mut bytes = pick(dice);
    for _ in 0..1 + dice.below(6) {
        let piece = range(dice, bytes.len());
        match dice.below(8) {
            0 | 1 if !bytes.is_empty() => {
                let at = dice.below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << dice.below(8);
            }
            2 if !bytes.is_empty() => {
                let at = dice.below(bytes.len() as u64) as usize;
                bytes[at] =
                    [0, 1, 0x7f, 0x80, 0xff, b'0', b'9', b'-', b'%', b'&', b'"', b'\n'][dice.below(12) as usize];
            }
            3 => drop(bytes.drain(piece)),
            4 => {
                let copy = bytes[piece.clone()].to_vec();
                drop(bytes.splice(piece.start..piece.start, copy));
            }
            5 => {
                let other = pick(dice);
                let taken = other[range(dice, other.len())].to_vec();
                drop(bytes.splice(piece, taken));
            }
            6 => {
                let number = [0, 1, u64::from(u32::MAX), u64::MAX, 1 << 31, dice.roll()][dice.below(6) as usize];
                let width = [2, 4, 8][dice.below(3) as usize].min(bytes.len() - piece.start);
                bytes[piece.start..piece.start + width].copy_from_slice(&number.to_le_bytes()[..width]);
            }
            _ => drop(bytes.splice(piece, (0..dice.below(6)).map(|_| dice.below(256) as u8).collect::<Vec<_>>())),
        }
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

#[test]
fn no_parser_panics_on_its_corpus_or_on_mutated_bytes() {
    for (seed, (target, _)) in TARGETS.iter().enumerate() {
        let (corpus, mut dice) = (corpus(target), Dice::new(seed as u64));
        assert!(corpus.len() > 2, "{target} has a corpus");
        corpus.iter().for_each(|bytes| try_out(target, bytes, "as it is"));
        for round in 0..ROUNDS {
            try_out(target, &mutated(&mut dice, &corpus), &format!("round {round}"));
        }
    }
}

/// A corpus of another format would look at little.
#[test]
fn the_corpora_hold_what_is_taken() {
    let taken =
        |target: &str, takes: &dyn Fn(&[u8]) -> bool| corpus(target).iter().filter(|bytes| takes(bytes)).count();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    assert!(taken("event", &|bytes| storage::fuzzing::is_event(bytes)) > 2);
    assert!(taken("gap", &|bytes| storage::fuzzing::is_gap(bytes)) > 2);
    assert!(taken("group", &|bytes| storage::fuzzing::is_group(bytes)) > 0);
    assert!(taken("event_id", &|bytes| EventId::parse(&text(bytes)).is_some()) > 1);
    assert!(taken("sidecar", &|bytes| plugin::Sidecar::parse("x", &text(bytes)).is_ok()) > 2);
}

#[test]
#[ignore = "the long form: cargo xtask fuzz"]
fn many_mutated_bytes_make_no_parser_panic() {
    let (seconds, seed) = (from_env("WEIR_FUZZ_SECONDS", 60), from_env("WEIR_FUZZ_SEED", 1));
    let wanted = std::env::var("WEIR_FUZZ_TARGET").ok();
    let targets: Vec<_> = TARGETS.iter().filter(|(name, _)| wanted.as_deref().is_none_or(|w| w == *name)).collect();
    assert!(!targets.is_empty(), "there is no target {wanted:?}");
    for (target, _) in &targets {
        let (corpus, mut dice, mut rounds) = (corpus(target), Dice::new(seed), 0u64);
        let end = Instant::now() + Duration::from_secs(seconds) / targets.len() as u32;
        while Instant::now() < end {
            try_out(target, &mutated(&mut dice, &corpus), &format!("seed {seed}, round {rounds}"));
            rounds += 1;
        }
        println!("{target}: {rounds} inputs");
    }
}

/// After a change of a stored format: `cargo test -p weir --lib fuzzing::tests::write -- --ignored`.
#[test]
#[ignore = "writes the files of fuzz/corpus that are no text"]
fn write_the_corpora_of_stored_bytes() {
    for (target, name, bytes) in storage::fuzzing::samples() {
        let dir = corpus_dir(target);
        fs::create_dir_all(&dir).expect("a directory");
        fs::write(dir.join(name), bytes).expect("writes");
    }
    let components = [
        ("empty", "(component)"),
        ("core", "(module)"),
        ("nested", r#"(component (import "y" (instance $y)) (component) (export "x" (instance $y)))"#),
    ];
    for (name, text) in components {
        let bytes = wat::parse_str(text).expect("a component's text");
        fs::create_dir_all(corpus_dir("component")).expect("a directory");
        fs::write(corpus_dir("component").join(name), bytes).expect("writes");
    }
}
