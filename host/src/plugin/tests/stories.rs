//! The plugin directory, as operators use it: put in, replace, break, mend, rename, remove.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tracing_subscriber::fmt::format::FmtSpan;

use super::guests::{self, LOOP, NO, REFUSE, TRAP, moods};
use super::house::{House, Stage, events, recorded, setting};
use crate::plugin::{Embedded, Sidecar, State, Verdict};

fn guest(version: &'static str) -> Vec<u8> {
    guests::validator(&guests::Validator { version, ..Default::default() })
}

fn behaving(change: impl FnOnce(&mut guests::Validator)) -> Vec<u8> {
    let mut validator = guests::Validator { version: "6.6.6", ..Default::default() };
    change(&mut validator);
    guests::validator(&validator)
}

async fn serves(house: &House, version: &str) {
    let validator = house.validator("mood");
    assert_eq!(validator.id().version, version);
    let events = events(1);
    assert_eq!(validator.validate(&[], &[&events[0]]).await.expect("verdicts"), [Verdict::Accept]);
}

#[tokio::test]
async fn a_file_that_is_put_in_serves_and_one_that_is_removed_does_not() {
    let house = House::new().await;
    assert!(house.plugins.validators().is_empty());
    house.put("mood.wasm", guest("1.0.0"));
    let status = house.until_serving("mood", 1).await;
    assert_eq!((status.source, status.reason), ("directory", None));
    serves(&house, "1.0.0").await;
    house.remove("mood.wasm");
    house.until("mood", "removed", |status| status.is_none()).await;
    assert!(house.plugins.validators().is_empty() && house.plugins.validator("mood").is_none());
}

#[tokio::test]
async fn a_new_file_takes_over_while_old_calls_end_on_the_old_one() {
    let house = House::new().await;
    house.put("mood.wasm", guest("1.0.0"));
    house.until_serving("mood", 1).await;
    let old = house.validator("mood");
    house.put("mood.wasm", guest("2.0.0"));
    house.until_serving("mood", 2).await;
    serves(&house, "2.0.0").await;
    let events = events(1);
    assert_eq!(old.id().version, "1.0.0");
    assert_eq!(old.validate(&[], &[&events[0]]).await.expect("verdicts"), [Verdict::Accept]);
    assert_eq!(old.generation.pool.alive(), 0, "a generation that serves no more keeps no instance");
}

#[tokio::test]
async fn what_an_operator_wants_to_know_of_a_plugin_is_shown() {
    let house = House::new().await;
    house.put("mood.toml", "[limits]\nmemory_bytes_max = 8388608\n");
    house.put("mood.wasm", guest("1.0.0"));
    house.until_serving("mood", 1).await;
    let shown = serde_json::to_value(house.status("mood")).expect("JSON");
    let serving = &shown["serving"];
    assert_eq!(
        (&serving["limits"]["memoryBytesMax"], &serving["limits"]["fuelPerCall"]),
        (&json!(8_388_608), &json!(1_000_000_000))
    );
    assert_eq!(
        (&serving["interests"], &serving["stateVersion"], &serving["onTrap"]),
        (&json!([]), &json!(0), &json!("reject"))
    );
}

#[tokio::test]
async fn every_call_is_a_span_for_whoever_looks_at_spans() {
    let house = House::new().await;
    house.put("mood.wasm", guest("1.0.0"));
    house.until_serving("mood", 1).await;
    let (validator, events) = (house.validator("mood"), events(2));
    let (lines, writer) = lines();
    let spans = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_span_events(FmtSpan::CLOSE);
    let looking = tracing::subscriber::set_default(spans.with_ansi(false).with_writer(writer).finish());
    validator.validate(&[], &[&events[0], &events[1]]).await.expect("verdicts");
    drop(looking);
    let lines = String::from_utf8(lines.lock().expect("lines").clone()).expect("UTF-8");
    let span = "plugin{name=\"mood\" version=\"1.0.0\" function=\"validate\" events=2}";
    assert!(lines.contains(span) && lines.contains("time.busy="), "{lines}");
}

