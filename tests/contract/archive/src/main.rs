//! `weir-contract-archive FOLDER FILE`: stores a folder's components.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, file] = args.as_slice() else {
        eprintln!("weir-contract-archive FOLDER FILE");
        return ExitCode::FAILURE;
    };
    match store(Path::new(folder), Path::new(file)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{file}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Written beside and renamed, so that there is never half an archive.
fn store(folder: &Path, file: &Path) -> io::Result<()> {
    let beside = file.with_extension("part");
    weir_contract_archive::write(folder, File::create(&beside)?)?;
    std::fs::rename(beside, file)
}
