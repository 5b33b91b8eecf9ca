//! All of it: topic, webhook, consumer, publishing, waiting, comparing, and cleaning up.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use crate::Failure;
use crate::client::Client;
use crate::event::{self, TOPIC};
use crate::git;
use crate::receiver::Receiver;

/// Events in one request, and bytes: servers take 1 MiB by default.
const BATCH_EVENTS: usize = 200;
const BATCH_BYTES: usize = 512 << 10;
/// How long no delivery may come before the rest counts as lost.
const IDLE_MAX: Duration = Duration::from_secs(30);

pub async fn run(url: &str, repo: &Path) -> Result<(), Failure> {
    let client = Client::new(url)?;
    let expected = git::own_numbers(repo)?;
    let sequence = topic_sequence(&client).await?;
    let mut receiver = Receiver::start((Ipv4Addr::LOCALHOST, 0).into()).await?;
    let consumer = register(&client, &receiver, sequence).await?;
    let outcome = tokio::select! {
        outcome = publish_and_wait(&client, repo, &mut receiver, &consumer) => outcome,
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
    };
    // Whatever happened, nobody listens any more.
    let deleted = client.call(Method::DELETE, &format!("/consumers/{consumer}"), String::new()).await;
    outcome?;
    deleted?;
    let received = receiver.received.borrow();
    print!("\n{}", received.totals);
    println!("{} event(s) delivered, {} duplicate(s)", received.events, received.duplicates);
    if received.totals != expected {
        return Err(format!("git counts otherwise:\n{expected}").into());
    }
    println!("git counts the same");
    Ok(())
}

/// How many events the topic has; it is made when it is missing.
async fn topic_sequence(client: &Client) -> Result<u64, Failure> {
    if let Some(topic) = client.find(&format!("/topics/{TOPIC}")).await? {
        return Ok(topic["sequence"].as_u64().ok_or("the topic has no sequence")?);
    }
    client.call(Method::POST, "/topics", event::topic().to_string()).await?;
    println!("topic '{TOPIC}' created");
    Ok(0)
}

/// Registers the webhook for what comes after the topic's last event, so that the example can be run again and again.
/// Not durable: were this program killed, the server would forget the consumer at its next start.
async fn register(client: &Client, receiver: &Receiver, sequence: u64) -> Result<String, Failure> {
    let last = (sequence > 0).then(|| format!("{TOPIC}-{sequence}"));
    let body = json!({
        "callback": format!("http://{}/", receiver.address),
        "topics": { TOPIC: last },
        "durable": false,
    });
    let answer = client.call(Method::POST, "/consumers/register", body.to_string()).await?;
    let consumer = answer["consumerId"].as_str().ok_or("the server gave no consumerId")?.to_owned();
    println!("webhook http://{} is consumer {consumer}", receiver.address);
    Ok(consumer)
}

async fn publish_and_wait(
    client: &Client,
    repo: &Path,
    receiver: &mut Receiver,
    consumer: &str,
) -> Result<(), Failure> {
    let events = publish(client, repo).await?;
    println!("{events} event(s) published");
    if receiver.wait(events, Some(IDLE_MAX)).await? {
        return Ok(());
    }
    let arrived = receiver.received.borrow().events;
    let state = client.find(&format!("/consumers/{consumer}")).await?.unwrap_or_default();
    let why = state["lastError"].as_str().unwrap_or("the server names no error");
    Err(format!("only {arrived} of {events} events were delivered: {why}").into())
}

/// Publishes the history in batches. A batch is published as a whole or not at all.
async fn publish(client: &Client, repo: &Path) -> Result<u64, Failure> {
    let (mut batch, mut bytes, mut published) = (Vec::new(), 0, 0);
    for commit in git::history(repo)? {
        let event = event::of(&commit?).to_json()?;
        if batch.len() == BATCH_EVENTS || bytes + event.len() > BATCH_BYTES {
            published += send(client, &mut batch).await?;
            bytes = 0;
        }
        bytes += event.len();
        batch.push(event);
    }
    Ok(published + send(client, &mut batch).await?)
}

/// Checks that every event of the batch got an id, and empties it.
async fn send(client: &Client, batch: &mut Vec<String>) -> Result<u64, Failure> {
    if batch.is_empty() {
        return Ok(0);
    }
    let answer = client.call(Method::POST, "/events", format!("[{}]", batch.join(","))).await?;
    let ids = answer["eventIds"].as_array().map_or(0, Vec::len);
    if ids != batch.len() {
        return Err(format!("{} events got {ids} ids: {}", batch.len(), Value::to_string(&answer)).into());
    }
    batch.clear();
    Ok(ids as u64)
}
