//! Commands as one JSON each, by POST and on sockets: a counter (tests/guests/odd-decider), and documents.

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use weir_tests::clients::root;
use weir_tests::eventually;
use weir_tests::scenarios::odd;

use crate::aggregates::{put_in, with_counter};
use crate::follow::server_with;
use crate::server;
use crate::socket::{Socket, close_code, open, told};

/// A command of tenant `acme` to the counter.
fn add(id: &str, by: i64) -> Value {
    json!({"name": "add", "type": "logic", "tenant": "acme", "targetName": "t", "targetId": id, "body": {"by": by}})
}

fn with(mut command: Value, member: &str, value: impl Into<Value>) -> Value {
    command[member] = value.into();
    command
}

async fn say(socket: &mut Socket, command: &Value) {
    socket.send(Message::text(command.to_string())).await.expect("said");
}

/// The next frame that is no event and no word about them.
async fn answer(socket: &mut Socket) -> Value {
    for _ in 0..1_000 {
        let told = told(socket).await;
        if told.get("position").is_none() && told.get("caughtUp").is_none() && told.get("heartbeat").is_none() {
            return told;
        }
    }
    panic!("no answer among a thousand frames")
}

/// The next event.
async fn event(socket: &mut Socket) -> Value {
    for _ in 0..1_000 {
        let told = told(socket).await;
        if told.get("position").is_some() {
            return told;
        }
    }
    panic!("no event among a thousand frames")
}

#[tokio::test]
async fn a_command_is_one_json_and_so_is_its_answer() {
    let server = with_counter("accept").await;
    let api = &server.client;
    let command = with(with(add("s:1", 3), "context", json!({"user": "Ann", "roles": ["x"]})), "version", 0);
    let done = api.post("/commands", command.clone()).await.ok(200);
    let mut expected = with(with(command.clone(), "name", "add-Executed"), "version", 1);
    expected["events"] = json!(["t-1"]);
    expected["id"] = done["id"].clone();
    assert_eq!(done, expected);
    let recorded = &api.events("t").await[0];
    assert_eq!((&recorded["stream"], &recorded["payload"]), (&json!("s:1"), &json!({"by": 3})));
    assert_eq!(recorded["tags"], json!(["tenant:acme"]));
    let metadata = &recorded["metadata"];
    assert_eq!((&metadata["user"], &metadata["roles"]), (&json!("Ann"), &json!("[\"x\"]")));
    assert_eq!(metadata["weir.command"], done["id"]);

    let made = api.post("/commands", with(add("", 1), "targetId", Value::Null)).await.ok(200);
    assert_eq!(made["targetId"].as_str().map(str::len), Some(36), "an id is made: {made}");
    let conflict = api.post("/commands", command).await;
    conflict.problem(409, "CONFLICT");
    assert_eq!(conflict.json()["conditions"][0]["actual"], 1);
}

#[tokio::test]
async fn the_same_command_is_done_once() {
    let server = with_counter("accept").await;
    let api = &server.client;
    let named = with(add("s", 3), "id", "c-1");
    let first = api.post("/commands", named.clone()).await.ok(200);
    assert_eq!((&first["id"], first.get("replayed")), (&json!("c-1"), None));
    assert_eq!(api.events("t").await[0]["metadata"]["weir.command"], "c-1");
    let again = api.post("/commands", named.clone()).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.ok(200), with(first, "replayed", true));
    let other = with(add("s", 4), "id", "c-1");
    api.post("/commands", other.clone()).await.problem(422, "IDEMPOTENCY_KEY_REUSED");
    api.post("/commands", with(other, "tenant", "other")).await.ok(200);

    let header = [("idempotency-key", "k")];
    api.post_with("/commands", named, &header).await.problem(400, "INVALID_IDEMPOTENCY_KEY");
    let made = with(add("", 1), "targetId", Value::Null);
    let first = api.post_with("/commands", made.clone(), &header).await.ok(200);
    let again = api.post_with("/commands", made, &header).await.ok(200);
    assert_eq!((&again["targetId"], &again["replayed"]), (&first["targetId"], &json!(true)));
    assert_eq!(api.events("t").await.len(), 3);
}

