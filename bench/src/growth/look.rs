//! What is measured at one size of a store while it serves.

use serde::Serialize;
use weir_bench::Failure;

use super::axis::{Axis, TOPIC};
use super::rates::{self, Micros, Pair, Side};
use super::store::Run;
use crate::child::Server;
use crate::dice::dice;
use crate::footprint::Memory;
use crate::measured::settled;
use crate::site::{self, Site};

/// Events of a request whose rate is told as that of batches.
const BATCH: usize = 100;
const PAGE_EVENTS: u64 = 1_000;
/// Reads of each kind.
const PAGES: u64 = 100;
const SINGLES: u64 = 2_000;

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// Events, topics or streams.
    pub size: u64,
    /// Events before appending was measured.
    pub events: u64,
    /// One event a request, and a hundred.
    pub single: Pair,
    pub batch: Pair,
    /// The last thousand events of the store.
    pub page_us: Micros,
    /// An event by its id, where ids can be known: in a store of one topic.
    pub event_us: Option<Micros>,
    pub memory: Memory,
    pub disk_bytes: u64,
    /// Events when the disk was looked at.
    pub events_on_disk: u64,
    pub open_killed_s: f64,
    pub open_stopped_s: f64,
}

impl Point {
    pub fn disk_per_event(&self) -> f64 {
        self.disk_bytes as f64 / self.events_on_disk.max(1) as f64
    }

    /// For whoever waits.
    pub fn line(&self) -> String {
        format!(
            "appends {:.2} and {:.2} of fresh, open after {:.2} s killed, {:.2} s stopped, peak {:.0} MB",
            self.single.ratio.median,
            self.batch.ratio.median,
            self.open_killed_s,
            self.open_stopped_s,
            self.memory.peak as f64 / 1e6
        )
    }
}

impl Run {
    /// Everything but opening.
    pub async fn look(&self, axis: Axis, site: &Site, server: &Server, size: u64) -> Result<Point, Failure> {
        let events = site::head(server.address).await?;
        // Dropped before its directory, as it is bound after it.
        let (_home, fresh) = self.fresh(axis).await?;
        let appends = async |per_request: usize| {
            let grown = Side { server, request: axis.batch(size, per_request) };
            let fresh = Side { server: &fresh, request: axis.batch(1, per_request) };
            rates::appends((grown, fresh), events, self.window, self.rounds, &self.numbers).await
        };
        let (single, batch) = (appends(1).await?, appends(BATCH).await?);
        let heads = (site::head(server.address).await?, site::head(fresh.address).await?);
        let head = |grown: bool| if grown { heads.0 } else { heads.1 };
        let page =
            |grown, _| format!("/events?from={}&limit={PAGE_EVENTS}", head(grown).saturating_sub(PAGE_EVENTS) + 1);
        let page_us = rates::reads(server.address, fresh.address, PAGES, page).await?;
        let by_id = |grown, at| format!("/events/{TOPIC}-{}", 1 + dice(size, at) % head(grown));
        let event_us = match axis {
            Axis::Topics => None,
            Axis::Events | Axis::Streams => Some(rates::reads(server.address, fresh.address, SINGLES, by_id).await?),
        };
        settled(server.pid()).await?;
        let (memory, disk_bytes) = (Memory::of(server.pid())?, site.disk_bytes()?);
        let (open_killed_s, open_stopped_s, events_on_disk) = (f64::NAN, f64::NAN, heads.0);
        Ok(Point {
            size,
            events,
            single,
            batch,
            page_us,
            event_us,
            memory,
            disk_bytes,
            events_on_disk,
            open_killed_s,
            open_stopped_s,
        })
    }
}
