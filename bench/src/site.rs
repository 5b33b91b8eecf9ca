//! A server that is stopped and started again on the same directory.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weir_bench::Failure;

use crate::child::Server;
use crate::connection::Connection;
use crate::footprint;
use crate::reader::{JSON, Reader};
use crate::weir;

/// How often a server that listens is asked whether it is healthy, a millisecond apart.
const ASKED_MAX: usize = 60_000;

pub struct Site {
    binary: PathBuf,
    dir: PathBuf,
    /// Of all servers of a run: only the first one compiles, which would take more memory and time than what is measured.
    cache: PathBuf,
}

impl Site {
    pub fn new(binary: &Path, dir: PathBuf, cache: PathBuf) -> Self {
        Self { binary: binary.to_owned(), dir, cache }
    }

    /// Starts it, and tells how long that took until it was healthy.
    pub async fn open(&self) -> Result<(Server, Duration), Failure> {
        let mut command = weir::command(&self.binary, &self.dir)?;
        command.arg("--plugin-cache").arg(&self.cache);
        let begin = Instant::now();
        let server = Server::start(&mut command).await?;
        for _ in 0..ASKED_MAX {
            let mut reader = Reader::open(server.address).await?;
            if reader.get("/health", JSON).await.is_ok() {
                return Ok((server, begin.elapsed()));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Err("the server does not become healthy".into())
    }

    /// Ends it as an operator would, and starts it again.
    pub async fn reopen(&self, server: Server) -> Result<(Server, Duration), Failure> {
        server.stop()?;
        self.open().await
    }

    /// The same without its index.
    pub async fn reopen_without_index(&self, server: Server) -> Result<(Server, Duration), Failure> {
        server.stop()?;
        let index = self.store().join("index.redb");
        std::fs::remove_file(&index).map_err(|error| format!("cannot remove {}: {error}", index.display()))?;
        self.open().await
    }

    pub fn store(&self) -> PathBuf {
        self.dir.join("data/store")
    }

    pub fn disk_bytes(&self) -> Result<u64, Failure> {
        footprint::disk_bytes(&self.store())
    }

    /// The log's files, in order, with what of them is on the disk.
    pub fn segments(&self) -> Result<Vec<(PathBuf, u64)>, Failure> {
        let mut segments = Vec::new();
        for entry in std::fs::read_dir(self.store().join("log"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "seg") {
                let bytes = path.metadata()?.len();
                segments.push((path, bytes));
            }
        }
        segments.sort();
        Ok(segments)
    }
}

/// A topic without schemas. `Some` is the server's refusal.
pub async fn make_topic(connection: &mut Connection, name: &str) -> Result<Option<String>, Failure> {
    let body = json!({ "name": name, "adapter": "redb" });
    let answer = connection.call("POST", "/topics", &body.to_string()).await?;
    Ok((answer.status != 201).then(|| String::from_utf8_lossy(answer.body).into_owned()))
}

/// The store's last position.
pub async fn head(address: SocketAddr) -> Result<u64, Failure> {
    let mut reader = Reader::open(address).await?;
    let body: Value = serde_json::from_slice(&reader.get_body("/events?direction=backward&limit=1", JSON).await?)?;
    Ok(body["events"][0]["position"].as_u64().unwrap_or(0))
}
