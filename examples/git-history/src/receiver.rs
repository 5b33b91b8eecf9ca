//! The webhook. Weir POSTs `{"consumerId", "events": […]}` and takes any 2xx for "done". It promises *at least once*: after a
//! lost answer the same events come again, so a receiver remembers what it has, by event id.

use std::collections::HashSet;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::post;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::Failure;
use crate::event::EVENT_TYPE;
use crate::totals::{Numbers, Totals};

/// What came so far.
#[derive(Default)]
pub struct Received {
    pub totals: Totals,
    /// Events, each counted once.
    pub events: u64,
    /// Events that came again.
    pub duplicates: u64,
    seen: HashSet<String>,
}

#[derive(Deserialize)]
struct Delivery {
    events: Vec<Delivered>,
}

#[derive(Deserialize)]
struct Delivered {
    id: String,
    #[serde(rename = "type")]
    event_type: String,
    payload: Box<RawValue>,
}

#[derive(Deserialize)]
struct Payload {
    author: String,
    #[serde(flatten)]
    numbers: Numbers,
}

impl Received {
    /// Counts one delivery: all of it, or nothing when it is not understood.
    fn take(&mut self, body: &[u8]) -> Result<(), serde_json::Error> {
        let Delivery { events } = serde_json::from_slice(body)?;
        let parse = |event: &Delivered| match event.event_type == EVENT_TYPE {
            true => serde_json::from_str::<Payload>(event.payload.get()).map(Some),
            false => Ok(None),
        };
        let payloads: Vec<Option<Payload>> = events.iter().map(parse).collect::<Result<_, _>>()?;
        for (event, payload) in events.into_iter().zip(payloads) {
            if !self.seen.insert(event.id) {
                self.duplicates += 1;
                continue;
            }
            self.events += 1;
            if let Some(Payload { author, numbers }) = payload {
                self.totals.add(&author, Numbers { commits: 1, ..numbers });
            }
        }
        Ok(())
    }
}

/// A webhook at work; it ends with the process.
pub struct Receiver {
    pub address: SocketAddr,
    pub received: watch::Receiver<Received>,
}

impl Receiver {
    pub async fn start(listen: SocketAddr) -> Result<Self, Failure> {
        let listener =
            TcpListener::bind(listen).await.map_err(|error| format!("cannot listen on {listen}: {error}"))?;
        let address = listener.local_addr()?;
        let (sender, received) = watch::channel(Received::default());
        let app =
            Router::new().fallback(post(receive)).layer(DefaultBodyLimit::max(64 << 20)).with_state(Arc::new(sender));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, received })
    }

    /// Waits until `events` came. False: nothing came for `idle`.
    pub async fn wait(&mut self, events: u64, idle: Option<Duration>) -> Result<bool, Failure> {
        while self.received.borrow_and_update().events < events {
            let late = async {
                match idle {
                    Some(idle) => tokio::time::sleep(idle).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                changed = self.received.changed() => changed?,
                () = late => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Any path will do.
async fn receive(State(received): State<Arc<watch::Sender<Received>>>, body: Bytes) -> (StatusCode, String) {
    let mut taken = Ok(());
    received.send_modify(|received| taken = received.take(&body));
    match taken {
        Ok(()) => (StatusCode::OK, String::new()),
        Err(error) => (StatusCode::BAD_REQUEST, format!("not a delivery of commits: {error}")),
    }
}

/// `git-history receive`
pub async fn serve(listen: SocketAddr, exit_after: Option<u64>, idle: Option<Duration>) -> Result<(), Failure> {
    let mut receiver = Receiver::start(listen).await?;
    println!("receiving on http://{}; Ctrl-C ends it", receiver.address);
    tokio::select! {
        ended = receiver.wait(exit_after.unwrap_or(u64::MAX), idle) => { ended?; }
        pressed = tokio::signal::ctrl_c() => pressed?,
    }
    let received = receiver.received.borrow();
    print!("\n{}", received.totals);
    println!("{} event(s), {} duplicate(s)", received.events, received.duplicates);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: &str = r#"{"hash":"x","author":"Ann","subject":"s","files":2,"insertions":3,"deletions":1}"#;

    #[test]
    fn an_event_that_comes_again_is_counted_once() {
        let body =
            format!(r#"{{"consumerId":"c","events":[{{"id":"commits-1","type":"commit-made","payload":{PAYLOAD}}}]}}"#);
        let mut received = Received::default();
        received.take(body.as_bytes()).expect("understood");
        received.take(body.as_bytes()).expect("understood");
        assert_eq!((received.events, received.duplicates), (1, 1));
        assert_eq!(received.totals.all, Numbers { commits: 1, files: 2, insertions: 3, deletions: 1 });
    }

    #[test]
    fn nothing_of_a_delivery_counts_when_a_part_is_not_understood() {
        let good = format!(r#"{{"id":"a-1","type":"commit-made","payload":{PAYLOAD}}}"#);
        let body = format!(r#"{{"events":[{good},{{"id":"a-2","type":"commit-made","payload":{{}}}}]}}"#);
        let mut received = Received::default();
        assert!(received.take(body.as_bytes()).is_err());
        assert_eq!(received.events, 0);
    }
}
