//! Following live on a WebSocket: the same events, one a frame.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use weir_tests::Client;

use crate::follow::{publish, server_with, topic};
use crate::server;

pub type Socket = WebSocketStream<TcpStream>;

pub async fn try_open(api: &Client, path: &str, origin: Option<&str>) -> Result<Socket, Error> {
    let address = api.base.strip_prefix("http://").expect("a base URL");
    let mut request = format!("ws://{address}{path}").into_client_request().expect("a request");
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().expect("a value"));
    }
    let stream = TcpStream::connect(address).await.expect("connected");
    tokio_tungstenite::client_async(request, stream).await.map(|(socket, _)| socket)
}

pub async fn open(api: &Client, path: &str) -> Socket {
    try_open(api, path, None).await.expect("a socket")
}

pub async fn frame(socket: &mut Socket) -> Message {
    let next = tokio::time::timeout(std::time::Duration::from_secs(20), socket.next()).await;
    next.expect("a frame in time").expect("not the end").expect("a frame")
}

pub async fn told(socket: &mut Socket) -> Value {
    match frame(socket).await {
        Message::Text(text) => serde_json::from_str(&text).expect("JSON"),
        other => panic!("no text: {other:?}"),
    }
}

pub async fn close_code(socket: &mut Socket) -> CloseCode {
    match frame(socket).await {
        Message::Close(Some(close)) => close.code,
        other => panic!("no close: {other:?}"),
    }
}

#[tokio::test]
async fn a_socket_gives_what_a_read_gives_a_frame_each() {
    let server = server().await;
    let api = &server.client;
    topic(api, "t").await;
    publish(api, "t", "a", 1).await;
    publish(api, "default", "a", 2).await;
    let (mut one, mut all) = (open(api, "/topics/t/events?type=a").await, open(api, "/events?from=2").await);
    let (first, caught_up) = (told(&mut one).await, told(&mut one).await);
    assert_eq!(caught_up, json!({"caughtUp": {"position": 2, "from": 2}}));
    assert_eq!(told(&mut all).await, api.events("default").await[0]);
    assert_eq!(told(&mut all).await, json!({"caughtUp": {"position": 2, "from": 3}}));
    publish(api, "t", "b", 3).await;
    publish(api, "t", "a", 4).await;
    let read = api.events("t").await;
    assert_eq!((first, told(&mut one).await), (read[0].clone(), read[2].clone()));
    assert_eq!([told(&mut all).await, told(&mut all).await], [read[1].clone(), read[2].clone()]);
}

#[tokio::test]
async fn whatever_a_client_says_is_answered_and_survived() {
    let server = server().await;
    let api = &server.client;
    let mut socket = open(api, "/events").await;
    assert_eq!(told(&mut socket).await["caughtUp"]["position"], 0);
    for said in [Message::text("hello"), Message::binary(vec![0, 255]), Message::text("{\"position\":1}")] {
        socket.send(said).await.expect("said");
        let answer = told(&mut socket).await;
        assert_eq!((&answer["code"], answer["error"].is_string()), (&json!("INVALID_MESSAGE"), true), "{answer}");
    }
    socket.send(Message::Ping("beat".into())).await.expect("said");
    assert_eq!(frame(&mut socket).await, Message::Pong("beat".into()));
    publish(api, "default", "a", 1).await;
    assert_eq!(told(&mut socket).await["id"], "default-1", "it follows on");
    socket.send(Message::text("x".repeat(32 << 20))).await.expect("said");
    assert_eq!(close_code(&mut socket).await, CloseCode::Size);
    publish(api, "default", "a", 2).await;
}

#[tokio::test]
async fn a_limit_closes_a_socket_and_what_makes_no_sense_opens_none() {
    let server = server().await;
    let api = &server.client;
    publish(api, "default", "a", 1).await;
    let mut socket = open(api, "/topics/default/events?limit=1").await;
    assert_eq!(told(&mut socket).await["id"], "default-1");
    assert_eq!(close_code(&mut socket).await, CloseCode::Normal);
    for (path, status) in [
        ("/events?wait=1", 400),
        ("/events?direction=backward", 400),
        ("/events?x=1", 400),
        ("/topics/nowhere/events", 404),
    ] {
        match try_open(api, path, None).await {
            Err(Error::Http(answer)) => assert_eq!(answer.status().as_u16(), status, "{path}"),
            other => panic!("{path}: {other:?}"),
        }
    }
}

/// A browser lets any page open a socket to any server, and read it.
#[tokio::test]
async fn pages_of_other_origins_open_no_socket() {
    let server = server().await;
    let api = &server.client;
    for origin in ["http://example.com", "null", "http://127.0.0.1:1"] {
        match try_open(api, "/events", Some(origin)).await {
            Err(Error::Http(answer)) => assert_eq!(answer.status().as_u16(), 403, "{origin}"),
            other => panic!("{origin}: {other:?}"),
        }
    }
    let mut own = try_open(api, "/events", Some(&api.base)).await.expect("its own pages may");
    assert_eq!(told(&mut own).await["caughtUp"]["from"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_have_heartbeats_and_are_closed_by_a_stop_read_or_not() {
    let (mut server, _file) = server_with("heartbeat_ms = 100\nstop_grace_ms = 600000").await;
    let api = server.client.clone();
    let mut socket = open(&api, "/events?type=never").await;
    assert_eq!(told(&mut socket).await["caughtUp"]["position"], 0);
    let _stuck = open(&api, "/events").await;
    let text = "x".repeat(100_000);
    for n in 1..=200 {
        api.post("/topics/default/events", json!({"type": "t", "payload": {"n": n, "text": text}})).await.ok(201);
    }
    let mut last = Value::Null;
    for _ in 0..100 {
        last = told(&mut socket).await;
        if last == json!({"heartbeat": {"position": 200, "from": 201}}) {
            break;
        }
    }
    assert_eq!(last, json!({"heartbeat": {"position": 200, "from": 201}}));
    server.stop().await;
    let code = loop {
        match frame(&mut socket).await {
            Message::Text(_) => {}
            Message::Close(Some(close)) => break close.code,
            other => panic!("no close: {other:?}"),
        }
    };
    assert_eq!(code, CloseCode::Away);
}
