//! What shall go wrong on a simulated disk, and when.

use std::io;
use std::path::Path;

/// What the store asks of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Read,
    Write,
    Allocate,
    SetLen,
    Sync,
    /// Opening, listing, looking for a name.
    Look,
    /// Making, renaming or removing a name.
    Name,
    SyncDir,
}

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Log,
    /// A segment that is being made.
    Prepared,

    Index,
    Records,
    Directory,
}

impl Owner {
    pub fn of(path: &Path) -> Self {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match name {
            _ if name.starts_with("index") => Self::Index,
            _ if name.starts_with("records") => Self::Records,
            _ if name.ends_with(".seg") => Self::Log,
            _ if name.starts_with("prepared") || name.starts_with("scavenged") => Self::Prepared,
            _ => Self::Directory,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// `EIO`.
    Broken,
    /// `ENOSPC`.
    Full,
    /// Some of a write is done, then `EIO`.
    Short,
    /// Nothing works any more; of what was not synced any part is lost.
    PowerLoss,
    /// Nothing works any more for who has the disk open, and nothing is lost: the process was killed.
    Kill,
}

/// One thing that goes wrong: `times` times, after so many operations of its kind went well.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Any, if it is empty.
    pub ops: Vec<Op>,
    pub owner: Option<Owner>,
    pub after: u64,
    pub times: u64,
    pub what: What,
}

impl Fault {
    /// At the next operation of this kind.
    pub fn next(op: Op, owner: Owner, what: What) -> Self {
        Self { ops: vec![op], owner: Some(owner), after: 0, times: 1, what }
    }

    fn concerns(&self, op: Op, owner: Owner) -> bool {
        self.times > 0
            && (self.ops.is_empty() || self.ops.contains(&op))
            && self.owner.is_none_or(|wanted| wanted == owner)
    }

    /// Counts an operation; whether this is where it goes wrong.
    pub fn meets(&mut self, op: Op, owner: Owner) -> bool {
        if !self.concerns(op, owner) {
            return false;
        }
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        self.times -= 1;
        true
    }
}

pub fn broken() -> io::Error {
    rustix::io::Errno::IO.into()
}

pub fn full() -> io::Error {
    rustix::io::Errno::NOSPC.into()
}
