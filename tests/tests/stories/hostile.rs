//! Guests that misbehave, one component each: every one is contained, and named in one clear sentence.
//!
//! They are called through the plugin room itself, because that is where they are contained, for kinds that no request
//! reaches yet too. What a hostile file does to a running server is in `plugins.rs`, and to its speed in the soak.

use std::path::Path;
use std::sync::Arc;

use weir::model::{Event, EventType, NewEvent, Payload, StreamName, TopicName};
use weir::plugin::{
    Command, HttpClient, HttpError, HttpGrant, HttpRequest, HttpResponse, LoadError, MemoryView, PluginError, Refusal,
    Sidecar, Target, Timer, Workbench, Workpiece,
};

use weir_tests::scenarios::odd;

/// Small limits, so that what runs into them does so soon.
const SMALL: &str = "
    [limits]
    fuel_per_call = 100_000_000
    cpu_ms_per_call = 200
    memory_bytes_max = 33_554_432
    call_timeout_ms = 3_000
    [faults]
    per_minute = 0
";

/// Room enough to reach the limits of what a call gives back.
const ROOMY: &str = "
    [limits]
    fuel_per_call = 4_000_000_000
    memory_bytes_max = 536_870_912
    output_bytes_max = 1_048_576
";

/// A network that never answers.
pub struct Silence;

#[async_trait::async_trait]
impl HttpClient for Silence {
    async fn send(&self, _grant: &HttpGrant, _request: HttpRequest) -> Result<HttpResponse, HttpError> {
        std::future::pending().await
    }
}

pub struct Shop {
    bench: Workbench,
    _dir: tempfile::TempDir,
}

impl Shop {
    pub fn open() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        Self { bench: workbench(&dir.path().join("cache"), &dir), _dir: dir }
    }

    /// What is compiled is found by the next shop of this cache.
    pub fn keeping(cache: &Path) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        Self { bench: workbench(cache, &dir), _dir: dir }
    }

    pub async fn load(&self, file: &str, behaviour: &str, sidecar: &str) -> Result<Workpiece, LoadError> {
        let sidecar = Sidecar::parse("odd.toml", sidecar).expect("a side-car");
        self.take(odd(file, behaviour), sidecar).await
    }

    pub async fn take(&self, bytes: Vec<u8>, sidecar: Sidecar) -> Result<Workpiece, LoadError> {
        self.bench.load("odd", bytes, sidecar).await
    }
}

fn workbench(cache: &Path, dir: &tempfile::TempDir) -> Workbench {
    Workbench::new(cache, dir.path().join("secrets"), Arc::new(Silence)).expect("a workbench")
}

