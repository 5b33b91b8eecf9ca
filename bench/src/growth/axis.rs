//! By what a store grows, and which events are appended then.

use serde::Serialize;

use crate::events::Batch;

pub const TOPIC: &str = "orders-open";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum Axis {
    Events,
    Topics,
    Streams,
}

impl Axis {
    pub fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Topics => "topics",
            Self::Streams => "streams",
        }
    }

    /// A request of so many events into a store of this size.
    pub fn batch(self, size: u64, events: usize) -> Batch {
        match self {
            Self::Events => Batch::request(TOPIC, events, "/events"),
            Self::Topics => Batch::over_topics(size.max(1), events),
            Self::Streams => Batch::on_streams(TOPIC, events),
        }
    }
}
