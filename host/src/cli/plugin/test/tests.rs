use std::path::Path;

use super::super::tests::{self, guests, write};
use super::*;

/// Runs one file against a component, and gives what was printed.
async fn run_file(bytes: &[u8], file: &str, text: &str) -> Result<(Tally, String), String> {
    let (dir, args) = write("mood", bytes, None);
    let spec = dir.path().join(file);
    std::fs::write(&spec, text).expect("a file");
    let component = Component::read(&args).expect("a component");
    let mut out = String::new();
    let mut print = |line: String| out.push_str(&format!("{line}\n"));
    let tally = test(&component, &args.bench, &[spec], None, &mut print).await;
    let shown = dir.path().display().to_string();
    tally.map(|tally| (tally, out)).map_err(|error| error.to_string().replace(&format!("{shown}/"), ""))
}

async fn passes(bytes: &[u8], cases: usize, text: &str) {
    let (tally, out) = run_file(bytes, "spec.toml", text).await.expect("a run");
    assert_eq!(tally, Tally { passed: cases, failed: 0 }, "{out}");
}

async fn fails(bytes: &[u8], text: &str) -> String {
    let (tally, out) = run_file(bytes, "spec.toml", text).await.expect("a run");
    assert_eq!(tally.failed, 1, "{out}");
    out
}

fn moody() -> Vec<u8> {
    guests::validator(&guests::Validator::default())
}

/// Events that bring the guest into the mood of their number.
fn events(count: usize) -> String {
    format!("[{}]", vec!["{ type = \"placed\" }"; count].join(", "))
}

#[tokio::test]
async fn a_validator_accepts_replaces_and_rejects() {
    let (replaces, rejects) = (events(guests::moods::REPLACES), events(guests::moods::REJECTS));
    let many = |verdict: &str, count: usize| format!("[{}]", vec![verdict; count].join(", "));
    let text = format!(
        "kind = \"validator\"\n[[case]]\nname = \"accepts\"\ngiven = {{ type = \"placed\", payload = {{ a = 1.5 }} }}\nthen = \"accept\"\n\
         [[case]]\nname = \"replaces\"\ngiven = {replaces}\nthen = {}\n\
         [[case]]\nname = \"rejects\"\ngiven = {rejects}\nthen = {}\n\
         [[case]]\nname = \"takes a setting\"\nconfigure = {{ name = \"orders\" }}\nthen = \"accept\"\n",
        many("{ replace = { a = 1 } }", guests::moods::REPLACES),
        many("{ reject = { code = \"no\" } }", guests::moods::REJECTS),
    );
    passes(&moody(), 4, &text).await;
}

#[tokio::test]
async fn what_differs_is_shown() {
    let text = "[[case]]\nname = \"wants a refusal\"\ngiven = { type = \"placed\" }\nthen = { reject = { code = \"late\" } }\n";
    let out = fails(&moody(), text).await;
    assert!(out.contains("FAIL  wants a refusal") && out.contains("verdict 1: - expected + actual"), "{out}");
    assert!(out.contains("  -     \"code\": \"late\"") && out.contains("  + \"accept\""), "{out}");
    assert!(out.contains("0 passed, 1 failed"), "{out}");
}

#[tokio::test]
async fn a_fault_fails_its_case_and_the_next_one_runs() {
    let text = format!(
        "[[case]]\nname = \"trap\"\ngiven = {}\nthen = []\n[[case]]\nname = \"ok\"\ngiven = {{ type = \"a\" }}\nthen = \"accept\"\n",
        events(guests::moods::TRAPS)
    );
    let out = fails(&moody(), &text).await;
    assert!(out.contains("the plugin trapped") && out.contains("ok    ok"), "{out}");
}

