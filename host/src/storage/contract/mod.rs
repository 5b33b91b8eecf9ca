//! The conformance suite: what every adapter promises, as tests that take a way to open an empty store.
//!
//! Hidden but public, so that adapters in other crates can be held to it: `storage_contract!(open)` makes one test of
//! each promise, where `open` is an expression that gives an `Fn(Clock) -> Store`. Dev code: it panics when a promise
//! is broken.

pub mod appending;
pub mod dice;
pub mod histories;
pub mod reading;
pub mod recording;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Batch, Clock, EventLog, StorageError, Store};
use crate::model::{
    Condition, Direction, Event, EventType, Expected, Filter, IdempotencyKey, NewEvent, Payload, Read, Scope,
    StreamName, Tag, TopicName,
};

/// How a test opens its store.
pub type Open<'a> = &'a (dyn Fn(Clock) -> Store + Sync);

/// A clock that goes on by one at each look.
pub fn ticking() -> Clock {
    let now = AtomicU64::new(1_000);
    Arc::new(move || now.fetch_add(1, Ordering::Relaxed))
}

pub fn topic(name: &str) -> TopicName {
    TopicName::parse(name).expect("a topic name")
}

pub fn stream(name: &str) -> StreamName {
    StreamName::parse(name).expect("a stream name")
}

pub fn tag(name: &str) -> Tag {
    Tag::parse(name).expect("a tag")
}

pub fn kind(name: &str) -> EventType {
    EventType::parse(name).expect("an event type")
}

/// An event of a stream, or of none if its name is empty.
pub fn event(in_topic: &str, in_stream: &str, payload: impl Into<bytes::Bytes>) -> NewEvent {
    NewEvent {
        topic: topic(in_topic),
        stream: (!in_stream.is_empty()).then(|| stream(in_stream)),
        event_type: kind("Happened"),
        payload: Payload::Bytes(payload.into()),
        tags: vec![],
        metadata: vec![],
    }
}

pub fn condition(in_topic: &str, in_stream: &str, expected: Expected) -> Condition {
    Condition::Stream { topic: topic(in_topic), stream: stream(in_stream), expected }
}

/// An idempotency key and a request by one number each.
pub fn key(key: u8, request: u8) -> IdempotencyKey {
    IdempotencyKey { key: [key; 16], request: [request; 16] }
}

pub fn batch(events: Vec<NewEvent>) -> Batch {
    batch_if(events, vec![])
}

pub fn batch_if(events: Vec<NewEvent>, conditions: Vec<Condition>) -> Batch {
    Batch { events, conditions, key: None }
}

pub fn forward(scope: Scope, from: u64) -> Read {
    let (filter, direction) = (Filter::default(), Direction::Forward);
    Read { scope, direction, from, filter, events_max: 1000, bytes_max: 1 << 20 }
}

/// Reads page after page to the end.
pub async fn read_all(log: &dyn EventLog, read: Read) -> Vec<Event> {
    try_read_all(log, read).await.expect("a page")
}

/// The same where a page may not come.
pub async fn try_read_all(log: &dyn EventLog, mut read: Read) -> Result<Vec<Event>, StorageError> {
    let mut events = vec![];
    loop {
        let page = log.read(&read).await?;
        events.extend(page.events);
        match page.next {
            Some(next) => read.from = next,
            None => return Ok(events),
        }
    }
}

/// Makes a test of every promise. See the module's own words.
#[doc(hidden)]
#[macro_export]
macro_rules! storage_contract {
    ($open:expr) => {
        $crate::storage_contract!($open; appending:
            positions_sequences_and_versions_are_gapless_under_40_concurrent_appenders
            of_30_concurrent_appends_that_expect_a_new_stream_exactly_one_wins
            a_query_that_takes_many_steps_is_answered_too
            every_condition_that_fails_is_reported_and_nothing_is_written
            each_expectation_holds_exactly_when_it_says
            a_batch_over_several_topics_and_streams_is_adjacent_and_whole
            a_refused_batch_leaves_no_gap
            payloads_come_back_byte_for_byte
            a_big_payload_comes_back
            time_never_goes_back_even_if_the_clock_does
            the_head_changes_only_after_the_events_are_readable
            an_empty_batch_only_checks_its_conditions
            a_query_is_refused_by_the_last_event_that_matches_after_its_position
            of_30_concurrent_appends_that_expect_no_match_exactly_one_wins
            a_head_condition_holds_at_that_head_alone
            a_batch_with_a_known_key_is_answered_with_its_first_places
            of_20_concurrent_batches_with_one_key_exactly_one_is_appended
            a_topics_hash_covers_its_events_and_their_order
            verifying_counts_all_events_and_gives_the_tips
            after_close_appends_are_refused_and_reads_still_work
        );
        $crate::storage_contract!($open; reading:
            names_that_share_letters_are_not_mixed_up
            a_page_is_bounded_in_events_and_bytes
            a_filter_that_matches_nothing_is_read_in_bounded_steps
            reading_where_nothing_is_finds_nothing
            behind_a_sequence_there_are_so_many_bytes
            scavenging_takes_nothing_that_was_not_deleted
            a_reader_that_follows_the_head_misses_nothing_and_sees_nothing_twice
        );
        $crate::storage_contract!($open; histories: random_histories_read_as_a_plain_list_says);
        $crate::storage_contract!($open; recording:
            a_record_counts_its_revisions
            a_change_that_expects_another_revision_is_refused_with_the_actual_one
            a_commit_is_made_whole_or_not_at_all
            a_scan_pages_through_a_prefix_in_byte_order
            of_20_concurrent_commits_on_one_revision_exactly_one_wins
            changes_of_one_commit_see_each_other
        );
    };
    ($open:expr; $part:ident: $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::storage::contract::$part::$name(&$open).await;
            }
        )*
    };
}
