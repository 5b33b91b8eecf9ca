//! What histories have met, so that it can be seen that they look at something.

use std::fmt;
use std::ops::AddAssign;

#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    pub histories: u64,
    pub openings: u64,
    /// Openings that the disk made fail.
    pub openings_failed: u64,
    /// Lives in which something went wrong with the disk, and in which the log stopped.
    pub troubled: u64,
    pub stopped: u64,
    pub acknowledged: u64,
    pub conflicts: u64,
    pub replayed: u64,
    /// Batches whose outcome nobody was told, and those of them that were there.
    pub unknown: u64,
    pub adopted: u64,
    /// Batches and commits that were refused because of the disk.
    pub refused: u64,
    pub commits: u64,
    pub commits_unknown: u64,
    /// Times that deleted events left the files.
    pub scavenged: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.histories += other.histories;
        self.openings += other.openings;
        self.openings_failed += other.openings_failed;
        self.troubled += other.troubled;
        self.stopped += other.stopped;
        self.acknowledged += other.acknowledged;
        self.conflicts += other.conflicts;
        self.replayed += other.replayed;
        self.unknown += other.unknown;
        self.adopted += other.adopted;
        self.refused += other.refused;
        self.commits += other.commits;
        self.commits_unknown += other.commits_unknown;
        self.scavenged += other.scavenged;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { histories, openings, openings_failed, troubled, stopped, .. } = self;
        writeln!(f, "{histories} histories: {openings} openings, {openings_failed} of them failed")?;
        writeln!(f, "{troubled} lives with a bad disk, {stopped} ended with a stopped log")?;
        let Self { acknowledged, replayed, conflicts, unknown, adopted, refused, .. } = self;
        writeln!(
            f,
            "batches: {acknowledged} acknowledged, {replayed} known, {conflicts} conflicts, {refused} refused"
        )?;
        writeln!(f, "batches of unknown outcome: {unknown}, {adopted} of them were there")?;
        writeln!(f, "commits: {} made, {} of unknown outcome", self.commits, self.commits_unknown)?;
        write!(f, "deleted events left the files {} times", self.scavenged)
    }
}
