//! Support for the stories: a real server as a child process, a client, and a webhook receiver. Nothing is simulated:
//! the stories talk HTTP to the program that users run.

mod client;
pub mod clients;
mod follower;
mod receiver;
pub mod scenarios;
mod server;
mod small_disk;

pub use client::{Answer, Client};
pub use follower::{Follower, Told};
pub use receiver::{Receiver, Reply};
pub use server::{ServerOptions, TestServer};
pub use small_disk::SmallDisk;

use std::time::{Duration, Instant};

/// Waits until `check` gives something, at most `seconds`; the story fails with `what` when it never does.
pub async fn eventually<T>(what: &str, seconds: u64, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(Instant::now() < deadline, "did not happen within {seconds} s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
