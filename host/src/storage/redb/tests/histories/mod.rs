//! Random histories on a disk that tears, forgets, fails and fills up, held against the memory adapter.
//!
//! A seed gives everything but the order in which threads run. The long form:
//! `cargo xtask soak histories --seed N --count 1000`.

mod commits;
mod ledger;
mod tally;
mod trouble;
mod world;

use std::time::{Duration, Instant};

use self::tally::Tally;
use self::world::World;
use crate::storage::contract::dice::from_env;

/// Seeds that failed once. They run first.
const FAILED_ONCE: &[u64] = &[7, 56];

const HISTORY_SECONDS_MAX: u64 = 120;

/// Answers what was met, or `None` if something was not as it must be.
async fn play(seed: u64) -> Option<Tally> {
    let history = tokio::spawn(World::new(seed).run());
    match tokio::time::timeout(Duration::from_secs(HISTORY_SECONDS_MAX), history).await {
        Ok(Ok(tally)) => Some(tally),
        _ => None,
    }
}

async fn play_all(seeds: impl IntoIterator<Item = u64>) -> Tally {
    let mut all = Tally::default();
    for seed in seeds {
        all += play(seed).await.unwrap_or_else(|| panic!("history {seed} failed: see above"));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_that_failed_once_end_as_in_memory() {
    play_all(FAILED_ONCE.iter().copied()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_random_histories_on_a_bad_disk_end_as_in_memory() {
    let met = play_all(0..100).await;
    println!("{met}");
    let seldom = [met.openings_failed, met.stopped, met.conflicts, met.replayed, met.unknown, met.adopted];
    assert!(seldom.iter().chain([&met.refused, &met.commits_unknown, &met.scavenged]).all(|times| *times > 5), "{met}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the long form: cargo xtask soak histories"]
async fn many_random_histories_on_a_bad_disk_end_as_in_memory() {
    let (first, count) = (from_env("WEIR_HISTORIES_SEED", 1_000), from_env("WEIR_HISTORIES_COUNT", 1_000));
    let (began, mut met, mut failed) = (Instant::now(), Tally::default(), vec![]);
    for seed in first..first + count {
        match play(seed).await {
            Some(tally) => met += tally,
            None => {
                println!("history {seed} failed");
                failed.push(seed);
            }
        }
    }
    println!("from seed {first} in {:?}:\n{met}", began.elapsed());
    assert!(failed.is_empty(), "{failed:?} failed");
}
