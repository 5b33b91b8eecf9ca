//! Stories of documents: every command, and what it is refused for.

use weir_json_patch::limits::{DOCUMENT_BYTES_MAX, DOCUMENT_DEPTH_MAX, PATCH_OPERATIONS_MAX};
use weir_plugin_sdk::testing::{Case, Decided, command, decider, new_event, stream_event};
use weir_plugin_sdk::{Command, Decider, Event, NewEvent, NoConfig, Payload, Problem, Rejection};

use crate::JsonPatch;

fn story() -> Case<JsonPatch, Decided> {
    decider::<JsonPatch>()
}

/// A story of a document that is there.
fn of(document: &str) -> Case<JsonPatch, Decided> {
    story().when(send("create", document))
}

fn send(name: &str, payload: &str) -> Command {
    command(name, "cats", "tom", payload)
}

fn made(event_type: &str, patch: &str) -> [NewEvent; 1] {
    [new_event("cats", event_type, &format!(r#"{{"patch":{patch}}}"#)).in_stream("tom")]
}

fn happened(event_type: &str, patch: &str) -> Event {
    stream_event("cats", "tom", 7, event_type, &format!(r#"{{"patch":{patch}}}"#))
}

/// The only problem of a refusal.
fn refused(document: &str, name: &str, payload: &str) -> Problem {
    let document = JsonPatch::read_state(&Payload::Json(document.into())).expect("a state");
    match JsonPatch.decide(&document, &send(name, payload)) {
        Err(Rejection::Invalid(mut problems)) if problems.len() == 1 => problems.remove(0),
        Err(Rejection::Conflict(problem)) => problem,
        other => panic!("{other:?} is no refusal with one problem"),
    }
}

#[track_caller]
fn bad_patch(patch: &str, pointer: Option<&str>, message: &str) {
    let problem = refused(r#"{"a":{},"b":[1]}"#, "patch", patch);
    assert_eq!((problem.code.as_str(), problem.pointer.as_deref()), ("INVALID_PATCH", pointer), "{problem:?}");
    assert_eq!(problem.message, message);
}

#[test]
fn a_document_is_created_changed_deleted_and_created_again() {
    story()
        .then_no_state()
        .when(send("create", r#"{"name":"Tom","lives":9}"#))
        .then(made("created", r#"[{"op":"add","path":"","value":{"lives":9,"name":"Tom"}}]"#))
        .when(send("patch", r#"[{"op":"replace","path":"/lives","value":8},{"op":"add","path":"/toys","value":[]}]"#))
        .then(made("patched", r#"[{"op":"replace","path":"/lives","value":8},{"op":"add","path":"/toys","value":[]}]"#))
        .then_state(r#"{"name":"Tom","lives":8,"toys":[]}"#)
        .when(send("merge", r#"{"toys":null,"owner":{"name":"Ann"}}"#))
        .then(made(
            "patched",
            r#"[{"op":"remove","path":"/toys"},{"op":"add","path":"/owner","value":{"name":"Ann"}}]"#,
        ))
        .when(send("replace", r#"{"name":"Tom","lives":7,"owner":{"name":"Ann"}}"#))
        .then(made("patched", r#"[{"op":"replace","path":"/lives","value":7}]"#))
        .then_state(r#"{"name":"Tom","lives":7,"owner":{"name":"Ann"}}"#)
        .when(send("delete", "whatever"))
        .then(made("deleted", r#"[{"op":"remove","path":""}]"#))
        .then_no_state()
        .when(send("create", "[]"))
        .then_state("[]");
}

#[test]
fn any_json_is_a_document_null_too() {
    for document in ["null", "false", "0", r#""""#, "[]", "{}"] {
        of(document)
            .then_state(document)
            .when(send("create", document))
            .then_rejected("ALREADY_EXISTS")
            .when(send("delete", ""))
            .then_no_state();
    }
}

#[test]
fn what_changes_nothing_is_no_event() {
    let document = r#"{"a":1,"b":[1,2]}"#;
    for (name, payload) in [
        ("replace", r#"{"b":[1,2],"a":1}"#),
        ("merge", r#"{"a":1,"c":null}"#),
        ("merge", "{}"),
        ("patch", "[]"),
        ("patch", r#"[{"op":"test","path":"/a","value":1}]"#),
        ("patch", r#"[{"op":"add","path":"/c","value":1},{"op":"remove","path":"/c"}]"#),
        ("patch", r#"[{"op":"replace","path":"/a","value":1}]"#),
    ] {
        of(document).when(send(name, payload)).then([]).then_state(document);
    }
}

#[test]
fn what_is_not_there_can_only_be_created() {
    for name in ["replace", "patch", "merge", "delete"] {
        for story in [story(), of("1").when(send("delete", ""))] {
            story.when(send(name, "not JSON")).then_rejected("NOT_FOUND").then_no_state();
        }
        let refused = JsonPatch.decide(&Default::default(), &send(name, "{}")).expect_err("there is none");
        assert!(matches!(&refused, Rejection::Invalid(problems) if problems.len() == 1), "{refused:?}");
    }
    for story in [story(), of("1")] {
        story.when(send("destroy", "{}")).then_rejected("unknown-command");
    }
}

#[test]
fn creating_what_exists_is_a_conflict() {
    let refused =
        JsonPatch.decide(&JsonPatch::read_state(&Payload::Json("1".into())).expect("1"), &send("create", "2"));
    let Err(Rejection::Conflict(problem)) = refused else { panic!("{refused:?}") };
    assert_eq!(problem.message, "'tom' exists already in topic 'cats'; replace or patch it");
}

#[test]
fn a_test_that_fails_is_a_conflict_at_its_path() {
    let (document, patch) =
        (r#"{"lives":[9,8]}"#, r#"[{"op":"remove","path":"/lives/0"},{"op":"test","path":"/lives/0","value":9}]"#);
    let state = JsonPatch::read_state(&Payload::Json(document.into())).expect("a state");
    let Err(Rejection::Conflict(problem)) = JsonPatch.decide(&state, &send("patch", patch)) else {
        panic!("no conflict")
    };
    assert_eq!((problem.code.as_str(), problem.pointer.as_deref()), ("TEST_FAILED", Some("/lives/0")));
    assert_eq!(problem.message, "Operation 1 at '/lives/0': the value there is another one");
    of(document).when(send("patch", patch)).then_rejected("TEST_FAILED").then_state(document);
}

#[test]
fn a_bad_patch_is_refused_with_the_place_of_its_operation() {
    let fine = r#"{"op":"test","path":"/a","value":{}}"#;
    bad_patch("{}", None, "A patch is an array of operations, not an object");
    bad_patch("[", None, "The payload can't be read: a value is expected at byte 1");
    bad_patch(&format!("[{fine},7]"), None, "Operation 1: an operation is an object, not a number");
    bad_patch(&format!("[{fine},{{}}]"), None, "Operation 1: it has no member 'op'");
    bad_patch(r#"[{"op":7,"path":"/a"}]"#, Some("/a"), "Operation 0 at '/a': its 'op' is no string");
    bad_patch(r#"[{"op":"swap","path":"/a"}]"#, Some("/a"), "Operation 0 at '/a': there is no operation 'swap'");
    bad_patch(r#"[{"op":"remove"}]"#, None, "Operation 0: it has no member 'path'");
    bad_patch(r#"[{"op":"add","path":"/a"}]"#, Some("/a"), "Operation 0 at '/a': it has no member 'value'");
    bad_patch(r#"[{"op":"move","path":"/a"}]"#, Some("/a"), "Operation 0 at '/a': it has no member 'from'");
    let message = "Operation 0 at 'a': its 'path' is no JSON pointer: one is empty or begins with '/', and has '~0' \
                   for '~' and '~1' for '/'";
    bad_patch(r#"[{"op":"remove","path":"a"}]"#, Some("a"), message);
    bad_patch(r#"[{"op":"remove","path":"/c"}]"#, Some("/c"), "Operation 0 at '/c': there is no member 'c'");
    bad_patch(
        r#"[{"op":"add","path":"/c/d","value":1}]"#,
        Some("/c/d"),
        "Operation 0 at '/c/d': there is no member 'c'",
    );
    bad_patch(
        r#"[{"op":"remove","path":"/b/1"}]"#,
        Some("/b/1"),
        "Operation 0 at '/b/1': there is no index 1 in an array of 1",
    );
    bad_patch(r#"[{"op":"remove","path":"/b/-"}]"#, Some("/b/-"), "Operation 0 at '/b/-': '-' is no index of an array");
    bad_patch(
        r#"[{"op":"add","path":"/b/0/x","value":1}]"#,
        Some("/b/0/x"),
        "Operation 0 at '/b/0/x': a number has no members",
    );
    let into_itself = r#"[{"op":"move","from":"/a","path":"/a/b"}]"#;
    bad_patch(into_itself, Some("/a/b"), "Operation 0 at '/a/b': a value can't be moved into itself");
    let after_all = r#"[{"op":"remove","path":""},{"op":"add","path":"/a","value":1}]"#;
    bad_patch(after_all, Some("/a"), "Operation 1 at '/a': there is no document");
}

#[test]
fn a_refusal_is_short_whatever_the_patch() {
    let problem = refused("{}", "patch", &format!(r#"[{{"op":"remove","path":"/{}"}}]"#, "x".repeat(100_000)));
    assert!(
        problem.message.len() < 300 && problem.message.ends_with("x…'") && problem.pointer.is_none(),
        "{problem:?}"
    );
}

#[test]
fn a_payload_that_is_no_document_is_refused() {
    story().when(send("create", "{")).then_rejected("INVALID_DOCUMENT").then_no_state();
    of("1").when(send("replace", r#""\ud800""#)).then_rejected("INVALID_DOCUMENT").then_state("1");
    of("1").when(send("merge", "1 2")).then_rejected("INVALID_PATCH");
    let bytes = |name| Command { payload: Payload::Bytes(vec![1]), ..send(name, "") };
    story().when(bytes("create")).then_rejected("INVALID_DOCUMENT");
    of("1").when(bytes("patch")).then_rejected("INVALID_PATCH").when(bytes("delete")).then_no_state();
}

#[test]
fn a_patch_that_takes_the_document_away_deletes_it() {
    of(r#"{"a":1}"#)
        .when(send("patch", r#"[{"op":"test","path":"/a","value":1},{"op":"remove","path":""}]"#))
        .then(made("deleted", r#"[{"op":"remove","path":""}]"#))
        .then_no_state();
    of("1").when(send("patch", r#"[{"op":"remove","path":""},{"op":"add","path":"","value":2}]"#)).then_state("2");
}

#[test]
fn numbers_stay_as_they_were_written_and_are_tested_by_their_value() {
    let kept = |text: &str| {
        let state = JsonPatch::read_state(&Payload::Json(text.into())).expect("a state");
        JsonPatch::write_state(&state).expect("a state").expect("a state").as_json().map(str::to_owned)
    };
    let document = r#"{"huge":123456789012345678901234567890,"price":1.10,"tiny":1E-400,"zero":-0.0}"#;
    assert_eq!(kept(document).as_deref(), Some(document));
    let created = JsonPatch.decide(&Default::default(), &send("create", document)).expect("it is created");
    assert!(created[0].payload.as_json().is_some_and(|text| text.contains(document)), "{created:?}");

    let test =
        |path: &str, value: &str| send("patch", &format!(r#"[{{"op":"test","path":"{path}","value":{value}}}]"#));
    of(document)
        .when(test("/price", "1.1"))
        .then([])
        .when(test("/huge", "1.2345678901234567890123456789e29"))
        .then([])
        .when(test("/tiny", "0.1e-399"))
        .then([])
        .when(test("/zero", "0"))
        .then([])
        .when(test("/huge", "123456789012345678901234567891"))
        .then_rejected("TEST_FAILED")
        .when(test("", &document.replace("1.10", "11e-1")))
        .then([]);
}

#[test]
fn a_number_that_is_written_in_another_way_is_a_change() {
    of(r#"{"price":1.1}"#)
        .when(send("merge", r#"{"price":1.10}"#))
        .then(made("patched", r#"[{"op":"replace","path":"/price","value":1.10}]"#));
}

#[test]
fn a_document_that_would_be_too_large_or_deep_is_refused() {
    let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    of(&text(DOCUMENT_BYTES_MAX)).when(send("replace", "1")).then_state("1");
    story().when(send("create", &text(DOCUMENT_BYTES_MAX + 1))).then_rejected("DOCUMENT_TOO_LARGE");
    story().when(send("create", &text((1 << 20) + 1))).then_rejected("PAYLOAD_TOO_LARGE");
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    of(&nested(DOCUMENT_DEPTH_MAX)).when(send("merge", &nested(101))).then_rejected("DOCUMENT_TOO_DEEP");
    let patch = format!(r#"[{{"op":"add","path":"/0/0","value":{}}}]"#, nested(DOCUMENT_DEPTH_MAX - 1));
    of("[[]]").when(send("patch", &patch)).then_rejected("DOCUMENT_TOO_DEEP");
}

#[test]
fn a_patch_that_would_grow_without_end_is_refused() {
    let double: Vec<String> = (0..60).map(|n| format!(r#"{{"op":"copy","from":"","path":"/a{n}"}}"#)).collect();
    of(r#"{"a":"0123456789"}"#)
        .when(send("patch", &format!("[{}]", double.join(","))))
        .then_rejected("DOCUMENT_TOO_LARGE");
    let many = vec![r#"{"op":"test","path":"","value":1}"#; PATCH_OPERATIONS_MAX + 1];
    of("1")
        .when(send("patch", &format!("[{}]", many.join(","))))
        .then_rejected("PATCH_TOO_LONG")
        .when(send("patch", &format!("[{}]", many[1..].join(","))))
        .then([]);
}

#[test]
fn events_that_others_made_are_applied() {
    let bytes = Event { payload: Payload::Bytes(vec![0]), ..happened("renamed", "") };
    story()
        .given([
            happened(
                "created",
                r#"[{"op":"add","path":"","value":{"a":[1]},"by":"import"},{"op":"copy","from":"/a","path":"/b"}]"#,
            ),
            stream_event("cats", "tom", 8, "renamed", "what is this"),
            bytes,
            happened(
                "patched",
                r#"[{"op":"move","from":"/a/0","path":"/a/-"},{"op":"test","path":"/a","value":[1.0]}]"#,
            ),
        ])
        .then_state(r#"{"a":[1],"b":[1]}"#)
        .given([happened("patched", r#"[{"op":"remove","path":""}]"#)])
        .then_no_state()
        .given([happened("patched", r#"[{"op":"add","path":"","value":1}]"#), happened("deleted", "7")])
        .then_no_state();
}

#[test]
fn an_event_that_cannot_be_applied_is_named() {
    let plugin = JsonPatch::init(NoConfig {}).expect("no config");
    for (event, reason) in [
        (happened("patched", r#"[{"op":"remove","path":"/a"}]"#), "operation 0 at '/a': there is no document"),
        (happened("patched", "{}"), "a patch is an array of operations, not an object"),
        (stream_event("cats", "tom", 7, "created", r#"{"name":"Tom"}"#), "its payload has no member 'patch'"),
        (
            stream_event("cats", "tom", 7, "created", "{"),
            "its payload can't be read: a member's name is expected at byte 1",
        ),
        (Event { payload: Payload::Bytes(vec![]), ..happened("created", "") }, "its payload is bytes, not JSON"),
    ] {
        let problem = plugin.evolve(Default::default(), &event).expect_err("it can't be applied");
        assert_eq!(problem.code, "patch-not-applicable");
        let expected = format!("The event cats-7 ('{}', stream 'tom') can't be applied: {reason}", event.event_type);
        assert_eq!(problem.message, expected);
    }
}

#[test]
fn a_state_that_is_none_is_named() {
    for kept in [Payload::Bytes(vec![1]), Payload::Json("{".into())] {
        assert_eq!(JsonPatch::read_state(&kept).expect_err("no state").code, "state-unexpected");
    }
}
