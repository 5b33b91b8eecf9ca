//! One plugin under its name: its files, what serves, and what is done to it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::book::{Book, Does, Serves};
use super::deeds::{Content, Deed, Meanwhile, Sidecar, Way};
use crate::Client;
use crate::scenarios::{another_schema_plugin, another_webhook_plugin, odd_version};

/// Longer than anything takes, a compile at the lowest priority under load included.
const SETTLED_MAX: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Good files that may come again.
const AGAIN_MAX: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Rule,
    Relay,
    Schema,
    Webhook,
}

pub struct Subject {
    pub name: String,
    pub kind: Kind,
    dir: PathBuf,
    api: Client,
    book: Arc<Mutex<Book>>,
    serves: Serves,
    /// The generation in the file, if it is a good one.
    file: Option<Serves>,
    digest: String,
    refused: BTreeSet<String>,
    count: usize,
    good: Vec<Good>,
}

/// A file that can serve.
#[derive(Clone)]
struct Good {
    version: String,
    bytes: Arc<Vec<u8>>,
    digest: String,
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn some_ms(dice: &mut StdRng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(dice.random_range(range))
}

impl Subject {
    /// Rules and the relay get a first good file; the others come with the server.
    pub async fn start(name: String, kind: Kind, dir: PathBuf, api: Client, book: Arc<Mutex<Book>>) -> Self {
        let (serves, file, good) = (Serves::Nobody, None, Vec::new());
        let (digest, refused, count) = (String::new(), BTreeSet::new(), 0);
        let mut subject = Self { name, kind, dir, api, book, serves, file, digest, refused, count, good };
        subject.note([Serves::Nobody]);
        if matches!(kind, Kind::Rule | Kind::Relay) {
            let good = subject.new_good(Does::Accept);
            subject.may([Serves::Version(good.version)]);
            subject.put_sidecar(Sidecar::None).expect("a side-car");
            fs::write(subject.component(), &*good.bytes).expect("dropped in");
            (subject.digest, subject.file) = (good.digest, None);
            subject.settle(true).await;
        } else {
            subject.observe().await;
        }
        subject
    }

    /// Puts in a file that works.
    pub async fn mend(&mut self) {
        let good = self.new_good(Does::Stamp);
        self.put_sidecar(Sidecar::None).expect("a side-car");
        fs::write(self.component(), &*good.bytes).expect("dropped in");
        self.digest = good.digest;
        self.settle(true).await;
    }

    /// Does it and waits until everything is still again.
    pub async fn meet(mut self, deed: Deed, mut dice: StdRng) -> Self {
        match deed {
            Deed::Pause => {
                self.may([Serves::Nobody]);
                self.post("pause").await;
                tokio::time::sleep(some_ms(&mut dice, 0..150)).await;
                self.post("resume").await;
                self.observe().await;
            }
            Deed::Reload => {
                let kept = self.kept().await;
                self.may(self.file.clone().into_iter().chain(kept));
                self.post("reload").await;
                self.observe().await;
            }
            Deed::RollBack => {
                let kept = self.kept().await;
                self.may(kept);
                self.post("rollback").await;
                self.observe().await;
            }
            Deed::Replace { content, way, sidecar, meanwhile } => {
                self.replace(content, way, sidecar, meanwhile, &mut dice).await
            }
        }
        self
    }

    async fn replace(&mut self, content: Content, way: Way, sidecar: Sidecar, meanwhile: Meanwhile, dice: &mut StdRng) {
        let (good, bytes) = self.content(content, dice);
        let bytes = bytes.as_slice();
        let refused = matches!(sidecar, Sidecar::Broken | Sidecar::WrongPin);
        let another = (way == Way::AnotherBefore).then(|| self.new_good(does(dice)));
        let mut may: Vec<Serves> = self.file.clone().into_iter().collect();
        // What is switched off or gone for a moment may come back as one that served before.
        if way == Way::DeletedBefore || sidecar == Sidecar::OffBefore || meanwhile != Meanwhile::Nothing {
            may.extend(self.kept().await);
            may.push(Serves::Nobody);
        }
        may.extend(good.iter().chain(&another).map(|good| Serves::Version(good.version.clone())));
        self.may(may);

        let operator = operate(self.api.clone(), self.name.clone(), meanwhile, some_ms(dice, 0..300));
        let operator = tokio::spawn(operator);
        let sidecar_first = dice.random_bool(0.5);
        if sidecar_first {
            self.sidecar(sidecar, dice).await;
        }
        self.put(bytes, way, another, dice).await;
        if !sidecar_first {
            self.sidecar(sidecar, dice).await;
        }
        operator.await.expect("answered");
        self.digest = digest(bytes);
        self.file = good.filter(|_| !refused).map(|good| Serves::Version(good.version));
        self.settle(self.file.is_some()).await;
    }

