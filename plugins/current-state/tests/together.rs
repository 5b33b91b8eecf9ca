//! Both plugins together, and a simple model beside them: random commands go to the decider, its events to the
//! projection, and random lists must be what filtering and sorting the model gives.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value, json};
use weir_plugin_current_state::CurrentState;
use weir_plugin_json_patch::JsonPatch;
use weir_plugin_sdk::testing::{command, projection, stream_event};
use weir_plugin_sdk::{Decider, Event, Params, Projection, Queries};

const ROUNDS: u64 = 60;
const DOCUMENTS: usize = 40;
/// What stands where no value is: like an array, it is equal to nothing and sorted before everything.
static NOTHING: Value = Value::Array(Vec::new());

/// Documents by id, as serde_json has them.
type Model = BTreeMap<String, Value>;

fn pick<T: Copy>(random: &mut StdRng, of: &[T]) -> T {
    of[random.random_range(0..of.len())]
}

fn document(random: &mut StdRng) -> Value {
    let mut members = Map::new();
    let scalars =
        [json!(1), json!(2.5), json!(-3), json!(10), json!("1"), json!("b"), json!(""), json!(true), json!(null)];
    for name in ["a", "b", "c"] {
        if random.random_bool(0.8) {
            members.insert(name.into(), scalars[random.random_range(0..scalars.len())].clone());
        }
    }
    json!({"x": members, "n": random.random_range(0..4), "l": [random.random_range(0..3)]})
}

/// A command that may be refused, and what it does to the model where it is not.
fn act(random: &mut StdRng, model: &Model) -> (&'static str, String, Value, Option<Value>) {
    let id = format!("d/{:02}", random.random_range(0..DOCUMENTS));
    let new = document(random);
    let there = model.contains_key(&id);
    match pick(random, &["create", "create", "replace", "merge", "patch", "delete"]) {
        "create" => ("create", id, new.clone(), (!there).then_some(new)),
        "replace" => ("replace", id, new.clone(), there.then_some(new)),
        "delete" => ("delete", id, Value::Null, None),
        "merge" => {
            let (n, old) = (random.random_range(0..4), model.get(&id).cloned());
            let merged = old.map(|mut old| {
                old["n"] = json!(n);
                old.as_object_mut().map(|members| members.remove("l"));
                old
            });
            ("merge", id, json!({"n": n, "l": null}), merged)
        }
        _ => {
            let patch = json!([{"op": "replace", "path": "/x", "value": new["x"]}]);
            let patched = model.get(&id).cloned().map(|mut old| {
                old["x"] = new["x"].clone();
                old
            });
            ("patch", id, patch, patched)
        }
    }
}

/// A history of both: the events, and the model at their end.
fn history(random: &mut StdRng) -> (Vec<Event>, Model) {
    let (mut plugin, mut model, mut events) = (JsonPatch, Model::new(), Vec::new());
    let mut states = BTreeMap::new();
    for _ in 0..200 {
        let (name, id, payload, after) = act(random, &model);
        let state = states.remove(&id).unwrap_or_default();
        let decided = plugin.decide(&state, &command(name, "docs", &id, &payload.to_string()));
        let happened = decided.is_ok();
        let sequence = events.len() as u64 + 1;
        let new = decided.unwrap_or_default().into_iter().zip(sequence..).map(|(event, sequence)| {
            let payload = event.payload.as_json().expect("JSON").to_owned();
            stream_event("docs", &id, sequence, &event.event_type, &payload)
        });
        let new: Vec<Event> = new.collect();
        let state = new.iter().try_fold(state, |state, event| plugin.evolve(state, event)).expect("its own events");
        assert_eq!(happened, after.is_some() || name == "delete" && model.contains_key(&id), "{name} of {id}");
        match after {
            Some(after) => drop(model.insert(id.clone(), after)),
            None if happened => drop(model.remove(&id)),
            None => {}
        }
        assert_eq!(state.json().map(ToString::to_string), model.get(&id).map(ToString::to_string), "{name} of {id}");
        states.insert(id, state);
        events.extend(new);
    }
    (events, model)
}

fn at<'v>(document: &'v Value, field: &str) -> &'v Value {
    document.pointer(&format!("/{}", field.replace('.', "/"))).unwrap_or(&NOTHING)
}

fn equal(found: &Value, text: &str) -> bool {
    match found {
        Value::String(found) => found == text,
        Value::Number(found) => text.parse::<f64>().ok() == found.as_f64(),
        Value::Bool(found) => text.parse() == Ok(*found),
        Value::Null => text == "null",
        Value::Array(_) | Value::Object(_) => false,
    }
}

