//! Finds the sample plugins that are embedded in the binary, and lists the files that `weir plugin new` writes. It builds
//! nothing itself: `cargo xtask plugins` does.

use std::fmt::Write;
use std::path::Path;

/// Where files of new projects come from, and what their paths begin with in the list.
const FOLDERS: [(&str, &str); 3] = [("templates", "templates"), ("../wit", "wit"), ("../plugin-sdk/src", "sdk")];
/// What the examples have that projects can use as it is.
const SHARED: [&str; 4] = ["typescript/weir.d.ts", "c/json.c", "c/json.h", "c/memory.h"];

fn main() {
    // Asked for when it runs: two checkouts may share one target directory, and so this program.
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("Cargo says where");
    let root = Path::new(&root);
    let dist = root.join("../plugins/dist");
    for name in ["schema", "webhook"] {
        let file = dist.join(format!("{name}.wasm"));
        println!("cargo::rerun-if-changed={}", file.display());
        if !file.is_file() {
            println!(
                "cargo::error=plugins/dist/{name}.wasm is missing; build the sample plugins first: cargo xtask plugins"
            );
        }
    }
    let mut list = String::from("&[\n");
    for (folder, prefix) in FOLDERS {
        println!("cargo::rerun-if-changed={}", root.join(folder).display());
        add(&root.join(folder), prefix, &mut list);
    }
    for name in SHARED {
        let path = root.join("../plugins/examples").join(name);
        println!("cargo::rerun-if-changed={}", path.display());
        line(name, &path, &mut list);
    }
    list.push_str("]\n");
    let out = std::env::var("OUT_DIR").expect("Cargo says where");
    std::fs::write(Path::new(&out).join("project_files.rs"), list).expect("a place to write");
}

/// Every file below a folder, as its path and its text.
fn add(folder: &Path, prefix: &str, list: &mut String) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            add(&path, &format!("{prefix}/{name}"), list);
        } else if !name.starts_with('.') {
            line(&format!("{prefix}/{name}"), &path, list);
        }
    }
}

fn line(name: &str, path: &Path, list: &mut String) {
    // Writing to a String cannot fail.
    let _ = writeln!(list, "    ({name:?}, include_str!({:?})),", path.display().to_string());
}