    /// The next file, and what it is if it is a good one.
    fn content(&mut self, content: Content, dice: &mut StdRng) -> (Option<Good>, Arc<Vec<u8>>) {
        let fresh = format!("{}-{}", self.name, self.count);
        let bad = match content {
            Content::New => None,
            Content::Again => {
                let fits = |good: &&Good| good.digest != self.digest && !self.refused.contains(&good.digest);
                let fitting: Vec<Good> = self.good.iter().filter(fits).cloned().collect();
                if !fitting.is_empty() {
                    let good = fitting[dice.random_range(0..fitting.len())].clone();
                    return (Some(good.clone()), good.bytes);
                }
                None
            }
            Content::Truncated => {
                let whole = self.build("accept", &fresh);
                Some(whole[..dice.random_range(1..whole.len())].to_vec())
            }
            // Two of them in a row would not be told apart by their digest.
            Content::Empty if self.digest != digest(b"") => Some(Vec::new()),
            Content::Empty | Content::Text => Some(format!("this is no component: {fresh}").into_bytes()),
            Content::Odd(behaviour) => Some(self.build(behaviour, &fresh)),
        };
        self.count += 1;
        match bad {
            Some(bytes) => (None, Arc::new(bytes)),
            None => {
                let good = self.new_good(does(dice));
                (Some(good.clone()), good.bytes)
            }
        }
    }

    fn new_good(&mut self, does: Does) -> Good {
        self.count += 1;
        let version = match self.kind {
            Kind::Rule | Kind::Relay => format!("{}-{}", self.name, self.count),
            // These say the same version always.
            Kind::Schema | Kind::Webhook => "any".to_owned(),
        };
        let behaviour = match (self.kind, does) {
            (Kind::Rule, Does::Accept) => "accept",
            (Kind::Rule, Does::Stamp) => "stamp-replace",
            (Kind::Rule, Does::Reject) => "stamp-reject",
            (Kind::Rule, Does::TrapByType) => "by-type",
            // One that traps at every call is rolled back by the server, or replaced by the next file.
            (Kind::Relay, Does::Reject) => "trap-in-deliver",
            (Kind::Relay, Does::TrapByType) => "stamp-retry",
            _ => "http-stamp",
        };
        let bytes = Arc::new(self.build(behaviour, &version));
        self.book().know(&version, does);
        let good = Good { version, digest: digest(&bytes), bytes };
        // Its faults are counted anew only in another file.
        if behaviour != "trap-in-deliver" {
            self.good.push(good.clone());
        }
        if self.good.len() > AGAIN_MAX {
            self.good.remove(0);
        }
        good
    }

    fn build(&self, behaviour: &str, version: &str) -> Vec<u8> {
        match self.kind {
            Kind::Rule => odd_version("odd", behaviour, version),
            Kind::Relay => odd_version("odd-sink", behaviour, version),
            Kind::Schema => another_schema_plugin(),
            Kind::Webhook => another_webhook_plugin(),
        }
    }

    async fn put(&self, bytes: &[u8], way: Way, another: Option<Good>, dice: &mut StdRng) {
        let path = self.component();
        let write = |bytes: &[u8]| fs::write(&path, bytes).expect("dropped in");
        match way {
            Way::AtOnce => write(bytes),
            Way::Renamed => {
                let beside = path.with_extension("wasm.part");
                fs::write(&beside, bytes).expect("written");
                tokio::time::sleep(some_ms(dice, 0..50)).await;
                fs::rename(&beside, &path).expect("renamed");
            }
            Way::Pieces => {
                let mut file = File::create(&path).expect("a file");
                for piece in bytes.chunks(bytes.len().div_ceil(4).max(1)) {
                    file.write_all(piece).expect("written");
                    // Sometimes so long that the half is taken for the whole.
                    tokio::time::sleep(some_ms(dice, 10..250)).await;
                }
            }
            Way::DeletedBefore => {
                // It may be gone since the last time.
                let _ = fs::remove_file(&path);
                tokio::time::sleep(some_ms(dice, 0..500)).await;
                write(bytes);
            }
            Way::AnotherBefore => {
                if let Some(another) = another {
                    write(&another.bytes);
                }
                tokio::time::sleep(some_ms(dice, 0..500)).await;
                write(bytes);
            }
            Way::WrittenTwice => {
                write(bytes);
                tokio::time::sleep(some_ms(dice, 0..250)).await;
                write(bytes);
            }
        }
    }

    async fn sidecar(&self, sidecar: Sidecar, dice: &mut StdRng) {
        if sidecar == Sidecar::OffBefore {
            fs::write(self.dir.join(format!("{}.toml", self.name)), "enabled = false\n").expect("a side-car");
            tokio::time::sleep(some_ms(dice, 0..400)).await;
        }
        self.put_sidecar(sidecar).expect("a side-car");
    }

