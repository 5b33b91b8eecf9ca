//! The raw storage read: the log's files, with plain reads and one buffer. They were just written, so they come from the
//! kernel's memory, as those that the server reads do.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use weir_bench::Failure;

const BUFFER_BYTES: usize = 1 << 20;

/// All files from the first byte to the last: bytes, and how long it took.
pub fn scan(segments: &[(PathBuf, u64)]) -> Result<(u64, Duration), Failure> {
    let (mut buffer, mut bytes, begin) = (vec![0; BUFFER_BYTES], 0, Instant::now());
    for (path, length) in segments {
        let file = File::open(path)?;
        let mut at = 0;
        while at < *length {
            let read = file.read_at(&mut buffer, at)?;
            if read == 0 {
                break;
            }
            at += read as u64;
        }
        bytes += at;
    }
    Ok((bytes, begin.elapsed()))
}

/// So many bytes at a place that `dice` chooses among all where so many follow; of a shorter file, all that there is.
pub fn piece(files: &[(File, u64)], bytes: u64, dice: u64, buffer: &mut Vec<u8>) -> Result<(u64, Duration), Failure> {
    let (file, length) = files.get(dice as usize % files.len().max(1)).ok_or("the log has no files")?;
    let bytes = bytes.min(*length);
    buffer.resize(usize::try_from(bytes)?, 0);
    let at = (dice >> 16) % (length - bytes + 1);
    let begin = Instant::now();
    file.read_exact_at(buffer, at)?;
    Ok((bytes, begin.elapsed()))
}
