//! The same plugins in Rust, TypeScript, Python and C: they give the same answers, byte for byte, every time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use weir::model::{Event, EventType, NewEvent, Payload, StreamName, TopicName};
use weir::plugin::{MemoryView, Sidecar, Verdict, Workbench, Workpiece};
use weir_tests::eventually;

use crate::hostile::Silence;
use crate::server;

const LANGUAGES: [&str; 4] = ["rust", "ts", "python", "c"];

fn file(language: &str, kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../plugins/examples/dist/{language}-{kind}.wasm"))
}

fn bytes(language: &str, kind: &str) -> Vec<u8> {
    let command = if language == "rust" { "plugins" } else { "examples" };
    std::fs::read(file(language, kind))
        .unwrap_or_else(|_| panic!("no {language}-{kind}.wasm; run `cargo xtask {command}`"))
}

/// Compiled code is kept between runs: Python's takes seconds.
fn bench() -> Workbench {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("languages-cache");
    Workbench::new(&dir, dir.join("secrets"), Arc::new(Silence)).expect("a workbench")
}

async fn load(bench: &Workbench, language: &str, kind: &str, sidecar: &str) -> Workpiece {
    let sidecar = Sidecar::parse("example.toml", sidecar).expect("a side-car");
    bench.load("example", bytes(language, kind), sidecar).await.unwrap_or_else(|error| panic!("{language} {error}"))
}

const PAYLOADS: [&str; 14] = [
    r#"{"amount":10}"#,
    r#"{"amount":10.5}"#,
    r#"{"amount":0}"#,
    r#"{"amount":-3}"#,
    r#"{"amount":101}"#,
    r#"{"amount":"10"}"#,
    r#"{"amount":null}"#,
    r#"{"other":{"amount":5}}"#,
    r#"{"amount":1,"amount":7}"#,
    r#"{"text":"\"amount\":9","amount":8}"#,
    r#"{"\u0061mount":6}"#,
    r#"{"amount":1e2}"#,
    r#"[1]"#,
    r#"  { "amount" : 9007199254740991 }  "#,
];

fn events() -> Vec<Event> {
    let streams = [Some("a"), Some("b:1/x"), None, Some("a"), None, Some("c")];
    let event = |(index, payload): (usize, &&str)| Event {
        position: 10 + index as u64,
        topic: TopicName::parse("payments").expect("a topic"),
        sequence: 1 + index as u64,
        stream: streams[index % streams.len()]
            .map(|name| (StreamName::parse(name).expect("a stream"), 1 + index as u64)),
        event_type: EventType::parse("payment-made").expect("a type"),
        time_ms: 5,
        payload: Payload::Json(payload.to_string().into()),
        tags: Vec::new(),
        metadata: vec![("actor".into(), "ann".into())],
    };
    let mut events: Vec<Event> = PAYLOADS.iter().enumerate().map(event).collect();
    events[3].payload = Payload::Bytes(vec![0, 159, 146, 150].into());
    events
}

fn asked_for(event: &Event) -> NewEvent {
    let Event { topic, event_type, payload, tags, metadata, .. } = event.clone();
    NewEvent { topic, stream: None, event_type, payload, tags, metadata }
}

#[tokio::test(flavor = "multi_thread")]
async fn validators_of_all_languages_give_the_same_verdicts() {
    let bench = bench();
    let events: Vec<_> = events().iter().map(asked_for).collect();
    let batch: Vec<_> = events.iter().collect();
    for config in ["", "config.max = 100\n"] {
        let mut all: Vec<Vec<Verdict>> = Vec::new();
        for language in LANGUAGES {
            let piece = load(&bench, language, "validator", config).await;
            let validator = piece.validator().expect("a validator");
            let verdicts = validator.validate(&[], &batch).await.expect("verdicts");
            assert_eq!(validator.validate(&[], &batch).await.expect("verdicts"), verdicts, "{language}, again");
            all.push(verdicts);
        }
        for (language, verdicts) in LANGUAGES.iter().zip(&all) {
            assert_eq!(verdicts, &all[0], "{language}, with '{config}'");
        }
        let codes = all[0].iter().map(|verdict| match verdict {
            Verdict::Accept => "accept",
            Verdict::Reject(why) => why[0].code.as_str(),
            Verdict::Replace(_) => "replace",
        });
        let large = if config.is_empty() { "accept" } else { "too-large" };
        let expected = [
            "accept",
            "accept",
            "not-positive",
            "no-amount",
            large,
            "no-amount",
            "no-amount",
            "no-amount",
            "accept",
            "accept",
            "accept",
            "accept",
            "no-amount",
            large,
        ];
        assert_eq!(codes.collect::<Vec<_>>(), expected);
    }
    for language in LANGUAGES {
        let sidecar = Sidecar::parse("example.toml", "config.max = \"many\"\n").expect("a side-car");
        let refused = bench.load("example", bytes(language, "validator"), sidecar).await.err();
        let reason = refused.unwrap_or_else(|| panic!("{language} took a wrong config")).to_string();
        assert!(reason.starts_with("refused its config: ") && reason.contains("max"), "{language}: {reason}");
    }
}

