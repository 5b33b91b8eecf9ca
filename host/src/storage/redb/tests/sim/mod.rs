//! A disk in memory that keeps only what was synced, and fails when it is told to.
//!
//! Clones are the same disk. It is stricter than most real ones: a name is durable only when its directory was synced, and
//! unsynced sectors arrive in any combination.

mod content;
mod handle;
mod names;
mod plan;

use std::collections::BTreeSet;
use std::fs::TryLockError;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::content::Content;
use self::handle::Handle;
use self::names::{Inode, Names};
pub use self::plan::{Fault, Op, Owner, What};
use self::plan::{broken, full};
use super::super::disk::{Disk, FileRef, How};
use crate::storage::contract::dice::Dice;

#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    /// While a test holds this, syncs of the log stand still, and so does the filler before it begins.
    pub gate: Arc<Mutex<()>>,
}

#[derive(Clone)]
struct State {
    inodes: Vec<Node>,
    /// Handles of an earlier start of the machine or process are dead.
    boot: u64,
    stopped: Option<What>,
    locked: BTreeSet<Inode>,
    faults: Vec<Fault>,
    /// How often something went wrong since the last restart.
    met: u64,
    /// Bytes that files may have together.
    room: u64,
    /// `free_bytes` says that there is room, whatever there is.
    free_lies: bool,
    seed: u64,
}

#[derive(Clone)]
enum Node {
    File(Content),
    Dir(Names),
}

const ROOT: Inode = 0;
const PLENTY: u64 = 1 << 40;