fn event(position: u64, event_type: &str) -> Event {
    Event {
        position,
        topic: TopicName::parse("orders").expect("a topic"),
        sequence: position,
        stream: Some((StreamName::parse("o-1").expect("a stream"), position)),
        event_type: EventType::parse(event_type).expect("a type"),
        time_ms: 1_000 * position,
        payload: Payload::Json(r#"{"by":1}"#.into()),
        tags: Vec::new(),
        metadata: vec![("actor".into(), "ann".into())],
    }
}

fn new_event() -> NewEvent {
    let Event { topic, event_type, payload, tags, metadata, .. } = event(1, "order-placed");
    NewEvent { topic, stream: None, event_type, payload, tags, metadata }
}

fn command(name: &str) -> Command {
    Command {
        id: "c-1".into(),
        name: name.into(),
        topic: TopicName::parse("orders").expect("a topic"),
        stream: StreamName::parse("o-1").expect("a stream"),
        payload: Payload::Json(r#"{"by":1}"#.into()),
        actor: None,
        tags: Vec::new(),
        metadata: Vec::new(),
        time_ms: 1,
    }
}

/// One call of the kind; what came of it, shown.
pub async fn call(piece: &Workpiece, call: &str) -> Result<String, PluginError> {
    let events = [event(1, "order-placed"), event(2, "v1")];
    let view = || Arc::new(MemoryView::default());
    let target = Target { id: "c".into(), config_json: r#"{"callback":"http://127.0.0.1:9/"}"#.into() };
    let timer = Timer { key: "o-1".into(), at_ms: 1, payload: Payload::Json("{}".into()) };
    Ok(match call {
        "validate" => {
            let (one, two) = (new_event(), new_event());
            format!("{:?}", piece.validator().expect("a validator").validate(&[], &[&one, &two]).await?)
        }
        "guard" => {
            format!("{:?}", piece.validator().expect("a validator").guard(None, &command("add")).await?)
        }
        "upcast" => format!("{:?}", piece.upcaster().expect("an upcaster").upcast(&events).await?),
        "apply" => format!("{:?}", piece.projection().expect("a projection").apply(view(), &events).await?),
        "query" => format!("{:?}", piece.projection().expect("a projection").query(view(), "count", &[]).await?),
        "evolve" => format!("{:?}", piece.decider().expect("a decider").evolve(None, &events).await?),
        "decide" => {
            let state = Payload::Json(r#"{"n":0}"#.into());
            format!("{:?}", piece.decider().expect("a decider").decide(Some(&state), &command("add")).await?)
        }
        "react" => format!("{:?}", piece.process_manager().expect("a manager").react(view(), &events).await?),
        "timer" => format!("{:?}", piece.process_manager().expect("a manager").on_timer(view(), &[timer]).await?),
        "refused" => {
            let reason = Refusal { code: "no".into(), message: "no".into(), pointer: Some("/by".into()) };
            let manager = piece.process_manager().expect("a manager");
            format!("{:?}", manager.on_refused(view(), &command("pay"), &[reason]).await?)
        }
        "check" => format!("{:?}", piece.sink().expect("a sink").check(&target).await?),
        "deliver" => format!("{:?}", piece.sink().expect("a sink").deliver(&target, &events).await?),
        other => panic!("there is no call '{other}'"),
    })
}

/// A guest, what it does, in which call, and a part of the sentence that says so.
type Case = (&'static str, &'static str, &'static str, &'static str);

/// Faults in a call: each case is a component of its own.
const FAULTS: [Case; 52] = [
    ("odd", "loop-in-validate", "validate", "used up its CPU limit"),
    ("odd", "trap-in-validate", "validate", "trapped: "),
    ("odd", "memory-in-validate", "validate", "needed more than its 33554432 bytes of memory"),
    ("odd", "stack-in-validate", "validate", "trapped: "),
    ("odd", "sleep-in-validate", "validate", "took longer than 3000 ms"),
    ("odd", "too-few", "validate", "gave a wrong answer: 0 verdicts for 1 events"),
    ("odd", "too-many", "validate", "gave a wrong answer: 2 verdicts for 1 events"),
    ("odd", "none", "validate", "gave a wrong answer: 0 verdicts for 1 events"),
    ("odd", "invalid-json", "validate", "that says it is JSON and is not"),
    ("odd-upcaster", "loop-in-upcast", "upcast", "used up its CPU limit"),
    ("odd-upcaster", "trap-in-upcast", "upcast", "trapped: "),
    ("odd-upcaster", "too-few", "upcast", "gave a wrong answer: 1 events for 2"),
    ("odd-upcaster", "too-many", "upcast", "gave a wrong answer: 3 events for 2"),
    ("odd-upcaster", "none", "upcast", "gave a wrong answer: 0 events for 2"),
    ("odd-upcaster", "reorder", "upcast", "it changed the id, place, stream or time of event orders-1"),
    ("odd-upcaster", "other-id", "upcast", "it changed the id"),
    ("odd-upcaster", "other-position", "upcast", "it changed the id"),
    ("odd-upcaster", "other-time", "upcast", "it changed the id"),
    ("odd-upcaster", "other-topic", "upcast", "it changed the id"),
    ("odd-upcaster", "other-stream", "upcast", "it changed the id"),
    ("odd-upcaster", "invalid-json", "upcast", "an event that says it is JSON and is not"),
    ("odd-upcaster", "bad-type-name", "upcast", "event type"),
    ("odd-projection", "loop-in-apply", "apply", "used up its CPU limit"),
    ("odd-projection", "trap-in-apply", "apply", "trapped: "),
    ("odd-projection", "memory-in-apply", "apply", "bytes of memory"),
    ("odd-projection", "stack-in-query", "query", "trapped: "),
    ("odd-projection", "empty-key", "apply", "went over a limit: a view's key"),
    ("odd-projection", "invalid-json-value", "apply", "a value for its view that says it is JSON and is not"),
    ("odd-projection", "put-in-query", "query", "did what it must not: it wrote to its view in a query"),
    ("odd-projection", "delete-in-query", "query", "did what it must not: it wrote to its view in a query"),
    ("odd-projection", "query-invalid-json", "query", "with something that is no JSON"),
    ("odd-decider", "loop-in-decide", "decide", "used up its CPU limit"),
    ("odd-decider", "trap-in-evolve", "evolve", "trapped: "),
    ("odd-decider", "foreign-topic", "decide", "in topic 'foreign'"),
    ("odd-decider", "foreign-stream", "decide", "stream 'foreign', for which it has no grant"),
    ("odd-decider", "invalid-json-event", "decide", "an event that says it is JSON and is not"),
    ("odd-decider", "bad-type-name", "decide", "event type"),
    ("odd-decider", "server-key", "decide", "the metadata key 'weir.plugin', which is the server's"),
    ("odd-decider", "invalid-json-state", "evolve", "a state that says it is JSON and is not"),
    ("odd-manager", "loop-in-react", "react", "used up its CPU limit"),
    ("odd-manager", "trap-in-timer", "timer", "trapped: "),
    ("odd-manager", "foreign-topic", "react", "in topic 'foreign'"),
    ("odd-manager", "execute", "react", "it sent a command to topic 'payments'"),
    ("odd-manager", "invalid-json", "react", ""),
    ("odd-manager", "timer-huge-key", "react", ""),
    ("odd-manager", "timer-empty-key", "react", ""),
    ("odd-sink", "loop-in-deliver", "deliver", "used up its CPU limit (200 ms of CPU time)"),
    ("odd-sink", "trap-in-check", "check", "trapped: "),
    ("odd-sink", "memory-in-deliver", "deliver", "bytes of memory"),
    ("odd-sink", "over-count", "deliver", "a receipt for events that it was not given"),
    ("odd-sink", "under-count", "deliver", "a receipt that says 'done' too early"),
    ("odd-sink", "sleep-in-deliver", "deliver", "took longer than 3000 ms"),
];

/// Guests with much memory and many instructions: then what they hand over is what ends them.
const TOO_MUCH: [Case; 10] = [
    ("odd", "huge-answer", "validate", "went over a limit: it handed over more than 1048576 bytes at once"),
    ("odd", "huge-problem", "validate", "went over a limit: it handed over more than 1048576 bytes at once"),
    ("odd-upcaster", "huge-answer", "upcast", "went over a limit: it handed over more than 1048576 bytes at once"),
    ("odd-projection", "huge-key", "apply", "went over a limit: it handed over more than 1048576 bytes at once"),
    ("odd-projection", "huge-value", "apply", "went over a limit: it handed over more than 1048576 bytes at once"),
    ("odd-projection", "query-huge", "query", "went over a limit: it handed over more than 1048576 bytes at once"),
    ("odd-decider", "too-many-events", "decide", "went over a limit: it handed over more than 1048576 bytes at once"),
    ("odd-decider", "huge-answer", "decide", "went over a limit: it handed over more than 1048576 bytes at once"),
    ("odd-decider", "huge-state", "evolve", "went over a limit: it handed over more than 1048576 bytes at once"),
    ("odd-manager", "many-actions", "react", "went over a limit: it handed over more than 1048576 bytes at once"),
];

/// What a guest comes to that is loaded and called once. A validator is called before it serves, so it may end there.
async fn fate(shop: &Shop, file: &str, behaviour: &str, name: &str, sidecar: &str) -> Result<String, String> {
    let piece = match shop.load(file, behaviour, sidecar).await {
        Ok(piece) => piece,
        Err(error @ LoadError::Rehearsal { .. }) => return Err(format!("plugin 'odd' {error}")),
        Err(error) => return Ok(format!("it was not loaded: {error}")),
    };
    match call(&piece, name).await {
        Ok(answer) => Ok(answer.chars().take(200).collect()),
        Err(error) if error.fault.is_the_guests() => Err(error.to_string()),
        Err(error) => Ok(error.to_string()),
    }
}

async fn all(cases: &[Case], sidecar: &str) {
    let shop = Shop::open();
    let mut wrong = Vec::new();
    for (file, behaviour, name, part) in cases {
        match fate(&shop, file, behaviour, name, sidecar).await {
            Ok(answer) => wrong.push(format!("{file} {behaviour} got through: {answer}")),
            Err(text) => {
                println!("{file} {behaviour}: {text}");
                let one_sentence = text.starts_with("plugin 'odd' ") && !text.contains('\n') && text.len() < 500;
                if !text.contains(part) || !one_sentence {
                    wrong.push(format!("{file} {behaviour}: {text}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_contained_and_said_in_one_sentence() {
    all(&FAULTS, SMALL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_of_anything_ends_at_its_limit() {
    all(&TOO_MUCH, ROOMY).await;
}

/// Clock and randomness of a pure kind are stand-ins: two instances, two runs, the same bytes. Every door is shut.
#[tokio::test(flavor = "multi_thread")]
async fn a_pure_guest_learns_nothing_of_the_world() {
    let shop = Shop::open();
    let mut answers = Vec::new();
    for _ in 0..2 {
        let piece = shop.load("odd", "world", "").await.expect("it is no fault to ask");
        for _ in 0..2 {
            answers.push(call(&piece, "validate").await.expect("verdicts"));
        }
    }
    println!("{}", answers[0]);
    assert_eq!(answers[0], answers[2]);
    // The dice are in the guest's own memory by then; the clock begins anew with each call.
    assert!(answers.iter().all(|answer| answer.contains(r#"{\"now\":0,"#)), "{answers:?}");
    assert!(answers[0].contains(r#"\"file\":false,\"network\":false,\"environment\":0"#), "{}", answers[0]);
}
