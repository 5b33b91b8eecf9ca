//! Reload in production: pause, hold, approve, roll back, and remember all of it over a restart.

use super::guests::{self, TRAP, moods};
use super::house::{House, events, recorded};
use crate::plugin::{ActionError, Fault, SigningKey, State, TrustedKeys, Verdict};

fn guest(version: &'static str) -> Vec<u8> {
    guests::validator(&guests::Validator { version, ..Default::default() })
}

fn broken(version: &'static str) -> Vec<u8> {
    guests::validator(&guests::Validator { version, describe: TRAP, ..Default::default() })
}

async fn serves(house: &House, version: &str) {
    let validator = house.validator("mood");
    assert_eq!(validator.id().version, version);
    let events = events(1);
    assert_eq!(validator.validate(&[], &[&events[0]]).await.expect("verdicts"), [Verdict::Accept]);
}

async fn two_generations() -> House {
    let house = House::new().await;
    for (number, version) in [(1, "1.0.0"), (2, "2.0.0")] {
        house.put("mood.wasm", guest(version));
        house.until_serving("mood", number).await;
    }
    house
}

#[tokio::test]
async fn a_paused_plugin_is_not_called_until_somebody_resumes_it() {
    let mut house = two_generations().await;
    let status = house.plugins.pause("mood").expect("paused");
    assert_eq!(status.state, State::Paused);
    assert!(status.reason.expect("a reason").contains("resume it"));
    assert!(house.plugins.validators().is_empty() && house.plugins.validator("mood").is_none());
    // Neither a new file nor a restart resumes it.
    house.put("mood.wasm", guest("3.0.0"));
    house.until("mood", "loaded", |s| s.is_some_and(|s| s.serving.as_ref().is_some_and(|s| s.generation == 3))).await;
    assert!(house.plugins.validator("mood").is_none());
    house.restart().await;
    assert_eq!(house.status("mood").expect("a status").state, State::Paused);
    assert_eq!(house.plugins.resume("mood").expect("resumed").state, State::Active);
    serves(&house, "3.0.0").await;
    assert!(matches!(house.plugins.pause("nobody"), Err(ActionError::Unknown(_))));
}

#[tokio::test]
async fn in_manual_mode_a_new_file_waits_and_says_what_it_would_change() {
    let mut house = House::new().await;
    *house.stage.events.lock().expect("events") = recorded(moods::REJECTS as u64);
    house.put("mood.toml", "reload.mode = \"manual\"\n");
    house.put("mood.wasm", guest("1.0.0"));
    let first = house.until_serving("mood", 1).await;
    let replay = first.replay.expect("the first one is tried too");
    // This guest rejects a batch of just this many events.
    assert_eq!((replay.compared, replay.changed), (moods::REJECTS, moods::REJECTS));
    assert_eq!((replay.changes[0].of.as_str(), replay.changes[0].before.as_str()), ("default-1", "accept"));
    assert!(replay.changes[0].after.starts_with("reject "), "{:?}", replay.changes[0]);

    house.put("mood.wasm", guest("2.0.0"));
    let reason = house.until_state("mood", State::Held, "reload it to let it serve").await;
    assert!(reason.contains(&format!("0 of {} recent events differently", moods::REJECTS)), "{reason}");
    serves(&house, "1.0.0").await;
    // A restart approves nothing.
    house.restart().await;
    house.until_state("mood", State::Held, "waits").await;
    serves(&house, "1.0.0").await;
    assert_eq!(house.plugins.reload("mood").await.expect("approved").state, State::Active);
    serves(&house, "2.0.0").await;
    house.restart().await;
    serves(&house, "2.0.0").await;
}

#[tokio::test]
async fn a_rollback_by_hand_holds_over_a_restart_until_somebody_reloads() {
    let mut house = two_generations().await;
    let status = house.plugins.roll_back("mood").await.expect("rolled back");
    assert_eq!((status.state, status.refused.len()), (State::RolledBack, 1));
    assert!(status.reason.expect("a reason").starts_with("plugin 'mood' 2.0.0 was rolled back"));
    serves(&house, "1.0.0").await;
    house.restart().await;
    assert_eq!(house.status("mood").expect("a status").state, State::RolledBack);
    serves(&house, "1.0.0").await;
    let error = house.plugins.roll_back("mood").await.expect_err("nothing before it");
    assert!(matches!(&error, ActionError::Conflict(why) if why.contains("no generation to go back to")), "{error}");
    serves(&house, "1.0.0").await;
    assert_eq!(house.plugins.reload("mood").await.expect("taken again").state, State::Active);
    serves(&house, "2.0.0").await;
    // From disk too: after a restart the one before is not loaded.
    house.restart().await;
    assert_eq!(house.plugins.roll_back("mood").await.expect("rolled back").state, State::RolledBack);
    serves(&house, "1.0.0").await;
}

#[tokio::test]
async fn a_broken_file_at_the_start_brings_the_last_good_generation() {
    let mut house = two_generations().await;
    house.put("mood.wasm", broken("3.0.0"));
    house.until_failed("mood", "failed in describe()").await;
    serves(&house, "2.0.0").await;
    house.restart().await;
    house.until_failed("mood", "failed in describe()").await;
    serves(&house, "2.0.0").await;
    let error = house.plugins.reload("mood").await.expect_err("broken still");
    assert!(matches!(&error, ActionError::Conflict(why) if why.contains("failed in describe()")), "{error}");
    serves(&house, "2.0.0").await;
}

