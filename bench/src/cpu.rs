//! CPU time of processes, from `/proc`.

use std::collections::HashMap;
use std::time::Duration;

use weir_bench::Failure;

/// Ticks in which Linux counts CPU time, on every architecture that a server runs on.
const TICKS_PER_SECOND: u64 = 100;

/// What is used of `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own: Duration,
    /// Of its children that ended.
    ended: Duration,
}

/// The CPU time that a process has used so far, all of its threads together.
pub fn cpu_time(pid: u32) -> Result<Duration, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_err(|error| format!("process {pid} is gone ({error}); its last words may stand above"))?;
    Ok(parse_stat(&stat).ok_or_else(|| format!("/proc/{pid}/stat is not understood"))?.own)
}

/// The same with all that descend from it: PostgreSQL has a process for each connection.
pub fn cpu_time_of_all(pid: u32) -> Result<Duration, Failure> {
    let mut all = HashMap::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // Whoever ends just now is counted by its parent.
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok().and_then(|text| parse_stat(&text));
        all.extend(stat.map(|stat| (id, stat)));
    }
    if !all.contains_key(&pid) {
        return Err(format!("process {pid} is gone; its last words may stand above").into());
    }
    Ok(all.iter().filter(|(id, _)| descends(&all, **id, pid)).map(|(_, stat)| stat.own + stat.ended).sum())
}

/// Bounded: while `/proc` is read, ids may be given anew and make a circle.
fn descends(all: &HashMap<u32, Stat>, id: u32, from: u32) -> bool {
    const DEPTH_MAX: usize = 64;
    let line = std::iter::successors(Some(id), |id| all.get(id).map(|stat| stat.parent));
    line.take(DEPTH_MAX).any(|id| id == from)
}

/// The parent is field 4, own `utime` and `stime` are 14 and 15, those of ended children 16 and 17; the name in field 2
/// may hold anything, so counting begins behind it.
fn parse_stat(stat: &str) -> Option<Stat> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let sum = |at: usize| {
        let (user, system): (u64, u64) = (fields.get(at)?.parse().ok()?, fields.get(at + 1)?.parse().ok()?);
        Some(Duration::from_millis((user + system) * 1_000 / TICKS_PER_SECOND))
    };
    Some(Stat { parent: fields.get(1)?.parse().ok()?, own: sum(11)?, ended: sum(13)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_behind_a_name_with_spaces_and_brackets() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 100 0 0 0 150 30 20 5 20 0 3 0 12 1000 5 18446744073709551615";
        let [own, ended] = [1_800, 250].map(Duration::from_millis);
        assert_eq!(parse_stat(stat), Some(Stat { parent: 1, own, ended }));
        assert_eq!(parse_stat("7 (a) S 1"), None);
    }

    #[test]
    fn a_process_descends_from_itself_and_from_those_that_started_it() {
        let stat = |parent| Stat { parent, own: Duration::ZERO, ended: Duration::ZERO };
        let all = HashMap::from([(2, stat(1)), (3, stat(2)), (4, stat(5)), (5, stat(4))]);
        assert_eq!([2, 3, 4, 5].map(|id| descends(&all, id, 2)), [true, true, false, false]);
        assert!(cpu_time_of_all(std::process::id()).is_ok());
    }
}
