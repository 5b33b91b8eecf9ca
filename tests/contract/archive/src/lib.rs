//! The contract's fixtures in one file. Components of one language differ in little else than the plugin, so that they are small
//! together: a tar, in which those are neighbours, as xz with a dictionary that sees several of them.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use lzma_rust2::{XzOptions, XzReader, XzWriter};

const PRESET: u32 = 9;
/// A component in Python has 18 MiB.
const DICTIONARY_BYTES: u32 = 128 << 20;

/// Writes all components of a folder, in the order of their names: `<language>-<kind>.wasm`.
pub fn write(folder: &Path, to: impl Write) -> io::Result<()> {
    let mut names: Vec<_> = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
    names.retain(|name| Path::new(name).extension().is_some_and(|extension| extension == "wasm"));
    names.sort();
    let mut options = XzOptions::with_preset(PRESET);
    options.lzma_options.dict_size = DICTIONARY_BYTES;
    let mut tar = tar::Builder::new(XzWriter::new(to, options)?);
    // Without owners and dates: the same components are the same archive.
    tar.mode(tar::HeaderMode::Deterministic);
    for name in names {
        tar.append_path_with_name(folder.join(&name), &name)?;
    }
    tar.into_inner()?.finish()?.flush()
}

/// Hands over each component with its name, without `.wasm`.
pub fn read(from: impl Read, mut each: impl FnMut(&str, Vec<u8>) -> io::Result<()>) -> io::Result<()> {
    for entry in tar::Archive::new(XzReader::new(from, false)).entries()? {
        let mut entry = entry?;
        let name = entry.path()?.with_extension("").to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        each(&name, bytes)?;
    }
    Ok(())
}