/// Every language, twice, in two instances, in one batch and in many: the same bytes.
#[tokio::test(flavor = "multi_thread")]
async fn projections_of_all_languages_give_the_same_views() {
    let bench = bench();
    let events = events();
    let mut views = Vec::new();
    for language in LANGUAGES {
        for size in [events.len(), events.len(), 1, 3] {
            let piece = load(&bench, language, "projection", "").await;
            let projection = piece.projection().expect("a projection");
            assert!(projection.has_queries());
            let mut view = MemoryView::default();
            for batch in events.chunks(size) {
                let applied = projection.apply(Arc::new(view.clone()), batch).await;
                let writes = applied.unwrap_or_else(|error| panic!("{language}: {error}")).expect("no problem");
                view = view.after(writes);
            }
            let mut answers = Vec::new();
            let two: &[_] = &[("stream", "c"), ("other", "x"), ("stream", "none")];
            for (query, params) in
                [("count", &[][..]), ("total", &[]), ("nonsense", &[]), ("count", two), ("total", two)]
            {
                answers.push(projection.query(Arc::new(view.clone()), query, params).await.expect("an answer"));
            }
            views.push((format!("{language}, {size} a batch"), view, answers));
        }
    }
    for (which, view, answers) in &views {
        assert_eq!((view, answers), (&views[0].1, &views[0].2), "{which}");
    }
    let (_, view, answers) = &views[0];
    let entry = |key: &str| view.0.get(key).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    assert_eq!(entry("c").as_deref(), Some(r#"{"count":2,"sum":100,"last":21}"#));
    assert_eq!(view.0.len(), 3, "{view:?}");
    assert_eq!(answers[0], Ok("3".to_owned()));
    assert_eq!(answers[3..], [Ok("1".to_owned()), Ok("100".to_owned())], "those that were asked for alone");
    assert!(matches!(&answers[2], Err(problem) if problem.message == "there is no query 'nonsense'"), "{answers:?}");
}

/// One name, four languages, one after the other, while the server runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_replaced_by_one_in_another_language() {
    let server = server().await;
    let api = &server.client;
    let publish = async |amount: i32| {
        let event = json!([{"topic": "default", "type": "payment-made", "stream": "s", "payload": {"amount": amount}}]);
        api.post("/events", event).await
    };
    assert_eq!(publish(-1).await.status, 201, "nobody looks yet");
    for (generation, language) in (1..).zip(LANGUAGES) {
        std::fs::write(server.plugins_dir().join("amounts.wasm"), bytes(language, "validator")).expect("dropped in");
        eventually("the plugin serves", 120, async || {
            let shown = api.get("/plugins/amounts").await;
            let shown = (shown.status == 200).then(|| shown.json())?;
            (shown["state"] == "active" && shown["serving"]["generation"] == generation).then_some(())
        })
        .await;
        let refused = publish(-1).await;
        assert_eq!((refused.status, &refused.json()["errors"][0]["code"]), (400, &json!("not-positive")), "{language}");
        assert_eq!(publish(1).await.status, 201, "{language}");
    }
}

/// The kinds that the examples are not of, with one behaviour in each language (tests/contract), by one file of cases.
#[tokio::test(flavor = "multi_thread")]
async fn plugins_of_every_kind_and_language_do_what_their_cases_say() {
    cases_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("contract/dist")).await;
}

/// Runs all cases of the contract's plugins in a folder.
pub async fn cases_of(components: &Path) {
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("contract");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("contract-cache");
    for kind in ["upcaster", "decider", "manager", "sink", "guard"] {
        for language in ["ts", "python", "c"] {
            let component = components.join(format!("{language}-{kind}.wasm"));
            assert!(component.is_file(), "no {language}-{kind}.wasm; run `cargo xtask examples`");
            let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_weir-under-test"));
            command.args(["plugin", "test", "--cache"]).arg(&cache).arg(&component);
            let output = command.arg(contract.join(format!("{kind}.test.toml"))).output().await.expect("it runs");
            let said = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.contains("passed"), "{language} {kind}: {said}{errors}");
        }
    }
}
