//! What a validator's call may do, and what comes of it: one call fails, the next one works.

use std::time::{Duration, Instant};

use super::guests::{self, moods};
use super::house::{House, events, setting};
use crate::plugin::{Fault, Validator, Verdict};

const SMALL: &str = "[limits]\nfuel_per_call = 20_000_000\nmemory_bytes_max = 4_194_304\n";

async fn open(sidecar: &str) -> House {
    let guest = guests::validator(&guests::Validator::default());
    House::with(Vec::new(), |dir| {
        std::fs::write(dir.join("mood.wasm"), guest).expect("a file");
        std::fs::write(dir.join("mood.toml"), sidecar).expect("a file");
    })
    .await
}

async fn ask(validator: &Validator, count: usize) -> Result<Vec<Verdict>, Fault> {
    let events = events(count);
    validator.validate(&[], &events.iter().collect::<Vec<_>>()).await.map_err(|error| error.fault)
}

/// After any fault the next call works: the instance that went wrong is gone.
async fn works_again(house: &House) {
    for _ in 0..20 {
        assert_eq!(ask(&house.validator("mood"), 1).await, Ok(vec![Verdict::Accept]));
    }
}

#[tokio::test]
async fn a_validator_accepts_rejects_and_replaces() {
    let house = open(SMALL).await;
    let validator = house.validator("mood");
    assert_eq!(ask(&validator, 2).await, Ok(vec![Verdict::Accept; 2]));
    assert_eq!(ask(&validator, 100).await, Ok(vec![Verdict::Accept; 100]));
    let Ok(rejected) = ask(&validator, moods::REJECTS).await else { panic!("no answer") };
    assert!(matches!(&rejected[10], Verdict::Reject(why) if why.len() == 1 && why[0].message == "no"));
    let Ok(replaced) = ask(&validator, moods::REPLACES).await else { panic!("no answer") };
    assert!(matches!(&replaced[0], Verdict::Replace(payload) if payload.as_bytes().as_ref() == br#"{"a":1}"#));
    assert_eq!(ask(&validator, 0).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_trap_fails_one_call_and_names_the_plugin() {
    let house = open(SMALL).await;
    let events = events(moods::TRAPS);
    let error = house.validator("mood").validate(&[], &events.iter().collect::<Vec<_>>()).await.expect_err("a trap");
    assert!(matches!(&error.fault, Fault::Trap(text) if text.contains("unreachable")), "{error}");
    assert!(error.to_string().starts_with("plugin 'mood' 1.0.0 ("), "{error}");
    works_again(&house).await;
    let serving = house.status("mood").and_then(|status| status.serving).expect("it serves");
    assert_eq!((serving.faults, serving.calls), (1, 21));
}

#[tokio::test]
async fn a_loop_ends_at_the_instruction_limit() {
    let house = open(SMALL).await;
    let fault = ask(&house.validator("mood"), moods::LOOPS).await.expect_err("a loop");
    assert!(matches!(fault, Fault::Cpu(_)), "{fault}");
    works_again(&house).await;
}

/// On a runtime with one thread: if the guest blocked it, the timer could not fire in time.
#[tokio::test]
async fn a_loop_never_holds_up_the_thread() {
    let house = open("[limits]\nfuel_per_call = 100_000_000_000\n").await;
    let validator = house.validator("mood");
    for mood in [moods::LOOPS, moods::FILLS_MEMORY_FOREVER] {
        let looping = validator.clone();
        let task = tokio::spawn(async move { ask(&looping, mood).await });
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut times = Vec::new();
        for _ in 0..50 {
            let start = Instant::now();
            tokio::task::yield_now().await;
            times.push(start.elapsed());
        }
        times.sort();
        assert!(!task.is_finished(), "it loops still");
        // A slice is well under a millisecond. Not the worst of them: a machine that does much else takes the thread away.
        assert!(times[40] < Duration::from_millis(20), "the thread was held up: {times:?}");
        task.abort();
    }
    works_again(&house).await;
}

#[tokio::test]
async fn a_call_that_takes_too_long_ends_at_the_wall() {
    let house = open("[limits]\nfuel_per_call = 100_000_000_000\ncall_timeout_ms = 50\n").await;
    assert_eq!(ask(&house.validator("mood"), moods::LOOPS).await, Err(Fault::Timeout(50)));
    works_again(&house).await;
}

#[tokio::test]
async fn memory_is_limited_and_said_to_be_the_cause() {
    let house = open(SMALL).await;
    assert_eq!(ask(&house.validator("mood"), moods::EATS_MEMORY).await, Err(Fault::Memory(4_194_304)));
    works_again(&house).await;
}

#[tokio::test]
async fn wrong_answers_are_faults() {
    let house = open(SMALL).await;
    let validator = house.validator("mood");
    for (mood, part) in [
        (moods::FORGETS_ALL, "0 verdicts for 6 events"),
        (moods::REPLACES_BADLY, "is JSON and is not"),
        (moods::POINTS_OUTSIDE, "out of bounds"),
    ] {
        let fault = ask(&validator, mood).await.expect_err("a wrong answer");
        assert!(matches!(&fault, Fault::Answer(text) if text.contains(part)), "{fault}");
    }
    works_again(&house).await;
}

#[tokio::test]
async fn an_answer_may_not_be_endless() {
    let house = open("[limits]\noutput_bytes_max = 1024\n").await;
    let fault = ask(&house.validator("mood"), 1_000).await.expect_err("16 KB of verdicts");
    assert!(matches!(&fault, Fault::Limit(text) if text.contains("1024 bytes")), "{fault}");
    works_again(&house).await;
}

#[tokio::test]
async fn a_call_that_was_given_up_leaves_no_broken_instance() {
    let house = open("[limits]\nfuel_per_call = 100_000_000_000\n").await;
    let validator = house.validator("mood");
    for _ in 0..5 {
        let gone = tokio::time::timeout(Duration::from_millis(5), ask(&validator, moods::LOOPS)).await;
        assert!(gone.is_err());
    }
    works_again(&house).await;
}

#[tokio::test]
async fn one_call_too_many_is_told_that_the_plugin_is_busy() {
    let house = open(
        "[limits]\nfuel_per_call = 100_000_000_000\ncall_timeout_ms = 400\ninstances_max = 1\nqueue_calls_max = 1\n",
    )
    .await;
    let validator = house.validator("mood");
    let (looping, waiting) = (validator.clone(), validator.clone());
    let first = tokio::spawn(async move { ask(&looping, moods::LOOPS).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let second = tokio::spawn(async move { ask(&waiting, 1).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(ask(&validator, 1).await, Err(Fault::Busy(1)));
    assert_eq!(first.await.expect("a task"), Err(Fault::Timeout(400)));
    assert_eq!(second.await.expect("a task"), Ok(vec![Verdict::Accept]), "the one in the queue got its turn");
    let serving = house.status("mood").and_then(|status| status.serving).expect("it serves");
    assert_eq!(serving.faults, 1, "to be busy is no fault of the guest");
}

#[tokio::test]
async fn instances_are_replaced_after_their_time_and_never_too_many() {
    let house = open("[limits]\ninstances_max = 2\n").await;
    let validator = house.validator("mood");
    for _ in 0..20_050 {
        assert!(ask(&validator, 1).await.is_ok());
    }
    for _ in 0..50 {
        let _ = ask(&validator, moods::TRAPS).await;
    }
    works_again(&house).await;
    let serving = house.status("mood").and_then(|status| status.serving).expect("it serves");
    assert!((1..=2).contains(&serving.instances), "{}", serving.instances);
}

#[tokio::test]
async fn a_chatterbox_is_cut_short_and_works_on() {
    let house = open(SMALL).await;
    assert_eq!(ask(&house.validator("mood"), moods::CHATTERS).await, Ok(vec![Verdict::Accept; 9]));
}

#[tokio::test]
async fn an_instance_learns_each_revision_of_a_setting_once() {
    let house = open(SMALL).await;
    let validator = house.validator("mood");
    assert_eq!(validator.configure(&setting(1)).await.expect("an answer"), Ok(()));
    let events = events(1);
    for revision in [1, 1, 2] {
        let verdicts = validator.validate(&[setting(revision)], &[&events[0]]).await.expect("verdicts");
        assert_eq!(verdicts, [Verdict::Accept]);
    }
}

#[tokio::test]
async fn a_setting_may_be_refused() {
    let guest = guests::validator(&guests::Validator { configure: guests::REFUSE, ..Default::default() });
    let house = House::with(Vec::new(), |dir| std::fs::write(dir.join("mood.wasm"), guest).expect("a file")).await;
    let validator = house.validator("mood");
    let refusals = validator.configure(&setting(1)).await.expect("an answer").expect_err("a refusal");
    assert_eq!((refusals.len(), refusals[0].code.as_str()), (1, "no"));
    // A setting that is stored already and refused now fails closed, and says which.
    let events = events(1);
    let error = validator.validate(&[setting(1)], &[&events[0]]).await.expect_err("a fault");
    assert!(error.to_string().contains("refused the setting of topic 'default'"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_made_in_reserve_are_never_more_than_the_limit() {
    let house = open("[limits]\ninstances_max = 2\n").await;
    let validator = house.validator("mood");
    let pool = &validator.generation.pool;
    for _ in 0..200 {
        pool.drain();
        pool.reopen();
        // The instance that was asked is thrown away, and one takes its place in the background while others are made here.
        let _ = validator.configure(&setting(1)).await;
        assert!(pool.warm(2).await.is_ok());
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert!(pool.alive() <= 2, "{} instances", pool.alive());
    }
}
