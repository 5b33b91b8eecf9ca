//! One history: a store on a simulated disk, what is done to it, and what the disk does to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::super::sim::{SimDisk, What};
use super::super::*;
use super::commits::Commits;
use super::ledger::{Id, Ledger};
use super::tally::Tally;
use super::trouble::Trouble;
use crate::model::Read;
use crate::storage::contract::{dice::Dice, read_all, try_read_all};
use crate::storage::{AppendError, Appended, Batch, EventLog};

/// Longer than anything takes; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct World {
    dice: Dice,
    disk: SimDisk,
    tune: fn(&mut RedbConfig),
    now: Arc<AtomicU64>,
    ledger: Ledger,
    commits: Commits,
    /// When what is deleted; apart from the other, so that histories without it stay what they are.
    deletes: Dice,
    tally: Tally,
}

async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} hangs"))
}

/// Neither opening nor dropping a store may hold up the runtime, and neither may panic.
async fn blocking<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    in_time(what, tokio::task::spawn_blocking(work)).await.unwrap_or_else(|error| panic!("{what}: {error}"))
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let tune = [tiny, tiny, small_segments, at_once, log_only][dice.below(5) as usize];
        let (disk, now) = (SimDisk::new(seed), Arc::new(AtomicU64::new(1_000)));
        let mut deletes = Dice::new(seed ^ 0x5ca7);
        let ledger = Ledger::new(deletes.chance(2));
        Self { dice, disk, tune, now, ledger, commits: Commits::new(), deletes, tally: Tally::default() }
    }

    /// Lives through it, and tells what was met.
    pub async fn run(mut self) -> Tally {
        for _ in 0..2 + self.dice.below(4) {
            let store = self.open().await;
            self.live(&store).await;
            self.end(store).await;
        }
        // The last two times nothing goes wrong any more.
        for _ in 0..2 {
            let store = self.open_again().await;
            for id in std::mem::take(&mut self.ledger.doubtful) {
                let batch = self.ledger.batch(id);
                self.append(&store, id, batch).await;
            }
            self.append_new(&store).await;
            blocking("dropping the store", move || drop(store)).await;
            self.disk.restart();
        }
        let mut tally = Tally { histories: 1, ..self.tally };
        tally += self.ledger.tally;
        tally += self.commits.tally;
        tally
    }

    async fn try_open(&mut self) -> Result<Store, StorageError> {
        self.tally.openings += 1;
        let config = config(Path::new("/sim/store"), self.tune);
        let (disk, clock) = (Arc::new(self.disk.clone()), standing(&self.now));
        blocking("opening", move || open_with(config, clock, disk)).await
    }

    /// Opens the store, perhaps with some trouble at first.
    async fn open(&mut self) -> Store {
        for _ in 0..3 {
            if !self.dice.chance(3) {
                break;
            }
            Trouble::while_opening(&mut self.dice).begin(&self.disk);
            match self.try_open().await {
                Ok(store) => blocking("dropping the store", move || drop(store)).await,
                Err(error) => {
                    assert!(self.disk.faults_met() > 0, "nothing is wrong with the disk, but {error}");
                    self.tally.openings_failed += 1;
                }
            }
            self.disk.restart();
        }
        self.open_again().await
    }

    /// Opens the store on a disk that works again: that must succeed, and what must be there is there.
    async fn open_again(&mut self) -> Store {
        let store = self.try_open().await.unwrap_or_else(|error| panic!("does not open again: {error}"));
        in_time("looking through the log", self.ledger.settle(&store.log)).await;
        in_time("looking through the records", self.commits.settle(&*store.records)).await;
        assert_eq!(store.log.failure(), None);
        store
    }

    async fn live(&mut self, store: &Store) {
        let trouble = Trouble::while_living(&mut self.dice);
        trouble.begin(&self.disk);
        let steps = 3 + self.dice.below(22);
        let relief = self.dice.below(steps);
        for step in 0..steps {
            if trouble.is_full_disk() && step == relief {
                self.disk.forget_faults();
                self.goes_on(store, &trouble).await;
            }
            self.step(store).await;
        }
        self.tally.troubled += u64::from(self.trouble());
        self.tally.stopped += u64::from(store.log.failure().is_some());
    }

    async fn step(&mut self, store: &Store) {
        if self.deletes.chance(8) {
            self.scavenge(store).await;
        }
        match self.dice.below(12) {
            0..4 => self.append_new(store).await,
            4 => {
                if let Some((id, batch)) = self.ledger.again(&mut self.dice) {
                    self.append(store, id, batch).await;
                }
            }
            5..7 => self.append_beside_each_other(store, false).await,
            7..9 => self.read(store).await,
            9 => self.commit(store).await,
            10 => self.commit_beside_each_other(store).await,
            _ => drop(self.now.fetch_add(self.dice.below(40), Ordering::Relaxed)),
        }
    }

    fn trouble(&self) -> bool {
        self.disk.faults_met() > 0
    }

    async fn append_new(&mut self, store: &Store) {
        let (id, batch) = self.ledger.random_batch(&mut self.dice).await;
        self.append(store, id, batch).await;
    }

    async fn append(&mut self, store: &Store, id: Id, batch: Batch) {
        let failed = store.log.failure();
        let answer = in_time("an append", store.log.append(batch)).await;
        check_failed(store, failed, &answer);
        self.ledger.note(id, answer, self.now.load(Ordering::Relaxed), self.trouble()).await;
    }

    /// `closing`: while the store is closed; batches that come too late are refused.
    async fn append_beside_each_other(&mut self, store: &Store, closing: bool) {
        let mut tasks = vec![];
        for _ in 0..2 + self.dice.below(4) {
            let mut batches = vec![];
            for _ in 0..1 + self.dice.below(4) {
                batches.push(self.ledger.random_batch(&mut self.dice).await);
            }
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                let mut answers = vec![];
                for (id, batch) in batches {
                    let failed = store.log.failure();
                    let answer = store.log.append(batch).await;
                    check_failed(&store, failed, &answer);
                    answers.push((id, answer));
                }
                answers
            }));
        }
        if closing {
            in_time("closing the log", store.log.close()).await;
        }
        let mut answers = vec![];
        for task in tasks {
            answers.extend(in_time("an append", task).await.expect("no panic"));
        }
        let trouble = closing || self.trouble();
        assert!(
            self.trouble() || answers.iter().all(|(_, answer)| !matches!(answer, Err(AppendError::Unknown { .. })))
        );
        self.ledger.note_all(answers, self.now.load(Ordering::Relaxed), trouble).await;
    }

    async fn scavenge(&mut self, store: &Store) {
        self.ledger.cut(&mut self.deletes).await;
        match in_time("scavenging", store.log.scavenge(self.ledger.cuts.all())).await {
            Ok(bytes) => self.tally.scavenged += u64::from(bytes > 0),
            Err(error) => assert!(self.trouble(), "nothing is wrong with the disk, but {error}"),
        }
    }

    async fn read(&mut self, store: &Store) {
        let mut read = self.ledger.history.random_read(&mut self.dice);
        let cut = !self.ledger.cuts.all().is_empty();
        let ours = self.ledger.kept(&store.log);
        let theirs = self.ledger.kept(&self.ledger.oracle.log);
        if cut {
            // Pages end elsewhere where events are missing.
            let theirs = read_all(&theirs, read.clone()).await;
            return match in_time("a read", try_read_all(&ours, read.clone())).await {
                Ok(ours) => assert!(ours == theirs, "{read:?}"),
                Err(error) => assert!(self.trouble(), "nothing is wrong with the disk, but {error}"),
            };
        }
        loop {
            let ours = in_time("a read", ours.read(&read)).await;
            let theirs = theirs.read(&read).await.expect("a page");
            match ours {
                Ok(ours) => assert!(ours == theirs, "{read:?}"),
                Err(error) => return assert!(self.trouble(), "nothing is wrong with the disk, but {error}"),
            }
            match theirs.next {
                Some(next) => read = Read { from: next, ..read },
                None => return,
            }
        }
    }

    async fn commit(&mut self, store: &Store) {
        if !self.commits.is_full() {
            let changes = self.commits.random(&mut self.dice, 0).await;
            let answer = in_time("a commit", store.records.commit(changes.clone())).await;
            self.commits.note(changes, answer, self.trouble()).await;
        }
    }

    async fn commit_beside_each_other(&mut self, store: &Store) {
        let mut tasks = vec![];
        for owner in 1..3 + self.dice.below(2) {
            if !self.commits.is_full() {
                let (records, changes) = (store.records.clone(), self.commits.random(&mut self.dice, owner).await);
                tasks.push(tokio::spawn(async move { (changes.clone(), records.commit(changes).await) }));
            }
        }
        for task in tasks {
            let (changes, answer) = in_time("a commit", task).await.expect("no panic");
            self.commits.note(changes, answer, self.trouble()).await;
        }
    }

    /// There is room again: unless the log had to stop, it takes batches by itself.
    async fn goes_on(&mut self, store: &Store, trouble: &Trouble) {
        assert!(trouble.may_stop_the_log() || store.log.failure().is_none(), "{:?}", store.log.failure());
        if !trouble.may_stop_the_log() {
            let changes = self.commits.random(&mut self.dice, 0).await;
            let answer = in_time("a commit", store.records.commit(changes.clone())).await;
            self.commits.note(changes, answer, false).await;
        }
        for _ in 0..200 {
            if store.log.failure().is_some() {
                return;
            }
            let (id, batch) = self.ledger.plain_batch(&mut self.dice);
            let answer = in_time("an append", store.log.append(batch)).await;
            let full = matches!(answer, Err(AppendError::Full { .. }));
            self.ledger.note(id, answer, self.now.load(Ordering::Relaxed), true).await;
            if !full {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("there is room again, but the log takes nothing");
    }

    async fn end(&mut self, store: Store) {
        match self.dice.below(5) {
            n @ 0..2 => {
                if n == 1 {
                    self.append_beside_each_other(&store, true).await;
                }
                in_time("closing the log", store.log.close()).await;
                in_time("closing the records", store.records.close()).await;
            }
            2 => self.disk.stop(What::PowerLoss),
            _ => {}
        }
        blocking("dropping the store", move || drop(store)).await;
        if self.dice.chance(4) {
            self.disk.stop(What::PowerLoss);
        }
        self.disk.restart();
    }
}

/// What failed once takes nothing any more.
fn check_failed(store: &Store, before: Option<String>, answer: &Result<Appended, AppendError>) {
    if let Some(reason) = before {
        assert!(answer.is_err(), "answered {answer:?} after it had stopped: {reason}");
    }
    if let Err(AppendError::Unknown { .. }) = answer {
        assert!(store.log.failure().is_some(), "goes on after an unknown outcome");
    }
}
