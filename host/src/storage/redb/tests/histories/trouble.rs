//! What goes wrong with the disk in one life of a store: one kind of trouble at a time.

use super::super::sim::{Fault, Op, Owner, SimDisk, What};
use crate::storage::contract::dice::Dice;

pub enum Trouble {
    None,
    Fault(Fault),
    /// So many bytes are left; `free_lies`: whoever asks before writing is told that there is plenty.
    FullDisk {
        bytes: u64,
        free_lies: bool,
    },
}

fn pick<T: Copy>(dice: &mut Dice, from: &[T]) -> T {
    from[dice.below(from.len() as u64) as usize]
}

/// The log is what most of it is about.
const FILES: [Owner; 6] = [Owner::Log, Owner::Log, Owner::Log, Owner::Prepared, Owner::Index, Owner::Records];

impl Trouble {
    pub fn while_opening(dice: &mut Dice) -> Self {
        let most = if dice.chance(2) { 12 } else { 90 };
        let what = pick(dice, &[What::PowerLoss, What::PowerLoss, What::Kill, What::Broken, What::Full, What::Short]);
        Self::Fault(Fault { ops: vec![], owner: None, after: dice.below(most), times: 1, what })
    }

    pub fn while_living(dice: &mut Dice) -> Self {
        let owner = Some(pick(dice, &FILES));
        let fault =
            |ops: &[Op], owner, after, what| Self::Fault(Fault { ops: ops.into(), owner, after, times: 1, what });
        let twice = |trouble, dice: &mut Dice| match trouble {
            Self::Fault(fault) => Self::Fault(Fault { times: 1 + dice.below(2), ..fault }),
            other => other,
        };
        let stop = pick(dice, &[What::PowerLoss, What::PowerLoss, What::Kill]);
        let error = pick(dice, &[What::Broken, What::Full]);
        match dice.below(13) {
            0 => Self::None,
            1..3 => fault(&[], owner, dice.below(50), stop),
            3 => fault(&[], None, dice.below(150), stop),
            4..6 => fault(&[Op::Sync], owner, dice.below(15), stop),
            6 => twice(fault(&[Op::Write], owner, dice.below(15), pick(dice, &[error, What::Short])), dice),
            7..9 => fault(&[Op::Sync], owner, dice.below(12), error),
            9 => {
                let ops = [Op::Allocate, Op::SetLen, Op::Name, Op::SyncDir];
                twice(fault(&ops, None, dice.below(4), error), dice)
            }
            10 => twice(fault(&[Op::Read], owner, dice.below(20), What::Broken), dice),
            _ => Self::FullDisk { bytes: dice.below(400 << 10), free_lies: dice.chance(2) },
        }
    }

    pub fn begin(&self, disk: &SimDisk) {
        match self {
            Self::None => {}
            Self::Fault(fault) => disk.plan(fault.clone()),
            Self::FullDisk { bytes, free_lies } => disk.leave_room(*bytes, *free_lies),
        }
    }

    pub fn is_full_disk(&self) -> bool {
        matches!(self, Self::FullDisk { .. })
    }

    /// A full disk that redb meets in the middle of a transaction stops the log.
    pub fn may_stop_the_log(&self) -> bool {
        matches!(self, Self::FullDisk { free_lies: true, .. })
    }
}
