//! The contract between server and plugins, as it was released (`cargo xtask contract` stored it). It never moves: this says plainly
//! when it did.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use weir::plugin::Sidecar;

use crate::hostile::{Shop, call};

const MOVED: &str = "the contract moved, and it is frozen: plugins that were built against 1.0.0 fit every server of 1.x. What is \
                     new is a new interface, or a function of an imported one, in a new minor version";

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What a component sees of interfaces: all but comments and empty lines.
fn code(text: &str) -> Vec<&str> {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default().trim_end());
    lines.filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_interfaces_are_those_that_were_stored() {
    let files = std::fs::read_dir(here("../wit")).expect("wit").map(|file| file.expect("a file").path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    let now: String = files.iter().map(|file| std::fs::read_to_string(file).expect("an interface")).collect();
    let stored = std::fs::read_to_string(here("fixtures/contract/contract.wit")).expect("the fixture");
    for (old, new) in code(&stored).iter().zip(code(&now)) {
        assert_eq!(*old, new, "{MOVED}");
    }
    assert_eq!(code(&stored).len(), code(&now).len(), "{MOVED}");
}

const LANGUAGES: [&str; 4] = ["c", "python", "rust", "ts"];
/// Each kind, with the functions of it that are called.
const KINDS: [(&str, &[&str]); 7] = [
    ("validator", &["validate"]),
    ("guard", &["guard"]),
    ("upcaster", &["upcast"]),
    ("decider", &["evolve", "decide"]),
    ("projection", &["apply", "query"]),
    ("manager", &["react", "timer", "refused"]),
    ("sink", &["check", "deliver"]),
];

/// The file that has been stored when the contract was released, unpacked.
fn stored() -> &'static Path {
    static STORED: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let dir = tempfile::tempdir().expect("a directory");
        let archive = std::fs::File::open(here("fixtures/contract/components.tar.xz")).expect("the fixture");
        let place = |name: &str, bytes: Vec<u8>| std::fs::write(dir.path().join(format!("{name}.wasm")), bytes);
        weir_contract_archive::read(archive, place).expect("the fixture");
        dir
    });
    STORED.path()
}

#[test]
fn there_is_a_component_of_each_kind_in_each_language() {
    let mut names: Vec<String> = std::fs::read_dir(stored())
        .expect("the fixtures")
        .map(|file| file.expect("a file").file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    let mut all: Vec<String> = LANGUAGES
        .iter()
        .flat_map(|language| KINDS.iter().map(move |(kind, _)| format!("{language}-{kind}.wasm")))
        .collect();
    all.sort();
    assert_eq!(names, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn components_that_were_built_before_are_loaded_and_called() {
    let shop = Shop::keeping(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("contract-cache"));
    for (kind, calls) in KINDS {
        for language in LANGUAGES {
            let bytes = std::fs::read(stored().join(format!("{language}-{kind}.wasm"))).expect("the fixture");
            let config = match (language, kind) {
                ("rust", "guard") => "[[config.rules]]\ncommand = \"add\"\ncheck = \"payload.by > 0\"\n",
                _ => "",
            };
            let sidecar = format!("grants.append = [\"*\"]\n{config}");
            let sidecar = Sidecar::parse("odd.toml", &sidecar).expect("a side-car");
            let what = format!("{kind} in {language}");
            let piece = shop.take(bytes, sidecar).await.unwrap_or_else(|error| panic!("{what} {error}: {MOVED}"));
            for name in calls {
                if let Err(error) = call(&piece, name).await {
                    panic!("{what}, {name}: {error}: {MOVED}");
                }
            }
        }
    }
}

/// Those of tests/contract still do what they did: what they ask of the host and what they are told means the same.
#[tokio::test(flavor = "multi_thread")]
async fn components_that_were_built_before_do_what_their_cases_say() {
    crate::languages::cases_of(stored()).await;
}
