//! The cases of the public JSON Patch suite: create the document, patch it, look at the state.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use weir_plugin_json_patch::JsonPatch;
use weir_plugin_sdk::testing::{command, decider};

#[derive(Deserialize)]
struct Suite {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    comment: String,
    doc: Box<RawValue>,
    patch: Box<RawValue>,
    #[serde(default)]
    expected: Value,
    #[serde(default)]
    gone: bool,
    code: Option<String>,
}

#[test]
fn every_case_of_the_suite_ends_as_it_should() {
    let suite: Suite = serde_json::from_str(include_str!("cases.json")).expect("the cases");
    assert_eq!(suite.cases.len(), 109);
    for case in suite.cases {
        eprintln!("{}", case.comment);
        let story = decider::<JsonPatch>().when(command("create", "suite", "case", case.doc.get())).when(command(
            "patch",
            "suite",
            "case",
            case.patch.get(),
        ));
        match case.code {
            Some(code) => story.then_rejected(&code).then_state(case.doc.get()),
            None if case.gone => story.then_no_state(),
            None => story.then_state(case.expected),
        };
    }
}