#[tokio::test]
async fn a_plugin_that_fails_most_calls_is_left_alone_for_a_while() {
    let house = House::new().await;
    house.put("mood.toml", "faults.per_minute = 5\n");
    house.put("mood.wasm", guest("1.0.0"));
    house.until_serving("mood", 1).await;
    let validator = house.validator("mood");
    let events = events(moods::TRAPS);
    let batch: Vec<_> = events.iter().collect();
    for _ in 0..5 {
        let error = validator.validate(&[], &batch).await.expect_err("a trap");
        assert!(matches!(error.fault, Fault::Trap(_)), "{error}");
    }
    let error = validator.validate(&[], &batch[..1]).await.expect_err("suspended");
    assert!(matches!(error.fault, Fault::Suspended { faults: 5, .. }), "{error}");
    let serving = house.status("mood").and_then(|status| status.serving).expect("it serves");
    assert!(serving.suspended_s.is_some_and(|left| left > 0) && serving.stats.faults["trap"] == 5, "{serving:?}");
}

#[tokio::test]
async fn on_trap_is_a_word_of_the_kind() {
    let house = House::new().await;
    house.put("mood.toml", "on_trap = \"skip\"\n");
    house.put("mood.wasm", guest("1.0.0"));
    let reason = house.until_failed("mood", "on_trap").await;
    assert!(
        reason
            .ends_with("on_trap = \"skip\" is not for a plugin of kind Validator; it may be \"reject\" or \"accept\""),
        "{reason}"
    );
    house.put("mood.toml", "on_trap = \"accept\"\n");
    house.until_serving("mood", 1).await;
}

/// Several servers may share a plugin directory; each has its own cache and memory.
#[tokio::test]
async fn two_rooms_on_one_directory_both_follow_it() {
    let house = two_generations().await;
    let other = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::symlink(house.dir.path().join("plugins"), other.path().join("plugins")).expect("a link");
    let plugins = House::open(other.path(), Vec::new(), &house.stage).await;
    let neighbour = House { dir: other, plugins, stage: house.stage.clone() };
    serves(&neighbour, "2.0.0").await;
    house.put("mood.wasm", guest("3.0.0"));
    house.until_serving("mood", 3).await;
    neighbour.until_serving("mood", 2).await;
    serves(&neighbour, "3.0.0").await;
    // What one operator pauses, the other server goes on with.
    house.plugins.pause("mood").expect("paused");
    serves(&neighbour, "3.0.0").await;
}

#[tokio::test]
async fn with_keys_only_signed_files_are_taken() {
    let (key, _) = SigningKey::generate().expect("a key");
    let (foreign, _) = SigningKey::generate().expect("a key");
    let house = House::signed_by(TrustedKeys::parse(&key.public_line()).expect("keys")).await;
    let (first, second) = (guest("1.0.0"), guest("2.0.0"));
    house.put("mood.wasm", &first);
    house
        .until_failed("mood", "has no signature, and this server takes only signed files; put mood.wasm.sig beside it")
        .await;
    house.put("mood.wasm.sig", key.sign(&first));
    house.until_serving("mood", 1).await;
    house.put("mood.wasm", &second);
    house.until_failed("mood", "has a signature that does not hold").await;
    house.put("mood.wasm.sig", foreign.sign(&second));
    house.until_failed("mood", "no key that this server trusts").await;
    serves(&house, "1.0.0").await;
    house.put("mood.wasm.sig", key.sign(&second));
    house.until_serving("mood", 2).await;
    serves(&house, "2.0.0").await;
}

/// A trial keeps a new file from serving. What serves already was recorded with, whatever it would say today.
#[tokio::test]
async fn a_restart_brings_back_what_served_even_if_it_fails_on_recent_events() {
    let mut house = two_generations().await;
    *house.stage.events.lock().expect("events") = recorded(moods::TRAPS as u64);
    house.restart().await;
    assert_eq!(house.status("mood").expect("a status").state, State::Active);
    serves(&house, "2.0.0").await;
    house.put("mood.wasm", guest("3.0.0"));
    house.until_failed("mood", "failed on recent events").await;
    house.restart().await;
    serves(&house, "2.0.0").await;
}

/// A rollback refuses the file; a generation of the same file cannot be what it goes back to.
#[tokio::test]
async fn a_rollback_never_goes_back_to_the_same_file() {
    let mut house = two_generations().await;
    house.put("mood.toml", "on_trap = \"reject\"\n");
    house.until_serving("mood", 3).await;
    serves(&house, "2.0.0").await;
    house.plugins.roll_back("mood").await.expect("rolled back");
    serves(&house, "1.0.0").await;
    house.remove("mood.wasm");
    house.put("mood.wasm", b"no component");
    house.until_failed("mood", "is no WebAssembly").await;
    house.restart().await;
    serves(&house, "1.0.0").await;
}

#[tokio::test]
async fn a_restart_remembers_every_plugin_and_not_only_the_one_that_is_looked_at_first() {
    let mut house = House::new().await;
    for name in ["a", "b", "c", "d"] {
        house.put(&format!("{name}.wasm"), guest("1.0.0"));
        house.until_serving(name, 1).await;
        house.put(&format!("{name}.wasm"), broken("2.0.0"));
        house.until_state(name, State::Failed, "failed in describe()").await;
        house.plugins.pause(name).expect("paused");
    }
    house.restart().await;
    for name in ["a", "b", "c", "d"] {
        let status = house.status(name).expect("a status");
        assert_eq!(status.state, State::Paused, "{name}");
        assert_eq!(status.serving.map(|serving| serving.version).as_deref(), Some("1.0.0"), "{name}");
    }
}
