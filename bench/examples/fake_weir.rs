//! A server that only pretends: of each event it keeps topic and stream, as lines of a file. The bench's own tests measure
//! it, so that they need no build of the real server.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex};

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

type Shared = Arc<Mutex<Store>>;

/// More topics are refused, so that this can be seen too.
const TOPICS_MAX: usize = 10;

struct Store {
    /// With their sequences.
    topics: HashMap<String, u64>,
    events: Vec<Value>,
    log: File,
}

impl Store {
    /// What an earlier process left there is read back; without a directory nothing is left.
    fn open(data: &FilePath) -> std::io::Result<Self> {
        let dir = data.join("store/log");
        std::fs::create_dir_all(&dir)?;
        File::create(data.join("store/index.redb"))?;
        let path = dir.join("1.seg");
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        let log = File::options().create(true).append(true).open(&path)?;
        let mut store = Self { topics: HashMap::new(), events: Vec::new(), log };
        for (topic, stream) in before.lines().filter_map(|line| line.split_once(' ')) {
            store.push(topic, stream);
        }
        Ok(store)
    }

    fn push(&mut self, topic: &str, stream: &str) -> (String, usize) {
        let sequence = self.topics.entry(topic.to_owned()).or_default();
        *sequence += 1;
        let (id, position) = (format!("{topic}-{sequence}"), self.events.len() + 1);
        let event = json!({ "id": id, "topic": topic, "sequence": sequence, "position": position, "stream": stream });
        self.events.push(event);
        (id, position)
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let data = std::env::args().skip_while(|arg| arg != "--data-dir").nth(1).map(PathBuf::from);
    let store = Store::open(&data.ok_or(std::io::ErrorKind::InvalidInput)?)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("weir listening on http://{}", listener.local_addr()?);
    let app = Router::new()
        .route("/health", get(async || Json(json!({ "status": "healthy" }))))
        .route("/topics", post(create))
        .route("/topics/{topic}", get(show))
        .route("/topics/{topic}/events", get(read_topic))
        .route("/topics/{topic}/streams/{stream}", get(read_stream))
        .route("/events", post(publish).get(read))
        .route("/events/{id}", get(read_one))
        .with_state(Arc::new(Mutex::new(store)));
    axum::serve(listener, app).await
}

async fn create(State(store): State<Shared>, Json(body): Json<Value>) -> (StatusCode, Json<Value>) {
    let name = body["name"].as_str().expect("a name").to_owned();
    let topics = &mut store.lock().expect("not poisoned").topics;
    if topics.len() == TOPICS_MAX {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "too many topics" })));
    }
    topics.insert(name, 0);
    (StatusCode::CREATED, Json(json!({})))
}

async fn show(State(store): State<Shared>, Path(topic): Path<String>) -> Json<Value> {
    Json(json!({ "sequence": store.lock().expect("not poisoned").topics.get(&topic) }))
}

async fn publish(State(store): State<Shared>, Json(events): Json<Vec<Value>>) -> (StatusCode, Json<Value>) {
    let (mut store, mut lines) = (store.lock().expect("not poisoned"), String::new());
    let mut add = |event: &Value| {
        let (topic, stream) = (event["topic"].as_str().expect("a topic"), event["stream"].as_str().unwrap_or_default());
        lines += &format!("{topic} {stream}\n");
        store.push(topic, stream)
    };
    let (ids, positions): (Vec<String>, Vec<usize>) = events.iter().map(&mut add).unzip();
    store.log.write_all(lines.as_bytes()).expect("written");
    (StatusCode::CREATED, Json(json!({ "eventIds": ids, "positions": positions })))
}

async fn read(State(store): State<Shared>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    answer(&store, query.as_deref(), &headers, |event| event["position"].as_u64())
}

async fn read_topic(
    State(store): State<Shared>,
    Path(topic): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    answer(&store, query.as_deref(), &headers, |event| {
        event["sequence"].as_u64().filter(|_| event["topic"] == topic.as_str())
    })
}

async fn read_stream(State(store): State<Shared>, Path((_, stream)): Path<(String, String)>) -> Response {
    let place = |event: &Value| event["sequence"].as_u64().filter(|_| event["stream"] == stream.as_str());
    answer(&store, None, &HeaderMap::new(), place)
}

async fn read_one(State(store): State<Shared>, Path(id): Path<String>) -> Response {
    let store = store.lock().expect("not poisoned");
    let found = store.events.iter().find(|event| event["id"] == id.as_str());
    found.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |event| Json(event.clone()).into_response())
}

/// The events that have a place, from one on.
fn answer(store: &Shared, query: Option<&str>, headers: &HeaderMap, place: impl Fn(&Value) -> Option<u64>) -> Response {
    let words: HashMap<&str, &str> =
        query.unwrap_or_default().split('&').filter_map(|word| word.split_once('=')).collect();
    let number = |name: &str| words.get(name).and_then(|text| text.parse::<u64>().ok());
    let (from, limit) = (number("from").unwrap_or(0), number("limit").unwrap_or(u64::MAX) as usize);
    let store = store.lock().expect("not poisoned");
    let all = store.events.iter().filter(|event| place(event).is_some_and(|place| place >= from));
    let events: Vec<&Value> =
        if words.contains_key("direction") { all.rev().take(limit).collect() } else { all.take(limit).collect() };
    if headers.get(header::ACCEPT).is_some_and(|accept| accept == "application/x-ndjson") {
        return events.iter().map(|event| format!("{event}\n")).collect::<String>().into_response();
    }
    Json(json!({ "events": events })).into_response()
}
