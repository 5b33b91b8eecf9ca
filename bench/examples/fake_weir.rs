//! A server that only pretends: it counts events, and stores none. The bench's own tests measure it, so that they need
//! no build of the real server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

type Topics = Arc<Mutex<HashMap<String, u64>>>;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    if std::env::args().any(|arg| arg == "--version") {
        println!("fake_weir");
        return Ok(());
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("weir listening on http://{}", listener.local_addr()?);
    let app = Router::new()
        .route("/topics", post(create))
        .route("/topics/{topic}", get(show))
        .route("/events", post(publish))
        .with_state(Topics::default());
    axum::serve(listener, app).await
}

async fn create(State(topics): State<Topics>, Json(body): Json<Value>) -> (StatusCode, Json<Value>) {
    let name = body["name"].as_str().expect("a name").to_owned();
    topics.lock().expect("not poisoned").insert(name, 0);
    (StatusCode::CREATED, Json(json!({})))
}

async fn show(State(topics): State<Topics>, Path(topic): Path<String>) -> Json<Value> {
    Json(json!({ "sequence": topics.lock().expect("not poisoned").get(&topic) }))
}

async fn publish(State(topics): State<Topics>, Json(events): Json<Vec<Value>>) -> (StatusCode, Json<Value>) {
    let topic = events[0]["topic"].as_str().expect("a topic");
    let mut topics = topics.lock().expect("not poisoned");
    let sequence = topics.get_mut(topic).expect("a known topic");
    let first = *sequence + 1;
    *sequence += events.len() as u64;
    let ids: Vec<String> = (first..=*sequence).map(|number| format!("{topic}-{number}")).collect();
    let positions: Vec<u64> = (first..=*sequence).collect();
    (StatusCode::CREATED, Json(json!({ "eventIds": ids, "positions": positions })))
}
