//! What a server takes: memory of its process, and room on the disk.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Serialize;
use weir_bench::Failure;

/// In bytes, resident: now, and the most it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    pub now: u64,
    pub peak: u64,
}

impl Memory {
    pub fn of(pid: u32) -> Result<Self, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        Ok(parse(&status).ok_or_else(|| format!("/proc/{pid}/status is not understood"))?)
    }
}

fn parse(status: &str) -> Option<Memory> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1_024)
    };
    Some(Memory { now: field("VmRSS:")?, peak: field("VmHWM:")? })
}

/// Of all files in a directory and those in it, as the disk holds them. What is removed meanwhile takes nothing.
pub fn disk_bytes(dir: &Path) -> Result<u64, Failure> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            bytes += disk_bytes(&path)?;
        } else if let Ok(metadata) = path.metadata() {
            bytes += metadata.blocks() * 512;
        }
    }
    Ok(bytes)
}

/// What is free for whoever is not root.
pub fn free_bytes(dir: &Path) -> Result<u64, Failure> {
    let room = rustix::fs::statvfs(dir)?;
    Ok(room.f_bavail * room.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_by_name() {
        let status = "Name:\tweir\nVmHWM:\t    300 kB\nVmRSS:\t    200 kB\n";
        assert_eq!(parse(status), Some(Memory { now: 200 << 10, peak: 300 << 10 }));
        assert_eq!(parse("VmRSS:\t200 kB\n"), None);
    }

    #[test]
    fn files_in_directories_below_are_counted() {
        let dir = std::env::temp_dir().join(format!("weir-footprint-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("log")).expect("a directory");
        std::fs::write(dir.join("log/one"), [1; 10_000]).expect("written");
        assert!((10_000..20_000).contains(&disk_bytes(&dir).expect("bytes")));
        assert!(free_bytes(&dir).expect("room") > 0);
        std::fs::remove_dir_all(&dir).expect("removed");
    }
}
