//! `weir plugin keygen` and `weir plugin sign`: signatures for servers that take only signed plugins.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::plugin::SigningKey;

#[derive(Debug, clap::Args)]
pub struct KeygenArgs {
    /// Where the secret key goes; the public one goes to FILE.pub
    #[arg(value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct SignArgs {
    /// The component
    file: PathBuf,
    /// The secret key that `weir plugin keygen` made
    #[arg(long, value_name = "FILE", env = "WEIR_SIGNING_KEY_FILE")]
    key: PathBuf,
}

pub fn keygen(args: KeygenArgs) -> Result<(), Failure> {
    let (key, secret) = SigningKey::generate()?;
    let public = with_ending(&args.out, "pub");
    write_new(&args.out, &secret, 0o600)?;
    write_new(&public, &key.public_line(), 0o644)?;
    println!("secret key: {}; keep it where the builds are signed", args.out.display());
    println!("public key: {}; servers take it with --plugin-keys", public.display());
    Ok(())
}

pub fn sign(args: SignArgs) -> Result<(), Failure> {
    let unreadable = |path: &Path, error| format!("{} cannot be read: {error}", path.display());
    let text = std::fs::read_to_string(&args.key).map_err(|error| unreadable(&args.key, error))?;
    let key = SigningKey::parse(&text).map_err(|error| format!("{}: {error}", args.key.display()))?;
    let bytes = std::fs::read(&args.file).map_err(|error| unreadable(&args.file, error))?;
    let signature = with_ending(&args.file, "sig");
    std::fs::write(&signature, key.sign(&bytes))
        .map_err(|error| format!("{} cannot be written: {error}", signature.display()))?;
    println!("{}", signature.display());
    Ok(())
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// A key that is there is never overwritten.
fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let written = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = written.and_then(|mut file| file.write_all(text.as_bytes()));
    Ok(written.map_err(|error| format!("{} cannot be written: {error}", path.display()))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_signs() {
        let dir = tempfile::tempdir().expect("a directory");
        let (out, file) = (dir.path().join("key"), dir.path().join("p.wasm"));
        keygen(KeygenArgs { out: out.clone() }).expect("a key");
        let error = keygen(KeygenArgs { out: out.clone() }).expect_err("it is there").to_string();
        assert!(error.contains("cannot be written"), "{error}");
        assert_eq!(std::fs::metadata(&out).expect("a key").permissions().mode() & 0o777, 0o600);
        std::fs::write(&file, b"component").expect("a file");
        sign(SignArgs { file: file.clone(), key: out }).expect("signed");
        let text = std::fs::read_to_string(dir.path().join("p.wasm.sig")).expect("a signature");
        assert!(text.starts_with("ed25519:"), "{text}");
        let error = sign(SignArgs { file, key: dir.path().join("key.pub") }).expect_err("no secret key").to_string();
        assert!(error.contains("it is not a key that `weir plugin keygen` made"), "{error}");
    }
}