#[tokio::test]
async fn an_unknown_key_is_named_with_file_and_line() {
    let case = "[[case]]\nname = \"x\"\ngiven = { type = \"placed\", paylod = {} }\nthen = \"accept\"\n";
    let error = run_file(&moody(), "spec.toml", case).await.expect_err("refused");
    assert!(error.starts_with("spec.toml, line 3: ") && error.contains("paylod"), "{error}");
    let json = "{\n\"case\": [\n{ \"name\": \"x\",\n\"givn\": [] } ] }";
    let error = run_file(&moody(), "spec.json", json).await.expect_err("refused");
    assert!(error.starts_with("spec.json, line 4: ") && error.contains("givn"), "{error}");
    for (text, part) in [
        ("topik = \"a\"\ncase = []", "line 1: unknown field `topik`"),
        ("case = []", "has no case"),
        ("kind = \"sink\"\n[[case]]\nname = \"x\"\nthen = \"accept\"", "is for the kind 'sink'"),
        ("[[case]]\nname = \"x\"\ngiven = { type = \"a b\" }\nthen = \"accept\"", "line 3: event type 'a b'"),
        ("[[case]]\nname = \"x\"\ngiven = { type = \"a\", payload_json = \"{\" }\nthen = \"accept\"", "is no JSON"),
    ] {
        let error = run_file(&moody(), "spec.toml", text).await.expect_err(text);
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn json_files_say_the_same() {
    let text = r#"{"case": [{"name": "x", "given": {"type": "placed", "payload": null}, "then": "accept"}]}"#;
    let (tally, _) = run_file(&moody(), "spec.json", text).await.expect("a run");
    assert_eq!(tally, Tally { passed: 1, failed: 0 });
}

#[tokio::test]
async fn an_upcaster_gives_events() {
    let text = r#"
        [[case]]
        name = "stays"
        given = [{ type = "placed", payload = { a = 1 }, stream = "s" }, { type = "paid" }]
        then = { unchanged = true }
        [[case]]
        name = "has"
        given = { type = "placed", payload = { a = 1, b = 2 } }
        then = { events = { payload_has = { b = 2 } } }
    "#;
    passes(&tests::upcaster(), 2, text).await;
    let out = fails(
        &tests::upcaster(),
        "[[case]]\nname = \"x\"\ngiven = { type = \"a\" }\nthen = { events = { type = \"b\" } }",
    )
    .await;
    assert!(out.contains("-     \"type\": \"b\""), "{out}");
}

#[tokio::test]
async fn a_projection_makes_a_view_and_answers() {
    let text = r#"
        [[case]]
        name = "counts"
        given = [{ type = "placed" }, { type = "paid" }]
        batch = 1
        then = { view = { no = { a = 1 } }, view_lacks = ["yes"] }
        query = { name = "all", answer_has = { a = 1 } }
        [[case]]
        name = "goes on"
        given_view = { other = 2 }
        given = { type = "placed" }
        then.view_has = { other = 2 }
        [[case.query]]
        name = "all"
        params = { day = 2026-01-01 }
        answer = { a = 1 }
    "#;
    passes(&tests::projection(), 2, text).await;
    let wrong = "[[case]]\nname = \"x\"\ngiven = { type = \"a\" }\nthen.view = { no = { a = 2 } }";
    assert!(fails(&tests::projection(), wrong).await.contains("view: - expected + actual"));
}

#[tokio::test]
async fn a_decider_decides() {
    let text = r#"
        topic = "orders"
        stream = "order-1"
        [[case]]
        name = "sends"
        given = { type = "placed" }
        when = { name = "send" }
        then = { events = { type = "sent", topic = "orders", stream = "order-1", payload = { a = 1 } }, state = { a = 1 } }
        [[case]]
        name = "refuses"
        when = { name = "no" }
        then.conflict = { code = "no" }
        [[case]]
        name = "folds"
        given = { type = "placed" }
        then.state = { a = 1 }
    "#;
    passes(&tests::decider(), 3, text).await;
    let wrong = "stream = \"s\"\n[[case]]\nname = \"x\"\nwhen = { name = \"no\" }\nthen.events = []";
    assert!(fails(&tests::decider(), wrong).await.contains("\"conflict\""));
    let out = fails(&tests::decider(), "[[case]]\nname = \"x\"\nwhen = { name = \"no\" }\nthen.events = []").await;
    assert!(out.contains("a command needs a stream"), "{out}");
}

#[tokio::test]
async fn a_process_manager_acts() {
    let text = r#"
        [[case]]
        name = "cancels"
        given = { type = "placed" }
        due = { key = "no", at_ms = 1 }
        then = { actions = [{ cancel_timer = "no" }, { cancel_timer = "no" }], view = {} }
    "#;
    passes(&tests::process_manager(), 1, text).await;
    let wrong = "[[case]]\nname = \"x\"\ngiven = { type = \"a\" }\nthen.actions = [{ append = { type = \"b\" } }]";
    assert!(fails(&tests::process_manager(), wrong).await.contains("\"cancel_timer\": \"no\""));
}

#[tokio::test]
async fn a_sink_sends_and_gets_the_answers_of_the_case() {
    // The guest's URL is its whole configuration, and so no JSON object: it is called poison.
    let text = r#"
        [[case]]
        name = "calls poison what it cannot send"
        given = { type = "placed" }
        then = { accepted = 0, rest = { poison = { code = "no" } }, requests = [] }
        [[case]]
        name = "checks"
        then.check = "ok"
    "#;
    passes(&guests::sink(), 2, text).await;
}

#[tokio::test]
async fn answers_are_played_in_order_and_by_their_urls() {
    let text = r#"
        [[case]]
        name = "x"
        given = { type = "placed" }
        answers = [{ status = 201, body = { a = 1 } }, { url = "http://b/", error = "timeout" }, { status = 500 }]
        then.requests = []
    "#;
    let file: SpecFile<sink::SinkCase> = spec::parse(Path::new("x.toml"), text).expect("a file");
    let script = Script::default();
    file.case[0].answers_into(&script);
    let send = async |url: &str| {
        let request = crate::plugin::HttpRequest {
            method: "POST".into(),
            url: url.into(),
            headers: Vec::new(),
            body: bytes::Bytes::new(),
            timeout_ms: None,
        };
        crate::plugin::HttpClient::send(&script, &crate::plugin::HttpGrant::default(), request).await
    };
    let first = send("http://b/").await.expect("an answer");
    assert_eq!((first.status, &first.body[..]), (201, &b"{\"a\":1}"[..]));
    assert!(send("http://b/").await.is_err());
    assert_eq!(send("http://a/").await.expect("an answer").status, 500);
    assert!(send("http://a/").await.is_err(), "there are no more answers");
}

/// Every example of the page is a file that can be read.
#[test]
fn the_examples_of_the_page_are_good_files() {
    fn good<C: Case>(text: &str) -> Result<usize, String> {
        spec::parse::<C>(Path::new("page.toml"), text).map(|file| file.case.len())
    }
    let page = include_str!("../../../../../docs/plugin-tests.md");
    let mut kinds = Vec::new();
    for block in page.split("```toml\n").skip(1) {
        let text = block.split("```").next().unwrap_or_default();
        let Some(kind) = text.lines().find_map(|line| line.strip_prefix("kind = ")) else { continue };
        let kind = kind.split('"').nth(1).unwrap_or_default();
        let read = match kind {
            "validator" => good::<validator::ValidatorCase>(text),
            "upcaster" => good::<upcaster::UpcasterCase>(text),
            "decider" => good::<decider::DeciderCase>(text),
            "projection" => good::<projection::ProjectionCase>(text),
            "process-manager" => good::<process_manager::ProcessManagerCase>(text),
            "sink" => good::<sink::SinkCase>(text),
            other => panic!("kind '{other}'"),
        };
        assert!(read.as_ref().is_ok_and(|cases| *cases > 0), "{kind}: {read:?}");
        kinds.push(kind.to_owned());
    }
    kinds.sort();
    assert_eq!(kinds, ["decider", "process-manager", "projection", "sink", "upcaster", "validator"]);
}
