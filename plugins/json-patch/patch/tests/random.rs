//! Random documents: a difference leads from one to the other, whatever they are, and the size of a document is known.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use weir_json_patch::{Document, Json, Object, Patch, difference, merged};

const ROUNDS: u64 = 3_000;

/// A value with few names and few values, so that two of them have much in common.
fn value(random: &mut StdRng, depth: usize) -> Json {
    match random.random_range(0..if depth == 0 { 4 } else { 8 }) {
        0 => Json::Null,
        1 => Json::Bool(random.random_bool(0.5)),
        2 => Json::read(["1", "1.0", "-2e3"][random.random_range(0..3)]).expect("a number"),
        3 => Json::from(["", "a/b", "x~y\n"][random.random_range(0..3)]),
        4 | 5 => Json::Array((0..random.random_range(0..7)).map(|_| value(random, depth - 1)).collect()),
        _ => {
            let names = ["", "a", "b", "m~/n", "é\""];
            let names = names.iter().filter(|_| random.random_bool(0.5)).collect::<Vec<_>>();
            Json::Object(Object::of(names.into_iter().map(|name| ((*name).into(), value(random, depth - 1))).collect()))
        }
    }
}

/// The same value, changed here and there.
fn changed(random: &mut StdRng, old: &Json) -> Json {
    if random.random_bool(0.1) {
        return value(random, 2);
    }
    match old {
        Json::Array(items) => {
            let mut items: Vec<Json> = items.iter().map(|item| changed(random, item)).collect();
            if random.random_bool(0.3) {
                items.insert(random.random_range(0..=items.len()), value(random, 1));
            }
            if random.random_bool(0.3) && !items.is_empty() {
                items.remove(random.random_range(0..items.len()));
            }
            Json::Array(items)
        }
        Json::Object(members) => {
            let kept: Vec<_> = members.iter().filter(|_| random.random_bool(0.9)).collect();
            let kept = kept.into_iter().map(|(name, value)| (name.clone(), changed(random, value)));
            Json::Object(Object::of(kept.collect()))
        }
        other => other.clone(),
    }
}

#[track_caller]
fn patched(old: &Json, patch: Patch) -> Json {
    let document = Document::new(old.clone()).expect("a small document");
    let shown = patch.to_string();
    let document = document.patched(patch).unwrap_or_else(|error| panic!("{old}, {shown}: {error}"));
    assert_eq!(document.bytes(), document.to_string().len(), "{old}, {shown}");
    document.json().expect("a document").clone()
}

#[test]
fn a_difference_leads_from_one_document_to_the_other() {
    for seed in 0..ROUNDS {
        let mut random = StdRng::seed_from_u64(seed);
        let old = value(&mut random, 4);
        for new in [changed(&mut random, &old), value(&mut random, 4)] {
            let patch = difference(&old, &new);
            assert_eq!(patch.0.is_empty(), old == new);
            let much = 4 * (new.to_string().len() + 40) + 20;
            assert!(patch.to_string().len() <= much, "{old} to {new}: {patch}");
            let read = Patch::read(Json::read(&patch.to_string()).expect("JSON")).expect("a patch");
            assert_eq!(read, patch);
            assert_eq!(patched(&old, patch), new, "{old}, seed {seed}");
        }
    }
}

#[test]
fn operations_keep_the_size_of_the_document() {
    let operation = |random: &mut StdRng| {
        let paths = ["", "/a", "/b", "/a/0", "/a/-", "/b/1", "/a/a", "/m~0~1n", "/b/m~0~1n/0", "/0", "/-"];
        let (path, from) = (paths[random.random_range(0..paths.len())], paths[random.random_range(0..paths.len())]);
        let value = value(random, 2);
        let op = ["add", "remove", "replace", "move", "copy"][random.random_range(0..5)];
        format!(r#"[{{"op":"{op}","path":"{path}","from":"{from}","value":{value}}}]"#)
    };
    let mut applied = 0;
    for seed in 0..ROUNDS {
        let mut random = StdRng::seed_from_u64(seed);
        let mut document = Document::new(value(&mut random, 4)).expect("a small document");
        for _ in 0..20 {
            let text = operation(&mut random);
            let patch = Patch::read(Json::read(&text).expect("JSON")).expect("a patch");
            if let Ok(patched) = document.clone().patched(patch) {
                assert_eq!(patched.bytes(), patched.to_string().len(), "{document}, {text}");
                (document, applied) = (patched, applied + 1);
            }
        }
    }
    assert!(applied > ROUNDS, "only {applied} operations could be applied");
}

#[test]
fn a_merge_patch_of_a_document_without_nulls_makes_that_document_of_nothing() {
    fn has_null(json: &Json) -> bool {
        match json {
            Json::Null => true,
            Json::Object(members) => members.iter().any(|(_, value)| has_null(value)),
            _ => false,
        }
    }
    for seed in 0..ROUNDS {
        let new = value(&mut StdRng::seed_from_u64(seed), 3);
        if !has_null(&new) {
            assert_eq!(merged(None, new.clone()), new);
        }
    }
}
