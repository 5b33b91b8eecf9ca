//! The contract's fixtures in one file. Components of one language differ in little else than the plugin, so that they are small
//! together: a tar, in which those are neighbours, compressed by zstd with a window that sees several of them.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

/// The window is 128 MiB: a component in Python has 18.
const WINDOW_LOG: u32 = 27;
const LEVEL: i32 = 19;

/// Writes all components of a folder, in the order of their names: `<language>-<kind>.wasm`.
pub fn write(folder: &Path, to: impl Write) -> io::Result<()> {
    let mut names: Vec<_> = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    names.retain(|name| Path::new(name).extension().is_some_and(|extension| extension == "wasm"));
    names.sort();
    let mut encoder = zstd::Encoder::new(to, LEVEL)?;
    encoder.long_distance_matching(true)?;
    encoder.window_log(WINDOW_LOG)?;
    encoder.include_checksum(true)?;
    let mut tar = tar::Builder::new(encoder);
    // Without owners and dates: the same components are the same archive.
    tar.mode(tar::HeaderMode::Deterministic);
    for name in names {
        tar.append_path_with_name(folder.join(&name), &name)?;
    }
    tar.into_inner()?.finish()?.flush()
}

/// Hands over each component with its name, without `.wasm`.
pub fn read(from: impl Read, mut each: impl FnMut(&str, Vec<u8>) -> io::Result<()>) -> io::Result<()> {
    let mut decoder = zstd::Decoder::new(from)?;
    decoder.window_log_max(WINDOW_LOG)?;
    for entry in tar::Archive::new(decoder).entries()? {
        let mut entry = entry?;
        let name = entry.path()?.with_extension("").to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        each(&name, bytes)?;
    }
    Ok(())
}
