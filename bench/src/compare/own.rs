//! Weir itself, with the schema plugin and on an open topic, and the bare HTTP handler that bounds it.

use std::path::Path;

use async_trait::async_trait;
use serde_json::Value;
use weir_bench::Failure;

use super::peer::{Peer, Programs, Store, said};
use crate::child::Server;
use crate::connection::Connection;
use crate::echo;
use crate::events::Batch;
use crate::load::Acknowledged;
use crate::publisher::{self, Publisher};
use crate::weir::{self, Weir};

pub struct OwnWeir {
    pub schema: bool,
}

#[async_trait]
impl Peer for OwnWeir {
    fn name(&self) -> &'static str {
        if self.schema { super::WEIR } else { super::WEIR_OPEN }
    }

    fn promise(&self) -> &'static str {
        if self.schema {
            "on disk (fdatasync) before the answer, each event validated by the schema plugin; conditions, order and a \
             hash chain over all topics"
        } else {
            "the same, on a topic without schemas: no plugin is called"
        }
    }

    fn version(&self, programs: &Programs) -> Result<String, Failure> {
        if !programs.weir.is_file() {
            return Err(format!("there is no server at {}", programs.weir.display()).into());
        }
        Ok(said(&programs.weir, &["--version"]).unwrap_or_else(|| "of unknown version".to_owned()))
    }

    async fn start(&self, programs: &Programs, dir: &Path) -> Result<Box<dyn Store>, Failure> {
        Ok(Box::new(Running { weir: Weir::start(&programs.weir, dir).await?, schema: self.schema }))
    }
}

struct Running {
    weir: Weir,
    schema: bool,
}

impl Running {
    fn topic(&self) -> &'static str {
        weir::topic(self.schema)
    }
}

#[async_trait]
impl Store for Running {
    fn pid(&self) -> u32 {
        self.weir.server().pid()
    }

    async fn clients(&mut self, connections: usize, events: usize) -> Result<Vec<Box<dyn Publisher>>, Failure> {
        let request = Batch::request(self.topic(), events, "/events");
        publisher::of_weir(self.weir.server().address, &request, connections).await
    }

    async fn count(&mut self) -> Result<Option<u64>, Failure> {
        let mut connection = Connection::open(self.weir.server().address).await?;
        let answer = connection.call("GET", &format!("/topics/{}", self.topic()), "").await?;
        let body: Value = serde_json::from_slice(answer.body)?;
        Ok(Some(body["sequence"].as_u64().ok_or_else(|| format!("a topic without sequence: {body}"))?))
    }

    fn check_sample(&self, done: &Acknowledged, events: usize, acknowledged: u64) -> Result<(), Failure> {
        weir::check_answer(&done.sample, self.topic(), events, acknowledged)
    }
}

/// An axum handler that reads the body and answers.
pub struct Bare;

#[async_trait]
impl Peer for Bare {
    fn name(&self) -> &'static str {
        super::BARE
    }

    fn promise(&self) -> &'static str {
        "nothing: an axum handler that reads the whole body and answers 201, the most that HTTP allows"
    }

    fn version(&self, _: &Programs) -> Result<String, Failure> {
        Ok("the axum of this build".to_owned())
    }

    async fn start(&self, _: &Programs, _: &Path) -> Result<Box<dyn Store>, Failure> {
        Ok(Box::new(RunningBare(echo::start().await?)))
    }
}

struct RunningBare(Server);

#[async_trait]
impl Store for RunningBare {
    fn pid(&self) -> u32 {
        self.0.pid()
    }

    async fn clients(&mut self, connections: usize, events: usize) -> Result<Vec<Box<dyn Publisher>>, Failure> {
        let request = Batch::request(weir::topic(true), events, &echo::read_path(events));
        publisher::of_weir(self.0.address, &request, connections).await
    }

    async fn count(&mut self) -> Result<Option<u64>, Failure> {
        Ok(None)
    }
}