impl SimDisk {
    /// With an empty, durable directory `/sim`.
    pub fn new(seed: u64) -> Self {
        let mut root = Names::default();
        root.put("sim", 1);
        root.sync();
        let state = State {
            inodes: vec![Node::Dir(root), Node::Dir(Names::default())],
            boot: 0,
            stopped: None,
            locked: BTreeSet::new(),
            faults: vec![],
            met: 0,
            room: PLENTY,
            free_lies: false,
            seed,
        };
        Self { state: Arc::new(Mutex::new(state)), gate: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn plan(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// What is planned and has not happened will not.
    pub fn forget_faults(&self) {
        let mut state = self.state();
        state.faults.clear();
        (state.room, state.free_lies) = (PLENTY, false);
    }

    /// How often something went wrong since the last restart.
    pub fn faults_met(&self) -> u64 {
        self.state().met
    }

    /// From now on, files may grow by so many bytes together.
    pub fn leave_room(&self, bytes: u64, free_lies: bool) {
        let mut state = self.state();
        (state.room, state.free_lies) = (state.used() + bytes, free_lies);
        state.met += 1;
    }

    /// The power goes, or the process is killed, now.
    pub fn stop(&self, what: What) {
        self.state().stopped = Some(what);
    }

    /// After a power loss, a kill, or just so: whoever had the disk open has it no more, and nothing is planned.
    pub fn restart(&self) {
        self.state().restart();
    }

    /// The disk as it would be after a power loss now; this one goes on.
    pub fn after_power_loss(&self, seed: u64) -> Self {
        let mut state = self.state().clone();
        (state.seed, state.stopped) = (seed, Some(What::PowerLoss));
        state.restart();
        Self { state: Arc::new(Mutex::new(state)), gate: Arc::default() }
    }
}

impl State {
    fn restart(&mut self) {
        let power_loss = self.stopped == Some(What::PowerLoss);
        self.boot += 1;
        for (inode, node) in self.inodes.iter_mut().enumerate() {
            let mut dice = Dice::new(self.seed ^ (self.boot << 32) ^ inode as u64);
            match node {
                Node::File(content) if power_loss => content.lose_power(&mut dice),
                Node::File(content) if dice.chance(3) => content.evict(),
                Node::Dir(names) if power_loss => names.lose_power(&mut dice),
                Node::File(_) | Node::Dir(_) => {}
            }
        }
        (self.stopped, self.met) = (None, 0);
        (self.room, self.free_lies) = (PLENTY, false);
        self.locked.clear();
        self.faults.clear();
    }

    fn used(&self) -> u64 {
        let mut open = vec![ROOT];
        let mut used = 0;
        while let Some(inode) = open.pop() {
            match &self.inodes[inode] {
                Node::Dir(names) => open.extend(names.seen.values()),
                Node::File(content) => used += content.len() as u64,
            }
        }
        used
    }

    /// Whether anything goes wrong with this operation; `Ok(true)` for a write that shall be cut short.
    fn meet(&mut self, boot: u64, op: Op, owner: Owner) -> io::Result<bool> {
        if self.stopped.is_some() || self.boot != boot {
            return Err(io::Error::other("the power is off"));
        }
        let met = self.faults.iter_mut().fold(None, |met, fault| met.or(fault.meets(op, owner).then_some(fault.what)));
        self.met += u64::from(met.is_some());
        match met {
            None => Ok(false),
            Some(What::Broken) => Err(broken()),
            Some(What::Full) => Err(full()),
            Some(What::Short) if op == Op::Write => Ok(true),
            Some(What::Short) => Err(broken()),
            Some(stop) => {
                self.stopped = Some(stop);
                Err(io::Error::other("the power went"))
            }
        }
    }

    fn find(&self, path: &Path) -> Option<Inode> {
        let mut at = ROOT;
        for name in path.iter().skip(1) {
            let Node::Dir(names) = &self.inodes[at] else { return None };
            at = *names.seen.get(name.to_str()?)?;
        }
        Some(at)
    }

    fn names(&mut self, dir: &Path) -> io::Result<&mut Names> {
        let inode = self.find(dir).ok_or(ErrorKind::NotFound)?;
        match &mut self.inodes[inode] {
            Node::Dir(names) => Ok(names),
            Node::File(_) => Err(ErrorKind::NotADirectory.into()),
        }
    }

    fn content(&mut self, inode: Inode) -> &mut Content {
        match &mut self.inodes[inode] {
            Node::File(content) => content,
            Node::Dir(_) => unreachable!("only files are opened"),
        }
    }

    fn create(&mut self, path: &Path, node: Node) -> io::Result<Inode> {
        let inode = self.inodes.len();
        self.names(parent(path))?.put(name(path), inode);
        self.inodes.push(node);
        Ok(inode)
    }

    /// Whether a file may be so long; if not, how long it may be.
    fn room_for(&mut self, inode: Inode, len: usize) -> Result<(), usize> {
        let known = self.content(inode).len();
        let left = self.room.saturating_sub(self.used()) as usize;
        if len <= known || len - known <= left {
            return Ok(());
        }
        self.met += 1;
        Err(known + left)
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().expect("no root is made")
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("a name")
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, how: How) -> io::Result<FileRef> {
        let mut state = self.state();
        let (boot, owner, known) = (state.boot, Owner::of(path), state.find(path));
        let makes = known.is_none() && how == How::Empty;
        state.meet(boot, if makes { Op::Name } else { Op::Look }, owner)?;
        let inode = match known {
            Some(inode) => inode,
            None if makes => state.create(path, Node::File(Content::default()))?,
            None => return Err(ErrorKind::NotFound.into()),
        };
        if how == How::Empty {
            state.content(inode).set_len(0);
        }
        drop(state);
        Ok(Arc::new(Handle { disk: self.clone(), inode, boot, owner, locks: false }))
    }

    fn lock(&self, path: &Path) -> Result<FileRef, TryLockError> {
        if !self.exists(path).map_err(TryLockError::Error)? {
            drop(self.open(path, How::Empty).map_err(TryLockError::Error)?);
        }
        let mut state = self.state();
        let inode = state.find(path).expect("it was just made");
        if !state.locked.insert(inode) {
            return Err(TryLockError::WouldBlock);
        }
        let boot = state.boot;
        drop(state);
        Ok(Arc::new(Handle { disk: self.clone(), inode, boot, owner: Owner::Directory, locks: true }))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let mut state = self.state();
        let boot = state.boot;
        state.meet(boot, Op::Look, Owner::of(path))?;
        Ok(state.find(path).is_some())
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        let boot = state.boot;
        state.meet(boot, Op::Name, Owner::Directory)?;
        if state.find(dir).is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        state.create(dir, Node::Dir(Names::default())).map(|_| ())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let mut state = self.state();
        let boot = state.boot;
        state.meet(boot, Op::Look, Owner::Directory)?;
        Ok(state.names(dir)?.seen.keys().map(|name| dir.join(name)).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        assert_eq!(parent(from), parent(to), "nothing is moved between directories");
        let mut state = self.state();
        let boot = state.boot;
        state.meet(boot, Op::Name, Owner::of(from))?;
        let known = state.names(parent(from))?.rename(name(from), name(to));
        if known { Ok(()) } else { Err(ErrorKind::NotFound.into()) }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let boot = state.boot;
        state.meet(boot, Op::Name, Owner::of(path))?;
        let known = state.names(parent(path))?.remove(name(path));
        if known { Ok(()) } else { Err(ErrorKind::NotFound.into()) }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        let boot = state.boot;
        state.meet(boot, Op::SyncDir, Owner::Directory)?;
        state.names(dir)?.sync();
        Ok(())
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        drop(self.gate.lock());
        let state = self.state();
        Ok(if state.free_lies { PLENTY } else { state.room.saturating_sub(state.used()) })
    }
}
