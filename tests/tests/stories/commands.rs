//! The commands of the program: `publish`, `tail` and `import`, over the API of a running server.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::{schema, server};

fn weir(base: &str, args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_weir-under-test"))
        .args(args)
        .env("EVENT_STORE_BASE_URL", base)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("written");
    child.wait_with_output().expect("it ends")
}

fn good(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn bad(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_published_with_all_its_parts_and_tailed() {
    let server = server().await;
    let base = server.client.base.as_str();
    let args = [
        "publish",
        "default",
        "made",
        "{ \"a\" : 1 }",
        "--stream",
        "s:1",
        "--expected-version",
        "none",
        "--tag",
        "x",
        "--metadata",
        "by=me",
    ];
    assert!(good(&weir(base, &args, "")).contains("default-1"));
    assert!(bad(&weir(base, &args, "")).contains("expected none"), "a conflict is told");
    good(&weir(base, &["publish", "default", "other"], "{\"b\":2}"));
    let tailed = good(&weir(base, &["tail", "default", "--no-follow"], ""));
    let lines: Vec<Value> = tailed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["tags"], &lines[0]["metadata"], &lines[0]["version"]),
        (&json!(["x"]), &json!({"by": "me"}), &json!(1))
    );
    assert!(tailed.contains("{ \"a\" : 1 }"), "the payload is as it was typed");
    let last = good(&weir(base, &["tail", "default", "--no-follow", "--since", "default-1"], ""));
    assert_eq!(last.lines().count(), 1);
    assert!(bad(&weir(base, &["publish", "default", "made", "{"], "")).contains("not JSON"));
    assert!(bad(&weir(base, &["tail", "nowhere", "--no-follow"], "")).contains("Topic 'nowhere' not found"));
    assert!(bad(&weir("http://127.0.0.1:9", &["tail", "default"], "")).contains("no server answers"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_imported_and_an_error_names_its_line_and_how_to_go_on() {
    let server = server().await;
    let base = server.client.base.as_str();
    server.client.post("/topics", json!({"name": "t1", "schemas": [schema("t")]})).await.ok(201);
    let line = |n: Value| format!("{}\n", json!({"topic": "t1", "type": "t", "payload": {"n": n}}));
    let file: String = (1..=1_234).map(|n| line(json!(n))).collect();
    assert_eq!(good(&weir(base, &["import", "-"], &file)), "1234 events published\n");
    assert_eq!(server.client.events("t1").await.len(), 1_234);

    let file: String = (1..=5).map(|n| line(if n == 4 { json!("x") } else { json!(n) })).collect();
    let error = bad(&weir(base, &["import", "-", "--batch", "2"], &file));
    assert!(
        error.contains("lines 3 to 4") && error.contains("--skip 2") && error.contains("Validation failed"),
        "{error}"
    );
    assert_eq!(server.client.events("t1").await.len(), 1_236);
    assert!(bad(&weir(base, &["import", "-"], "{\"topic\":\n")).contains("line 1"));

    let args = ["import", "-", "--topic", "default", "--type", "row"];
    assert_eq!(good(&weir(base, &args, "{\"a\":1}\n\n{\"a\":2}\n")), "2 events published\n");
    assert_eq!(server.client.events("default").await[1]["payload"], json!({"a": 2}));
}

/// Another server with the same events, made from a file of either form.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_can_be_imported_elsewhere_without_loss() {
    let from = server().await;
    let api = &from.client;
    api.post("/topics", json!({"name": "t", "schemas": [schema("made")]})).await.ok(201);
    for first in [0, 400, 800] {
        let event = |n: u64| {
            json!({"topic": "t", "type": "made", "payload": {"n": n}, "stream": format!("s:{}", n % 3),
                   "tags": ["a b", "c"], "metadata": {"by": "me", "weird key": "ü"}})
        };
        api.post("/events", json!((first..first + 400).map(event).collect::<Vec<_>>())).await.ok(201);
    }
    api.post("/streams/raw", json!({"type": "raw", "data": "AP8="})).await.ok(200);
    let all = api.get("/events").await.ok(200)["events"].clone();
    let dir = tempfile::tempdir().expect("a directory");
    for format in ["ndjson", "cloudevents"] {
        let file = dir.path().join(format).display().to_string();
        let exported = weir(&api.base, &["export", &file, "--format", format], "");
        assert!(String::from_utf8_lossy(&exported.stderr).contains("1201 events exported"), "{exported:?}");
        assert!(bad(&weir(&api.base, &["export", &file], "")).contains("cannot make"), "nothing is written over");
        let into = server().await;
        into.client.post("/topics", json!({"name": "t", "schemas": [schema("made")]})).await.ok(201);
        assert!(good(&weir(&into.client.base, &["import", &file, "--format", format], "")).contains("1201 events"));
        let copied = into.client.get("/events").await.ok(200)["events"].clone();
        let (all, copied) = (all.as_array().expect("a list"), copied.as_array().expect("a list"));
        assert_eq!(all.len(), copied.len());
        for (event, copy) in all.iter().zip(copied) {
            for part in ["id", "type", "payload", "data", "stream", "version", "tags", "position"] {
                assert_eq!(event[part], copy[part], "{format}: {part} of {event}");
            }
            for (key, value) in event["metadata"].as_object().into_iter().flatten() {
                assert_eq!(copy["metadata"][key], *value, "{format}: {key} of {event}");
            }
        }
    }
    let batch = std::fs::read_to_string(dir.path().join("cloudevents")).expect("readable");
    let batch: Vec<Value> = serde_json::from_str(&batch).expect("a batch of CloudEvents is a JSON array");
    assert!(batch.len() == 1_201 && batch.iter().all(|event| event["specversion"] == "1.0"));
}
