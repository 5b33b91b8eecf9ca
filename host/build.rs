//! Finds the sample plugins that are embedded in the binary. It builds nothing itself: `cargo xtask plugins` does.

use std::path::Path;

fn main() {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/dist");
    for name in ["schema", "webhook"] {
        let file = dist.join(format!("{name}.wasm"));
        println!("cargo::rerun-if-changed={}", file.display());
        if !file.is_file() {
            println!(
                "cargo::error=plugins/dist/{name}.wasm is missing; build the sample plugins first: cargo xtask plugins"
            );
        }
    }
}
