//! One page of a read as it fills: the bounds that every adapter keeps, in one place.

use crate::model::limits::{PAGE_BYTES_MAX, PAGE_EVENTS_MAX, PAGE_SCANNED_MAX};
use crate::model::{Direction, Event, Page, Read};

/// The events found so far, and how much was looked at for them.
pub(super) struct PageBuilder {
    events: Vec<Event>,
    events_max: usize,
    bytes: usize,
    bytes_max: usize,
    scanned: usize,
}

impl PageBuilder {
    pub fn new(read: &Read) -> Self {
        let events_max = read.events_max.clamp(1, PAGE_EVENTS_MAX);
        let bytes_max = read.bytes_max.min(PAGE_BYTES_MAX);
        Self { events: Vec::new(), events_max, bytes: 0, bytes_max, scanned: 0 }
    }

    /// Counts an event that was looked at, whether it matched or not.
    pub fn look(&mut self) {
        self.scanned += 1;
    }

    pub fn push(&mut self, event: Event) {
        self.bytes += event.payload.as_bytes().len();
        self.events.push(event);
    }

    /// The page takes no more: events, bytes, or patience.
    pub fn is_full(&self) -> bool {
        self.events.len() >= self.events_max
            || (self.bytes >= self.bytes_max && !self.events.is_empty())
            || self.scanned >= PAGE_SCANNED_MAX
    }

    /// How many places it is worth to fetch at once.
    pub fn room(&self) -> usize {
        (self.events_max - self.events.len().min(self.events_max)).max(1)
    }

    pub fn finish(self, next: Option<u64>) -> Page {
        Page { events: self.events, next }
    }
}

/// The places that a read still has to look at, both ends inclusive, in its own direction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub direction: Direction,
    /// The next place to look at; 0 or past the end when nothing is left.
    pub at: u64,
    /// The last place that exists, as it was when the page was begun.
    pub end: u64,
}

impl Span {
    pub fn new(read: &Read, end: u64) -> Self {
        let at = match read.direction {
            Direction::Forward => read.from.max(1),
            Direction::Backward => read.from.min(end),
        };
        Self { direction: read.direction, at, end }
    }

    /// The next place, or `None` at the end of the read.
    pub fn next(&self) -> Option<u64> {
        (self.at >= 1 && self.at <= self.end).then_some(self.at)
    }

    /// Goes on behind places before `first`, which were deleted; backward there is nothing behind them.
    pub fn skip_to(&mut self, first: u64) {
        self.at = if self.direction == Direction::Forward { first } else { 0 };
    }

    /// Goes one place on.
    pub fn step(&mut self) {
        match self.direction {
            Direction::Forward => self.at += 1,
            Direction::Backward => self.at -= 1,
        }
    }
}