/// What is written, and a writer for a subscriber.
fn lines() -> (Arc<Mutex<Vec<u8>>>, impl Fn() -> Box<dyn Write> + Send + Sync + 'static) {
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("lines").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let lines = Arc::<Mutex<Vec<u8>>>::default();
    let writer = lines.clone();
    (lines, move || Box::new(Lines(writer.clone())))
}

#[tokio::test]
async fn the_same_content_again_is_not_loaded_again() {
    let house = House::new().await;
    house.put("mood.wasm", guest("1.0.0"));
    house.until_serving("mood", 1).await;
    house.put("mood.wasm", guest("1.0.0"));
    tokio::time::sleep(Duration::from_millis(800)).await;
    house.until_serving("mood", 1).await;
}

#[tokio::test]
async fn a_broken_file_keeps_the_old_generation_and_says_why() {
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "is an empty file"),
        (b"<html>404</html>".to_vec(), "is no WebAssembly"),
        (guest("2.0.0")[..900].to_vec(), "cut off"),
        (behaving(|v| v.describe = TRAP), "failed in describe()"),
        (behaving(|v| v.describe = LOOP), "failed in describe(): it used up its CPU"),
        (behaving(|v| v.init = LOOP), "could not be started"),
        (behaving(|v| v.init = TRAP), "could not be started"),
        (behaving(|v| v.init = NO), "refused its config: no"),
        (wat::parse_str("(module)").expect("a module"), "is a core module"),
    ];
    let house = House::new().await;
    house.put("mood.toml", "[limits]\nfuel_per_call = 20_000_000\n");
    house.put("mood.wasm", guest("1.0.0"));
    house.until_serving("mood", 1).await;
    for (bytes, part) in cases {
        house.put("mood.wasm", &bytes);
        let reason = house.until_failed("mood", part).await;
        assert!(reason.starts_with("plugin 'mood' ") && !reason.contains('\n'), "{reason}");
        serves(&house, "1.0.0").await;
    }
    house.put("mood.wasm", guest("2.0.0"));
    house.until_serving("mood", 2).await;
    serves(&house, "2.0.0").await;
}

#[tokio::test]
async fn a_file_that_is_far_too_large_is_not_even_read() {
    let house = House::new().await;
    let file = std::fs::File::create(house.path("mood.wasm")).expect("a file");
    // A hole: it takes no room on the disk.
    file.set_len(200 << 20).expect("200 MB");
    let reason = house.until_failed("mood", "is 209715200 bytes long, more than the 67108864").await;
    assert!(reason.starts_with("plugin 'mood' "), "{reason}");
}

#[tokio::test]
async fn a_file_that_is_written_slowly_is_taken_once_when_it_is_whole() {
    use std::io::Write;
    let house = House::settling(400).await;
    let whole = guest("1.0.0");
    let mut file = std::fs::File::create(house.path("mood.wasm")).expect("a file");
    for part in whole.chunks(whole.len() / 60) {
        file.write_all(part).expect("a part");
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(house.status("mood"), None, "nobody looks at half a file");
    }
    house.until_serving("mood", 1).await;
}

