//! What the disk can make durable: one thread writes the bytes of so many events to a file, then fdatasync. That is all
//! that a store with group commit can hope for when so many events wait for one commit.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;
use weir_bench::Failure;

use crate::cpu::cpu_time;
use crate::events::Batch;
use crate::measured::Measured;

/// Bytes of the preallocated file; writing goes round in it, as in log segments that are used again.
const PREALLOCATED_BYTES: u64 = 64 << 20;
/// Bytes at which the growing file is cut, so that no run fills a disk. Cutting is not measured.
const GROWING_BYTES_MAX: u64 = 1 << 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Space {
    /// Zeros were written and synced before: commits need not change the file's metadata.
    Preallocated,
    Growing,
}

/// Whether a checksum goes before the bytes of each write, as in every log that is to be read again after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    No,
    Crc32,
}

/// Bytes of a checksum and a length.
const HEAD_BYTES: u64 = 8;

/// Measures on this thread, for `time`.
pub fn run(dir: &Path, space: Space, checksum: Checksum, events: usize, time: Duration) -> Result<Measured, Failure> {
    let path = dir.join(match space {
        Space::Preallocated => "preallocated",
        Space::Growing => "growing",
    });
    let file = prepare(&path, space).map_err(|error| format!("cannot prepare {}: {error}", path.display()))?;
    let mut batch = Batch::body("orders", events);
    let pid = std::process::id();
    let (mut latencies_ns, mut offset, mut uncounted) = (Vec::new(), 0, Duration::ZERO);
    let (cpu, start) = (cpu_time(pid)?, Instant::now());
    while start.elapsed() < time {
        let begin = Instant::now();
        let bytes = batch.numbered((latencies_ns.len() * events) as u64);
        let length = write(&file, bytes, offset, checksum)?;
        file.sync_data()?;
        latencies_ns.push(u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX));
        offset += length;
        if space == Space::Preallocated && offset + length > PREALLOCATED_BYTES {
            offset = 0;
        } else if offset > GROWING_BYTES_MAX {
            let cutting = Instant::now();
            file.set_len(0)?;
            file.sync_all()?;
            offset = 0;
            uncounted += cutting.elapsed();
        }
    }
    let (took, cpu) = (start.elapsed() - uncounted, cpu_time(pid)?.saturating_sub(cpu));
    if space == Space::Growing {
        std::fs::remove_file(&path)?;
    }
    Ok(Measured::new((latencies_ns.len() * events) as u64, took, latencies_ns, cpu, Duration::ZERO))
}

/// Writes at `offset`; how many bytes. A checksum is a write of its own, as copying the bytes behind it would cost more.
fn write(file: &File, bytes: &[u8], offset: u64, checksum: Checksum) -> Result<u64, std::io::Error> {
    let (length, mut head) = (bytes.len() as u64, 0);
    if checksum == Checksum::Crc32 {
        let sum = u64::from(crc32fast::hash(bytes)) << 32 | length;
        file.write_all_at(&sum.to_le_bytes(), offset)?;
        head = HEAD_BYTES;
    }
    file.write_all_at(bytes, offset + head)?;
    Ok(head + length)
}

/// The preallocated file stays for the next case of its kind.
fn prepare(path: &Path, space: Space) -> Result<File, std::io::Error> {
    let file = File::options().write(true).create(true).truncate(false).open(path)?;
    if space == Space::Preallocated && file.metadata()?.len() < PREALLOCATED_BYTES {
        let zeros = vec![0; 1 << 20];
        for offset in (0..PREALLOCATED_BYTES).step_by(zeros.len()) {
            file.write_all_at(&zeros, offset)?;
        }
    }
    file.sync_all()?;
    Ok(file)
}