#[tokio::test]
async fn what_is_refused_by_post_says_why_and_writes_nothing() {
    let server = with_counter("accept").await;
    let api = &server.client;
    let refused = api.post("/commands", with(add("s", 1), "name", "sub")).await;
    refused.problem(422, "COMMAND_REFUSED");
    assert_eq!(refused.json().get("id"), None);
    let refused = api.post("/commands", with(with(add("s", 1), "name", "sub"), "id", "c")).await.json();
    assert_eq!((&refused["code"], &refused["id"]), (&json!("COMMAND_REFUSED"), &json!("c")));
    api.post("/commands", with(add("s", 1), "name", "dance")).await.problem(404, "COMMAND_UNKNOWN");
    api.post("/commands", with(add("s", 1), "targetName", "nowhere")).await.problem(400, "TOPIC_NOT_FOUND");
    api.post("/commands", with(add("s", 1), "targetName", "default")).await.problem(400, "NO_DECIDER");
    let unknown = api.post("/commands", with(add("s", 1), "user", "Ann")).await;
    assert!(unknown.problem(400, "INVALID_COMMAND").contains("user"));
    api.post("/commands", "{").await.problem(400, "INVALID_JSON");
    api.post_with("/commands", add("s", 1), &[("if-match", "\"1\"")]).await.problem(400, "INVALID_CONDITION");
    let plain = api.get("/commands").await;
    plain.problem(426, "UPGRADE_REQUIRED");
    assert_eq!(plain.headers["upgrade"], "websocket");
    api.get("/commands?from=1").await.problem(400, "INVALID_QUERY");
    assert_eq!(api.events("t").await.len(), 0);
}

#[tokio::test]
async fn documents_are_made_patched_and_deleted_by_commands() {
    let server = server().await;
    let api = &server.client;
    let component = std::fs::read(root().join("plugins/dist/json-patch.wasm")).expect("cargo xtask plugins was run");
    put_in(&server, "json-patch", "", &component).await;
    api.post("/topics", json!({"name": "docs", "decider": "json-patch"})).await.ok(201);
    let command = |kind: &str, id: Value, body: Value| json!({"name": "Change", "type": kind, "tenant": "a", "targetName": "docs", "targetId": id, "body": body});
    let made = api.post("/commands", command("create", Value::Null, json!({"n": 1}))).await.ok(200);
    assert_eq!((&made["name"], &made["version"]), (&json!("Change-Executed"), &json!(1)));
    let id = made["targetId"].clone();
    api.post("/commands", command("patch", id.clone(), json!([{"op": "add", "path": "/m", "value": 2}]))).await.ok(200);
    api.post("/commands", command("patch", id.clone(), json!({"n": null}))).await.ok(200);
    let state = || async { api.get(&format!("/aggregates/docs/{}", id.as_str().unwrap_or_default())).await };
    assert_eq!(state().await.ok(200)["state"], json!({"m": 2}));
    api.post("/commands", command("create", id.clone(), json!({}))).await.problem(409, "COMMAND_REFUSED");
    api.post("/commands", command("delete", id.clone(), json!({}))).await.ok(200);
    state().await.problem(404, "AGGREGATE_NOT_FOUND");
    let gone = api.post("/commands", command("patch", id.clone(), json!({}))).await;
    gone.problem(404, "AGGREGATE_NOT_FOUND");
}

#[tokio::test]
async fn answers_go_to_the_sender_and_events_to_the_sockets_of_its_tenant() {
    let server = with_counter("accept").await;
    let api = &server.client;
    let mut sender = open(api, "/commands").await;
    let (mut same, mut other) = (open(api, "/commands?tenant=acme").await, open(api, "/commands?tenant=other").await);
    assert!(told(&mut same).await.get("caughtUp").is_some() && told(&mut other).await.get("caughtUp").is_some());
    say(&mut sender, &with(add("s", 2), "id", "c-1")).await;
    let done = answer(&mut sender).await;
    assert_eq!((&done["name"], &done["id"], &done["version"]), (&json!("add-Executed"), &json!("c-1"), &json!(1)));
    assert_eq!(event(&mut same).await, api.events("t").await[0]);

    api.post("/commands", with(add("s", 3), "tenant", "other")).await.ok(200);
    assert_eq!(told(&mut other).await["id"], "t-2", "and nothing before it");
    api.post("/commands", add("s", 4)).await.ok(200);
    assert_eq!(told(&mut same).await["id"], "t-3", "nothing in between");
    let mut sent = open(api, "/commands").await;
    say(&mut sent, &add("s", 5)).await;
    assert_eq!(event(&mut sent).await["id"], "t-4", "the first command says whose the socket is");

    let mut foreign = open(api, "/commands?tenant=acme").await;
    say(&mut foreign, &with(with(add("s", 6), "tenant", "other"), "id", "c-2")).await;
    let refused = answer(&mut foreign).await;
    assert_eq!((&refused["code"], &refused["id"]), (&json!("TENANT_MISMATCH"), &json!("c-2")));
    let mut resumed = open(api, "/commands?tenant=acme&from=2").await;
    assert_eq!([event(&mut resumed).await["id"].clone(), event(&mut resumed).await["id"].clone()], ["t-3", "t-4"]);
}