fn compared(found: &Value, text: &str) -> Option<Ordering> {
    match found {
        Value::String(found) => Some(found.as_str().cmp(text)),
        Value::Number(found) => found.as_f64()?.partial_cmp(&text.parse().ok()?),
        _ => None,
    }
}

fn passes(found: &Value, test: &str, text: &str) -> bool {
    match test {
        "" => equal(found, text),
        "[ne]" => !equal(found, text),
        "[in]" => text.split(',').any(|text| equal(found, text)),
        "[gt]" => compared(found, text) == Some(Ordering::Greater),
        "[lte]" => matches!(compared(found, text), Some(Ordering::Less | Ordering::Equal)),
        _ => found.as_str().is_some_and(|found| found.starts_with(text)),
    }
}

fn rank(value: &Value) -> (u8, f64, &str) {
    match value {
        Value::Null => (1, 0.0, ""),
        Value::Bool(value) => (2, f64::from(*value), ""),
        Value::Number(number) => (3, number.as_f64().expect("a number"), ""),
        Value::String(text) => (4, 0.0, text),
        _ => (0, 0.0, ""),
    }
}

fn ids(model: &Model, filters: &[(String, &str, &str)], sort: &str) -> Vec<String> {
    let allowed = |document: &Value| filters.iter().all(|(field, test, text)| passes(at(document, field), test, text));
    let mut found: Vec<(&String, &Value)> = model.iter().filter(|(_, document)| allowed(document)).collect();
    if !sort.is_empty() {
        found.sort_by(|(_, one), (_, two)| {
            sort.split(',').fold(Ordering::Equal, |order, field| {
                let name = field.trim_start_matches('-');
                let here = rank(at(one, name)).partial_cmp(&rank(at(two, name))).expect("no NaN");
                order.then(if name == field { here } else { here.reverse() })
            })
        });
    }
    found.into_iter().map(|(id, _)| id.clone()).collect()
}

#[test]
fn lists_are_what_filtering_and_sorting_all_documents_gives() {
    let mut all = 0;
    let texts = ["1", "1.0", "2.5", "b", "", "true", "null", "1,b,true", "0", "3"];
    for seed in 0..ROUNDS {
        let mut random = StdRng::seed_from_u64(seed);
        let (events, model) = history(&mut random);
        let indexes: Vec<Value> = ["x.a", "n", "l.0"]
            .iter()
            .filter(|_| random.random_bool(0.5))
            .map(|field| json!({"topic": "docs", "field": field}))
            .collect();
        let mut story = projection::<CurrentState>().config(json!({ "indexes": indexes }));
        for batch in events.chunks(random.random_range(1..80)) {
            story = story.given(batch);
        }
        let mut plugin = CurrentState::init(Default::default()).expect("no config");
        for _ in 0..40 {
            let filters: Vec<(String, &str, &str)> = (0..random.random_range(0..3))
                .map(|_| {
                    let field = pick(&mut random, &["x.a", "x.b", "n", "l.0", "x", "nothing"]);
                    let test = pick(&mut random, &["", "", "[in]", "[ne]", "[gt]", "[lte]", "[prefix]"]);
                    (field.to_owned(), test, pick(&mut random, &texts))
                })
                .collect();
            let sort = pick(&mut random, &["", "", "n", "-n", "x.a,-n", "-x.b,x.c,n", "l.0"]);
            let mut params: Vec<(String, String)> =
                filters.iter().map(|(field, test, text)| (format!("{field}{test}"), (*text).to_owned())).collect();
            params.push(("topic".into(), "docs".into()));
            params.push(("limit".into(), random.random_range(1..12).to_string()));
            if !sort.is_empty() {
                params.push(("sort".into(), sort.to_owned()));
            }
            let (asked, mut after, mut listed) = (params.clone(), None, Vec::new());
            loop {
                let place = after.take().map(|next: String| ("after".to_owned(), next));
                let params = Params::from(params.iter().cloned().chain(place).collect::<Vec<_>>());
                let answer = plugin.query("list", &params, &story.host().view()).expect("an answer");
                let answer: Value = serde_json::from_str(answer.as_json()).expect("JSON");
                for item in answer["items"].as_array().expect("items") {
                    let id = item["id"].as_str().expect("an id");
                    assert_eq!(item["state"], model[id]);
                    listed.push(id.to_owned());
                }
                let Some(next) = answer["next"].as_str() else { break };
                after = Some(next.to_owned());
            }
            all += listed.len();
            assert_eq!(listed, ids(&model, &filters, sort), "seed {seed}: {asked:?}");
        }
    }
    assert!(all > 10_000, "only {all} documents were listed");
}
