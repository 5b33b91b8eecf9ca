//! Builds the WebAssembly guests and puts them where the server and the tests look for them.
//! A file that did not change is left alone: its date would make cargo compile the server again.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use crate::run::{Failure, cargo_command, finish, root, target_dir};
use crate::setup::TARGET;

struct Guest {
    package: &'static str,
    folder: &'static str,
    name: &'static str,
}

const GUESTS: [Guest; 20] = [
    Guest { package: "weir-plugin-schema", folder: "plugins/dist", name: "schema" },
    Guest { package: "weir-plugin-webhook", folder: "plugins/dist", name: "webhook" },
    Guest { package: "weir-plugin-current-state", folder: "plugins/dist", name: "current-state" },
    Guest { package: "weir-plugin-json-patch", folder: "plugins/dist", name: "json-patch" },
    Guest { package: "weir-plugin-rules", folder: "plugins/dist", name: "rules" },
    Guest { package: "weir-plugin-state-machine", folder: "plugins/dist", name: "state-machine" },
    Guest { package: "weir-plugin-items", folder: "plugins/dist", name: "items" },
    Guest { package: "weir-plugin-account-balances", folder: "plugins/bank/dist", name: "account-balances" },
    Guest { package: "weir-plugin-account-opened-v2", folder: "plugins/bank/dist", name: "account-opened-v2" },
    Guest { package: "weir-plugin-bank-account", folder: "plugins/bank/dist", name: "bank-account" },
    Guest { package: "weir-plugin-card-number-guard", folder: "plugins/bank/dist", name: "card-number-guard" },
    Guest { package: "weir-plugin-transfers", folder: "plugins/bank/dist", name: "transfers" },
    Guest { package: "weir-example-validator", folder: "plugins/examples/dist", name: "rust-validator" },
    Guest { package: "weir-example-projection", folder: "plugins/examples/dist", name: "rust-projection" },
    Guest { package: "weir-guest-odd", folder: "tests/guests/dist", name: "odd" },
    Guest { package: "weir-guest-odd-decider", folder: "tests/guests/dist", name: "odd-decider" },
    Guest { package: "weir-guest-odd-manager", folder: "tests/guests/dist", name: "odd-manager" },
    Guest { package: "weir-guest-odd-projection", folder: "tests/guests/dist", name: "odd-projection" },
    Guest { package: "weir-guest-odd-sink", folder: "tests/guests/dist", name: "odd-sink" },
    Guest { package: "weir-guest-odd-upcaster", folder: "tests/guests/dist", name: "odd-upcaster" },
];

/// How guests are compiled. Every WebAssembly engine of the last years has 128-bit SIMD, and the schema plugin reads text
/// with it. Without the paths of the machine that built them (they are in the texts of panics) the files are the same from
/// every machine with the same compiler.
fn flags() -> Result<String, Failure> {
    let mut flags = String::from("-C target-feature=+simd128");
    for sources in registry_sources()? {
        flags.push_str(&format!(" --remap-path-prefix={}=", sources.display()));
    }
    Ok(flags)
}

/// Where cargo unpacks crates. On a fresh machine they are fetched first, or the flags would change with the first build.
fn registry_sources() -> Result<Vec<PathBuf>, Failure> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"))).unwrap_or_default();
    let list = || -> Vec<PathBuf> {
        let dirs = fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
        dirs.map(|dir| dir.path()).collect()
    };
    if list().is_empty() {
        let mut command = cargo_command();
        command.args(["fetch", "--locked"]);
        finish(command, "cargo fetch --locked")?;
    }
    let mut sources = list();
    sources.sort();
    Ok(sources)
}

/// Builds all of them in one call of cargo, then copies what changed.
pub fn build() -> Result<(), Failure> {
    let mut args = vec!["build", "--profile", "plugin", "--target", TARGET];
    for guest in &GUESTS {
        args.extend(["-p", guest.package]);
    }
    let mut command = cargo_command();
    command.args(&args).env("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS", flags()?);
    finish(command, &format!("cargo {}", args.join(" ")))?;
    GUESTS.iter().try_for_each(place)
}

fn place(guest: &Guest) -> Result<(), Failure> {
    let built = target_dir().join(TARGET).join("plugin").join(format!("{}.wasm", guest.package.replace('-', "_")));
    let placed = root().join(guest.folder).join(format!("{}.wasm", guest.name));
    match copy_if_changed(&built, &placed) {
        Ok(bytes) => {
            eprintln!("  {}/{}.wasm {} KB", guest.folder, guest.name, bytes / 1024);
            Ok(())
        }
        Err(error) => Err(Failure::new(format!("{} could not be put in place: {error}", built.display()))),
    }
}

/// Written beside and renamed, because a running server may be watching the folder.
fn copy_if_changed(from: &Path, to: &Path) -> io::Result<usize> {
    let bytes = fs::read(from)?;
    if fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(bytes.len());
    }
    let folder = to.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    let beside = to.with_extension("wasm.part");
    fs::write(&beside, &bytes)?;
    fs::rename(&beside, to)?;
    Ok(bytes.len())
}