    fn put_sidecar(&self, sidecar: Sidecar) -> std::io::Result<()> {
        let path = self.dir.join(format!("{}.toml", self.name));
        let grants = match self.kind {
            Kind::Relay => "[grants]\nhttp = [{ host = \"127.0.0.1\" }]\nprivate_addresses = true\n",
            Kind::Rule => "",
            Kind::Schema | Kind::Webhook => return Ok(()),
        };
        let text = match sidecar {
            Sidecar::None | Sidecar::OffBefore if self.kind == Kind::Rule => {
                return if path.exists() { fs::remove_file(path) } else { Ok(()) };
            }
            Sidecar::None | Sidecar::OffBefore => grants.to_owned(),
            Sidecar::Instances(instances) => format!("[limits]\ninstances_max = {instances}\n{grants}"),
            Sidecar::Broken => format!("enabled = perhaps\n{grants}"),
            Sidecar::WrongPin => format!("digest = \"sha256:{}\"\n{grants}", "0".repeat(64)),
        };
        fs::write(path, text)
    }

    /// Waits until the file was handled, and looks what came of it.
    async fn settle(&mut self, good: bool) {
        let deadline = Instant::now() + SETTLED_MAX;
        loop {
            let answer = self.api.get(&format!("/plugins/{}", self.name)).await;
            let shown = if answer.status == 200 { answer.json() } else { Value::Null };
            let taken = shown["state"] == "active" && shown["serving"]["digest"] == *self.digest;
            let refused = shown["state"] == "failed" && shown["digest"] == *self.digest;
            // By the server, for its faults.
            let rolled_back = shown["state"] == "rolled-back" && strings(&shown["refused"]).contains(&self.digest);
            if if good { taken || (self.kind == Kind::Relay && rolled_back) } else { refused } {
                return self.see(&shown);
            }
            assert!(Instant::now() < deadline, "{} (good: {good}, {}) is not handled: {shown}", self.name, self.digest);
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn observe(&mut self) {
        let shown = self.api.get(&format!("/plugins/{}", self.name)).await.ok(200);
        self.see(&shown);
    }

    /// From now on this and nothing else serves.
    fn see(&mut self, shown: &Value) {
        self.serves = self.version(&shown["serving"]["version"]);
        if shown["state"] == "paused" {
            self.serves = Serves::Nobody;
        }
        self.refused = strings(&shown["refused"]);
        // The server may roll a sink back whenever it fails too often.
        let also = if self.kind == Kind::Relay { self.file.clone() } else { None };
        self.note([self.serves.clone()].into_iter().chain(also));
    }

    fn version(&self, version: &Value) -> Serves {
        match (version.as_str(), self.kind) {
            (None, _) => Serves::Nobody,
            (Some(_), Kind::Schema | Kind::Webhook) => Serves::Version("any".to_owned()),
            (Some(version), Kind::Rule | Kind::Relay) => Serves::Version(version.to_owned()),
        }
    }

    /// From now on these may serve too.
    fn may(&self, also: impl IntoIterator<Item = Serves>) {
        self.note([self.serves.clone()].into_iter().chain(also));
    }

    fn note(&self, may: impl IntoIterator<Item = Serves>) {
        self.book().note(&self.name, Instant::now(), may);
    }

    /// Generations that can be gone back to.
    async fn kept(&self) -> Vec<Serves> {
        let shown = self.api.get(&format!("/plugins/{}", self.name)).await;
        let shown = if shown.status == 200 { shown.json() } else { Value::Null };
        let kept = shown["kept"].as_array().cloned().unwrap_or_default();
        kept.iter().map(|kept| self.version(&kept["version"])).collect()
    }

    async fn post(&self, action: &str) {
        let answer = self.api.post(&format!("/plugins/{}/{action}", self.name), "").await;
        // A broken file cannot be reloaded, and there may be nothing to go back to.
        assert!(matches!(answer.status, 200 | 409), "{action} {}: {answer:?}", self.name);
    }

    fn component(&self) -> PathBuf {
        self.dir.join(format!("{}.wasm", self.name))
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An operator who does not know that somebody writes the file.
async fn operate(api: Client, name: String, meanwhile: Meanwhile, wait: Duration) {
    let path = |action| format!("/plugins/{name}/{action}");
    match meanwhile {
        Meanwhile::Nothing => {}
        Meanwhile::Pause => {
            api.post(&path("pause"), "").await;
            tokio::time::sleep(wait).await;
            api.post(&path("resume"), "").await;
        }
        Meanwhile::Reload => {
            tokio::time::sleep(wait).await;
            api.post(&path("reload"), "").await;
        }
    }
}

/// What a new good generation does. Few refuse everything, because one of all rules is enough to do so.
fn does(dice: &mut StdRng) -> Does {
    match dice.random_range(0..30) {
        0 => Does::Reject,
        1..6 => Does::TrapByType,
        6..12 => Does::Accept,
        _ => Does::Stamp,
    }
}

fn strings(list: &Value) -> BTreeSet<String> {
    list.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}
