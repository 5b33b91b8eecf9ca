//! An open file of the simulated disk.

use std::fmt;
use std::io::{self, ErrorKind};

use super::names::Inode;
use super::plan::{broken, full};
use super::{Op, Owner, SimDisk};
use crate::storage::contract::dice::Dice;
use crate::storage::redb::disk::DiskFile;

pub struct Handle {
    pub disk: SimDisk,
    pub inode: Inode,
    pub boot: u64,
    pub owner: Owner,
    /// Dropping it lets go of the lock.
    pub locks: bool,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "inode {} of {:?}", self.inode, self.owner)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if self.locks && state.boot == self.boot {
            state.locked.remove(&self.inode);
        }
    }
}

impl DiskFile for Handle {
    fn size(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.meet(self.boot, Op::Look, self.owner)?;
        Ok(state.content(self.inode).len() as u64)
    }

    fn read_exact_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.meet(self.boot, Op::Read, self.owner)?;
        let there = state.content(self.inode).read(bytes, at as usize);
        if there { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let short = Dice::new(state.seed ^ at ^ state.met).below(bytes.len() as u64) as usize;
        let (at, worked) = (at as usize, state.stopped.is_none());
        let met = state.meet(self.boot, Op::Write, self.owner);
        // Whoever is killed, or loses power, may be halfway through a write too.
        let cut = matches!(met, Ok(true)) || (worked && state.stopped.is_some());
        let bytes = if cut { &bytes[..short] } else { bytes };
        if met.is_ok() || cut {
            state.room_for(self.inode, at + bytes.len()).map_err(|_| full())?;
            state.content(self.inode).write(bytes, at);
        }
        if met? { Err(broken()) } else { Ok(()) }
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.meet(self.boot, Op::Allocate, self.owner)?;
        let room = state.room_for(self.inode, bytes as usize);
        let content = state.content(self.inode);
        // What there is is taken, as real file systems do, even if it is not enough.
        let len = content.len().max(room.err().unwrap_or(bytes as usize));
        content.set_len(len);
        room.map_err(|_| full())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.meet(self.boot, Op::SetLen, self.owner)?;
        state.room_for(self.inode, bytes as usize).map_err(|_| full())?;
        state.content(self.inode).set_len(bytes as usize);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.owner == Owner::Log {
            drop(self.disk.gate.lock());
        }
        let mut state = self.disk.state();
        let met = state.meet(self.boot, Op::Sync, self.owner);
        if met.is_err() && state.stopped.is_none() && state.boot == self.boot {
            let mut dice = Dice::new(state.seed ^ (state.met << 20) ^ self.inode as u64);
            state.content(self.inode).fail_sync(&mut dice);
        }
        met?;
        state.content(self.inode).sync();
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }
}