#[tokio::test]
async fn temporary_files_are_no_plugins() {
    let house = House::new().await;
    for file in
        [".mood.wasm", "mood.wasm~", "mood.wasm.swp", "mood.wasm.tmp", "mood.wasm.part", ".#mood.wasm", "mood.txt"]
    {
        house.put(file, guest("1.0.0"));
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(house.plugins.list(), []);
    std::fs::rename(house.path("mood.wasm.tmp"), house.path("mood.wasm")).expect("renamed");
    house.until_serving("mood", 1).await;
    std::fs::rename(house.path("mood.wasm"), house.path("other.wasm")).expect("renamed");
    house.until_serving("other", 1).await;
    house.until("mood", "removed", |status| status.is_none()).await;
}

#[tokio::test]
async fn a_side_car_alone_changes_pins_and_switches_off() {
    let house = House::new().await;
    let bytes = guest("1.0.0");
    house.put("mood.wasm", &bytes);
    let digest = house.until_serving("mood", 1).await.digest.expect("a digest");
    house.put("mood.toml", "on_trap = \"accept\"\n");
    house.until_serving("mood", 2).await;
    assert_eq!(house.validator("mood").on_trap(), crate::plugin::OnTrap::Accept);
    house.put("mood.toml", format!("digest = \"sha256:{}\"\n", "0".repeat(64)));
    house.until_failed("mood", "side-car pins").await;
    serves(&house, "1.0.0").await;
    house.put("mood.toml", format!("digest = \"sha256:{digest}\"\n"));
    house.until_serving("mood", 3).await;
    house.put("mood.toml", "enabled = maybe\n");
    house.until_failed("mood", "mood.toml, line 1").await;
    serves(&house, "1.0.0").await;
    house.put("mood.toml", "enabled = false\n");
    house.until("mood", "disabled", |status| status.is_some_and(|status| status.state == State::Disabled)).await;
    assert!(house.plugins.validator("mood").is_none());
    house.remove("mood.toml");
    house.until_serving("mood", 4).await;
    house.put("lonely.toml", "enabled = true\n");
    house.until_failed("lonely", "no lonely.wasm beside it").await;
}

#[tokio::test]
async fn a_file_covers_an_embedded_plugin_until_it_is_removed() {
    let bytes: &'static [u8] = guest("0.0.1").leak();
    let embedded = vec![Embedded { name: "mood", bytes, sidecar: Sidecar::default() }];
    let house = House::with(embedded, |_| {}).await;
    assert_eq!(house.until_serving("mood", 1).await.source, "embedded");
    house.put("mood.wasm", guest("2.0.0"));
    assert_eq!(house.until_serving("mood", 2).await.source, "directory");
    serves(&house, "2.0.0").await;
    house.remove("mood.wasm");
    assert_eq!(house.until_serving("mood", 3).await.source, "embedded");
    serves(&house, "0.0.1").await;
    house.put("mood.toml", "enabled = false\n");
    house.until("mood", "disabled", |status| status.is_some_and(|status| status.state == State::Disabled)).await;
}

#[tokio::test]
async fn a_broken_file_at_the_start_leaves_the_embedded_plugin_in_place() {
    let bytes: &'static [u8] = guest("0.0.1").leak();
    let embedded = vec![Embedded { name: "mood", bytes, sidecar: Sidecar::default() }];
    let house = House::with(embedded, |dir| std::fs::write(dir.join("mood.wasm"), b"oops").expect("a file")).await;
    house.until_failed("mood", "is no WebAssembly").await;
    serves(&house, "0.0.1").await;
}

#[tokio::test]
async fn a_directory_that_goes_away_switches_nothing_off() {
    let house = House::new().await;
    house.put("mood.wasm", guest("1.0.0"));
    house.until_serving("mood", 1).await;
    std::fs::rename(house.path(""), house.dir.path().join("away")).expect("moved away");
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    serves(&house, "1.0.0").await;
    std::fs::create_dir(house.path("")).expect("made anew");
    house.until("mood", "removed", |status| status.is_none()).await;
    house.put("mood.wasm", guest("2.0.0"));
    house.until_serving("mood", 1).await;
    serves(&house, "2.0.0").await;
}

#[tokio::test]
async fn a_link_is_followed_and_its_change_is_seen() {
    let house = House::new().await;
    let (one, two) = (house.dir.path().join("one"), house.dir.path().join("two"));
    std::fs::write(&one, guest("1.0.0")).expect("a file");
    std::fs::write(&two, guest("2.0.0")).expect("a file");
    std::os::unix::fs::symlink(&one, house.path("mood.wasm")).expect("a link");
    house.until_serving("mood", 1).await;
    // As Kubernetes does it: a new link is moved over the old one.
    std::os::unix::fs::symlink(&two, house.path(".new")).expect("a link");
    std::fs::rename(house.path(".new"), house.path("mood.wasm")).expect("moved over");
    house.until_serving("mood", 2).await;
    serves(&house, "2.0.0").await;
}

#[tokio::test]
async fn a_validator_is_tried_on_what_exists_before_it_serves() {
    let house = House::new().await;
    house.put("mood.toml", "[limits]\nfuel_per_call = 20_000_000\n");
    house.put("mood.wasm", guest("1.0.0"));
    house.until_serving("mood", 1).await;
    // Three recent events: with those the next one traps.
    *house.stage.events.lock().expect("events") = recorded(moods::TRAPS as u64);
    house.put("mood.wasm", guest("2.0.0"));
    let reason = house.until_failed("mood", "failed on recent events of topic 'default'").await;
    assert!(reason.contains("unreachable"), "{reason}");
    serves(&house, "1.0.0").await;
    // What it would only reject is no reason to refuse it.
    *house.stage.events.lock().expect("events") = recorded(moods::REJECTS as u64);
    house.put("mood.wasm", guest("3.0.0"));
    house.until_serving("mood", 2).await;
    // A setting that exists and is not accepted is one; and it passes by itself when the setting is gone.
    *house.stage.settings.lock().expect("settings") = vec![setting(1)];
    house.put("mood.wasm", behaving(|v| v.configure = REFUSE));
    house.until_failed("mood", "refuses the setting that topic 'default' has").await;
    serves(&house, "3.0.0").await;
    house.stage.settings.lock().expect("settings").clear();
    house.until_serving("mood", 3).await;
}

#[tokio::test]
async fn a_new_generation_that_fails_most_calls_is_rolled_back() {
    let house = House::new().await;
    house.put("mood.wasm", guest("1.0.0"));
    house.until_serving("mood", 1).await;
    house.put("mood.wasm", guest("2.0.0"));
    house.until_serving("mood", 2).await;
    let events = events(moods::TRAPS);
    for _ in 0..12 {
        let _ = house.validator("mood").validate(&[], &events.iter().collect::<Vec<_>>()).await;
    }
    let reason = house.until_state("mood", State::RolledBack, "was rolled back").await;
    assert!(reason.contains("2.0.0 was rolled back: 12 of its first 12 calls failed"), "{reason}");
    serves(&house, "1.0.0").await;
    // The same file is not tried again; a mended one is.
    tokio::time::sleep(Duration::from_millis(800)).await;
    serves(&house, "1.0.0").await;
    house.put("mood.wasm", guest("3.0.0"));
    house.until_serving("mood", 3).await;
}

#[tokio::test]
async fn a_compiled_plugin_is_found_again_and_a_broken_entry_is_made_anew() {
    let house = House::new().await;
    house.put("mood.wasm", guest("1.0.0"));
    house.until_serving("mood", 1).await;
    let cache = house.dir.path().join("cache");
    let entries = || {
        let files = std::fs::read_dir(&cache).expect("a cache").map(|file| file.expect("a file").path());
        files.filter(|path| path.extension().is_some_and(|e| e == "compiled")).collect::<Vec<_>>()
    };
    let entry = entries().pop().expect("an entry");
    assert_eq!(entries().len(), 1);
    let good = std::fs::read(&entry).expect("an entry");
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    assert_eq!((mode(&cache), mode(&entry), mode(&cache.join("key"))), (0o700, 0o600, 0o600));

    let changed_at = |path: &std::path::Path| {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(path).expect("an entry").ino()
    };
    let stage = Arc::new(Stage::default());
    let inode = changed_at(&entry);
    House::open(house.dir.path(), Vec::new(), &stage).await.stop().await;
    assert_eq!(changed_at(&entry), inode, "a good entry is used, not written again");

    for spoil in [
        |b: &mut Vec<u8>| b.truncate(10),
        |b: &mut Vec<u8>| b.clear(),
        |b: &mut Vec<u8>| b[5_000] ^= 1,
        |b: &mut Vec<u8>| b[3] ^= 1,
    ] {
        let mut bytes = good.clone();
        spoil(&mut bytes);
        std::fs::write(&entry, &bytes).expect("spoilt");
        let plugins = House::open(house.dir.path(), Vec::new(), &stage).await;
        assert!(plugins.validator("mood").is_some());
        plugins.stop().await;
        assert_eq!(std::fs::read(&entry).expect("an entry"), good, "made anew");
    }
    // With another key, what was written before is foreign.
    std::fs::write(cache.join("key"), [7; 32]).expect("another key");
    let plugins = House::open(house.dir.path(), Vec::new(), &stage).await;
    assert!(plugins.validator("mood").is_some());
    plugins.stop().await;
    assert_ne!(std::fs::read(&entry).expect("an entry"), good);
}