#[tokio::test]
async fn whatever_is_said_is_answered_in_its_turn_and_survived() {
    let server = with_counter("accept").await;
    let api = &server.client;
    let mut socket = open(api, "/commands?tenant=acme").await;
    let said = [
        Message::text("{"),
        Message::text(""),
        Message::text("[]"),
        Message::text(add("s", 1).to_string()),
        Message::binary(vec![0, 255]),
        Message::text(with(add("s", 1), "user", 1).to_string()),
        Message::text(with(with(add("s", 1), "name", "dance"), "id", "c").to_string()),
        Message::text(add("s", 1).to_string()),
    ];
    for said in said {
        socket.send(said).await.expect("said");
    }
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(answer(&mut socket).await);
    }
    let short = |answer: &Value| {
        assert_eq!(answer.get("error").is_some(), answer.get("code").is_some(), "{answer}");
        answer["code"].as_str().map_or_else(|| answer["version"].to_string(), str::to_owned)
    };
    let shorts: Vec<String> = answers.iter().map(short).collect();
    let expected = [
        "INVALID_JSON",
        "INVALID_JSON",
        "INVALID_COMMAND",
        "1",
        "INVALID_COMMAND",
        "INVALID_COMMAND",
        "COMMAND_UNKNOWN",
        "2",
    ];
    assert_eq!((shorts.as_slice(), &answers[6]["id"]), (expected.map(str::to_owned).as_slice(), &json!("c")));
    socket.send(Message::text("x".repeat(32 << 20))).await.expect("said");
    loop {
        match crate::socket::frame(&mut socket).await {
            Message::Text(_) => {}
            Message::Close(Some(close)) => break assert_eq!(close.code, CloseCode::Size),
            other => panic!("{other:?}"),
        }
    }
    api.post("/commands", add("s", 1)).await.ok(200);
}

/// More than a socket may have at once, and more than it may say at once.
#[tokio::test]
async fn many_commands_on_one_socket_are_done_in_their_order() {
    let server = with_counter("accept").await;
    let mut socket = open(&server.client, "/commands?tenant=acme").await;
    for n in 0..500 {
        say(&mut socket, &with(with(add("s", 1), "version", n), "id", format!("c-{n}"))).await;
    }
    for n in 0..500 {
        let done = answer(&mut socket).await;
        assert_eq!((&done["id"], &done["version"]), (&json!(format!("c-{n}")), &json!(n + 1)), "{done}");
    }
}

/// A client that never reads: nobody else waits for it, and its commands are done as far as it is read from.
#[tokio::test]
async fn a_client_that_does_not_read_holds_up_nobody() {
    let server = with_counter("accept").await;
    let api = &server.client;
    let mut deaf = open(api, "/commands?tenant=acme").await;
    let text = "x".repeat(100_000);
    let loud = with(add("s", 1), "context", json!({"note": "n"}));
    let loud = with(loud, "body", json!({"by": 1, "text": text}));
    let sent = async {
        for _ in 0..2_000 {
            say(&mut deaf, &loud).await;
        }
    };
    assert!(
        tokio::time::timeout(std::time::Duration::from_secs(5), sent).await.is_err(),
        "it is not read from any more"
    );
    let done = api.post("/commands", add("s", 1)).await.ok(200);
    assert!(done["version"].as_u64().is_some_and(|version| version > 10), "{done}");
    drop(deaf);
    // What was taken is done, and nothing more comes.
    let version = || async { api.get("/aggregates/t/s").await.ok(200)["version"].clone() };
    eventually("it comes to rest", 20, async || {
        let before = version().await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        (version().await == before).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_answers_what_it_took_and_closes_sockets() {
    let (mut server, _file) = server_with("stop_grace_ms = 600000").await;
    let api = server.client.clone();
    put_in(&server, "counter", "", &odd("odd-decider", "accept")).await;
    api.post("/topics", json!({"name": "t", "decider": "counter"})).await.ok(201);
    let (mut socket, mut idle) = (open(&api, "/commands?tenant=acme").await, open(&api, "/commands").await);
    for n in 0..20 {
        say(&mut socket, &add(&format!("s{n}"), 1)).await;
    }
    assert_eq!(answer(&mut socket).await["version"], 1);
    server.stop().await;
    assert_eq!(close_code(&mut idle).await, CloseCode::Away);
    let mut answered = 1;
    loop {
        match crate::socket::frame(&mut socket).await {
            Message::Text(text) => answered += usize::from(text.contains("add-Executed")),
            Message::Close(Some(close)) => break assert_eq!(close.code, CloseCode::Away),
            other => panic!("{other:?}"),
        }
    }
    assert!(answered >= 1);
    server.start_again().await;
    let events = server.client.events("t").await;
    assert_eq!(events.len(), answered, "what was done was answered, and what was answered is there");
}
